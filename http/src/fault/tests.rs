use super::*;
use quorate_model::Span;

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
