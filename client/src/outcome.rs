//! What a request can do to the data, and what it did.

use quorate_api::Operation;
use quorate_api::document::Problem;
use reqwest::Method;
use serde::Serialize;
use std::fmt;

/// Whether a request can change data: what may be repeated, and what silence means, depends on nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It changes nothing: any endpoint may be asked again.
    Read,
    /// It may change something: only what certainly had no effect is sent elsewhere.
    Write,
}

/// What happened to the data of a request that has no good answer: what a server may say of it
/// ([`quorate_api::Outcome`]), and one word more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took effect, although the answer could not be used.
    Applied,
    /// It had no effect and never will. Reads are always this.
    NotApplied,
    /// It may have taken effect, or may yet, at most once.
    Unknown,
}

impl Effect {
    /// The effect of this operation. A POST that only reads is `mget`; making a plan changes nothing of the cluster.
    pub fn of(operation: Operation) -> Self {
        let reads = [Operation::Mget, Operation::MakePlan];
        if operation.method() == Method::GET || reads.contains(&operation) {
            Effect::Read
        } else {
            Effect::Write
        }
    }
}

impl From<quorate_api::Outcome> for Outcome {
    fn from(outcome: quorate_api::Outcome) -> Self {
        match outcome {
            quorate_api::Outcome::NotApplied => Outcome::NotApplied,
            quorate_api::Outcome::Unknown => Outcome::Unknown,
        }
    }
}

impl Outcome {
    /// What happened to the data: what the server says, else what the status allows to conclude. A word that this
    /// version does not know may mean anything.
    pub(crate) fn of_refusal(problem: &Problem, effect: Effect) -> Self {
        match (effect, &problem.outcome) {
            (Effect::Read, _) => Outcome::NotApplied,
            (Effect::Write, None) => Outcome::of_write_status(problem.status),
            (Effect::Write, Some(_)) => problem.known_outcome().map_or(Outcome::Unknown, Outcome::from),
        }
    }

    /// What a status alone allows to conclude of a write.
    pub(crate) fn of_write_status(status: u16) -> Self {
        match status {
            200..=299 => Outcome::Applied,
            400..=499 | 503 | 507 => Outcome::NotApplied,
            _ => Outcome::Unknown,
        }
    }

    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::NotApplied => "not_applied",
            Outcome::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_newer_server_promises_nothing() {
        let problem =
            |outcome| Problem { status: 503, outcome, code: "unavailable".into(), ..Problem::default() };
        let concluded = |outcome: Option<&'static str>| {
            Outcome::of_refusal(&problem(outcome.map(Into::into)), Effect::Write)
        };
        assert_eq!(concluded(None), Outcome::NotApplied);
        assert_eq!(concluded(Some("not_applied")), Outcome::NotApplied);
        assert_eq!(concluded(Some("unknown")), Outcome::Unknown);
        assert_eq!(concluded(Some("half_applied")), Outcome::Unknown);
        assert_eq!(Outcome::of_refusal(&problem(Some("unknown".into())), Effect::Read), Outcome::NotApplied);
    }

    #[test]
    fn what_can_change_data_is_sent_once() {
        let all = Operation::ALL.iter().copied();
        let once: Vec<Operation> = all.filter(|operation| Effect::of(*operation) == Effect::Write).collect();
        let changes = [
            Operation::Put,
            Operation::Post,
            Operation::Delete,
            Operation::Batch,
            Operation::CreateTable,
            Operation::AlterTable,
            Operation::DropTable,
            Operation::SplitShard,
            Operation::MergeShard,
            Operation::MoveShard,
            Operation::AcceptLoss,
            Operation::DrainNode,
            Operation::UndrainNode,
            Operation::Recover,
            Operation::DiscardPlan,
            Operation::ApplyPlan,
            Operation::OrderJob,
            Operation::PauseJob,
            Operation::ResumeJob,
            Operation::AbortJob,
            Operation::SwitchAccess,
            Operation::PutUser,
            Operation::RemoveUser,
            Operation::IssueToken,
            Operation::RevokeToken,
            Operation::PutRole,
            Operation::RemoveRole,
        ];
        assert_eq!(once, changes);
    }
}
