use super::super::body::Kind;
use super::super::problem::Problem;
use super::*;
use quorate_coordinator::answer::Outcome;
use quorate_coordinator::answer::ReplicaResult;
use quorate_model::{Epoch, Refusal, Span, TableId};
use quorate_ring::{PlanRejection, Rejection, ShardRejection};

fn report(node: u64, result: ReplicaResult) -> ReplicaReport {
    ReplicaReport { node: NodeId(node), result, after: Span::from_millis(3), hint: false }
}

fn unavailable_with(refusal: Refusal) -> Code {
    let replicas = vec![
        report(1, ReplicaResult::Ack),
        report(2, ReplicaResult::Refused(refusal)),
        report(3, ReplicaResult::Down),
    ];
    Fault::from(PutError::Unavailable { required: 2, acks: 1, n: 3, replicas, retried: false }).code()
}

#[test]
fn a_key_whose_versions_are_used_up_is_a_conflict_of_its_own() {
    let code = Fault::from(PutError::Exhausted).code();
    assert_eq!((code.status().as_u16(), code.as_str()), (409, "versions-exhausted"));
    assert_eq!(Fault::from(PutError::Exhausted).outcome(), Outcome::NotApplied);
}

#[test]
fn too_few_owners_names_what_would_help() {
    assert_eq!(unavailable_with(Refusal::DiskFull), Code::DiskFull);
    assert_eq!(unavailable_with(Refusal::Doubtful), Code::ReplicaDoubtful);
    assert_eq!(unavailable_with(Refusal::Overloaded), Code::Overloaded);
    assert_eq!(unavailable_with(Refusal::NotOwner), Code::Unavailable);
    let replicas = vec![report(1, ReplicaResult::Refused(Refusal::DiskFull)), report(2, ReplicaResult::Down)];
    let both_missing = GetError::Unavailable { required: 2, acks: 0, n: 3, replicas };
    assert_eq!(Fault::from(both_missing).code(), Code::Unavailable, "one disk alone would not help");
}

/// Codes that are always of unknown outcome.
const UNKNOWN: [Code; 2] = [Code::WriteTimeout, Code::IdempotencyExpired];

/// A way to fail for each code there is, and several for some.
fn faults() -> Vec<Fault> {
    let refused = |refusal| {
        let replicas = vec![report(1, ReplicaResult::Ack), report(2, ReplicaResult::Refused(refusal))];
        Fault::from(PutError::Unavailable { required: 2, acks: 1, n: 3, replicas, retried: false })
    };
    let too_large = |kind| BodyError::TooLarge { kind, limit: 1 }.into();
    let text = String::new;
    let plan = |why: PlanRejection| ProposeError::Rejected(why.into()).into();
    vec![
        Fault::Malformed,
        HeadError::TransferEncoding { value: text() }.into(),
        HeadError::OperationBelowTable { required: 1, table_w: 2 }.into(),
        PutError::IdempotencyBelowTable { required: 1, table_w: 2, retried: false }.into(),
        QueryError::Unknown { name: text(), known: text() }.into(),
        HeadError::RetryWithoutOperation.into(),
        HeadError::OperationNotHere.into(),
        KeyError::Empty.into(),
        Fault::Cursor("it is damaged"),
        Fault::TooManyUnordered { limit: 7 },
        Fault::Parted,
        Fault::Summed,
        Fault::Document(text()),
        BodyError::Broken.into(),
        HeadError::ConditionOnWrite { name: "If-Match" }.into(),
        Fault::Unauthenticated,
        Fault::TokenExposed,
        Fault::TooManyFailures { seconds: 1 },
        Fault::Forbidden { user: text(), needs: text() },
        Fault::AuditUnavailable { why: text() },
        Fault::NoSuchUser { why: text() },
        Fault::NoSuchRole { why: text() },
        Fault::NoSuchToken { why: text() },
        Fault::NoSuchKey(""),
        Fault::NoSuchTable { name: text() },
        Fault::Closing { name: text() },
        Fault::TwoOfOneName { name: text(), dropped: TableId(1), table: TableId(2) },
        Fault::Open { awaited: vec![text(), text()] },
        Fault::NoSuchNode { id: text() },
        AmbiguousMember { text: text(), id: NodeId(1), name: text(), other: NodeId(2) }.into(),
        Fault::NoSuchJob { id: text() },
        Fault::NoSuchMoveJob { id: text() },
        Fault::NoSuchPlan { why: text() },
        Fault::NoSuchShard { why: text() },
        Fault::ShardRefused { why: text() },
        ProposeError::Rejected(ShardRejection::WrongCount { told: 0 }.into()).into(),
        ProposeError::Rejected(ShardRejection::Moves { shard: text() }.into()).into(),
        Fault::NoPlan(NoPlan::Nothing { why: text() }),
        Fault::NoPlan(NoPlan::JobRuns { job: quorate_ring::RequestId(7) }),
        plan(PlanRejection::TopologyChanged { base: Epoch(1), now: Epoch(2) }),
        plan(PlanRejection::WrongJobState { job: quorate_ring::RequestId(7), state: text(), cannot: text() }),
        Fault::NoSuchRoute,
        Fault::MethodNotAllowed { method: text() },
        HeadError::NotAcceptable { offered: text() }.into(),
        Fault::HeadTimeout { seconds: 1 },
        BodyError::Slow { whole_s: 1, pause_s: 1 }.into(),
        ProposeError::Rejected(Rejection::TableExists { name: text(), table: quorate_model::TableId(1) })
            .into(),
        ProposeError::Rejected(Rejection::NotFounded).into(),
        ProposeError::Unknown { reason: text() }.into(),
        LossError::NotRestarted.into(),
        Fault::Recover(RecoverError::Doubtful),
        PutError::IdempotencyExpired.into(),
        PutError::IdempotencyReused.into(),
        PutError::Exhausted.into(),
        HeadError::LengthRequired.into(),
        too_large(Kind::Value),
        too_large(Kind::Batch),
        too_large(Kind::Document),
        Fault::PathTooLong,
        HeadError::ContentEncoding { value: text() }.into(),
        HeadError::Expectation { value: text() }.into(),
        HostError::Foreign { host: text() }.into(),
        Fault::HeadTooLarge { limit: 1 },
        Fault::Panicked,
        GetError::Divergent { replicas: Vec::new() }.into(),
        refused(Refusal::NotOwner),
        refused(Refusal::DiskFull),
        refused(Refusal::Doubtful),
        refused(Refusal::Overloaded),
        refused(Refusal::Late),
        Fault::Overloaded { limit: 1 },
        Fault::TooManyOperations { limit: 1 },
        Fault::OperationsFull { limit: 1 },
        Fault::AnswersFull { limit: 1 },
        Fault::TooManyConnections { limit: 1 },
        BodyError::NoRoom.into(),
        Fault::Starting,
        Fault::NoRandomness,
        Fault::Draining,
        Fault::Doubtful { doubt: text() },
        GetError::Unavailable { required: 2, acks: 1, n: 3, replicas: Vec::new() }.into(),
        GetError::Timeout { required: 2, acks: 1, n: 3, replicas: Vec::new() }.into(),
        PutError::Unknown { required: 2, acks: 1, n: 3, replicas: Vec::new(), timed_out: true }.into(),
    ]
}

#[test]
fn an_outcome_is_what_the_reference_says_of_its_code() {
    let faults = faults();
    for code in Code::ALL {
        assert!(
            faults.iter().any(|fault| fault.code() == *code),
            "{code:?} is not among the faults of this test"
        );
    }
    for fault in faults {
        let (code, said) = (fault.code(), format!("{fault:?}"));
        let is_write = !matches!(fault, Fault::Get(_));
        let is_unknown = UNKNOWN.contains(&code) || (code == Code::Internal && is_write);
        let expected = if is_unknown { Outcome::Unknown } else { Outcome::NotApplied };
        assert_eq!(Problem::from(fault.clone()).outcome(), expected, "{said}");
        let of_retry = if code == Code::IdempotencyReused { Outcome::NotApplied } else { Outcome::Unknown };
        assert_eq!(Problem::from(fault).of_retry(true).outcome(), of_retry, "a retry: {said}");
    }
    let reference = include_str!("../../../docs/http.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, rule) = reference.split_once("Of any other request").expect("the rule of outcomes");
    let (rule, _) = rule.split_once("are `unknown`, and every other code is `not_applied`").expect("its end");
    for code in Code::ALL {
        let is_said = rule.contains(&format!("`{}`", code.as_str()));
        let is_unknown = UNKNOWN.contains(code) || *code == Code::Internal;
        assert_eq!(is_said, is_unknown, "{code:?} in the rule of outcomes");
    }
}

#[test]
fn a_retry_that_is_refused_is_told_that_an_earlier_attempt_may_have_been_applied() {
    for fault in faults() {
        let speaks_of_all = matches!(fault.code(), Code::IdempotencyReused | Code::IdempotencyExpired)
            || matches!(fault, Fault::Put(PutError::Unknown { .. }));
        let said = Problem::from(fault).of_retry(true).detail();
        assert_eq!(said.ends_with("; an earlier attempt may have been applied"), !speaks_of_all, "{said}");
    }
}
