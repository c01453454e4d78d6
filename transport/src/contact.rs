//! When each member was heard last, on any connection in either direction, and when it last heard this node.
//!
//! Each end of a connection says now and then how long it has not heard the other one. So a member learns that what it
//! sends does not arrive, although all that it hears does.

use minicbor::{Decode, Encode};
use quorate_model::NodeId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// No number of milliseconds.
const NEVER: u64 = u64::MAX;

/// What a frame of kind `Alive` carries. An earlier version sends an empty one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Alive {
    /// For how long the sender has not heard the receiver on any connection, in milliseconds; since it knows of it, if it
    /// never has.
    #[n(0)]
    pub unheard_ms: u64,
}

/// What is known of one member's signs of presence.
#[derive(Debug)]
pub struct Contact {
    begun: Instant,
    /// When it was heard of.
    known: Instant,
    /// Milliseconds since `begun`.
    heard_ms: AtomicU64,
    /// What it said last of how long it has not heard this node.
    unheard_ms: AtomicU64,
}

/// What is known of all members, shared by the connections in both directions.
#[derive(Debug)]
pub struct Contacts {
    begun: Instant,
    members: Mutex<HashMap<NodeId, Arc<Contact>>>,
    /// How many members there are.
    expected: AtomicUsize,
}

impl Contact {
    /// A frame of it has come, or a part of one.
    pub fn heard(&self) {
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(NEVER - 1);
        self.heard_ms.store(millis, Ordering::Relaxed);
    }

    /// It has said this of itself.
    pub fn said(&self, alive: Alive) {
        self.unheard_ms.store(alive.unheard_ms, Ordering::Relaxed);
    }

    /// When it was heard last; `None`: never.
    pub fn last_heard(&self) -> Option<Instant> {
        match self.heard_ms.load(Ordering::Relaxed) {
            NEVER => None,
            millis => Some(self.begun + Duration::from_millis(millis)),
        }
    }

    /// For how long it had not heard this node, as it said last; `None`: it did not say.
    pub fn unheard(&self) -> Option<Duration> {
        match self.unheard_ms.load(Ordering::Relaxed) {
            NEVER => None,
            millis => Some(Duration::from_millis(millis)),
        }
    }

    /// What this node says to it.
    pub fn alive(&self) -> Alive {
        let since = self.last_heard().unwrap_or(self.known);
        Alive { unheard_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(NEVER - 1) }
    }
}

impl Default for Contacts {
    fn default() -> Self {
        Self { begun: Instant::now(), members: Mutex::default(), expected: AtomicUsize::new(0) }
    }
}

impl Contacts {
    /// Of one member.
    pub fn of(&self, node: NodeId) -> Arc<Contact> {
        let mut members = self.members.lock().expect("nothing panics while it holds this lock");
        let begun = self.begun;
        let new = || {
            let (heard_ms, unheard_ms) = (AtomicU64::new(NEVER), AtomicU64::new(NEVER));
            Arc::new(Contact { begun, known: Instant::now(), heard_ms, unheard_ms })
        };
        Arc::clone(members.entry(node).or_insert_with(new))
    }

    /// There are so many members. What is known of former ones stays: their connections may last longer.
    pub fn expect(&self, count: usize) {
        self.expected.store(count, Ordering::Relaxed);
    }

    /// How many members there are.
    pub fn expected(&self) -> usize {
        self.expected.load(Ordering::Relaxed)
    }
}

/// The frame's payload as it was sent; `None`: an earlier version says nothing, or what it says makes no sense.
pub fn decode(payload: &[u8]) -> Option<Alive> {
    minicbor::decode(payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_said_is_how_long_the_member_was_not_heard() {
        let contacts = Contacts::default();
        let contact = contacts.of(NodeId(2));
        assert_eq!((contact.alive(), contact.unheard()), (Alive { unheard_ms: 0 }, None));
        tokio::time::advance(Duration::from_millis(700)).await;
        assert_eq!(contact.alive(), Alive { unheard_ms: 700 }, "never heard is not heard");
        contact.heard();
        tokio::time::advance(Duration::from_millis(40)).await;
        let alive = contacts.of(NodeId(2)).alive();
        assert_eq!(alive, Alive { unheard_ms: 40 });
        let sent = minicbor::to_vec(alive).expect("it is encoded");
        contact.said(decode(&sent).expect("it is decoded"));
        assert_eq!(contact.unheard(), Some(Duration::from_millis(40)));
        assert_eq!(decode(b""), None, "an earlier version");
    }
}
