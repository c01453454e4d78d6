//! Testimonies, and what is made of them.

use serde_json::json;

use super::*;

const MUST: Expected = Expected::Doubt(&[Cause::Behind]);
const MAY: Expected = Expected::DoubtOrWhole(&[Cause::Damaged]);

/// A node that doubts its disk for this cause, and says so everywhere.
fn doubtful(cause: Cause) -> Testimony {
    Testimony {
        is_running: true,
        ready: Some((503, "replica-doubtful".into(), "it ends too early".into())),
        metric: Some(true),
        listed: Some(Listed { doubt: Some(cause.name().into()), incarnation: 1 }),
        ..Testimony::default()
    }
}

/// A node that is ready, as this incarnation.
fn ready(incarnation: u64) -> Testimony {
    Testimony {
        is_running: true,
        ready: Some((200, String::new(), String::new())),
        metric: Some(false),
        listed: Some(Listed { doubt: None, incarnation }),
        ..Testimony::default()
    }
}

#[test]
fn a_node_must_come_back_from_what_it_can_heal() {
    assert_eq!(judge(MUST, 1, &ready(2)), Ok(Standing::WholeAgain(2)));
    assert_eq!(judge(MAY, 2, &ready(3)), Ok(Standing::WholeAgain(3)));
    for (expected, cause) in [(MUST, Cause::Behind), (MAY, Cause::Damaged)] {
        let waits = judge(expected, 1, &doubtful(cause));
        assert!(waits.is_err_and(|why| why.contains("not whole again: it ends too early")));
    }
    let filling = Testimony {
        ready: Some((503, "unavailable".into(), "3 of its 8 shards are whole".into())),
        ..ready(2)
    };
    assert!(judge(MUST, 1, &filling).is_err_and(|why| why.contains("3 of its 8")));
    // It says that it is, and lacks what it had acknowledged.
    for may_forget in [false, true] {
        let lost = Testimony { lost: vec!["holds nothing".into()], may_forget, ..ready(2) };
        assert!(judge(MUST, 1, &lost).is_err_and(|why| why.contains("holds nothing")));
    }
}

#[test]
fn a_node_without_an_identity_stays_out() {
    assert!(matches!(judge(Expected::End, 1, &Testimony::default()), Ok(Standing::Stays(_))));
}

#[test]
fn not_to_notice_is_allowed_only_to_a_node_that_is_whole() {
    assert!(matches!(judge(MAY, 1, &ready(1)), Ok(Standing::Stays(_))));
    let lost = Testimony { lost: vec!["holds of x not version 5".into()], ..ready(1) };
    assert!(judge(MAY, 1, &lost).is_err_and(|why| why.contains("holds of x not version 5")));
    let forgot = Testimony { may_forget: true, ..lost };
    assert!(judge(MAY, 1, &forgot).is_ok(), "what it acknowledged was in memory alone");
    assert_eq!(judge(MUST, 1, &ready(1)), Err("says that it is ready".to_owned()));
    assert!(judge(Expected::End, 1, &ready(1)).is_err());
}

#[test]
fn each_missing_word_is_missed() {
    let out = doubtful(Cause::Damaged);
    let of = |doubt: Option<&str>| Some(Listed { doubt: doubt.map(str::to_owned), incarnation: 1 });
    let lacking = [
        (Testimony { is_running: false, ..out.clone() }, "does not run"),
        (Testimony { ready: None, ..out.clone() }, "does not answer about itself"),
        (Testimony { ready: Some((503, "unavailable".into(), String::new())), ..out.clone() }, "says 503"),
        (Testimony { metric: None, ..out.clone() }, "have no quorate_replica_doubtful"),
        (Testimony { metric: Some(false), ..out.clone() }, "but its metrics do not"),
        (Testimony { listed: None, ..out.clone() }, "not in the list"),
        (Testimony { listed: of(None), ..out.clone() }, "another member does not know"),
        (Testimony { listed: of(Some("failed")), ..out.clone() }, "the cause failed rather than damaged"),
        (Testimony { lies: vec!["calls a key absent".into()], ..out.clone() }, "calls a key absent"),
    ];
    for (testimony, missed) in lacking {
        let judged = judge(MAY, 1, &testimony);
        assert!(judged.as_ref().is_err_and(|why| why.contains(missed)), "{missed}: {judged:?}");
    }
    for incarnation in [1, 2] {
        let whole = ready(incarnation);
        assert!(judge(MAY, 1, &whole).is_ok());
        for contradicts in [
            Testimony { metric: Some(true), ..whole.clone() },
            Testimony { metric: None, ..whole.clone() },
            Testimony { listed: None, ..whole.clone() },
            Testimony { lies: vec!["calls a key absent".into()], ..whole },
        ] {
            assert!(judge(MAY, 1, &contradicts).is_err(), "{contradicts:?}");
        }
    }
}

#[test]
fn a_probe_is_there_or_cannot_be_told_but_never_absent() {
    let answer = |status, body: &str| Answer {
        status,
        consistency: String::new(),
        version: String::new(),
        retry_after: false,
        body: body.into(),
    };
    assert!(lie(&answer(200, PROBE_VALUE)).is_none() && lie(&answer(503, "")).is_none());
    assert!(lie(&answer(404, "")).is_some() && lie(&answer(200, "another")).is_some());
}

#[test]
fn an_owner_lacks_a_probe_unless_it_holds_the_version_that_was_acknowledged() {
    let probe = Probe { table: "v1/tables/t".into(), key: "p".into(), version: "5-n1".into() };
    let explained =
        |replica: Value| json!({ "owners": [{ "name": "first", "node": "n1" }], "replicas": [replica] });
    let held = explained(json!({ "node": "n1", "version": "5-n1", "tombstone": false }));
    assert_eq!(lacks(&held, "first", &probe), None);
    assert_eq!(lacks(&held, "second", &probe), None, "it is no owner");
    for wrong in [
        explained(json!({ "node": "n1", "version": null })),
        explained(json!({ "node": "n1", "version": "4-n1" })),
        explained(json!({ "node": "n1", "version": "5-n1", "tombstone": true })),
        explained(json!({ "node": "n1", "error": "the replica doubts its disk" })),
        explained(json!({ "node": "n2", "version": "5-n1" })),
        Value::Null,
    ] {
        assert!(lacks(&wrong, "first", &probe).is_some(), "{wrong}");
    }
}

#[test]
fn lists_are_read() {
    let list = json!({"nodes": [
        {"name": "n1", "doubt": null, "incarnation": 1}, {"name": "n2", "doubt": "behind", "incarnation": 3},
    ]});
    assert_eq!(listed(&list, "n1"), Some(Listed { doubt: None, incarnation: 1 }));
    assert_eq!(listed(&list, "n2"), Some(Listed { doubt: Some("behind".to_owned()), incarnation: 3 }));
    assert_eq!(listed(&list, "n3"), None);
}
