//! Coming back as a member whose data are gone, on an empty folder.
//!
//! A process that proves the secret may join, and an operator who says which member a machine was is believed: it gets that
//! member's id, under the next incarnation. Nothing that the former process has promised is lost by that, whatever has
//! become of it:
//!
//! ```text
//!   not heard of ──> out of consensus, without its vote ──> Announce { incarnation + 1, boot and addresses } ──> Replaced
//! ```
//!
//! Its vote goes first: a voter that has forgotten what it voted for must not vote. The incarnation names other copies
//! of its shards, so that what the former ones had acknowledged does not count for the new ones; and the former process,
//! or its disk, is refused from then on. The copies fill themselves from other owners (`fill.rs`).
//!
//! The leader decides, since it hears the members and must change the voters. Two that ask at once are told apart by
//! their boots: the second one waits until the first one lives, and is refused then, or until it has given it time enough.

use super::Control;
use super::messages::{ControlReply, ControlRequest, Replacement};
use super::proposed::ProposeError;
use quorate_consensus::Consensus;
use quorate_model::level::round_one;
use quorate_model::{Boot, NodeId};
use quorate_ring::{Command, Node, NodeUpdate, TableEntry, View};
use quorate_transport::{CallError, Lane};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long one that was let in has to start before another one is let in.
const START: Duration = Duration::from_secs(30);

/// Members that are asked for at a time.
const HEAR_MAX: usize = 64;

/// How long a process at the member's address may take to prove that it is that member.
const PROBE: Duration = Duration::from_millis(1_500);

impl Control {
    /// Lets a process come back as a member, or says why not. Whichever member is asked; the leader decides.
    pub(super) async fn replace(&self, wanted: Replacement, deadline: Instant) -> ControlReply {
        match self.consensus.leader() {
            Some(leader) if leader == self.node => self.replace_here(wanted, deadline).await,
            Some(leader) => {
                let asked = self.ask(leader, &ControlRequest::Replace(wanted), deadline).await;
                asked.unwrap_or_else(|error| {
                    let why = format!("the leader of the catalog, node {leader}: {error}");
                    match error {
                        CallError::NotSent(_) | CallError::NotUnderstood => ControlReply::NotWritten(why),
                        CallError::Lost(_) => ControlReply::Unknown(why),
                    }
                })
            }
            None => ControlReply::NotWritten(
                "no leader of the catalog is known: a majority of the voters must be up, for the vote of the member that is \
                 gone is taken away first"
                    .to_owned(),
            ),
        }
    }

    async fn replace_here(&self, wanted: Replacement, deadline: Instant) -> ControlReply {
        let view = self.views.current();
        if view.catalog().level() < 2 {
            return never(
                "not all members run a version in which a node can come back on an empty folder: upgrade them first, or \
                 let this node join as a new one (--join without --replace-self, under another --name)"
                    .to_owned(),
            );
        }
        let here = self.links.identity().cluster;
        if wanted.cluster.is_some_and(|cluster| cluster != here) {
            return never(format!("this is cluster {here}, and it was a member of another one"));
        }
        let known = match view.catalog().member_called(&wanted.member) {
            Ok(Some(known)) => known,
            Ok(None) => return never(no_member(&view, &wanted.member)),
            Err(ambiguous) => return never(ambiguous.to_string()),
        };
        if let Some(gone) = view.catalog().gone(known.id) {
            return never(format!(
                "{} ({}) can't be replaced so: {gone}; let this node join as a new one (--join without --replace-self)",
                known.id, known.name
            ));
        }
        if let Some(where_it_is) = self.hears(&view, known).await {
            return alive(format!(
                "{} ({}) is alive{where_it_is}: only a member that is gone can be replaced; stop it first if its data are \
                 lost, or let this node join as a new one (--join without --replace-self)",
                known.id, known.name
            ));
        }
        if wanted.only_if_filled == Some(true)
            && let Some(table) = without_sources(&view, known.id).first()
        {
            return never(format!(
                "no number of other owners has everything that {} acknowledged of table {table}: what its files still hold may \
                 be all there is",
                known.id
            ));
        }
        if let Some(wait) = self.claim(known.id, wanted.boot) {
            return ControlReply::NotWritten(format!(
                "another process has just been let in as {}, and is given {} s more to start",
                known.id,
                wait.as_secs() + 1
            ));
        }
        {
            let _one_change_at_a_time = self.changing.lock().await;
            if let Err(why) = self.consensus.remove(known.id).await {
                return ControlReply::NotWritten(format!(
                    "the vote of {} can't be taken away yet: {why}",
                    known.id
                ));
            }
        }
        let incarnation = known.incarnation.saturating_add(1);
        let update = NodeUpdate {
            node: known.id,
            boot: wanted.boot,
            http_address: wanted.http_address,
            peer_address: wanted.peer_address,
            incarnation: Some(incarnation),
            accepted: None,
        };
        match self.write(&Command::Announce(update), deadline).await {
            Ok(_) => {
                tracing::warn!(
                    node = %known.id, incarnation,
                    "a process on an empty folder was let in as this member: it fills itself from other owners"
                );
                let (cluster, name) = (here, self.cluster_name.clone());
                let (incarnation, access) = (incarnation.into(), self.access_note());
                ControlReply::Replaced { node: known.id, cluster, name, incarnation, access }
            }
            Err(ProposeError::Rejected(rejection)) => ControlReply::Rejected(rejection),
            Err(ProposeError::Unavailable { reason }) => ControlReply::NotWritten(reason),
            Err(ProposeError::Unknown { reason }) => ControlReply::Unknown(reason),
        }
    }

    /// Whether someone answers as this member: the end of a sentence that says where.
    async fn hears(&self, view: &View, known: &Arc<Node>) -> Option<String> {
        if known.id == self.node {
            return Some(": it leads the catalog".to_owned());
        }
        if self.links.is_lane_up(known.id, Lane::Urgent) && view.liveness().is_alive(known.id) {
            return Some(format!(" at {}", known.peer_address));
        }
        // Where it was last; a process that waits there to be let in answers nothing yet.
        let probed = tokio::time::timeout(PROBE, self.links.probe(known.id, &known.peer_address)).await;
        let proven = probed.ok()?.ok()?;
        Some(format!(" at {} (incarnation {})", known.peer_address, proven.incarnation))
    }

    /// Those of these members that this node hears now.
    pub(super) fn hears_now(&self, nodes: &[NodeId]) -> Vec<NodeId> {
        let view = self.views.current();
        let is_heard = |node: &&NodeId| {
            **node == self.node
                || (self.links.is_lane_up(**node, Lane::Urgent) && view.liveness().is_alive(**node))
        };
        nodes.iter().take(HEAR_MAX).filter(is_heard).copied().collect()
    }

    /// Which of these members are alive although they may seem gone from here, and who says so: a member that hears one,
    /// or this node, once it has found it where it was last. Who says nothing until `deadline` says nothing.
    pub async fn heard_by(&self, nodes: &[NodeId], deadline: Instant) -> BTreeMap<NodeId, NodeId> {
        let view = self.views.current();
        let mut heard = BTreeMap::new();
        if nodes.is_empty() {
            return heard;
        }
        let others = view.catalog().nodes().map(|node| node.id).filter(|node| *node != self.node);
        let request = ControlRequest::Hear(nodes.to_vec());
        // All are asked together, then heard one after the other.
        let asked: Vec<_> = others.map(|node| (node, self.ask(node, &request, deadline))).collect();
        for node in nodes {
            let Some(known) = view.catalog().node(*node).filter(|it| !it.is_gone()) else {
                continue;
            };
            if let Ok(Some(_)) = tokio::time::timeout_at(deadline, self.hears(&view, known)).await {
                heard.insert(*node, self.node);
            }
        }
        for (by, asked) in asked {
            // One that says of itself that it lives is alive.
            if let Ok(ControlReply::Heard(by_it)) = asked.await {
                let asked_for = by_it.into_iter().filter(|node| nodes.contains(node));
                asked_for.for_each(|node| {
                    heard.entry(node).or_insert(by);
                });
            }
        }
        heard
    }

    /// Notes who was let in as a member; `Some`: another process has been, so long ago that it may still start, and how
    /// long it has to.
    fn claim(&self, node: NodeId, boot: Boot) -> Option<Duration> {
        let mut let_in = self.let_in.lock().expect("nothing panics while it holds this lock");
        if let Some((other, at)) = let_in.get(&node)
            && *other != boot
            && at.elapsed() < START
        {
            return Some(START.saturating_sub(at.elapsed()));
        }
        let_in.insert(node, (boot, Instant::now()));
        None
    }
}

/// The tables of which this node owns a shard and other owners can't have everything.
pub fn without_sources(view: &View, node: NodeId) -> Vec<String> {
    let lacks = |table: &&Arc<TableEntry>| {
        // What is in the new set of a shard alone, the old owners have.
        table.shards().iter().filter(|shard| shard.is_owned_by(node)).any(|shard| {
            let n = shard.owners.len() as u8;
            round_one(n, table.w.within(n)) >= n
        })
    };
    view.catalog().tables().filter(lacks).map(|table| table.name.clone()).collect()
}

/// A refusal that is repeated whenever it is asked for.
fn never(why: String) -> ControlReply {
    ControlReply::Refused { why, passes: false }
}

/// A refusal because of a member that lives, or has just died.
fn alive(why: String) -> ControlReply {
    ControlReply::Refused { why, passes: true }
}

/// That no member is called so.
fn no_member(view: &View, member: &str) -> String {
    let members: Vec<String> =
        view.catalog().nodes().map(|node| format!("{} ({})", node.id, node.name)).collect();
    format!(
        "the cluster has no member {}: say one of {}, or let this node join as a new one (--join without --replace-self)",
        member.escape_default(),
        members.join(", ")
    )
}
