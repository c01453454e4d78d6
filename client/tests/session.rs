//! What a session sends again, where, and under which operation id; and what its caller is told.

mod script;

use quorate_client::{
    Client, Endpoint, Found, Hedge, Options, Outcome, Read, Routing, Session, SessionOptions, Write,
};
use quorate_model::Level;
use script::{STORED, Say, Script, answer, problem, stored};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn session(endpoints: &[&Endpoint], options: SessionOptions) -> Session {
    let endpoints = endpoints.iter().map(|endpoint| (*endpoint).clone()).collect();
    let client = Client::new(Options { endpoints, ..Options::default() }).expect("a client");
    Session::new(client, &options)
}

/// One that asks the endpoints alone, for so many milliseconds.
fn plain(endpoints: &[&Endpoint], deadline_ms: u64) -> Session {
    let deadline = Duration::from_millis(deadline_ms);
    session(endpoints, SessionOptions { deadline, routing: Routing::Any, ..SessionOptions::default() })
}

/// The operation id in a request's head.
fn id(head: &str) -> Option<&str> {
    head.lines().find_map(|line| line.strip_prefix("idempotency-key: "))
}

fn is_retry(head: &str) -> bool {
    head.lines().next().is_some_and(|line| line.contains("retry=true"))
}

#[tokio::test]
async fn a_write_of_unknown_outcome_is_a_retry_under_its_own_id() {
    for unclear in
        [Say::HangUp, Say::Nothing, problem(504, "write-timeout", Some("unknown")), problem(500, "bug", None)]
    {
        let node = Script::follow(vec![unclear, stored()]).await;
        let session = plain(&[&node.endpoint], 2_000);
        session.put("t", b"k", b"v".to_vec(), &Write::default()).await.expect("stored by the retry");
        let heads = node.heads();
        assert_eq!(heads.len(), 2, "{heads:?}");
        assert!(id(&heads[0]).is_some() && id(&heads[0]) == id(&heads[1]), "{heads:?}");
        assert_eq!(heads.iter().map(|head| is_retry(head)).collect::<Vec<_>>(), [false, true]);
    }
}

#[tokio::test]
async fn a_write_without_effect_goes_elsewhere_as_a_first_attempt() {
    let refusal = r#"{"code":"draining","status":503,"title":"t","detail":"d","outcome":"not_applied"}"#;
    let by = move |_: &str| answer(503, "application/problem+json", "retry-after: 30\r\n", refusal);
    let draining = Script::start(Say::By(Arc::new(by))).await;
    let good = Script::start(stored()).await;
    let session = plain(&[&draining.endpoint, &good.endpoint], 2_000);
    for _ in 0..6 {
        session.delete("t", b"k", &Write::default()).await.expect("stored by the other one");
    }
    assert_eq!((draining.requests(), good.requests()), (1, 6), "it is set aside for as long as it asked");
    assert!(!good.heads().iter().any(|head| is_retry(head)), "{:?}", good.heads());
}

#[tokio::test]
async fn what_stays_unknown_is_told_with_the_id_to_repeat_it_by() {
    let node = Script::start(Say::HangUp).await;
    let begun = Instant::now();
    let failed = plain(&[&node.endpoint], 400)
        .put("t", b"k", b"v".to_vec(), &Write::default())
        .await
        .expect_err("no node answers");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(failed.outcome(), Outcome::Unknown, "{failed}");
    let operation = failed.operation.expect("its id").to_string();
    let heads = node.heads();
    assert!(heads.len() > 1 && heads.iter().all(|head| id(head) == Some(operation.as_str())), "{heads:?}");
    assert_eq!(failed.attempts.len(), heads.len().min(16));
}

/// Its caller's: with another body the same id is refused, whatever the attempts before did.
#[tokio::test]
async fn a_callers_own_operation_id_is_kept_and_its_misuse_told() {
    let node = Script::start(problem(409, "idempotency-reused", Some("not_applied"))).await;
    let write = Write { operation: "me:7".parse().ok(), retry: true, ..Write::default() };
    let failed = plain(&[&node.endpoint], 1_000)
        .put("t", b"k", b"v".to_vec(), &write)
        .await
        .expect_err("another write has that id");
    assert_eq!((failed.outcome(), node.requests()), (Outcome::NotApplied, 1), "{failed}");
    assert!(is_retry(&node.heads()[0]) && id(&node.heads()[0]) == Some("me:7"));
}

#[tokio::test]
async fn a_level_below_the_tables_w_takes_no_id_and_that_is_remembered() {
    let refusal =
        r#"{"code":"invalid-consistency","status":400,"title":"t","detail":"d","outcome":"not_applied"}"#;
    let by = move |head: &str| match id(head) {
        Some(_) => answer(400, "application/problem+json", "", refusal),
        None => answer(200, "application/json", "", STORED),
    };
    let node = Script::start(Say::By(Arc::new(by))).await;
    let session = plain(&[&node.endpoint], 2_000);
    let write = Write { w: Some(Level::One), ..Write::default() };
    for _ in 0..2 {
        session.put("t", b"k", b"v".to_vec(), &write).await.expect("stored");
    }
    let ids: Vec<bool> = node.heads().iter().map(|head| id(head).is_some()).collect();
    assert_eq!(ids, [true, false, false]);
    // Of a write whose level is the table's own, that refusal is its own fault.
    session.put("t", b"k", b"v".to_vec(), &Write::default()).await.expect_err("refused");
    assert_eq!(node.requests(), 4);
}

#[tokio::test]
async fn a_read_goes_on_until_a_node_answers() {
    for silence in
        [Say::HangUp, Say::Nothing, problem(504, "read-timeout", None), problem(503, "starting", None)]
    {
        let node = Script::follow(vec![silence, Say::Answer(200, "text/plain", "hello".to_owned())]).await;
        let read = plain(&[&node.endpoint], 2_000).get("t", b"k", &Read::default()).await.expect("read");
        assert!(matches!(read.answer, Found::Value(value) if value.bytes == b"hello"));
    }
    let absent = Script::start(problem(404, "no-such-key", None)).await;
    let read = plain(&[&absent.endpoint], 1_000).get("t", b"k", &Read::default()).await.expect("an answer");
    assert_eq!((read.answer, absent.requests()), (Found::Absent { reason: "d".to_owned() }, 1));
}

#[tokio::test]
async fn a_slow_read_is_sent_to_a_second_node_too() {
    let silent = Script::start(Say::Nothing).await;
    let good = Script::start(Say::Answer(200, "text/plain", "hello".to_owned())).await;
    let options = SessionOptions {
        deadline: Duration::from_secs(60),
        routing: Routing::Any,
        hedge: Hedge::After(Duration::from_millis(20)),
    };
    let session = session(&[&silent.endpoint, &good.endpoint], options);
    let begun = Instant::now();
    for _ in 0..20 {
        session.get("t", b"k", &Read::default()).await.expect("the second node answers");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!((1..10).contains(&silent.requests()), "it is set aside: {}", silent.requests());
}

/// Two nodes, of which each owns a half of a range table; the first alone is named to the session.
#[tokio::test]
async fn an_owner_is_asked_by_a_map_that_is_made_once_in_an_epoch() {
    let epoch = Arc::new(AtomicU64::new(7));
    let value = {
        let epoch = Arc::clone(&epoch);
        move || {
            answer(200, "text/plain", &format!("quorate-epoch: {}\r\n", epoch.load(Ordering::SeqCst)), "v")
        }
    };
    let second = {
        let value = value.clone();
        Script::start(Say::By(Arc::new(move |_: &str| value()))).await
    };
    let (address, now) = (second.endpoint.clone(), Arc::clone(&epoch));
    let first = Script::start(Say::By(Arc::new(move |head: &str| {
        if !head.starts_with("get /v1/cluster/ring") {
            return value();
        }
        // In the epoch after this one both halves are the first node's.
        let epoch = now.load(Ordering::SeqCst);
        let owner = if epoch == 7 { "n2" } else { "n1" };
        let here = head.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
        let node = |id: &str, address: &str| {
            format!(r#"{{"node":"{id}","name":"{id}","zone":"z","positions":1,"address":"{address}"}}"#)
        };
        let shard = |index: u32, start: &str, end: &str, owner: &str| {
            format!(
                r#"{{"id":"t/{index}","index":{index},"start":{{"key":"{start}"}},"end":{end},"position":"0000000000000000","epoch":1,"owners":["{owner}"]}}"#
            )
        };
        let body = format!(
            r#"{{"epoch":{epoch},"nodes":[{},{}],"shards":[{},{}]}}"#,
            node("n1", here),
            node("n2", &address.to_string()),
            shard(0, "", r#"{"key":"m"}"#, "n1"),
            shard(1, "m", "null", owner),
        );
        answer(200, "application/json", "", &body)
    })))
    .await;
    let session = session(&[&first.endpoint], SessionOptions::default());
    let get = async |key: &[u8]| {
        session.get("t", key, &Read::default()).await.expect("read");
    };
    let keys = |script: &Script| script.heads().iter().filter(|head| head.contains("/keys/")).count();
    for key in [b"a", b"z", b"b", b"y"] {
        get(key).await;
    }
    assert_eq!((keys(&first), keys(&second), first.requests()), (2, 2, 3), "and one map");
    epoch.store(8, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(30);
    while keys(&first) < 4 {
        assert!(Instant::now() < deadline, "no new map is made");
        get(b"z").await;
    }
    assert_eq!(first.requests() - keys(&first), 2, "one map in each epoch");
}

#[tokio::test]
async fn a_batch_has_an_id_for_each_item_and_is_repeated_as_a_whole() {
    let results = r#"{"results":[{"key":"a","status":200},{"key":"b","status":503}]}"#;
    let node =
        Script::follow(vec![Say::HangUp, Say::Answer(200, "application/json", results.to_owned())]).await;
    let items = ["a", "b"].map(|key| quorate_client::document::BatchItem {
        delete: Some(quorate_client::document::NamedKey { key: Some(key.to_owned()), key_b64: None }),
        ..Default::default()
    });
    let made = plain(&[&node.endpoint], 2_000)
        .batch("t", items.to_vec(), &Write::default())
        .await
        .expect("an answer");
    assert_eq!(made.iter().map(|result| result.status).collect::<Vec<_>>(), [200, 503]);
    assert_eq!(node.heads().iter().map(|head| is_retry(head)).collect::<Vec<_>>(), [false, true]);
}
