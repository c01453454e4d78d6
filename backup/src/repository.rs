//! A repository: snapshots and their segments, by name, in a store.
//!
//! # What is never lost by accident
//!
//! A snapshot is written after all that it names. [`Repository::prune`] removes snapshots first and then what no
//! snapshot names any more, but for segments that are a day young or that something unfinished may name: a backup
//! that goes on meanwhile loses nothing.

use crate::fault::{Error, Fault};
use crate::notes::{Restore, Unfinished};
use crate::sealed::{self, Document};
use crate::segment::{self, Sealed};
use crate::snapshot::{Page, Segment, Snapshot, is_id};
use crate::store::{Listed, Store};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

/// The repository's own page.
const PAGE: &str = "quorate-backup.json";

/// Most bytes of that page.
const PAGE_BYTES_MAX: u64 = 1 << 20;

const SEGMENTS: &str = "segments";
const SNAPSHOTS: &str = "snapshots";
const UNFINISHED: &str = "unfinished";

/// The end of a snapshot's name.
const DOCUMENT: &str = ".json";

/// The end of a segment's name.
const SEGMENT: &str = ".seg";

/// A snapshot that is being made has its note here: there is one at a time.
const NOTE: &str = "unfinished/snapshot.json";

/// Segments that no snapshot names stay for so long: one that is being made may.
const YOUNG: Duration = Duration::from_secs(24 * 3_600);

/// See the module's essay. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Repository {
    store: Store,
    page: Page,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Snapshots.
    pub snapshots: Vec<String>,
    /// Segments.
    pub segments: u64,
    /// Bytes of these segments.
    pub bytes: u64,
}

impl Repository {
    /// The one that is there.
    pub async fn open(store: Store) -> Result<Self, Error> {
        match read::<Page>(&store, PAGE, PAGE_BYTES_MAX).await? {
            Some(page) => Ok(Self { store, page }),
            None => Err(Error::NoRepository { place: store.place() }),
        }
    }

    /// The same; if there is none, and nothing else either, one is made, with this page.
    pub async fn open_or_make(store: Store, page: Page) -> Result<Self, Error> {
        match Self::open(store.clone()).await {
            Err(Error::NoRepository { place }) => {
                if !store.list("").await?.is_empty() {
                    return Err(Error::Occupied { place });
                }
                store.write(PAGE, sealed::encode(&page)).await?;
                Ok(Self { store, page })
            }
            opened => opened,
        }
    }

    /// Its own page.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        self.store.place()
    }

    /// The names of its snapshots, the oldest first.
    pub async fn ids(&self) -> Result<Vec<String>, Error> {
        let listed = self.store.list(SNAPSHOTS).await?;
        let id =
            |listed: &Listed| listed.name.strip_suffix(DOCUMENT).filter(|id| is_id(id)).map(str::to_owned);
        Ok(listed.iter().filter_map(id).collect())
    }

    /// A snapshot.
    pub async fn snapshot(&self, id: &str) -> Result<Snapshot, Error> {
        if !is_id(id) {
            return Err(Error::NoName { name: id.escape_debug().to_string() });
        }
        let name = format!("{SNAPSHOTS}/{id}{DOCUMENT}");
        let found = read::<Snapshot>(&self.store, &name, sealed::BYTES_MAX).await?;
        let snapshot = found.ok_or_else(|| self.missing(name.clone()))?;
        if snapshot.id == id { Ok(snapshot) } else { Err(self.bad(name, Fault::Exchanged)) }
    }

    /// Every segment that there is, with its bytes, by digest.
    pub async fn segments(&self) -> Result<Vec<Listed>, Error> {
        let mut listed = self.store.list(SEGMENTS).await?;
        listed.retain_mut(|listed| match listed.name.strip_suffix(SEGMENT).map(str::to_owned) {
            Some(digest) => {
                listed.name = digest;
                true
            }
            None => false,
        });
        Ok(listed)
    }

    /// Keeps a segment.
    pub async fn keep(&self, sealed: Sealed) -> Result<Segment, Error> {
        let Sealed { digest, bytes, totals } = sealed;
        let segment = Segment { digest, bytes: bytes.len() as u64, keys: totals.records };
        self.store.write(&name_of(&segment.digest), bytes).await?;
        Ok(segment)
    }

    /// A segment, of which each byte is as it was written.
    pub async fn segment(&self, segment: &Segment) -> Result<Vec<u8>, Error> {
        let name = name_of(&segment.digest);
        let bytes = self.store.read(&name, segment::BYTES_MAX).await?;
        let bytes = bytes.ok_or_else(|| self.missing(name.clone()))?;
        if segment::digest(&bytes) == segment.digest {
            return Ok(bytes);
        }
        let fault = segment::check(&bytes, &segment.digest).err().unwrap_or(Fault::Exchanged);
        Err(self.bad(name, fault))
    }

    /// What is wrong with a segment whose bytes are as they were written.
    pub fn bad_segment(&self, segment: &Segment, fault: Fault) -> Error {
        self.bad(name_of(&segment.digest), fault)
    }

    /// Ends a snapshot: from now on it is there. All of its segments must be.
    pub async fn finish(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let there: BTreeSet<(String, u64)> =
            self.segments().await?.into_iter().map(|listed| (listed.name, listed.bytes)).collect();
        let named = snapshot.segments();
        let absent = named.iter().find(|segment| !there.contains(&(segment.digest.clone(), segment.bytes)));
        if let Some(absent) = absent {
            return Err(self.missing(name_of(&absent.digest)));
        }
        let name = format!("{SNAPSHOTS}/{}{DOCUMENT}", snapshot.id);
        self.store.write(&name, sealed::encode(snapshot)).await?;
        self.store.remove(NOTE).await
    }

    /// The snapshot that was begun and is not finished.
    pub async fn unfinished(&self) -> Result<Option<Unfinished>, Error> {
        read(&self.store, NOTE, sealed::BYTES_MAX).await
    }

    /// Notes how far it is.
    pub async fn note(&self, unfinished: &Unfinished) -> Result<(), Error> {
        self.store.write(NOTE, sealed::encode(unfinished)).await
    }

    /// How far a restore into a cluster is, under a name that tells it from others.
    pub async fn restore(&self, name: &str) -> Result<Option<Restore>, Error> {
        read(&self.store, &format!("{UNFINISHED}/{name}{DOCUMENT}"), sealed::BYTES_MAX).await
    }

    /// Notes how far it is.
    pub async fn note_restore(&self, name: &str, restore: &Restore) -> Result<(), Error> {
        self.store.write(&format!("{UNFINISHED}/{name}{DOCUMENT}"), sealed::encode(restore)).await
    }

    /// It is over.
    pub async fn forget_restore(&self, name: &str) -> Result<(), Error> {
        self.store.remove(&format!("{UNFINISHED}/{name}{DOCUMENT}")).await
    }

    /// Removes all snapshots but the last so many, and the segments that only they name. Where one of those that stay
    /// can't be read nothing is removed: what it names is not known.
    pub async fn prune(&self, keep: usize, now: SystemTime) -> Result<Pruned, Error> {
        let ids = self.ids().await?;
        let (go, stay) = ids.split_at(ids.len().saturating_sub(keep));
        let mut named: BTreeSet<String> = BTreeSet::new();
        let mut parents = Vec::new();
        for id in stay {
            named.extend(
                self.snapshot(id).await?.segments().into_iter().map(|segment| segment.digest.clone()),
            );
        }
        if let Some(unfinished) = self.unfinished().await? {
            let pieces =
                unfinished.tables.iter().flat_map(|table| &table.units).flat_map(|unit| &unit.pieces);
            let segments = pieces.flat_map(|piece| &piece.segments);
            named.extend(segments.map(|segment| segment.digest.clone()));
            parents.extend(unfinished.parent);
        }
        let go: Vec<String> = go.iter().filter(|id| !parents.contains(id)).cloned().collect();
        for parent in parents.iter().filter(|parent| ids.contains(parent)) {
            named.extend(self.snapshot(parent).await?.segments().into_iter().map(|it| it.digest.clone()));
        }
        // Listed before snapshots go, and judged by what was named then.
        let segments = self.segments().await?;
        let mut pruned = Pruned::default();
        for id in go {
            self.store.remove(&format!("{SNAPSHOTS}/{id}{DOCUMENT}")).await?;
            pruned.snapshots.push(id);
        }
        for Listed { name, bytes, written_at } in segments {
            let is_young = now.duration_since(written_at).map_or(true, |age| age < YOUNG);
            if named.contains(&name) || is_young {
                continue;
            }
            self.store.remove(&name_of(&name)).await?;
            pruned.segments += 1;
            pruned.bytes += bytes;
        }
        Ok(pruned)
    }

    fn missing(&self, name: String) -> Error {
        Error::Missing { name, place: self.place() }
    }

    fn bad(&self, name: String, fault: Fault) -> Error {
        Error::Bad { name, place: self.place(), fault }
    }
}

fn name_of(digest: &str) -> String {
    format!("{SEGMENTS}/{digest}{SEGMENT}")
}

async fn read<T: Document>(store: &Store, name: &str, bytes_max: u64) -> Result<Option<T>, Error> {
    let Some(bytes) = store.read(name, bytes_max).await? else { return Ok(None) };
    let bad = |fault| Error::Bad { name: name.to_owned(), place: store.place(), fault };
    sealed::decode(&bytes).map(Some).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::segment::Writer;
    use crate::snapshot::{Cluster, Definition, Over, Piece, Table};

    fn page() -> Page {
        let cluster = Cluster { id: "0".repeat(32), name: "orders".to_owned() };
        Page { cluster, made_at: "2026-11-28T12:00:00Z".to_owned() }
    }

    fn sealed(value: &str) -> Sealed {
        let mut writer = Writer::new();
        writer.push(&Record {
            key: b"k".to_vec(),
            value: value.as_bytes().to_vec(),
            content_type: "text/plain".to_owned(),
            version: "1-1.1.1".to_owned(),
            expires_at: None,
        });
        writer.finish()
    }

    /// A snapshot of a table with one piece of one segment.
    async fn make(repository: &Repository, id: &str, value: &str) -> Snapshot {
        let sealed = sealed(value);
        let totals = sealed.totals;
        let segment = repository.keep(sealed).await.expect("kept");
        let piece = Piece {
            over: Over { part: Some("1/1".to_owned()), ..Over::default() },
            keys: totals.records,
            bytes: totals.bytes,
            expiring: totals.expiring,
            content: totals.content,
            stamp: None,
            read_in: id.to_owned(),
            segments: vec![segment],
        };
        let definition = Definition {
            sharding: "hash".to_owned(),
            n: 1,
            r: "quorum".to_owned(),
            w: "quorum".to_owned(),
            mode: "register".to_owned(),
            shards: 1,
            durability: "sync".to_owned(),
            ttl: None,
            shard_bytes_max: None,
            starts: Vec::new(),
        };
        let (name, consistency) = ("t".to_owned(), "linearizable".to_owned());
        let snapshot = Snapshot {
            id: id.to_owned(),
            parent: None,
            cluster: page().cluster,
            program: "0.1.0".to_owned(),
            began_at: "2026-11-28T12:00:00Z".to_owned(),
            ended_at: "2026-11-28T12:00:01Z".to_owned(),
            tables: vec![Table { name, id: "1".to_owned(), definition, consistency, pieces: vec![piece] }],
        };
        repository.finish(&snapshot).await.expect("finished");
        snapshot
    }

    #[tokio::test]
    async fn a_repository_is_made_where_nothing_is_and_opened_where_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| Store::folder(&folder.path().join(name));
        let none = Repository::open(at("backup")).await.expect_err("there is none");
        assert!(matches!(none, Error::NoRepository { .. }));
        Repository::open_or_make(at("backup"), page()).await.expect("made");
        let other = Page { made_at: String::new(), ..page() };
        let opened = Repository::open_or_make(at("backup"), other).await.expect("opened");
        assert_eq!(opened.page(), &page());
        std::fs::create_dir(folder.path().join("other")).expect("made");
        std::fs::write(folder.path().join("other/file"), "").expect("written");
        let occupied = Repository::open_or_make(at("other"), page()).await.expect_err("occupied");
        assert!(matches!(occupied, Error::Occupied { .. }));
        std::fs::write(folder.path().join("backup").join(PAGE), "{").expect("written");
        let damaged = Repository::open(at("backup")).await.expect_err("damaged");
        assert_eq!(damaged.fault(), Some(&Fault::CutOff));
    }

    #[tokio::test]
    async fn what_is_damaged_missing_or_exchanged_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::folder(folder.path());
        let repository = Repository::open_or_make(store, page()).await.expect("made");
        let [first, second] = [make(&repository, "1", "first").await, make(&repository, "2", "second").await];
        assert_eq!(repository.ids().await.expect("listed"), ["1", "2"]);
        assert_eq!(repository.snapshot("1").await.as_ref(), Ok(&first));
        let segment = |snapshot: &Snapshot| snapshot.tables[0].pieces[0].segments[0].clone();
        let path = |segment: &Segment| folder.path().join(name_of(&segment.digest));
        let (one, other) = (segment(&first), segment(&second));
        let good = std::fs::read(path(&one)).expect("there");
        assert_eq!(repository.segment(&one).await, Ok(good.clone()));
        let fault = |bytes: &[u8]| {
            std::fs::write(path(&one), bytes).expect("written");
            let (repository, one) = (repository.clone(), one.clone());
            async move { repository.segment(&one).await.expect_err("refused").fault().cloned() }
        };
        assert_eq!(fault(&good[..good.len() - 1]).await, Some(Fault::CutOff));
        let mut flipped = good.clone();
        flipped[30] ^= 4;
        assert_eq!(fault(&flipped).await, Some(Fault::Damaged { at: 16 }));
        let exchanged = std::fs::read(path(&other)).expect("there");
        assert_eq!(fault(&exchanged).await, Some(Fault::Exchanged));
        std::fs::remove_file(path(&one)).expect("removed");
        assert!(matches!(repository.segment(&one).await, Err(Error::Missing { .. })));
        assert!(matches!(repository.finish(&first).await, Err(Error::Missing { .. })));
        std::fs::copy(folder.path().join("snapshots/2.json"), folder.path().join("snapshots/1.json"))
            .expect("copied");
        assert_eq!(repository.snapshot("1").await.expect_err("another").fault(), Some(&Fault::Exchanged));
        assert!(matches!(repository.snapshot("../2").await, Err(Error::NoName { .. })));
        assert!(matches!(repository.snapshot("3").await, Err(Error::Missing { .. })));
    }

    #[tokio::test]
    async fn pruning_removes_what_no_snapshot_names_and_is_not_young() {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = Repository::open_or_make(Store::folder(folder.path()), page()).await.expect("made");
        for (id, value) in [("1", "first"), ("2", "both"), ("3", "both")] {
            make(&repository, id, value).await;
        }
        let count = || async { repository.segments().await.expect("listed").len() };
        let now = SystemTime::now();
        let young = repository.prune(2, now).await.expect("pruned");
        assert_eq!((young.snapshots, young.segments, count().await), (vec!["1".to_owned()], 0, 2));
        let later = now + 2 * YOUNG;
        let pruned = repository.prune(1, later).await.expect("pruned");
        assert_eq!((pruned.snapshots, pruned.segments, count().await), (vec!["2".to_owned()], 1, 1));
        // What is being made may take over from a snapshot that is to go.
        make(&repository, "4", "last").await;
        let unfinished = Unfinished {
            id: "5".to_owned(),
            parent: Some("3".to_owned()),
            cluster: page().cluster,
            began_at: String::new(),
            tables: Vec::new(),
        };
        repository.note(&unfinished).await.expect("noted");
        assert_eq!(repository.prune(1, later).await, Ok(Pruned::default()));
        make(&repository, "5", "last").await;
        assert_eq!(
            repository.unfinished().await,
            Ok(None),
            "a snapshot that is finished is unfinished no more"
        );
        let pruned = repository.prune(1, later).await.expect("pruned");
        assert_eq!((pruned.snapshots.len(), pruned.segments), (2, 1));
    }
}
