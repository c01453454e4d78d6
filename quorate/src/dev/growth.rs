//! Nodes that come and go while the cluster runs.

use super::error::{Error, JOIN_TIMEOUT};
use super::plan::{Numbers, forget};
use super::slot::{NodeState, Slot, raise_open_files};
use super::{Cluster, READY_INTERVAL};
use quorate_model::NodeId;
use quorate_node::Entry;
use quorate_ring::View;
use std::sync::Arc;
use tokio::time::{Instant, sleep, timeout};

impl Cluster {
    /// Starts a further node, and waits until every node that runs knows it. It owns nothing until a plan gives it a
    /// share. What could not be finished is gone on with by the next call.
    pub async fn add(&mut self) -> Result<NodeState, Error> {
        let known = Numbers::of(&self.plan.folder)?;
        let number = known.next(self.slots.iter().map(|slot| slot.number)).ok_or(Error::Full)?;
        raise_open_files(self.slots.len() + 1).map_err(|error| Error::OpenFiles(error.to_string()))?;
        let running = self.slots.iter().filter(|slot| slot.running.is_some());
        let addresses: Vec<String> = running.map(|slot| slot.http.to_string()).collect();
        let mut slot = Slot::new(&self.plan, number);
        let name = slot.name.clone();
        if self.plan.zones == self.plan.numbers.len() {
            // Each node has a zone of its own, so this one: then it shares with all others, not with its zone alone.
            slot.zone = format!("z{number}");
        }
        if addresses.is_empty() {
            return Err(Error::NotJoined { name });
        }
        let deadline = Instant::now() + JOIN_TIMEOUT;
        let Ok(started) = timeout(JOIN_TIMEOUT, slot.start(Entry::Join { addresses })).await else {
            return Err(Error::NotJoined { name });
        };
        started?;
        self.slots.push(slot);
        while !self.all_know(number) && Instant::now() < deadline {
            sleep(READY_INTERVAL).await;
        }
        let slot = self.slots.last_mut().expect("it was added");
        slot.learn_zone();
        tracing::warn!("{name} is started, as a new member");
        Ok(slot.state())
    }

    /// Whether every node that runs has this one as a member.
    fn all_know(&self, number: usize) -> bool {
        let Some(id) = self.slots.iter().find(|slot| slot.number == number).and_then(id) else {
            return false;
        };
        self.slots.iter().filter_map(view).all(|view| view.catalog().node(id).is_some())
    }

    /// Ends the nodes that were members and are none any more, and empties their folders.
    pub async fn end_removed(&mut self) {
        let Some(newest) = self.slots.iter().filter_map(view).max_by_key(|view| view.epoch()) else { return };
        for slot in &mut self.slots {
            let own = view(slot);
            let has = |view: &Arc<View>| id(slot).is_some_and(|id| view.catalog().node(id).is_some());
            let knows = own.iter().chain([&newest]).filter(|view| has(view)).map(|view| view.epoch()).max();
            slot.member_at = slot.member_at.max(knows);
        }
        let is_removed = |slot: &Slot| {
            let is_known = id(slot).is_some_and(|id| newest.catalog().node(id).is_some());
            let has_left =
                slot.running.is_some() && !is_known && slot.member_at.is_some_and(|at| at < newest.epoch());
            has_left || slot.is_dismissed()
        };
        let removed: Vec<usize> =
            self.slots.iter().filter(|slot| is_removed(slot)).map(|slot| slot.number).collect();
        for number in removed {
            let Some(at) = self.slots.iter().position(|slot| slot.number == number) else { continue };
            let mut slot = self.slots.remove(at);
            if let Some(running) = slot.running.take() {
                running.instance.shutdown().await;
            }
            match forget(&slot.folder) {
                Ok(()) => {
                    tracing::warn!("{} is no member any more: it is ended, and its folder empty", slot.name);
                }
                Err(error) => {
                    tracing::error!("{} is ended, and {} stays: {error}", slot.name, slot.folder.display());
                }
            }
        }
    }
}

fn view(slot: &Slot) -> Option<Arc<View>> {
    slot.running.as_ref().map(|running| running.instance.node().core().view())
}

fn id(slot: &Slot) -> Option<NodeId> {
    slot.running.as_ref().map(|running| running.instance.node().id())
}
