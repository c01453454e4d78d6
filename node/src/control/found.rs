//! Founding a cluster, and becoming a member of one.
//!
//! Both are explicit: an empty folder alone decides nothing. A node that joins learns at the address of any member which
//! cluster that is and where its peers are reached (`page.rs`), and then asks over the peer port, where it must prove the
//! secret. It keeps trying while it says so; only a rejection by the catalog ends it. The request id is drawn once per
//! data folder, so that a repeated request finds the id that the first one was issued.
//!
//! An address that another member is heard at is refused. The member may have died a moment ago, so that a rejection
//! for that is repeated for a while (`ADDRESS_PATIENCE`) before it counts.

use super::Control;
use super::messages::{ControlReply, ControlRequest, Replacement};
use super::page::{ATTEMPT, NoPage, member_at};
use super::proposed::ProposeError;
use quorate_consensus::Consensus;
use quorate_model::{Boot, ClusterId, Epoch, NodeId};
use quorate_ring::{Command, Found, LEVEL_NEWEST, NewAdmin, NewNode, NodeUpdate, Rejection, SetAccess, View};
use quorate_transport::{Identity, Kind, OnceError, Secret, ask_once};
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Pause between two rounds over the given addresses.
const PAUSE: Duration = Duration::from_millis(500);

/// A member that has just died may seem to be heard at its address for so long.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(10);

/// What does not heal by itself within this time is said louder.
const LOUD_AFTER: Duration = Duration::from_secs(15);

/// How long a founding node may take to become its own leader.
const FOUNDING: Duration = Duration::from_secs(20);

/// What a new member was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its id, for ever.
    pub node: NodeId,
    /// The cluster.
    pub cluster: ClusterId,
    /// Its name.
    pub name: String,
    /// Which of its replicas it is.
    pub incarnation: u64,
    /// What it notes of who may do what, until it has a catalog; `None`: nothing.
    pub access_note: Option<Vec<u8>>,
}

/// Why a node cannot become a member, however often it asks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JoinError {
    /// The catalog does not allow it.
    #[error("the cluster does not take this node: {0}")]
    Rejected(Rejection),
    /// It can't be the member that it was told to be.
    #[error("this node can't come back as {member}: {why}")]
    Refused {
        /// The member, as it was given, escaped.
        member: String,
        /// Why, and what to do.
        why: String,
    },
    /// No member to ask.
    #[error("no address to join at: give --join host:port, an address of any member")]
    NoAddress,
}

/// Asks the members at these addresses, one after the other, until one has made this node a member.
pub async fn join(addresses: &[String], secret: &Secret, node: &NewNode) -> Result<Joined, JoinError> {
    ask_until(addresses, secret, &Wish::New(node)).await
}

/// The same until one has let this node come back as a member whose data are gone.
pub async fn replace(
    addresses: &[String],
    secret: &Secret,
    wanted: &Replacement,
) -> Result<Joined, JoinError> {
    ask_until(addresses, secret, &Wish::Former(wanted)).await
}

/// What a node without an id asks to be.
enum Wish<'a> {
    /// A new member.
    New(&'a NewNode),
    /// A member that there is.
    Former(&'a Replacement),
}

impl Wish<'_> {
    fn request(&self) -> ControlRequest {
        match self {
            Wish::New(node) => ControlRequest::Join((*node).clone()),
            Wish::Former(wanted) => ControlRequest::Replace((*wanted).clone()),
        }
    }

    fn boot(&self) -> Boot {
        match self {
            Wish::New(node) => node.boot,
            Wish::Former(wanted) => wanted.boot,
        }
    }

    fn http_address(&self) -> &str {
        match self {
            Wish::New(node) => &node.http_address,
            Wish::Former(wanted) => &wanted.http_address,
        }
    }
}

async fn ask_until(addresses: &[String], secret: &Secret, wish: &Wish<'_>) -> Result<Joined, JoinError> {
    if addresses.is_empty() {
        return Err(JoinError::NoAddress);
    }
    // Each address has its own reason, which is said when it changes.
    let mut said = BTreeMap::new();
    let mut taken_since = None;
    loop {
        for address in addresses {
            match attempt(address, secret, wish).await {
                Ok(joined) => return Ok(joined),
                Err(Attempt::Rejected(rejection @ Rejection::AddressTaken { .. })) => {
                    let since = *taken_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= ADDRESS_PATIENCE {
                        return Err(JoinError::Rejected(rejection));
                    }
                    if said.get(address) != Some(&rejection.to_string()) {
                        tracing::warn!("joining at {address}: {rejection}; trying again for a few seconds");
                        said.insert(address, rejection.to_string());
                    }
                }
                Err(Attempt::Rejected(rejection)) => return Err(JoinError::Rejected(rejection)),
                Err(Attempt::Refused { why, passes })
                    if passes
                        && taken_since.get_or_insert_with(Instant::now).elapsed() < ADDRESS_PATIENCE =>
                {
                    if said.get(address) != Some(&why) {
                        tracing::warn!("joining at {address}: {why}; trying again for a few seconds");
                        said.insert(address, why);
                    }
                }
                Err(Attempt::Refused { why, .. }) => {
                    let member = match wish {
                        Wish::New(node) => node.name.clone(),
                        Wish::Former(wanted) => wanted.member.escape_default().to_string(),
                    };
                    return Err(JoinError::Refused { member, why });
                }
                Err(Attempt::Failed(why)) => {
                    if said.get(address) != Some(&why) {
                        tracing::warn!("joining at {address}: {why}; trying again until it works");
                        said.insert(address, why);
                    }
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Which cluster the members at these addresses belong to; `None` if none of them answers.
pub async fn cluster_at(addresses: &[String]) -> Option<ClusterId> {
    let mut asked = JoinSet::new();
    for address in addresses {
        let address = address.clone();
        asked.spawn(async move { Some(member_at(&address).await.ok()?.cluster) });
    }
    while let Some(answer) = asked.join_next().await {
        if let Ok(Some(cluster)) = answer {
            return Some(cluster);
        }
    }
    None
}

enum Attempt {
    Rejected(Rejection),
    Refused { why: String, passes: bool },
    Failed(String),
}

async fn attempt(address: &str, secret: &Secret, wish: &Wish<'_>) -> Result<Joined, Attempt> {
    let member = match member_at(address).await {
        Ok(member) => member,
        Err(NoPage::Waiting { address }) => {
            return Err(Attempt::Failed(waiting(&address, wish.http_address())));
        }
        Err(why) => return Err(Attempt::Failed(why.to_string())),
    };
    let (cluster, peers) = (member.cluster, member.peer_address);
    let identity = Identity { cluster, node: NodeId(0), boot: wish.boot(), incarnation: 1 };
    let request = wish.request();
    let payload = minicbor::to_vec(&request).expect("encoding into memory cannot fail");
    let deadline = Instant::now() + ATTEMPT;
    let asked = Kind::Control.asked_since(request.since());
    let answer = ask_once(&peers, secret, identity, asked, &payload, deadline).await;
    let payload =
        answer.map_err(|error: OnceError| Attempt::Failed(format!("its peer address {peers}: {error}")))?;
    match minicbor::decode(&payload) {
        Ok(ControlReply::Joined { node, cluster, name, access }) => {
            Ok(Joined { node, cluster, name, incarnation: 1, access_note: access.map(Vec::from) })
        }
        Ok(ControlReply::Replaced { node, cluster, name, incarnation, access }) => {
            Ok(Joined { node, cluster, name, incarnation, access_note: access.map(Vec::from) })
        }
        Ok(ControlReply::Refused { why, passes }) => Err(Attempt::Refused { why, passes }),
        Ok(ControlReply::Rejected(rejection)) => Err(Attempt::Rejected(rejection)),
        Ok(ControlReply::NotWritten(why) | ControlReply::Unknown(why)) => Err(Attempt::Failed(why)),
        Ok(
            ControlReply::Written(_)
            | ControlReply::NotLeader(_)
            | ControlReply::Applied(_)
            | ControlReply::Report(_)
            | ControlReply::Figures(_)
            | ControlReply::Disk(_)
            | ControlReply::Found(_)
            | ControlReply::Closed(_)
            | ControlReply::Jobs(_)
            | ControlReply::Heard(_)
            | ControlReply::Log(_),
        ) => Err(Attempt::Failed("it answered another question".to_owned())),
        Err(error) => Err(Attempt::Failed(format!("its answer makes no sense: {error}"))),
    }
}

/// What it means that the node at an address waits to become a member itself.
fn waiting(theirs: &str, ours: &str) -> String {
    if theirs == ours {
        return "this is the address of this node itself: say --join with the HTTP address of another node, one that is a \
                member; if there is no cluster yet, found one by starting exactly one node with --bootstrap --cluster-name \
                NAME instead"
            .to_owned();
    }
    "the node there waits to become a member, too: no cluster has been founded yet, as far as it knows; found one by \
     starting exactly one node with --bootstrap --cluster-name NAME instead of --join"
        .to_owned()
}

impl Control {
    /// Founds the cluster: this node becomes its only voter and writes the first command. Harmless to repeat, as a
    /// node that was stopped half-way does.
    pub async fn found(&self, cluster: ClusterId, name: &str, node: NewNode) -> Result<(), String> {
        self.consensus.found().await?;
        if self.views.current().catalog().is_founded() {
            return Ok(());
        }
        let command =
            Command::Found(Found { cluster, name: name.to_owned(), node, level: Some(LEVEL_NEWEST) });
        match self.write(&command, Instant::now() + FOUNDING).await {
            Ok(receipt) => {
                self.views.reached(receipt.epoch, Instant::now() + FOUNDING).await;
                Ok(())
            }
            Err(ProposeError::Rejected(Rejection::AlreadyFounded { .. })) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Makes a user that may administer everything, and switches access control if that is said. Harmless to repeat.
    pub async fn make_admin(
        &self,
        admin: &NewAdmin,
        enabled: Option<bool>,
        deadline: Instant,
    ) -> Result<(), ProposeError> {
        let command = Command::SetAccess(SetAccess { enabled, admin: Some(admin.clone()) });
        let receipt = self.write(&command, deadline).await?;
        self.views.reached(receipt.epoch, deadline).await;
        Ok(())
    }

    /// Tells the catalog that this node lives again, perhaps elsewhere, until it knows. Returns the epoch from which
    /// on the catalog has this boot of it at these addresses.
    pub async fn announce(&self, update: &NodeUpdate) -> Epoch {
        let (mut said, since) = (None, Instant::now());
        let boot_known = |view: &View| view.catalog().node(self.node).map(|known| known.boot);
        let was_known = boot_known(&self.views.current()) == Some(update.boot);
        loop {
            let view = self.views.current();
            if let Some(known) = view.catalog().node(self.node)
                && known.boot == update.boot
                && Some(known.incarnation) == update.incarnation
                && known.http_address == update.http_address
                && known.peer_address == update.peer_address
            {
                return view.epoch();
            }
            // Another process has announced itself since: this one does not take the place back.
            if was_known && boot_known(&view) != Some(update.boot) {
                return view.epoch();
            }
            match self.write(&Command::Announce(update.clone()), Instant::now() + ATTEMPT).await {
                Ok(receipt) => return receipt.epoch,
                // The process heard at the address may be about to leave it: several nodes may move at once.
                Err(ProposeError::Rejected(rejection)) => {
                    let is_loud = since.elapsed() >= LOUD_AFTER;
                    if said.as_ref() != Some(&(rejection.clone(), is_loud)) {
                        if is_loud {
                            tracing::error!("the catalog does not take this node's address: {rejection}");
                        } else {
                            tracing::info!("the catalog does not take this node's address yet: {rejection}");
                        }
                        said = Some((rejection, is_loud));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                // Without a majority nothing can be said; key traffic goes on meanwhile.
                Err(ProposeError::Unavailable { .. } | ProposeError::Unknown { .. }) => {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
