//! Replicas: what arrives is carried out by the real `Replica`, writes in batches as the committer does it.

use crate::brief;
use crate::coverage::Happening;
use crate::event::{Asker, Caller, Event, Job};
use crate::history::Spot;
use crate::message::{Message, Told};
use crate::network::Delivery;
use crate::random::{For, mix};
use crate::world::World;
use quorate_coordinator::Failure;
use quorate_model::{Held, NodeId, Place, Record, Refusal, Reply, Request, ShardNow};
use quorate_storage::ReadTier;

impl World {
    /// Sends a request over the network, or straight to the node itself. Its caller waits for so many microseconds.
    pub(crate) fn send(&mut self, from: Caller, to: NodeId, request: Message, remaining: u64) {
        self.tell(|| format!("{} -> {to} {} {}", from.node, from.asker, brief::message(&request)));
        // Each call ends at its deadline at the latest.
        let expired = Event::Fail { to: from.clone(), failure: Failure::Lost };
        self.schedule.after(remaining, expired);
        let Some(request) = self.pass(&from, to, request) else { return };
        let held_back = self.held_back(&from, &request);
        let random = &mut self.random(For::Request, from.whom());
        if from.node == to {
            let micros = random.between(5, 50);
            return self.schedule.after(micros + held_back, Event::Arrive { to, from, request, remaining });
        }
        let now = self.schedule.now();
        let is_down = self.node(to).process.is_none() && self.node(to).down_known_at <= now;
        let delivery = if is_down {
            Delivery::never_left(random)
        } else {
            self.network.request(random, now, from.node, to)
        };
        self.befall(&delivery, from.node, to);
        if let Some(micros) = delivery.lost {
            let failure = if delivery.not_sent { Failure::NotSent } else { Failure::Lost };
            self.schedule.after(micros, Event::Fail { to: from.clone(), failure });
        }
        // Connections deliver a frame at most once. Requests are built to stand more than that, but for this one:
        // the owner that assigns a version would assign two.
        let copies = if request.is_assign() { 1 } else { 2 };
        for micros in delivery.arrivals.into_iter().take(copies).flatten() {
            let event = Event::Arrive { to, from: from.clone(), request: request.clone(), remaining };
            self.schedule.after(micros + held_back, event);
        }
    }

    /// Counts what befell a message.
    fn befall(&mut self, delivery: &Delivery, from: NodeId, to: NodeId) {
        if let Some(happening) = delivery.befell {
            self.met(happening);
        }
        let arrival = delivery.arrivals[0].map(|micros| self.schedule.now() + micros);
        if arrival.is_some_and(|at| self.network.is_overtaking(from, to, at)) {
            self.met(Happening::Reordered);
        }
    }

    /// A request arrived.
    pub(crate) fn arrive(&mut self, at: NodeId, from: Caller, request: Message, remaining: u64) {
        let random = &mut self.random(For::Arrival, from.whom());
        // They have shaken hands before.
        self.introduce(at, from.node);
        self.assert_understood(at, &request);
        if self.node(at).process.is_none() {
            if random.chance(700) {
                let micros = random.between(100, 5_000);
                self.schedule.after(micros, Event::Fail { to: from, failure: Failure::Lost });
            }
            return;
        }
        let is_busy = random.chance(self.setting.refusals);
        match request {
            Message::Key(request) => self.serve(at, from, request, (remaining, is_busy)),
            Message::Range(request) => self.serve_range(at, from, &request, is_busy),
        }
    }

    /// A living replica turns to a request of one key; a busy one refuses it.
    fn serve(&mut self, at: NodeId, from: Caller, request: Request, (remaining, is_busy): (u64, bool)) {
        if is_busy {
            return self.answer(at, from, &request, Reply::Refused(Refusal::Overloaded));
        }
        let now = self.schedule.now();
        let process = self.node(at).process.as_mut().expect("looked at above");
        if !request.is_write() {
            let reply = process.replica.read(&request, ReadTier::Disk).expect("the disk always knows");
            return self.answer(at, from, &request, reply);
        }
        #[cfg(feature = "mutants")]
        process.replica.show_early(&request);
        let job = Job { from, request: request.clone() };
        match process.queue.offer(request, Some(now + remaining), job) {
            Ok(()) => self.begin_batch(at),
            Err(Job { from, request }) => {
                self.answer(at, from, &request, Reply::Refused(Refusal::Overloaded));
            }
        }
    }

    /// The committer turns to what waits, unless it is at it.
    fn begin_batch(&mut self, at: NodeId) {
        let (now, run) = (self.schedule.now(), self.node(at).run);
        let is_slow = self.node(at).slow_until > now;
        let process = self.node(at).process.as_mut().expect("only a living process commits");
        if process.queue.is_empty() || std::mem::replace(&mut process.committing, true) {
            return;
        }
        process.batches += 1;
        let whom = [mix(at.0) ^ u64::from(run), process.batches];
        let random = &mut self.random(For::Commit, whom);
        let micros = if is_slow {
            self.met(Happening::SlowDisk);
            random.between(1_000_000, 2_600_000)
        } else {
            random.between(50, self.setting.sync_max)
        };
        self.schedule.after(micros, Event::Commit { node: at, run });
    }

    /// A replica has written what waited; what waited too long is refused.
    pub(crate) fn commit(&mut self, at: NodeId, run: u32) {
        let now = self.schedule.now();
        let Some(process) = self.node(at).living(run) else { return };
        process.committing = false;
        let batch = process.queue.take(now);
        let requests: Vec<Request> = batch.requests().cloned().collect();
        let before = self.holdings_of(at, requests.iter());
        let process = self.node(at).process.as_ref().expect("looked at above");
        let mut answers: Vec<(Job, Reply)> = Vec::new();
        batch.carry_out(&process.replica, |job, reply| answers.push((job, reply)));
        let is_stored = |(job, reply): &(Job, Reply)| match (&job.request, reply) {
            (Request::Write { at, record, .. }, Reply::Written { .. } | Reply::Broken) => {
                Some((at.clone(), record.held()))
            }
            _ => None,
        };
        // The same record may have come twice, and one of the two in time.
        let before: Vec<(Place, Held)> =
            before.into_iter().chain(answers.iter().filter_map(is_stored)).collect();
        for (job, reply) in answers {
            self.note_stored(at, &job.from, &job.request, &reply);
            self.note_refused(at, &job.request, &reply, &before);
            self.answer(at, job.from, &job.request, reply);
        }
        self.begin_batch(at);
    }

    /// What a replica holds of the keys that are about to be written.
    fn holdings_of<'a>(
        &mut self,
        at: NodeId,
        requests: impl Iterator<Item = &'a Request>,
    ) -> Vec<(Place, Held)> {
        let process = self.node(at).process.as_ref().expect("a batch is written by a process");
        let held = |request: &Request| match process
            .replica
            .read(&Request::Inspect { at: request.place().clone() }, ReadTier::Disk)
        {
            Some(Reply::Inspected(inspection)) => inspection.held.map(|held| (request.place().clone(), held)),
            _ => None,
        };
        requests.filter_map(held).collect()
    }

    /// A refusal is a promise: nothing was stored.
    fn note_refused(&mut self, at: NodeId, request: &Request, reply: &Reply, before: &[(Place, Held)]) {
        let (Request::Write { record, .. }, Reply::Refused(_)) = (request, reply) else { return };
        let place = request.place();
        let is_held = |(_, held): &(Place, Held)| held.version == record.version;
        let had = before.iter().any(|known| known.0.sort_key == place.sort_key && is_held(known));
        let has = self.holdings_of(at, std::iter::once(request)).iter().any(is_held);
        if let Some(spot) = self.spot_of(place).filter(|_| has && !had) {
            self.history.refused_yet_stored.push((spot, at, record.version));
        }
    }

    /// A replica has its answer: the history looks at it, and it goes back.
    fn answer(&mut self, at: NodeId, to: Caller, request: &Request, reply: Reply) {
        self.note_held(at, request, &reply);
        self.note_epoch(at, request, &reply);
        self.note_doubt(at, request, &reply);
        self.note_loss(at, to.node, request, &reply);
        self.note_met(request, &reply);
        let newer = self.cluster.newer(self.peek(at).heard, request.place(), &reply);
        self.reply(at, to, Told::Key(reply), newer);
    }

    /// Only an owner answers, and only at the epoch at which it is one.
    fn note_epoch(&mut self, at: NodeId, request: &Request, reply: &Reply) {
        let is_refused =
            matches!(reply, Reply::Refused(_) | Reply::Broken | Reply::Hinted | Reply::Inspected(_));
        let Some(spot) = self.spot_of(request.place()).filter(|_| !is_refused) else { return };
        let heard = self.node(at).heard;
        let asked = request.place().epoch;
        let ownership = self.cluster.ownership(heard, spot, at);
        if ownership != Some((asked, true)) {
            let what = format!("{at} answered at epoch {asked}, and is at {ownership:?}");
            self.history.strays.push((spot, what));
        }
    }

    /// A replica that doubted its disk never answers again.
    fn note_doubt(&mut self, at: NodeId, request: &Request, reply: &Reply) {
        let Some(spot) = self.spot_of(request.place()) else { return };
        match reply {
            Reply::Broken | Reply::Refused(Refusal::Doubtful) => self.node(at).doubted = true,
            Reply::Refused(_) => {}
            Reply::Known { .. }
            | Reply::Record(_)
            | Reply::Digest { .. }
            | Reply::Written { .. }
            | Reply::Assigned { .. }
            | Reply::Hinted
            | Reply::Absent { .. }
            | Reply::Inspected(_) => {
                if self.node(at).doubted {
                    self.history.trusted_again.push((spot, at, brief::reply(reply)));
                }
            }
        }
    }

    /// A replica whose disk lost something does not answer a peer that knows it and can say so.
    fn note_loss(&mut self, at: NodeId, asker: NodeId, request: &Request, reply: &Reply) {
        let answers = !matches!(reply, Reply::Refused(_) | Reply::Broken) && !request.is_write();
        if let Some(spot) = self.spot_of(request.place()).filter(|_| answers) {
            self.note_unlearnt(at, asker, spot);
        }
    }

    /// A replica answered a peer.
    pub(crate) fn note_unlearnt(&mut self, at: NodeId, asker: NodeId, spot: Spot) {
        let may_talk = asker != at && self.network.is_open(at, asker);
        if may_talk && self.knows_of_a_loss(asker, at) {
            self.history.unlearnt.push((spot, at));
        }
    }

    fn note_met(&mut self, request: &Request, reply: &Reply) {
        match reply {
            Reply::Refused(Refusal::Overloaded) if matches!(request, Request::Hint { .. }) => {
                self.met(Happening::HintRefused);
            }
            Reply::Refused(refusal) => self.note_refusal(*refusal),
            Reply::Broken => self.met(Happening::DiskFailed),
            Reply::Digest { held: Some(_), .. } => self.met(Happening::Digest),
            Reply::Assigned { .. } => self.met(Happening::Assigned),
            Reply::Hinted => self.met(Happening::HintKept),
            Reply::Absent { .. } => self.met(Happening::Sealed),
            Reply::Known { .. }
            | Reply::Record(_)
            | Reply::Digest { held: None, .. }
            | Reply::Written { .. }
            | Reply::Inspected(_) => {}
        }
    }

    /// A replica refused.
    pub(crate) fn note_refusal(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::Stale { .. } => self.met(Happening::Stale),
            Refusal::Behind { .. } => self.met(Happening::Behind),
            Refusal::Doubtful => self.met(Happening::Doubtful),
            Refusal::DiskFull => self.met(Happening::DiskFull),
            Refusal::Overloaded => self.met(Happening::Overloaded),
            Refusal::Late => self.met(Happening::Late),
            // The connection tells the first two, before anything arrives.
            Refusal::NotUnderstood | Refusal::Unfamiliar | Refusal::NotOwner | Refusal::Exhausted => {}
            Refusal::Filling => self.met(Happening::Filling),
            Refusal::Below { .. } => self.met(Happening::Below),
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
                if let Asker::Operation { attempt, .. } = from.asker {
                    self.history.kept.insert((attempt, *owner));
                }
                let process = self.node(at).process.as_ref().expect("it has just answered");
                let books = process.replica.hint_counts();
                let (count, bytes) = books
                    .values()
                    .fold((0, 0), |(count, bytes), hints| (count + hints.count, bytes + hints.bytes));
                self.history.hints_max = self.history.hints_max.max(count);
                self.history.hint_bytes_max = self.history.hint_bytes_max.max(bytes);
            }
            _ => {}
        }
    }

    /// What the history must know of what a replica says it holds.
    fn note_held(&mut self, at: NodeId, request: &Request, reply: &Reply) {
        let operations = match reply {
            Reply::Known { operations, .. } | Reply::Digest { operations, .. } => operations.as_slice().len(),
            Reply::Record(Some(record)) | Reply::Assigned { record } => record.operations.as_slice().len(),
            Reply::Record(None)
            | Reply::Written { .. }
            | Reply::Hinted
            | Reply::Inspected(_)
            | Reply::Absent { .. }
            | Reply::Refused(_)
            | Reply::Broken => 0,
        };
        self.history.operations_max = self.history.operations_max.max(operations);
        let held = match reply {
            Reply::Known { held, .. } | Reply::Digest { held, .. } => *held,
            Reply::Record(record) => record.as_ref().map(Record::held),
            Reply::Written { held } => Some(*held),
            Reply::Assigned { record } => Some(record.held()),
            Reply::Absent { .. } => None,
            Reply::Hinted | Reply::Inspected(_) | Reply::Refused(_) | Reply::Broken => return,
        };
        if let Some(spot) = self.spot_of(request.place()) {
            self.history.holds(at, spot, held);
        }
    }

    /// An answer goes back, with what is in force if that is a reason and this node says so.
    pub(crate) fn reply(&mut self, at: NodeId, to: Caller, reply: Told, newer: Option<ShardNow>) {
        let says = to.node != at && self.says_what_is_in_force(at);
        let newer = newer.filter(|_| says);
        let random = &mut self.random(For::Reply, to.whom());
        let by = at;
        let process = self.node(at).process.as_ref().expect("only a living process answers");
        let answer = process.recollection.answer(reply).with_newer(newer);
        let answer = self.pass_back(answer);
        if to.node == at {
            let micros = random.between(5, 50);
            return self.schedule.after(micros, Event::Return { to, by, answer });
        }
        let delivery = self.network.reply(random, at, to.node);
        self.befall(&delivery, at, to.node);
        for micros in delivery.arrivals.into_iter().flatten() {
            let event = Event::Return { to: to.clone(), by, answer: answer.clone() };
            self.schedule.after(micros, event);
        }
    }
}
