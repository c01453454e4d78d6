//! The data folder at a start: whose it is, and how an empty one is begun.

use super::{Entry, NodeConfig, StartError, is_like_an_id};
use crate::control::{self, Replacement};
use crate::{access_note, clock};
use quorate_model::{Boot, ClusterId, NodeId};
use quorate_ring::{Called, Catalog, NewNode, RequestId};
use quorate_storage::{
    Acceptance, AcceptanceError, Cause, ConsensusFate, DataFate, Doubt, Engine as _, Identity, OpenError,
    OpenMode, RocksEngine, RunNote, Stage, SumsSetting, identity, keep_private, machine_run,
};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// The file that keeps a join request's id until the folder has an identity.
const JOINING: &str = "joining";

/// A database that another process is just leaving is waited for so long.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Pause before a full disk is tried again.
const DISK_FULL_PAUSE: Duration = Duration::from_secs(1);

/// Members that could say which cluster they belong to are waited for so long.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(1);

/// 128 bits from the operating system.
fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    u128::from_be_bytes(bytes)
}

/// An id for a cluster.
pub fn draw_cluster() -> ClusterId {
    ClusterId(random())
}

/// 64 bits for one run of something.
pub fn draw_boot() -> Boot {
    Boot(getrandom::u64().expect("the operating system has random bytes"))
}

/// What this node says of itself when it founds or joins.
pub struct Introduction<'a> {
    /// What it was told.
    pub config: &'a NodeConfig,
    /// Where peers reach it.
    pub peer_address: &'a str,
    /// This run of it.
    pub boot: Boot,
}

impl Introduction<'_> {
    /// As the catalog wants it.
    pub fn node(&self, request: RequestId) -> NewNode {
        NewNode {
            request,
            name: self.config.name.clone(),
            zone: self.config.zone.clone(),
            weight: self.config.weight,
            http_address: self.config.http_address.clone(),
            peer_address: self.peer_address.to_owned(),
            boot: self.boot,
        }
    }
}

impl Introduction<'_> {
    /// As the leader wants it of a process that comes back.
    pub fn replacement(&self, member: &str) -> Replacement {
        Replacement {
            member: member.to_owned(),
            boot: self.boot,
            http_address: self.config.http_address.clone(),
            peer_address: self.peer_address.to_owned(),
            only_if_filled: None,
            cluster: None,
        }
    }
}

/// Entries that show that a folder is a node's own. One of a file system that was made for it counts too.
fn is_of_a_node(name: &str) -> bool {
    name.strip_suffix(".new").unwrap_or(name) == identity::FILE
        || matches!(
            name.strip_suffix(".new").unwrap_or(name),
            JOINING | access_note::FILE | "db" | "lost+found"
        )
}

/// The folder's identity; an empty folder gets one, as the entry says. From here on no other user can read the folder.
/// Nothing is answered on the port for peers yet.
pub async fn identify(introduction: &Introduction<'_>, peers: &TcpListener) -> Result<Identity, StartError> {
    let config = introduction.config;
    let is_new = !config.data.exists();
    // A folder that is not there is made only where something is to begin in it.
    let is_wanted = config.data.exists() || !matches!(config.entry, Entry::Existing);
    if is_wanted && keep_private(&config.data, is_of_a_node)? {
        tracing::warn!(
            "other users of this machine could read the folder {}: it is kept to this user now (0700, files 0600)",
            config.data.display()
        );
    }
    if let Some(identity) = Identity::read(&config.data)? {
        check_cluster(config, &identity).await?;
        check_member(config, &identity)?;
        warn_of_misleading_name(&config.name, identity.node);
        return Ok(identity);
    }
    let (identity, noted) = match &config.entry {
        Entry::Existing => return Err(StartError::EmptyFolder(config.data.clone())),
        Entry::Found { cluster_name, contacts, knocks } => {
            let here = (peers, &config.secret, introduction.boot);
            if let Some(living) = control::living::find(cluster_name, contacts, *knocks, here).await {
                forget_request(&config.data, is_new);
                return Err(StartError::Living { folder: config.data.clone(), living });
            }
            let identity = Identity {
                cluster: draw_cluster(),
                cluster_name: cluster_name.clone(),
                node: Catalog::FIRST_NODE,
                incarnation: 1,
                stage: Stage::Founding,
                accepted: None,
            };
            (identity, None)
        }
        Entry::Join { addresses } => {
            let request = join_request(&config.data)
                .map_err(|error| StartError::Folder { folder: config.data.clone(), error })?;
            let joined = control::join(addresses, &config.secret, &introduction.node(request)).await;
            // Nothing came of it: a folder that was made for this is as it was.
            let joined = joined.inspect_err(|_| forget_request(&config.data, is_new))?;
            tracing::info!(node = %joined.node, cluster = %joined.cluster, name = joined.name, "joined a cluster");
            warn_of_misleading_name(&config.name, joined.node);
            identity_of(joined, Stage::Joining)
        }
        Entry::Replace { member, addresses } => {
            let wanted = introduction.replacement(member);
            let came = control::replace(addresses, &config.secret, &wanted).await;
            let came = came.inspect_err(|_| forget_request(&config.data, is_new))?;
            let (node, incarnation) = (came.node, came.incarnation);
            tracing::warn!(%node, incarnation, cluster = %came.cluster, "came back as a member whose data are gone");
            identity_of(came, Stage::Replacing)
        }
    };
    // Before the identity: from then on the folder's start asks no member who may do what.
    access_note::replace(&config.data, noted.as_deref())
        .map_err(|error| StartError::Folder { folder: config.data.clone(), error })?;
    identity.write(&config.data)?;
    // It has done its work; a second look at it would find the identity first.
    drop(std::fs::remove_file(config.data.join(JOINING)));
    Ok(identity)
}

/// Of a node that a member has let in, and what it notes of who may do what.
fn identity_of(joined: control::Joined, stage: Stage) -> (Identity, Option<Vec<u8>>) {
    let control::Joined { node, cluster, name, incarnation, access_note } = joined;
    let identity = Identity { cluster, cluster_name: name, node, incarnation, stage, accepted: None };
    (identity, access_note)
}

/// Who joins does not know yet which id it will get, so a name like another one's id is not refused.
fn warn_of_misleading_name(name: &str, node: NodeId) {
    if is_like_an_id(name) && name != node.to_string() {
        tracing::warn!(
            "this node is {node} and its name is {name}, like the id of another one: ask for it as {node} or name:{name}"
        );
    }
}

/// An operator who says which cluster is meant is believed: a folder of another is not opened. With `--join`, only if
/// one of the members answers within a moment: a node that has its catalog needs no other to start.
async fn check_cluster(config: &NodeConfig, identity: &Identity) -> Result<(), StartError> {
    match &config.entry {
        Entry::Existing => {}
        Entry::Found { cluster_name, .. } if *cluster_name == identity.cluster_name => {}
        Entry::Found { cluster_name, .. } => {
            return Err(StartError::OtherName {
                folder: config.data.clone(),
                found: identity.cluster_name.clone(),
                expected: cluster_name.clone(),
            });
        }
        Entry::Join { addresses } | Entry::Replace { addresses, .. } => {
            let asked = control::cluster_at(addresses);
            if let Ok(Some(expected)) = tokio::time::timeout(CLUSTER_PATIENCE, asked).await {
                identity.check_cluster(&config.data, expected)?;
            }
        }
    }
    Ok(())
}

/// A unit file may say `--replace-self` at each start. The folder of another member is not taken for an empty one.
fn check_member(config: &NodeConfig, identity: &Identity) -> Result<(), StartError> {
    let Entry::Replace { member, .. } = &config.entry else { return Ok(()) };
    let called = Called::of(member);
    if called.can_be_id(identity.node) || called.can_be_name(&config.name) {
        tracing::info!(node = %identity.node, "the folder has a node already: --replace-self changes nothing");
        return Ok(());
    }
    let (folder, member) = (config.data.clone(), member.escape_default().to_string());
    Err(StartError::OtherMember { folder, found: identity.node, member })
}

/// Notes in the new database of a member that came back that all it owns is lost, before anything is served: nothing counts
/// until it is filled from other owners. A start that ended before notes it again.
pub async fn begin_lossy(
    config: &NodeConfig,
    identity: &mut Identity,
    engine: &Arc<RocksEngine>,
) -> Result<(), StartError> {
    if identity.stage != Stage::Replacing || engine.is_doubtful() {
        return Ok(());
    }
    identity.stage = Stage::Joining;
    let (engine, identity, folder) = (Arc::clone(engine), identity.clone(), config.data.clone());
    let noted = tokio::task::spawn_blocking(move || {
        let (incarnation, consensus, data) =
            (identity.incarnation, ConsensusFate::Forgotten, DataFate::Lossy);
        Acceptance { incarnation, consensus, data }.note(&*engine).map_err(AcceptanceError::from)?;
        identity.write(&folder).map_err(AcceptanceError::from)
    });
    Ok(noted.await.map_err(|error| StartError::Runtime(error.to_string()))??)
}

/// The founding node's request id: the same in each attempt.
pub fn founding_request(identity: &Identity) -> RequestId {
    RequestId(identity.cluster.0)
}

/// The join request's id of this folder: drawn once, so that a repeated request finds the first one's result. Written
/// beside and renamed; an empty file says nothing, so nothing was asked for under it.
fn join_request(folder: &Path) -> io::Result<RequestId> {
    let path = folder.join(JOINING);
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => {
            return request_id(&text)
                .ok_or_else(|| io::Error::other(format!("{} is damaged: remove it", path.display())));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let request = random();
    let beside = folder.join(format!("{JOINING}.new"));
    let mut file = File::create(&beside)?;
    write!(file, "{request:032x}")?;
    file.sync_all()?;
    std::fs::rename(&beside, &path)?;
    File::open(folder)?.sync_all()?;
    Ok(RequestId(request))
}

/// Removes what a request to join has left, and the folder too if it was made for it: the node does not begin.
fn forget_request(folder: &Path, is_new: bool) {
    // What can't be removed is what an empty folder may hold.
    drop(std::fs::remove_file(folder.join(JOINING)));
    if is_new {
        drop(std::fs::remove_dir(folder));
    }
}

fn request_id(text: &str) -> Option<RequestId> {
    u128::from_str_radix(text.trim(), 16).ok().map(RequestId)
}

/// Whether these bytes are a join request's id; for the tests of the decoders.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(request) = std::str::from_utf8(bytes).ok().and_then(request_id) else { return false };
    assert_eq!(request_id(&format!("{:032x}", request.0)), Some(request));
    true
}

/// Carries out what an operator has decided about a folder that had lost something.
pub async fn accept(config: &NodeConfig, identity: Identity) -> Result<Identity, StartError> {
    let (folder, options) = (config.data.clone(), config.storage.rocks.clone());
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        let (folder, options, mut accepted) = (folder.clone(), options.clone(), identity.clone());
        let carried_out = tokio::task::spawn_blocking(move || {
            let acceptance = Acceptance::carry_out(&folder, &mut accepted, &options, clock::wall());
            acceptance.map(|acceptance| (acceptance, accepted))
        });
        match carried_out.await.map_err(|error| StartError::Runtime(error.to_string()))? {
            Err(AcceptanceError::Open(OpenError::Locked(_))) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok((acceptance, identity)) => {
                if let Some(Acceptance { incarnation, data, .. }) = acceptance {
                    match data {
                        DataFate::Kept => {
                            tracing::warn!(
                                incarnation,
                                "a loss was accepted: this node goes on with what it has"
                            );
                        }
                        DataFate::Lossy => {
                            tracing::warn!(incarnation, "this node begins to fill itself from other owners");
                        }
                    }
                }
                return Ok(identity);
            }
            // The mark of doubt goes last: the folder is as doubtful as before, and the node says so.
            Err(
                error @ (AcceptanceError::Damaged(_)
                | AcceptanceError::Engine(_)
                | AcceptanceError::Open(OpenError::Doubtful { .. } | OpenError::Missing(_))),
            ) => {
                tracing::error!("an accepted loss was not carried out: {error}");
                return Ok(identity);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Notes that a run begins, unless the data are doubted; doubts them if the last one ended with the machine.
pub async fn begin_run(
    config: &NodeConfig,
    stage: Stage,
    engine: &Arc<RocksEngine>,
) -> Result<Option<Arc<RunNote>>, StartError> {
    if engine.is_doubtful() {
        return Ok(None);
    }
    let (folder, boot_id_file) = (config.data.clone(), config.boot_id_file.clone());
    let may_be_missing = stage != Stage::Member;
    let began = tokio::task::spawn_blocking(move || {
        let machine = machine_run(&boot_id_file).unwrap_or_else(|error| {
            tracing::warn!(
                "{}: {error}; each stop without order counts as one of the machine",
                boot_id_file.display()
            );
            // Equal to no other one.
            format!("unknown-{:032x}", random())
        });
        RunNote::begin(&folder, &machine, may_be_missing)
    });
    let began = began.await.map_err(|error| StartError::Runtime(error.to_string()))?;
    let (run, doubt) = began.map_err(|error| StartError::Folder { folder: config.data.clone(), error })?;
    match doubt {
        None => Ok(Some(Arc::new(run))),
        Some(doubt) => {
            engine.mark_doubtful(doubt);
            Ok(None)
        }
    }
}

/// How the replica of this run keeps its sums. Before the folder notes the boot id of this start.
pub fn sums(config: &NodeConfig, cluster: ClusterId, boot: Boot) -> SumsSetting {
    let before = quorate_storage::last_boot(&config.data);
    SumsSetting { before, boot: Some(boot), ..SumsSetting::of(cluster) }
}

/// Notes this start's boot id in the folder, before any peer can hear it; the boot ids of the folder.
pub async fn note_boot(config: &NodeConfig, boot: Boot) -> BTreeSet<Boot> {
    let folder = config.data.clone();
    match tokio::task::spawn_blocking(move || quorate_storage::note_boot(&folder, boot)).await {
        Ok(Ok(boots)) => boots,
        // What a member says of an earlier run is then judged by its counter alone.
        Ok(Err(error)) => {
            tracing::warn!("the folder can't note the boot id of this start: {error}");
            BTreeSet::from([boot])
        }
        Err(error) => {
            tracing::warn!("the folder can't note the boot id of this start: {error}");
            BTreeSet::from([boot])
        }
    }
}

/// Opens the folder's database. One that another process is just leaving is waited for, and so is space on a full disk,
/// or a file where none can be had. One that is damaged or gone gives an engine that doubts: the node must be able to
/// say so.
pub async fn open(config: &NodeConfig, stage: Stage) -> Result<RocksEngine, StartError> {
    let mut said_full = false;
    let mode = match stage {
        Stage::Founding | Stage::Joining | Stage::Replacing => OpenMode::Create,
        Stage::Member => OpenMode::Existing,
    };
    let until = Instant::now() + LOCK_PATIENCE;
    let mut said = false;
    loop {
        let (folder, options) = (config.data.clone(), config.storage.rocks.clone());
        let opened = tokio::task::spawn_blocking(move || RocksEngine::open(&folder, mode, &options)).await;
        match opened.map_err(|error| StartError::Runtime(error.to_string()))? {
            Err(OpenError::Locked(_)) if Instant::now() < until => {
                if !std::mem::replace(&mut said, true) {
                    let (folder, patience) = (config.data.display(), LOCK_PATIENCE.as_secs());
                    tracing::warn!(
                        "another process uses the folder {folder}: waiting {patience} s at most for it to end"
                    );
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error @ (OpenError::DiskFull(_) | OpenError::Shortage { .. })) => {
                if !std::mem::replace(&mut said_full, true) {
                    tracing::error!("{error}; waiting for that");
                }
                tokio::time::sleep(DISK_FULL_PAUSE).await;
            }
            Err(error @ (OpenError::Doubtful { .. } | OpenError::Missing(_))) => {
                tracing::error!("the node starts without a database: {error}");
                let doubt = Doubt::new(Cause::Damaged, error.to_string());
                return Ok(RocksEngine::without_database(&config.data, doubt, &config.storage.rocks));
            }
            opened => return Ok(opened?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_asks_to_join_under_one_request_id_however_often_it_starts() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        for folder in [&one, &other] {
            std::fs::create_dir(folder).expect("made");
        }
        let first = join_request(&one).expect("drawn");
        assert_eq!(join_request(&one).expect("read"), first);
        assert_ne!(join_request(&other).expect("drawn"), first);
        assert!(Identity::read(&one).expect("still an empty folder").is_none());
    }

    #[test]
    fn a_join_request_is_drawn_once_and_an_empty_file_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(JOINING), "").expect("written");
        let request = join_request(folder.path()).expect("drawn");
        assert_eq!(join_request(folder.path()).expect("read"), request);
        assert!(Identity::read(folder.path()).expect("nothing foreign").is_none());
        std::fs::write(folder.path().join(JOINING), "no number").expect("written");
        assert!(join_request(folder.path()).is_err());
    }
}
