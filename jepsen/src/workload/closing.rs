//! The closing reads: when everything is healed and the clients have stopped, every key is read at every node.
//!
//! The keys are shared out among as many clients as the run had at most, each of which reads its keys one after the
//! other. A node that does not answer for one key in many tries is not asked for the others; what could not be read
//! makes the run void. A node that the run has excused (its disk was broken on purpose, so that it must refuse) is
//! not asked at all.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::paging::{Over, Scanned};
use super::{Asked, Closed, How, Request, Run, Running};
use quorate_checkers::operation::{ClientId, Status};

/// How often a closing read of one key is tried at one node.
const TRIES_MAX: usize = 6;

/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// How many clients read.
const READERS: usize = 10;

/// Reads every key at every node that attends, and that is all there is to say in the end.
pub(super) async fn close(run: &Arc<Run>, keys: Vec<String>, how: &How) -> Closed {
    Closed { void: read_everywhere(run, keys, how).await, ..Closed::default() }
}

/// The same at quorum.
pub(super) fn at_quorum(run: &Arc<Run>, keys: Vec<String>) -> Running<'_, Closed> {
    Box::pin(async move { close(run, keys, &How::default()).await })
}

/// The same by a scan of every node that attends.
pub(super) async fn close_by_scans(run: &Arc<Run>, keys: Vec<String>, over: Over) -> Closed {
    let mut closed = Closed::default();
    for node in run.answerable() {
        let (client, known, over) = (ClientId(1), &*keys, over.clone());
        let asked = Scanned { client, known, over, closing: true, wanders: false };
        if !insist(|| run.scan(&asked, node)).await {
            closed.void.push(silent_node(node));
        }
    }
    closed
}

/// Reads every key at every node that attends, and returns what could not be read.
pub(super) async fn read_everywhere(run: &Arc<Run>, keys: Vec<String>, how: &How) -> Vec<String> {
    let silent: Arc<Mutex<BTreeSet<usize>>> = Arc::default();
    let mut readers = JoinSet::new();
    for (reader, keys) in (1..).zip(shared_out(keys, READERS)) {
        let (run, silent, how) = (Arc::clone(run), Arc::clone(&silent), how.clone());
        readers.spawn(async move {
            for key in keys {
                for node in run.answerable() {
                    let is_silent = || silent.lock().unwrap_or_else(PoisonError::into_inner).contains(&node);
                    if !is_silent() && !read(&run, ClientId(reader), &key, &how, node).await {
                        silent.lock().unwrap_or_else(PoisonError::into_inner).insert(node);
                    }
                }
            }
        });
    }
    let mut unread = Vec::new();
    while let Some(done) = readers.join_next().await {
        unread.extend(done.err().map(|error| format!("the closing reads broke off: {error}")));
    }
    let silent = silent.lock().unwrap_or_else(PoisonError::into_inner);
    unread.extend(silent.iter().map(|node| silent_node(*node)));
    unread
}

fn silent_node(node: usize) -> String {
    format!("n{} did not answer the closing reads", node + 1)
}

async fn read(run: &Run, client: ClientId, key: &str, how: &How, node: usize) -> bool {
    let how = how.clone();
    let asked = Asked { client, key, request: Request::Read, how, closing: true, due: None };
    insist(|| {
        let asked = asked.clone();
        async move { run.perform(asked, node).await.status == Status::Ok }
    })
    .await
}

/// Tries something up to [`TRIES_MAX`] times, with pauses, and says whether it succeeded.
async fn insist<F: Future<Output = bool>>(attempt: impl Fn() -> F) -> bool {
    for number in 0..TRIES_MAX {
        if number > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        if attempt().await {
            return true;
        }
    }
    false
}

/// In turn, so that all shares are about equal.
fn shared_out(keys: Vec<String>, shares: usize) -> Vec<Vec<String>> {
    let mut shared = vec![Vec::new(); shares];
    for (index, key) in keys.into_iter().enumerate() {
        shared[index % shares].push(key);
    }
    shared
}
