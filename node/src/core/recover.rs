//! Recovery: the catalog goes on without a majority of its voters, by an operator's decision.
//!
//! A node that runs looks whether that is possible and what it means, and notes the decision in its folder; its next start
//! carries it out ([`crate::recovering`]). It must be the one of the members that are left whose log ends last.

use super::Core;
use crate::clock;
use crate::control::LogEnd;
use crate::recovering::Recovering;
use quorate_model::NodeId;
use quorate_model::level::{quorum, round_one};
use quorate_ring::catalog::Shard;
use quorate_ring::{Catalog, RequestId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;

/// What a recovery means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The members that are given up.
    pub lost: Vec<NodeId>,
    /// The members that go on.
    pub left: Vec<NodeId>,
    /// Every table of which something is given up.
    pub tables: Vec<TableGivenUp>,
}

/// What is given up of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableGivenUp {
    /// Its name.
    pub name: String,
    /// Its shards.
    pub shards: usize,
    /// Those of which too few owners are left to hold everything for certain.
    pub short: usize,
    /// Those of which none is left: they begin anew, empty.
    pub empty: usize,
}

/// Why the catalog can't go on so. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecoverError {
    /// The disk is doubted.
    #[error("this node doubts its disk, and what it lacks would be lost: ask another member that is left")]
    Doubtful,
    /// The node that is asked is given up.
    #[error(
        "{0} was asked, and goes on itself: ask a member that is left, and name only those that are gone for good"
    )]
    Itself(String),
    /// Not a member.
    #[error("{0} is given up or removed already: name the members that are gone now")]
    Gone(String),
    /// Members that run.
    #[error(
        "{node} is heard by {by}, so it is not gone: the catalog goes on with it; if it should be gone, stop it first"
    )]
    Heard {
        /// Who.
        node: String,
        /// By whom.
        by: String,
    },
    /// Members that are neither given up nor there.
    #[error(
        "{0} can't be asked, and may know more than those that are left: start it, or give it up, too, if it will certainly \
         never run again"
    )]
    Silent(String),
    /// A majority is left.
    #[error(
        "{left} of {all} voters are left, which is a majority: the catalog goes on by itself; remove the others with \
         `quorate cluster plan remove NODE --dead`"
    )]
    Majority {
        /// Voters that are left.
        left: usize,
        /// All of them.
        all: usize,
    },
    /// There is a leader.
    #[error("{0} leads the catalog with a majority of its voters: nothing has to be recovered")]
    Led(String),
    /// Another member has to go on.
    #[error(
        "{node} knows more of the catalog than the node that was asked, or as much and comes first: ask it, at {address}"
    )]
    Behind {
        /// Who.
        node: String,
        /// Where clients reach it.
        address: String,
    },
    /// An earlier level of the catalog.
    #[error(
        "the catalog is at level {0}, and a recovery needs 3: upgrade all members first, those that are gone included"
    )]
    Level(u32),
    /// The note could not be written.
    #[error("the decision can't be noted in the data folder: {0}")]
    Disk(String),
    /// The operating system has no random bits.
    #[error("the operating system has no random bits yet: try again")]
    NoRandomness,
}

impl Core {
    /// What it means to go on without these members, or why that can't be. The others have until `timeout` to answer.
    pub async fn recovery(
        &self,
        lost: &BTreeSet<NodeId>,
        timeout: Duration,
    ) -> Result<GivenUp, RecoverError> {
        let view = self.view();
        let catalog = view.catalog();
        if self.control.is_silent() || self.local.replica().is_doubtful() {
            return Err(RecoverError::Doubtful);
        }
        if catalog.level() < 3 {
            return Err(RecoverError::Level(catalog.level()));
        }
        if lost.contains(&self.node) {
            return Err(RecoverError::Itself(catalog.called(self.node)));
        }
        if let Some(gone) = lost.iter().find(|node| catalog.gone(**node).is_some()) {
            return Err(RecoverError::Gone(catalog.called(*gone)));
        }
        let voters = self.control.voters();
        let left = voters.iter().filter(|voter| !lost.contains(voter)).count();
        if left > voters.len() / 2 {
            return Err(RecoverError::Majority { left, all: voters.len() });
        }
        let deadline = Instant::now() + timeout;
        let named: Vec<NodeId> = lost.iter().copied().collect();
        // Together: those that are gone are waited for until the deadline.
        let (heard, mut ends) =
            tokio::join!(self.control.heard_by(&named, deadline), self.control.log_ends(lost, deadline));
        if let Some((node, by)) = heard.first_key_value() {
            return Err(RecoverError::Heard { node: catalog.called(*node), by: catalog.called(*by) });
        }
        let own = ends.remove(&self.node).flatten().ok_or(RecoverError::Doubtful)?;
        check(catalog, self.node, &own, &ends)?;
        let left = catalog.nodes().filter(|node| !node.is_gone()).map(|node| node.id);
        let left: Vec<NodeId> = left.filter(|node| !lost.contains(node)).collect();
        Ok(GivenUp { lost: named, left, tables: given_up(catalog, lost) })
    }

    /// Decides it. Carried out when this node starts again, which it asks for.
    pub async fn recover(&self, lost: &BTreeSet<NodeId>, timeout: Duration) -> Result<GivenUp, RecoverError> {
        let given_up = self.recovery(lost, timeout).await?;
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| RecoverError::NoRandomness)?;
        let note = Recovering {
            request: RequestId(u128::from_be_bytes(bytes)),
            at: clock::wall(),
            lost: given_up.lost.clone(),
            is_alone: false,
        };
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || note.write(&folder)).await;
        written
            .map_err(|error| RecoverError::Disk(error.to_string()))?
            .map_err(|error| RecoverError::Disk(error.to_string()))?;
        tracing::warn!(lost = ?given_up.lost, "an operator gives these members up: this node starts again without them");
        self.restart.send_replace(true);
        Ok(given_up)
    }
}

/// Whether a node may go on, by where its log ends and where those of the others that are left do; `None`: one did not say.
fn check(
    catalog: &Catalog,
    own: NodeId,
    end: &LogEnd,
    others: &BTreeMap<NodeId, Option<LogEnd>>,
) -> Result<(), RecoverError> {
    let silent: Vec<NodeId> = others.iter().filter(|(_, end)| end.is_none()).map(|(node, _)| *node).collect();
    if !silent.is_empty() {
        return Err(RecoverError::Silent(catalog.called_all(silent)));
    }
    let ends = || others.iter().filter_map(|(node, end)| Some((*node, (*end)?)));
    let leader = ends().chain([(own, *end)]).find_map(|(_, end)| end.leader);
    if let Some(leader) = leader {
        return Err(RecoverError::Led(catalog.called(leader)));
    }
    // Of those that know the same, the first: two that were asked at once never both go on.
    match ends().map(|(node, end)| (end.last, Reverse(node))).max() {
        Some(other @ (_, Reverse(node))) if other > (end.last, Reverse(own)) => {
            let address = catalog.node(node).map(|node| node.http_address.clone()).unwrap_or_default();
            Err(RecoverError::Behind { node: catalog.called(node), address })
        }
        Some(_) | None => Ok(()),
    }
}

/// What is given up of each table, where something is.
fn given_up(catalog: &Catalog, lost: &BTreeSet<NodeId>) -> Vec<TableGivenUp> {
    let is_left = |node: &NodeId| !lost.contains(node) && catalog.gone(*node).is_none();
    let of_table = |table: &quorate_ring::TableEntry| {
        let left = |shard: &Shard| shard.owner_nodes().filter(is_left).count();
        let is_short = |shard: &&Shard| {
            let n = shard.owners.len() as u8;
            left(shard) < usize::from(quorum(n).max(round_one(n, table.w.within(n))))
        };
        let short: Vec<&Shard> = table.shards().iter().filter(is_short).collect();
        let empty = short.iter().filter(|shard| left(shard) == 0).count();
        let (name, shards) = (table.name.clone(), table.shards().len());
        (!short.is_empty()).then_some(TableGivenUp { name, shards, short: short.len(), empty })
    };
    catalog.tables().filter_map(|table| of_table(table)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::new_node;
    use quorate_model::ClusterId;
    use quorate_ring::{Command, NewNode, NewTable};

    fn node(number: u16) -> NewNode {
        NewNode { name: format!("db-{number}"), ..new_node(number) }
    }

    fn catalog() -> Catalog {
        let first = Catalog::bootstrap("c", ClusterId(1), node(1)).expect("founded");
        let apply = |catalog: Catalog, command: &Command| catalog.apply(command).expect("accepted").catalog;
        let all = (2..=3).fold(first, |catalog, number| apply(catalog, &Command::AddNode(node(number))));
        let users = NewTable { shards: 8, ..NewTable::hash("users", RequestId(100)) };
        let solo = NewTable { shards: 8, n: 1, ..NewTable::hash("solo", RequestId(101)) };
        apply(apply(all, &Command::CreateTable(users)), &Command::CreateTable(solo))
    }

    fn at(term: u64, index: u64) -> LogEnd {
        LogEnd { last: Some((term, index)), leader: None }
    }

    #[test]
    fn the_member_whose_log_ends_last_goes_on_and_all_that_are_left_must_say_where_theirs_do() {
        let catalog = catalog();
        let judged = |own: LogEnd, other: Option<LogEnd>| {
            check(&catalog, NodeId(1), &own, &BTreeMap::from([(NodeId(2), other)]))
        };
        assert_eq!(judged(at(3, 9), Some(at(3, 9))), Ok(()));
        assert_eq!(
            judged(at(3, 9), Some(at(2, 99))),
            Ok(()),
            "a later term has all that was committed before"
        );
        for ahead in [at(3, 10), at(4, 1)] {
            let refused = judged(at(3, 9), Some(ahead)).expect_err("it knows more").to_string();
            assert!(
                refused.contains("db-2 (n2) knows more") && refused.contains("127.0.0.1:10002"),
                "{refused}"
            );
        }
        let second = check(&catalog, NodeId(2), &at(3, 9), &BTreeMap::from([(NodeId(1), Some(at(3, 9)))]));
        assert!(
            matches!(second, Err(RecoverError::Behind { .. })),
            "only one of two that know the same: {second:?}"
        );
        assert_eq!(judged(at(3, 9), None), Err(RecoverError::Silent("db-2 (n2)".to_owned())));
        let led = LogEnd { leader: Some(NodeId(2)), ..at(3, 9) };
        assert_eq!(judged(at(3, 9), Some(led)), Err(RecoverError::Led("db-2 (n2)".to_owned())));
    }

    #[test]
    fn what_is_given_up_is_told_by_table() {
        let catalog = catalog();
        let lost = BTreeSet::from([NodeId(2), NodeId(3)]);
        let told = given_up(&catalog, &lost);
        let of = |name: &str| told.iter().find(|table| table.name == name).expect("told of");
        assert_eq!((of("users").shards, of("users").short, of("users").empty), (8, 8, 0));
        let solo = catalog.table("solo").expect("there");
        let gone = solo.shards().iter().filter(|shard| !shard.is_owned_by(NodeId(1))).count();
        assert_eq!((of("solo").short, of("solo").empty), (gone, gone));
        assert!(given_up(&catalog, &BTreeSet::from([NodeId(3)])).iter().all(|table| table.name == "solo"));
    }
}
