//! One running node: everything that `serve` starts once and `dev` starts several times in one process.
//!
//! ```text
//!   folder ──> identity ──> engine ──> replica, committer ──> consensus (applies what it has) ──> views
//!                 │                                                                                 │
//!            found or join                              peer port, links, hints, voters  <──────────┘
//! ```
//!
//! A node has a [`Runtime`] of its own, so that it can be stopped as a whole: in order ([`Node::shutdown`]), or as a
//! killed process would stop ([`Node::kill`]). What serves its clients runs there too, and begins before the node and
//! ends before it: the program's part.
//!
//! # Invariants
//!
//! - Key traffic is served once the last known catalog is in force; that needs no other node.
//! - Stopping in order: not ready, finish what has begun, stop consensus, commit what waits, close the database.
//! - A node that doubts its disk starts too, without consensus, even if its database can't be opened: it does not
//!   vote, refuses every key and says why.
//! - Before it answers or votes, a node has heard what the members remember of it (`recollection.rs`).
//! - A folder is founded or joined once. What was begun and interrupted is continued, never begun again.

mod admin;
mod beginning;
mod config;
mod damaged;
pub mod folder;
mod parts;
mod tasks;
mod uniqueness;

pub use config::{BOOT_ID_FILE, Entry, NodeConfig, StartError, StorageConfig, is_like_an_id};
pub use parts::listen;

use crate::core::Core;
use crate::ended::Ended;
use parts::Parts;
use quorate_model::NodeId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a stopping node's tasks may take to notice.
const TASKS_TIMEOUT: Duration = Duration::from_secs(5);

/// See the module's essay. Dropped without being stopped, it ends like a killed one, which the drop waits for.
pub struct Node {
    parts: Option<Parts>,
    runtime: Runtime,
}

/// The threads and tasks of one node. It may be dropped anywhere, and waits then until they have ended.
pub struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    /// Of a node with this name; `workers` threads, or as many as there are processors.
    pub fn new(name: &str, workers: Option<usize>) -> Result<Self, StartError> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if let Some(workers) = workers {
            builder.worker_threads(workers.max(1));
        }
        let built = builder.thread_name(name).enable_all().build();
        built.map(|runtime| Self(Some(runtime))).map_err(|error| StartError::Runtime(error.to_string()))
    }

    fn get(&self) -> &tokio::runtime::Runtime {
        self.0.as_ref().expect("there until it is shut down")
    }

    /// Does this as a task of the node, and waits for it.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StartError> {
        self.get().spawn(work).await.map_err(|error| StartError::Runtime(error.to_string()))
    }

    /// Ends all tasks and waits for it.
    async fn shut_down(mut self) {
        if let Some(runtime) = self.0.take() {
            let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(TASKS_TIMEOUT));
            ended.await.expect("shutting a runtime down does not panic");
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // A process that ends while its database is still closing aborts in the database's own destructors. From a
        // thread of its own, since a runtime must not be waited for within another.
        if let Some(runtime) = self.0.take() {
            let closing = std::thread::Builder::new().spawn(move || runtime.shutdown_timeout(TASKS_TIMEOUT));
            if let Ok(closing) = closing {
                let _ended = closing.join();
            }
        }
    }
}

impl Node {
    /// Starts a node. Returns once it serves; one that joins keeps trying, while it says so, until it is a member.
    pub async fn start(runtime: Runtime, config: NodeConfig) -> Result<Self, StartError> {
        let parts = runtime.run(Parts::start(config)).await??;
        Ok(Self { parts: Some(parts), runtime })
    }

    /// What the HTTP edge and the tests ask.
    pub fn core(&self) -> &Arc<Core> {
        &self.parts().core
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        self.parts().core.node()
    }

    /// Where peers are answered.
    pub fn peer_address(&self) -> SocketAddr {
        self.parts().peer_address
    }

    /// Turns into a reason when this node must not go on: the program that started it should stop it and say why.
    pub fn failed(&self) -> watch::Receiver<Option<Ended>> {
        self.parts().failed.subscribe()
    }

    /// Turns true when this node must be started again to go on: the program that started it should stop it and do so.
    pub fn restart(&self) -> watch::Receiver<bool> {
        self.parts().core.restart.subscribe()
    }

    /// Why the last connection of a peer was refused here.
    pub fn last_refusal(&self) -> Option<String> {
        self.parts().server.last_refusal()
    }

    /// Cuts all peer traffic, both ways, or lets it flow again. For `dev` and tests.
    pub fn cut(&self, cut: bool) {
        self.parts().links.cut(cut);
        self.parts().server.cut(cut);
    }

    /// Stops in order: nothing that was begun is lost.
    pub async fn shutdown(mut self) {
        if let Some(parts) = self.parts.take() {
            let stopped = self.runtime.get().spawn(parts.stop()).await;
            if let Err(error) = stopped {
                tracing::error!("stopping in order failed: {error}");
            }
        }
        self.runtime.shut_down().await;
    }

    /// Stops as a killed process would: nothing is finished, nothing is flushed. Returns once its folder can be opened
    /// again.
    pub async fn kill(mut self) {
        if let Some(parts) = self.parts.take() {
            parts.links.close();
            parts.server.cut(true);
            let ended = tokio::task::spawn_blocking(move || {
                parts.committer.abandon();
                drop(parts);
            });
            ended.await.expect("abandoning a committer does not panic");
        }
        self.runtime.shut_down().await;
    }

    fn parts(&self) -> &Parts {
        self.parts.as_ref().expect("there until it is stopped, which takes the node")
    }
}

#[cfg(test)]
mod tests;
