//! A whole cluster in one process, to try things on one machine: real nodes, real TCP on loopback, real folders.
//!
//! ```text
//!            n1            n2            n3            control
//!   HTTP     first         first + 10    first + 20    first + 9
//!   peers    first + 1     first + 11    first + 21
//! ```
//!
//! Nothing here is a simulation: each node is what `serve` starts, with its own folder and its own runtime. What only
//! this mode has is the command port, on loopback alone, where a second terminal can kill a node as abruptly as a
//! power switch, start it again, cut or heal its peer traffic, and start a further one. What moves to that one, and what
//! a node gives away that leaves, is decided by plans, as in any cluster.
//!
//! # Invariants
//!
//! - A cluster is founded only if none of the folders has a node: a lost folder joins again, as a new member.
//! - Ports are this run's, not the folder's: nodes that come back elsewhere look for each other where this run puts
//!   them.
//! - First starts are in order, so that names and ids agree: n1 is `n1`. A number is not given twice, as ids are not.
//! - A node that is a member no more is ended, and its folder emptied: nothing here is its only copy.

mod error;
mod growth;
mod plan;
pub mod remote;
mod slot;

pub use error::{Error, TABLE};
pub use plan::{NODES_MAX, Numbers, Plan};
pub use slot::{NodeState, PORT_STEP, raise_open_files};

use crate::instance::Instance;
use error::READY_TIMEOUT;
use quorate_client::document::TableSpec;
use quorate_client::{Client, Endpoint, Error as ClientError, Options};
use quorate_node::{Entry, StartError};
use quorate_storage::Identity;
use slot::Slot;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// From the first port to the command port.
pub const CONTROL_STEP: u16 = 9;

/// How often they are asked.
const READY_INTERVAL: Duration = Duration::from_millis(50);

/// A wait that takes longer than this is explained.
const WORDLESS_MAX: Duration = Duration::from_millis(700);

/// A development cluster. Dropped without [`Cluster::shutdown`], its nodes end like killed ones.
pub struct Cluster {
    plan: Plan,
    slots: Vec<Slot>,
}

/// What a second terminal can do to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// End it abruptly: no drain, no flush.
    Kill,
    /// Start it again, on its folder and ports.
    Start,
    /// Drop its peer traffic, both ways.
    Cut,
    /// Let its peer traffic flow again.
    Heal,
}

impl Cluster {
    /// Starts every node, waits until all are ready, and makes the table. Tells what it waits for, if that takes a
    /// while.
    pub async fn start(plan: &Plan, tell: impl Fn(&str)) -> Result<Self, Error> {
        let mut slots: Vec<Slot> = plan.numbers.iter().map(|number| Slot::new(plan, *number)).collect();
        let mut begun = Vec::new();
        for slot in &slots {
            begun.push(Identity::read(&slot.folder)?.is_some());
        }
        for (slot, _) in slots.iter_mut().zip(&begun).filter(|(_, begun)| **begun) {
            slot.settle();
        }
        if begun.iter().all(|begun| *begun) {
            start_together(&mut slots).await?;
        } else {
            // Old ones first: new ones join them.
            let mut order: Vec<usize> = (0..slots.len()).collect();
            order.sort_by_key(|at| !begun[*at]);
            let found_first = !begun.contains(&true);
            start_in_order(&mut slots, &order, &begun, found_first).await?;
        }
        let mut cluster = Self { plan: plan.clone(), slots };
        cluster.end_removed().await;
        cluster.wait_until_ready(&tell).await?;
        cluster.make_table(&tell).await?;
        // Which zone a node is in was settled when it was added.
        for slot in &mut cluster.slots {
            slot.learn_zone();
        }
        Ok(cluster)
    }

    /// Every node's state.
    pub fn nodes(&self) -> Vec<NodeState> {
        self.slots.iter().map(Slot::state).collect()
    }

    /// Does something to a node; returns its state after that.
    pub async fn act(&mut self, name: &str, act: Act) -> Result<NodeState, Error> {
        let names = || self.slots.iter().map(|slot| slot.name.as_str()).collect::<Vec<_>>().join(", ");
        let Some(at) = self.slots.iter().position(|slot| slot.name == name) else {
            return Err(Error::NoSuchNode { name: name.escape_default().to_string(), names: names() });
        };
        let entry = again(&self.slots);
        let slot = &mut self.slots[at];
        let already = |state| Error::Already { name: name.to_owned(), state };
        match (act, slot.running.take()) {
            (Act::Kill, Some(running)) => {
                running.instance.kill().await;
                tracing::warn!("{name} is killed");
            }
            (Act::Start, None) => {
                slot.start(entry).await?;
                if let Some(ended) = slot.dismissed.clone() {
                    return Err(Error::Start {
                        name: name.to_owned(),
                        error: Box::new(StartError::Ended(ended)),
                    });
                }
                tracing::warn!("{name} is started again");
            }
            (Act::Cut | Act::Heal, Some(mut running)) => {
                let cut = act == Act::Cut;
                let changed = running.is_cut != cut;
                running.instance.node().cut(cut);
                running.is_cut = cut;
                slot.running = Some(running);
                if !changed {
                    return Err(already(if cut { "is cut off already" } else { "is not cut off" }));
                }
                tracing::warn!("{name} is {}", if cut { "cut off" } else { "connected again" });
            }
            (Act::Start, Some(running)) => {
                slot.running = Some(running);
                return Err(already("runs already"));
            }
            (Act::Kill, None) => return Err(already("is down already")),
            (Act::Cut | Act::Heal, None) => return Err(already("is down")),
        }
        Ok(self.slots[at].state())
    }

    /// Starts the nodes again that ask for it: one that heals goes on with what its last run decided.
    pub async fn start_again(&mut self) {
        let entry = again(&self.slots);
        for slot in &mut self.slots {
            let Some(running) = slot.running.take_if(|running| *running.instance.node().restart().borrow())
            else {
                continue;
            };
            tracing::warn!("{} starts again", slot.name);
            running.instance.shutdown().await;
            match slot.start(entry.clone()).await {
                Ok(()) => {
                    if let Some(again) = &mut slot.running {
                        again.instance.node().cut(running.is_cut);
                        again.is_cut = running.is_cut;
                    }
                }
                Err(error) => tracing::error!("{error}; it stays down"),
            }
        }
    }

    /// Stops every node in order.
    pub async fn shutdown(self) {
        let stopping: Vec<_> = self
            .slots
            .into_iter()
            .filter_map(|slot| slot.running)
            .map(|running| tokio::spawn(running.instance.shutdown()))
            .collect();
        for node in stopping {
            if node.await.is_err() {
                tracing::error!("a node could not be stopped in order");
            }
        }
    }

    fn client(&self) -> Client {
        let endpoints = self.slots.iter().map(|slot| Endpoint::from(slot.http)).collect();
        Client::new(Options { endpoints, ..Options::default() }).expect("a cluster has at least one node")
    }

    async fn wait_until_ready(&mut self, tell: impl Fn(&str)) -> Result<(), Error> {
        let began = Instant::now();
        let (deadline, mut told) = (began + READY_TIMEOUT, String::new());
        // The last run may have ended before a node that had left.
        while let Some(reason) = self.unready().await {
            if Instant::now() >= deadline {
                return Err(Error::NotReady { reason });
            }
            if began.elapsed() > WORDLESS_MAX && told != reason {
                tell(&format!("waiting for {reason}"));
                told = reason;
            }
            sleep(READY_INTERVAL).await;
            self.end_removed().await;
        }
        Ok(())
    }

    /// Why one of the nodes is not ready; `None`: all are.
    async fn unready(&self) -> Option<String> {
        for slot in &self.slots {
            let options = Options { endpoints: vec![Endpoint::from(slot.http)], ..Options::default() };
            let client = Client::new(options).expect("there is one endpoint");
            if let Err(error) = client.ready().await {
                return Some(format!("{}: {}", slot.name, error.cause()));
            }
        }
        None
    }

    async fn make_table(&mut self, tell: impl Fn(&str)) -> Result<(), Error> {
        let client = self.client();
        let failed = |error: ClientError| Error::Table(error.to_string());
        match client.table(TABLE).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code() == "no-such-table" => {}
            // Access control is on, so that this is not the first start: it was made then.
            Err(error) if error.code() == "unauthenticated" => return Ok(()),
            Err(error) => return Err(failed(error)),
        }
        let copies = self.slots.len().min(3) as u8;
        let spec = TableSpec { name: TABLE.to_owned(), n: Some(copies), ..TableSpec::default() };
        client.create_table(&spec).await.map_err(failed)?;
        self.wait_until_ready(tell).await
    }
}

/// Nodes that have all been members before need each other to be ready, not to start.
async fn start_together(slots: &mut [Slot]) -> Result<(), Error> {
    let again = again(slots);
    let starting: Vec<_> =
        slots.iter().map(|slot| tokio::spawn(Instance::start(slot.config(again.clone())))).collect();
    for (slot, started) in slots.iter_mut().zip(starting) {
        let started = started.await.map_err(|error| StartError::Runtime(error.to_string())).flatten();
        slot.started(started)?;
    }
    Ok(())
}

/// How a node that was a member before starts: where the others are now is not what its catalog says, perhaps, and it asks
/// them to let it come back if its files are damaged.
fn again(slots: &[Slot]) -> Entry {
    let settled = slots.iter().filter(|slot| slot.http.port() != 0);
    Entry::Join { addresses: settled.map(|slot| slot.http.to_string()).collect() }
}

async fn start_in_order(
    slots: &mut [Slot],
    order: &[usize],
    begun: &[bool],
    found_first: bool,
) -> Result<(), Error> {
    let (mut found, again) = (found_first, again(slots));
    for at in order {
        let addresses: Vec<String> =
            slots.iter().filter(|slot| slot.running.is_some()).map(|slot| slot.http.to_string()).collect();
        let entry = match (begun[*at], found) {
            (true, _) => again.clone(),
            (false, true) => Entry::found("dev"),
            (false, false) => Entry::Join { addresses },
        };
        found = false;
        slots[*at].start(entry).await?;
    }
    Ok(())
}

impl Act {
    /// The act of this name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "kill" => Some(Act::Kill),
            "start" => Some(Act::Start),
            "cut" => Some(Act::Cut),
            "heal" => Some(Act::Heal),
            _ => None,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Act::Kill => "kill",
            Act::Start => "start",
            Act::Cut => "cut",
            Act::Heal => "heal",
        }
    }
}
