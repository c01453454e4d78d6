//! Reads one unit of a table into segments, unless nothing of it has changed.
//!
//! ```text
//!   sum ──equal to the stamp──> the piece of the snapshot before, unread
//!    └─> page ──> page ──> .. ──> segment ──> .. ──> sum again: the stamp, if it is the same
//! ```
//!
//! Equal sums before and after mean that the pages say what it is the sum of (`coordinator/src/scan/sum.rs`). A shard
//! of a range table is cut into pieces while it is read. Their own sums are asked for afterwards: where they add up
//! to that of all of it before, each of them is of what was read, since nothing else would add up to that.

use super::failed::failed;
use super::pace::Pace;
use super::plan::{PIECE_BYTES, least, scan_of};
use super::sums;
use super::time::millis;
use crate::bulk::{Pauses, is_passing};
use crate::exit::{Exit, Failure};
use quorate_api::text::to_base64url;
use quorate_backup::Repository;
use quorate_backup::notes::Unit;
use quorate_backup::record::{Record, Totals};
use quorate_backup::segment::{Sealed, Writer};
use quorate_backup::snapshot::{Over, Piece, Segment};
use quorate_client::{Client, Item, Scan, Scanning};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long a piece may take to be read and still get a stamp. A key that was put and removed meanwhile leaves the sum as it
/// was once its removal is purged, which takes far longer (`purge.after`, an hour unless it is set).
const STAMP_MAX: Duration = Duration::from_mins(10);

/// What readers share.
#[derive(Clone)]
pub struct Reading {
    /// Where the table is asked for.
    pub client: Client,
    /// Where segments go.
    pub repository: Repository,
    /// How fast it may go.
    pub pace: Arc<Pace>,
    /// The snapshot's name.
    pub id: String,
}

/// A unit that is to be read.
#[derive(Clone, Debug)]
pub struct Job {
    /// The place of its table.
    pub table: usize,
    /// Its place in that.
    pub place: usize,
    /// The table's name.
    pub name: String,
    /// Whether it is of a range table.
    pub is_range: bool,
    /// How far it is.
    pub unit: Unit,
    /// The same piece in the snapshot before, and what the pages of its table promised.
    pub known: Option<(Piece, String)>,
}

/// How far a unit is now: all that it says is durable.
#[derive(Clone, Debug)]
pub struct Told {
    /// The place of its table.
    pub table: usize,
    /// Its place in that.
    pub place: usize,
    /// How far it is.
    pub unit: Unit,
    /// What the pages promised since.
    pub guarantee: Option<String>,
    /// Keys since, read or taken over.
    pub keys: u64,
    /// Bytes since.
    pub bytes: u64,
}

/// A unit on its way.
struct Reader<'a> {
    with: &'a Reading,
    job: Job,
    /// When its sum was asked for; `None`: a command before this one has begun it.
    begun: Option<Instant>,
    writer: Writer,
    /// The last key that was read.
    last: Option<Vec<u8>>,
    guarantee: Option<String>,
}

impl Reading {
    /// Reads a unit to its end, and says how far it is whenever more of it is durable.
    pub async fn read(
        &self,
        mut job: Job,
        told: &mpsc::Sender<Result<Told, Failure>>,
    ) -> Result<(), Failure> {
        let begins = job.unit.cursor.is_none() && job.unit.pieces.is_empty();
        let begun = begins.then(Instant::now);
        if begins {
            job.unit.before = sums::of(&self.client, &job.name, &job.unit.over).await;
            if let Some((piece, guarantee)) = job.known.take_if(|(piece, _)| is_same(piece, &job.unit)) {
                let (keys, bytes) = (piece.keys, piece.bytes);
                let unit = Unit { pieces: vec![piece], is_over: true, ..job.unit };
                let (table, place, guarantee) = (job.table, job.place, Some(guarantee));
                drop(told.send(Ok(Told { table, place, unit, guarantee, keys, bytes })).await);
                return Ok(());
            }
        }
        let scan = Scan { cursor: job.unit.cursor.clone(), ..scan_of(&job.unit.over)? };
        let scanning = self.client.scan(&job.name, &scan);
        let reader = Reader { with: self, job, begun, writer: Writer::new(), last: None, guarantee: None };
        reader.read(scanning, told).await
    }
}

/// Whether nothing of a piece has changed since it was read.
fn is_same(piece: &Piece, unit: &Unit) -> bool {
    piece.over == unit.over && piece.stamp.is_some() && piece.stamp == unit.before
}

impl Reader<'_> {
    async fn read(
        mut self,
        mut scanning: Scanning,
        told: &mpsc::Sender<Result<Told, Failure>>,
    ) -> Result<(), Failure> {
        loop {
            turn(&mut scanning).await?;
            let items: Vec<Item> = scanning.at_hand().collect();
            let (cursor, is_over) = (scanning.cursor().map(str::to_owned), scanning.is_over());
            if let Some(guarantee) = scanning.guarantee() {
                let before = self.guarantee.as_deref().unwrap_or(guarantee);
                self.guarantee = Some(least(before, guarantee));
            }
            self.take(items).await?;
            let is_full = self.writer.totals().bytes >= PIECE_BYTES && self.last.is_some();
            if !is_over && !is_full {
                continue;
            }
            let totals = self.end_segment(is_over).await?;
            self.job.unit.cursor = cursor;
            if is_over {
                self.stamp().await;
                self.job.unit.is_over = true;
            }
            let Job { table, place, unit, .. } = self.job.clone();
            let (keys, bytes, guarantee) = (totals.records, totals.bytes, self.guarantee.clone());
            let is_wanted = told.send(Ok(Told { table, place, unit, guarantee, keys, bytes })).await;
            if is_over || is_wanted.is_err() {
                return Ok(());
            }
        }
    }

    /// The keys of a page.
    async fn take(&mut self, items: Vec<Item>) -> Result<(), Failure> {
        let records = items.into_iter().map(record).collect::<Result<Vec<Record>, Failure>>()?;
        self.with.pace.take(records.iter().map(Record::bytes).sum()).await;
        if let Some(last) = records.last() {
            self.last = Some(last.key.clone());
        }
        let mut writer = std::mem::take(&mut self.writer);
        self.writer = apart(move || {
            for record in &records {
                writer.push(record);
            }
            writer
        })
        .await;
        Ok(())
    }

    /// What was read since the last segment becomes one.
    async fn end_segment(&mut self, is_over: bool) -> Result<Totals, Failure> {
        let writer = std::mem::take(&mut self.writer);
        let sealed: Sealed = apart(move || writer.finish()).await;
        let totals = sealed.totals;
        let segment = match totals.records {
            0 => None,
            _ => Some(self.with.repository.keep(sealed).await.map_err(failed)?),
        };
        let behind = self.last.as_ref().filter(|_| !is_over).map(|last| [last, &b"\0"[..]].concat());
        let behind = behind.map(|key| to_base64url(&key));
        add(&mut self.job.unit, self.job.is_range, &self.with.id, (totals, segment), behind);
        Ok(totals)
    }

    /// Asks for the sums by which it is known later that nothing has changed.
    async fn stamp(&mut self) {
        let (client, name) = (&self.with.client, &self.job.name);
        let unit = &mut self.job.unit;
        // Once a removal is purged, what was put and removed meanwhile leaves the same sum.
        let is_recent = self.begun.is_some_and(|begun| begun.elapsed() < STAMP_MAX);
        let Some(before) = unit.before.clone().filter(|_| is_recent) else { return };
        if sums::of(client, name, &unit.over).await.as_ref() != Some(&before) {
            return;
        }
        if let [piece] = unit.pieces.as_mut_slice() {
            piece.stamp = Some(before);
            return;
        }
        let mut stamps = Vec::new();
        for piece in &unit.pieces {
            let Some(sum) = sums::of(client, name, &piece.over).await else { return };
            stamps.push(sum);
        }
        if sums::added(&stamps).as_ref() == Some(&before) {
            for (piece, stamp) in unit.pieces.iter_mut().zip(stamps) {
                piece.stamp = Some(stamp);
            }
        }
    }
}

/// Adds what was read to a unit: to its one piece, or of a range table as a piece that ends at `behind`, or with the
/// unit.
fn add(
    unit: &mut Unit,
    is_range: bool,
    id: &str,
    (totals, segment): (Totals, Option<Segment>),
    behind: Option<String>,
) {
    let ends = behind.or_else(|| unit.over.end.clone());
    let is_new = match unit.pieces.last_mut() {
        None => true,
        // Nothing stands behind the last one: it reaches to the end.
        Some(last) if is_range && segment.is_none() => {
            last.over.end.clone_from(&ends);
            false
        }
        Some(_) => is_range,
    };
    if is_new {
        let start = unit.pieces.last().map_or_else(|| unit.over.start.clone(), |last| last.over.end.clone());
        let over = if is_range { Over { part: None, start, end: ends } } else { unit.over.clone() };
        unit.pieces.push(Piece {
            over,
            keys: 0,
            bytes: 0,
            expiring: 0,
            content: Totals::default().content,
            stamp: None,
            read_in: id.to_owned(),
            segments: Vec::new(),
        });
    }
    let piece = unit.pieces.last_mut().expect("there is one");
    let mut all = piece.totals();
    all.join(&totals);
    (piece.keys, piece.bytes, piece.expiring, piece.content) =
        (all.records, all.bytes, all.expiring, all.content);
    piece.segments.extend(segment);
}

/// The next page, asked for again where it is refused for a while.
pub async fn turn(scanning: &mut Scanning) -> Result<(), Failure> {
    let mut pauses = Pauses::new();
    loop {
        match scanning.turn().await.map_err(Failure::from) {
            Err(failure) if is_passing(&failure) && pauses.wait().await => {}
            turned => return turned.map(|_| ()),
        }
    }
}

/// A key of a page, with its value.
pub fn record(item: Item) -> Result<Record, Failure> {
    let strange =
        |what: &str| Failure::new(Exit::Other, format!("the server's answer is not what was asked: {what}"));
    let Item { key, value, listed } = item;
    let expires_at = listed
        .expires_at
        .as_deref()
        .map(|text| millis(text).ok_or_else(|| strange("a time of a key is none")));
    Ok(Record {
        key,
        value: value.ok_or_else(|| strange("a key has no value"))?,
        content_type: listed.content_type.unwrap_or_default(),
        version: listed.version,
        expires_at: expires_at.transpose()?,
    })
}

/// Does something that takes the processor its time.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_backup::record::ContentSum;

    fn read(keys: u64) -> (Totals, Option<Segment>) {
        let totals =
            Totals { records: keys, bytes: 10 * keys, expiring: 0, content: ContentSum(keys.into()) };
        let digest = format!("{keys:064x}");
        (totals, (keys > 0).then_some(Segment { digest, bytes: 100, keys }))
    }

    fn pieces(unit: &Unit) -> Vec<(Option<&str>, Option<&str>, u64, usize)> {
        let pieces = unit.pieces.iter();
        pieces
            .map(|it| (it.over.start.as_deref(), it.over.end.as_deref(), it.keys, it.segments.len()))
            .collect()
    }

    #[test]
    fn a_part_of_a_hash_table_is_one_piece_of_many_segments() {
        let over = Over { part: Some("1/2".to_owned()), ..Over::default() };
        let mut unit = Unit { over: over.clone(), ..Unit::default() };
        add(&mut unit, false, "s", read(3), Some("YQA".to_owned()));
        add(&mut unit, false, "s", read(4), None);
        add(&mut unit, false, "s", read(0), None);
        assert_eq!(pieces(&unit), [(None, None, 7, 2)]);
        assert_eq!((&unit.pieces[0].over, unit.pieces[0].content), (&over, ContentSum(7)));
        let mut empty = Unit { over, ..Unit::default() };
        add(&mut empty, false, "s", read(0), None);
        assert_eq!(pieces(&empty), [(None, None, 0, 0)]);
    }

    #[test]
    fn a_range_is_cut_where_a_segment_ends_and_nothing_lies_between() {
        let over = Over { part: None, start: Some("Yg".to_owned()), end: Some("eg".to_owned()) };
        let mut unit = Unit { over, ..Unit::default() };
        add(&mut unit, true, "s", read(3), Some("YwA".to_owned()));
        add(&mut unit, true, "s", read(4), Some("ZAA".to_owned()));
        let two = [(Some("Yg"), Some("YwA"), 3, 1), (Some("YwA"), Some("ZAA"), 4, 1)];
        assert_eq!(pieces(&unit), two);
        let mut more = unit.clone();
        add(&mut more, true, "s", read(5), None);
        assert_eq!(pieces(&more)[2], (Some("ZAA"), Some("eg"), 5, 1));
        add(&mut unit, true, "s", read(0), None);
        assert_eq!(pieces(&unit), [two[0], (Some("YwA"), Some("eg"), 4, 1)], "nothing stands behind it");
    }

    #[test]
    fn a_piece_is_the_same_by_its_stamp_alone() {
        let over = Over { part: Some("1/1".to_owned()), ..Over::default() };
        let mut unit = Unit { over: over.clone(), before: Some("07".to_owned()), ..Unit::default() };
        add(&mut unit, false, "s", read(1), None);
        let mut piece = unit.pieces[0].clone();
        assert!(!is_same(&piece, &unit), "it has none");
        piece.stamp = Some("07".to_owned());
        assert!(is_same(&piece, &unit));
        unit.before = None;
        assert!(!is_same(&piece, &unit), "the cluster does not know");
        piece.stamp = None;
        assert!(!is_same(&piece, &unit));
        piece.stamp = Some("07".to_owned());
        unit.before = Some("08".to_owned());
        assert!(!is_same(&piece, &unit));
    }
}
