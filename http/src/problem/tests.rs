use super::*;
use quorate_coordinator::PutError;
use quorate_model::{NodeId, Span};

fn report(node: u64, result: ReplicaResult) -> ReplicaReport {
    ReplicaReport {
        node: NodeId(node),
        result,
        after: Span::from_millis(3),
        hint: result == ReplicaResult::Down,
    }
}

#[test]
fn a_write_timeout_has_the_documented_shape() {
    let error = PutError::Unknown {
        required: 2,
        acks: 1,
        n: 3,
        replicas: vec![
            report(1, ReplicaResult::Ack),
            report(2, ReplicaResult::Timeout),
            report(3, ReplicaResult::Down),
        ],
        timed_out: true,
    };
    let problem = Problem::from(error).at(Level::Quorum).with_operation(true);
    let document = serde_json::to_value(problem.document("id-1")).expect("a document");
    let expected = serde_json::json!({
        "type": "/problems/write-timeout", "title": "Write quorum not reached in time", "status": 504,
        "code": "write-timeout", "instance": "id-1", "outcome": "unknown", "retry": "same idempotency key",
        "detail": "1 of 2 required owners acknowledged; the write may appear later, at most once; down: n3",
        "consistency": "quorum", "n": 3, "required": 2, "acks": 1,
        "replicas": [
            {"node": "n1", "result": "ack", "ms": 3},
            {"node": "n2", "result": "timeout"},
            {"node": "n3", "result": "down", "hint": true},
        ],
    });
    assert_eq!(document, expected);
}

#[test]
fn a_refusal_says_that_nothing_was_applied_and_when_to_come_back() {
    let problem = Problem::from(Fault::Overloaded { limit: 5 });
    let document = serde_json::to_value(problem.document("x")).expect("a document");
    assert_eq!(document["outcome"], "not_applied");
    let response = problem.into_response();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()[RETRY_AFTER], "1");
    assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
}

#[test]
fn a_panic_leaves_a_write_unknown() {
    let problem = Problem::from(Fault::Panicked);
    let document = serde_json::to_value(problem.document("x")).expect("a document");
    assert_eq!((document["status"].as_u64(), document["outcome"].as_str()), (Some(500), Some("unknown")));
}
