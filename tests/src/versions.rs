//! Two versions of the program in one cluster, as an upgrade of one node after the other leaves them.
//!
//! In some histories each node begins as an older version and starts as a newer one from some run of it on. What passes
//! between two nodes then goes through the product's own encoding, and what the older of the two does not have is refused
//! before it leaves, as a connection does it. Writes at `one` stand for what is new: the older version has all but them.

use crate::coverage::Happening;
use crate::event::{Caller, Event};
use crate::message::{Message, Told};
use crate::random::For;
use crate::world::World;
use quorate_coordinator::Failure;
use quorate_model::{Answer, NodeId, Protocol, Refusal};

/// What all nodes speak where there is one version.
const OLDER: Protocol = Protocol::NEWEST;

/// What upgraded nodes speak beside it.
const NEWER: Protocol = Protocol(OLDER.0 + 1);

/// Since when a request exists, in a cluster that is being upgraded.
fn since(request: &Message) -> Protocol {
    if request.is_assign() { NEWER } else { request.since() }
}

impl World {
    /// Whether nodes run two versions now. At the end of a history the upgrade is done.
    fn is_upgrading(&self) -> bool {
        !self.setting.upgrades.is_empty() && !self.closing
    }

    /// The newest protocol that a node speaks in its present run.
    fn newest_of(&self, node: NodeId) -> Protocol {
        let at = (node.0 - 1) as usize;
        if self.nodes[at].run >= self.setting.upgrades[at] { NEWER } else { OLDER }
    }

    /// Whether a node says, when it refuses, what is in force: the version before does not.
    pub(crate) fn says_what_is_in_force(&self, at: NodeId) -> bool {
        if self.is_upgrading() { self.newest_of(at) == NEWER } else { self.setting.refusals_say }
    }

    /// What arrives of a request; `None`: the caller was told that the other end does not have it.
    pub(crate) fn pass(&mut self, from: &Caller, to: NodeId, request: Message) -> Option<Message> {
        if !self.is_upgrading() {
            return Some(request);
        }
        let ends = [from.node, to].map(|node| (Protocol::OLDEST, self.newest_of(node)));
        let spoken = Protocol::common(ends[0], ends[1]).expect("neighbouring versions meet");
        if spoken.has(since(&request)) {
            self.met(if spoken == NEWER { Happening::SpokeNewer } else { Happening::SpokeOlder });
            let bytes = minicbor::to_vec(&request).expect("encoding into memory cannot fail");
            return Some(minicbor::decode(&bytes).expect("what was just encoded"));
        }
        self.met(Happening::NotUnderstood);
        let micros = self.random(For::Versions, from.whom()).between(5, 50);
        let failure = Failure::Refused(Refusal::NotUnderstood);
        self.schedule.after(micros, Event::Fail { to: from.clone(), failure });
        None
    }

    /// A node is asked only what it has.
    pub(crate) fn assert_understood(&self, at: NodeId, request: &Message) {
        let has = !self.is_upgrading() || self.newest_of(at).has(since(request));
        assert!(has, "{at} was sent what its version does not have: {request:?}");
    }

    /// What arrives of an answer.
    pub(crate) fn pass_back(&self, answer: Answer<Told>) -> Answer<Told> {
        if !self.is_upgrading() {
            return answer;
        }
        let bytes = minicbor::to_vec(&answer).expect("encoding into memory cannot fail");
        minicbor::decode(&bytes).expect("what was just encoded")
    }
}
