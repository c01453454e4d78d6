//! A session of the client against real nodes, of which one is killed; and its example.

#[path = "../../../client/examples/session.rs"]
#[allow(dead_code, reason = "its main is the example's own")]
mod example;

use crate::process::Dev;
use quorate_client::{Client, Endpoint, Found, Hedge, Options, Read, Session, SessionOptions, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const WRITERS: usize = 4;

/// What each writer does at least before a node is killed, and after.
const WRITES: u64 = 40;

fn endpoints(dev: &Dev) -> Vec<Endpoint> {
    (0..3).map(|at| dev.endpoint(at).parse().expect("an address")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_fails_no_request_of_a_session_and_loses_no_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 3);
    let client = Client::new(Options { endpoints: endpoints(&dev), ..Options::default() }).expect("a client");
    let how =
        SessionOptions { deadline: Duration::from_secs(30), hedge: Hedge::P95, ..SessionOptions::default() };
    let session = Session::new(client, &how);
    let is_over = Arc::new(AtomicBool::new(false));
    let acknowledged: Arc<[AtomicU64; WRITERS]> = Arc::default();
    let mut writers = JoinSet::new();
    for at in 0..WRITERS {
        let (session, is_over, acknowledged) =
            (session.clone(), Arc::clone(&is_over), Arc::clone(&acknowledged));
        writers.spawn(async move {
            let key = format!("writer-{at}").into_bytes();
            while !is_over.load(Ordering::SeqCst) {
                let value = (acknowledged[at].load(Ordering::SeqCst) + 1).to_string().into_bytes();
                session.put("demo", &key, value.clone(), &Write::default()).await.expect("stored");
                acknowledged[at].fetch_add(1, Ordering::SeqCst);
                let read = session.get("demo", &key, &Read::default()).await.expect("read");
                assert!(matches!(read.answer, Found::Value(read) if read.bytes == value));
            }
        });
    }
    let go_on = async |writers: &mut JoinSet<()>| {
        let before: Vec<u64> = acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        let is_done = || {
            let mut counts = acknowledged.iter().zip(&before);
            counts.all(|(count, before)| count.load(Ordering::SeqCst) >= before + WRITES)
        };
        let deadline = std::time::Instant::now() + crate::process::PATIENCE;
        while !is_done() {
            assert!(std::time::Instant::now() < deadline, "the writers do not go on");
            if let Some(ended) = writers.try_join_next() {
                ended.expect("a writer goes on");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    go_on(&mut writers).await;
    dev.disturb("kill", "n2").expect_code(0);
    go_on(&mut writers).await;
    dev.disturb("start", "n2").expect_code(0);
    go_on(&mut writers).await;
    is_over.store(true, Ordering::SeqCst);
    while let Some(ended) = writers.join_next().await {
        ended.expect("no request of it failed");
    }
    for (at, count) in acknowledged.iter().enumerate() {
        let key = format!("writer-{at}");
        let read = dev.run(0, &["get", "demo", &key]).expect_code(0);
        assert_eq!(read.text(), count.load(Ordering::SeqCst).to_string());
    }
    example::run(endpoints(&dev)).await.expect("the example does what it says");
}
