//! Replicas: what arrives is carried out by the real `Replica`, writes in batches as the committer does it.

use crate::brief;
use crate::network::Fate;
use crate::parcel::{Asker, Caller, Event};
use crate::world::World;
use quorate_coordinator::Failure;
use quorate_model::{NodeId, Record, Refusal, Reply, Request};
use quorate_storage::ReadTier;

impl World {
    /// Sends a request over the network, or straight to the node itself.
    pub(crate) fn send(&mut self, from: Caller, to: NodeId, request: Request) {
        self.tell(|| format!("{} -> {to} {} {}", from.node, from.asker, brief::request(&request)));
        if from.node == to {
            let micros = self.random.between(5, 50);
            return self.schedule.after(micros, Event::Arrive { to, from, request });
        }
        let now = self.schedule.now();
        let is_down = self.node(to).process.is_none() && self.node(to).down_known_at <= now;
        let fate = if is_down {
            Fate::never_left(&mut self.random)
        } else {
            self.network.request(&mut self.random, now, from.node, to)
        };
        if let Some(micros) = fate.lost {
            let failure = if fate.not_sent { Failure::NotSent } else { Failure::Lost };
            self.schedule.after(micros, Event::Fail { to: from.clone(), failure });
        }
        // Connections deliver a frame at most once. Requests are built to stand more than that, but for this one:
        // the owner that assigns a version would assign two.
        let copies = if matches!(request, Request::Assign { .. }) { 1 } else { 2 };
        for micros in fate.arrivals.into_iter().take(copies).flatten() {
            let event = Event::Arrive { to, from: from.clone(), request: request.clone() };
            self.schedule.after(micros, event);
        }
    }

    /// A request arrived.
    pub(crate) fn arrive(&mut self, at: NodeId, from: Caller, request: Request) {
        if self.node(at).process.is_none() {
            if self.random.chance(700) {
                let micros = self.random.between(100, 5_000);
                self.schedule.after(micros, Event::Fail { to: from, failure: Failure::Lost });
            }
            return;
        }
        if self.random.chance(self.setting.refusals) {
            return self.reply(at, from, Reply::Refused(Refusal::Overloaded));
        }
        let life = self.node(at).life;
        let process = self.node(at).process.as_mut().expect("looked at above");
        if request.is_write() {
            process.queue.push((from, request));
            if !std::mem::replace(&mut process.committing, true) {
                let micros = self.random.between(50, self.setting.sync_max);
                self.schedule.after(micros, Event::Commit { node: at, life });
            }
        } else {
            let reply = process.replica.read(&request, ReadTier::Disk).expect("the disk always knows");
            self.note_held(at, &request, &reply);
            self.reply(at, from, reply);
        }
    }

    /// A replica has written what waited.
    pub(crate) fn commit(&mut self, at: NodeId, life: u32) {
        let Some(process) = self.node(at).living(life) else { return };
        process.committing = false;
        let (callers, requests): (Vec<Caller>, Vec<Request>) = process.queue.drain(..).unzip();
        let replies = process.replica.apply(&requests);
        for ((from, request), reply) in callers.into_iter().zip(requests).zip(replies) {
            self.note_stored(at, &from, &request, &reply);
            self.note_held(at, &request, &reply);
            self.reply(at, from, reply);
        }
    }

    /// What the history must know of a write that was carried out.
    fn note_stored(&mut self, at: NodeId, from: &Caller, request: &Request, reply: &Reply) {
        let Some(spot) = self.spot_of(request.place()) else { return };
        match (request, reply) {
            (Request::Write { record, .. }, Reply::Written { held }) if held.version == record.version => {
                self.history.stored.insert((spot, record.version));
            }
            (Request::Assign { .. }, Reply::Assigned { record }) => {
                if let Asker::Operation { attempt, .. } = from.asker {
                    self.history.sent(attempt, spot, record);
                }
                self.history.stored.insert((spot, record.version));
            }
            (Request::Hint { owner, record, .. }, Reply::Hinted) => {
                let hint = crate::history::Hinted { keeper: at, owner: *owner, spot, held: record.held() };
                self.history.hints.push(hint);
            }
            _ => {}
        }
    }

    /// What the history must know of what a replica says it holds.
    fn note_held(&mut self, at: NodeId, request: &Request, reply: &Reply) {
        let held = match reply {
            Reply::Known { held, .. } | Reply::Digest { held, .. } => *held,
            Reply::Record(record) => record.as_ref().map(Record::held),
            Reply::Written { held } => Some(*held),
            Reply::Assigned { record } => Some(record.held()),
            Reply::Hinted | Reply::Inspected(_) | Reply::Refused(_) | Reply::Broken => return,
        };
        if let Some(spot) = self.spot_of(request.place()) {
            self.history.holds(at, spot, held);
        }
    }

    fn reply(&mut self, at: NodeId, to: Caller, reply: Reply) {
        if to.node == at {
            let micros = self.random.between(5, 50);
            return self.schedule.after(micros, Event::Return { to, reply });
        }
        let fate = self.network.reply(&mut self.random, at, to.node);
        for micros in fate.arrivals.into_iter().flatten() {
            self.schedule.after(micros, Event::Return { to: to.clone(), reply: reply.clone() });
        }
    }
}
