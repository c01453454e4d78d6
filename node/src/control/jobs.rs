//! Jobs over the whole cluster: an order goes to every member, and what became of it is asked of every member.

use super::Control;
use super::messages::{ControlReply, ControlRequest};
use crate::jobs::{Full, JobsReply, JobsRequest, Kind, LastEqual, Order, Proofs, Remembered, Said};
use quorate_model::{NodeId, SortKey, TableId};
use quorate_transport::CallError;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// What each member answered, or why it did not.
type Heard<T> = BTreeMap<NodeId, Result<T, String>>;

/// An answer that fits no question.
const OTHER: &str = "it answered another question";

/// A member that has no jobs.
const OLDER: &str = "it runs an older version, which has no jobs: upgrade it";

impl Control {
    /// Orders a job of every member, and notes what each said until `deadline`.
    pub async fn order(&self, kind: Kind, table: Option<TableId>, deadline: Instant) -> Result<Order, Full> {
        let order = self.books.order(kind, table)?;
        let said = self.ask_each(&self.members(), &JobsRequest::Order(order), deadline).await;
        let by = said.into_iter().map(|(node, said)| match said {
            Ok(JobsReply::Taken { boot, why }) => Said { node, boot, why },
            Ok(JobsReply::Remembered(_) | JobsReply::Proofs(_) | JobsReply::Proven { .. }) => {
                Said { node, boot: None, why: Some(OTHER.to_owned()) }
            }
            Err(why) => Said { node, boot: None, why: Some(why) },
        });
        self.books.told(order.id, by.collect());
        Ok(order)
    }

    /// What each member remembers of jobs, or why it said nothing until `deadline`.
    pub async fn jobs(&self, deadline: Instant) -> Heard<Remembered> {
        let said = self.ask_each(&self.members(), &JobsRequest::Remembered, deadline).await;
        let of = |reply| match reply {
            JobsReply::Remembered(remembered) => Ok(remembered),
            JobsReply::Taken { .. } | JobsReply::Proofs(_) | JobsReply::Proven { .. } => {
                Err(OTHER.to_owned())
            }
        };
        said.into_iter().map(|(node, said)| (node, said.and_then(of))).collect()
    }

    /// When the shards of each table were last found equal, as each member says of those whose sync it runs.
    pub async fn proofs(&self, deadline: Instant) -> Heard<Vec<Proofs>> {
        let said = self.ask_each(&self.members(), &JobsRequest::Proofs, deadline).await;
        let of = |reply| match reply {
            JobsReply::Proofs(proofs) => Ok(proofs),
            JobsReply::Taken { .. } | JobsReply::Remembered(_) | JobsReply::Proven { .. } => {
                Err(OTHER.to_owned())
            }
        };
        said.into_iter().map(|(node, said)| (node, said.and_then(of))).collect()
    }

    /// When the owners of the shard that begins at `start` were last found equal: they are asked themselves.
    pub async fn last_equal(
        &self,
        table: TableId,
        start: SortKey,
        owners: &[NodeId],
        deadline: Instant,
    ) -> LastEqual {
        let mut said = self.ask_each(owners, &JobsRequest::Proven(table, start), deadline).await;
        let (mut unknown, mut runner) = (Vec::new(), None);
        // The first in their order runs it; where two believe so, the one that has found them equal knows more.
        for node in owners {
            match said.remove(node) {
                Some(Ok(JobsReply::Proven { runs: true, equal_ms: Some(ms) })) => {
                    return LastEqual::Ago(*node, ms);
                }
                Some(Ok(JobsReply::Proven { runs: true, equal_ms: None })) => runner = runner.or(Some(*node)),
                Some(Ok(JobsReply::Proven { runs: false, .. })) | None => {}
                Some(Ok(JobsReply::Taken { .. } | JobsReply::Remembered(_) | JobsReply::Proofs(_))) => {
                    unknown.push((*node, OTHER.to_owned()));
                }
                Some(Err(why)) => unknown.push((*node, why)),
            }
        }
        runner.map_or(LastEqual::ByNone(unknown), LastEqual::NeverBy)
    }

    /// Carries out what a member asks about jobs.
    pub(super) fn answer_of_jobs(&self, request: JobsRequest) -> JobsReply {
        let unfit = self.replica.is_doubtful().then_some("it doubts its disk, and compares nothing");
        self.books.answer(request, unfit)
    }

    fn members(&self) -> Vec<NodeId> {
        let view = self.views.current();
        let members = view.catalog().nodes().filter(|node| !node.is_gone());
        members.map(|node| node.id).collect()
    }

    /// Asks these members, all at once.
    async fn ask_each(
        &self,
        members: &[NodeId],
        request: &JobsRequest,
        deadline: Instant,
    ) -> Heard<JobsReply> {
        let control = ControlRequest::Jobs(request.clone());
        let others = members.iter().filter(|node| **node != self.node);
        // All are asked together, then heard one after the other.
        let asked: Vec<_> = others.map(|node| (*node, self.ask(*node, &control, deadline))).collect();
        let mut said = BTreeMap::new();
        if members.contains(&self.node) {
            said.insert(self.node, Ok(self.answer_of_jobs(request.clone())));
        }
        for (node, asked) in asked {
            let answer = match asked.await {
                Ok(ControlReply::Jobs(reply)) => Ok(reply),
                Ok(_) => Err(OTHER.to_owned()),
                Err(CallError::NotUnderstood) => Err(OLDER.to_owned()),
                Err(CallError::NotSent(why) | CallError::Lost(why)) => Err(why.to_owned()),
            };
            said.insert(node, answer);
        }
        said
    }
}
