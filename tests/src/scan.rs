//! Scans: the real pages, as the node's scanner runs them, and the clients that go on from page to page.
//!
//! A page's segments and reads are operations like those of clients, run by the same driver (`drive.rs`); what comes of
//! them the page hears a moment later. A client asks for the next page where the one before ended, often of another
//! coordinator, and for the same one again when it failed: all it has is what is left of the range.

use crate::brief;
use crate::coverage::Happening;
use crate::drive::Operation;
use crate::event::Event;
use crate::heard::Heard;
use crate::history::{Asked, AttemptId, Name, Outcome, PageHistory, PageOutcome, ScanHistory, Spot};
use crate::random::{For, Random, mix};
use crate::world::World;
use quorate_coordinator::Subject;
use quorate_coordinator::scan::{Action, Answer, Input, Request, Scan, segment};
use quorate_model::{Instant, Interval, NodeId, Sharding};
use quorate_ring::Plan;
use std::collections::VecDeque;

/// The client number of operations that pages begin.
pub const SCANNER: u32 = u32::MAX - 2;

/// Pages of one rest in a row, before a client gives up.
const TRIES_MAX: u32 = 4;

/// A page under way.
#[derive(Debug)]
pub struct RunningPage {
    scan: Scan,
    /// What its client is at.
    scanning: Scanning,
    /// Which of the scan's pages it is.
    at: usize,
    /// Operations that it began so far, and segments among them.
    begun: u16,
    walks: u16,
}

/// An operation of a page: what waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    node: NodeId,
    run: u32,
    page: u64,
    /// Which of the page's reads; `None`: the walk.
    read: Option<u32>,
}

/// What a client is at, from page to page.
#[derive(Clone, Debug)]
pub struct Scanning {
    /// The name of its latest page.
    name: Name,
    /// Which scan.
    number: usize,
    /// What is left of the range.
    rest: Interval,
    /// Most keys of a page, and whether values are wanted.
    items: usize,
    values: bool,
    /// Pages in a row that failed.
    failed: u32,
}

impl Scanning {
    /// Whose it is.
    pub fn client(&self) -> u32 {
        self.name.client
    }
}

impl World {
    /// A client begins a scan.
    pub(crate) fn scan_something(&mut self, name: Name, random: &mut Random) {
        let table = random.below(self.setting.tables.len() as u64) as usize;
        let settings = self.setting.tables[table];
        let required = self.some_level(random, settings.r, settings.n);
        let range = self.some_range(table, random);
        let reverse = random.chance(400);
        let items = *random.pick(&[1, 1, 2, 3, 100]);
        let values = random.chance(500);
        self.begin_scan(name, (table, required), range, reverse, (items, values));
    }

    /// A client begins this scan; its first page is asked for at once.
    pub(crate) fn begin_scan(
        &mut self,
        name: Name,
        (table, required): (usize, u8),
        range: Interval,
        reverse: bool,
        (items, values): (usize, bool),
    ) {
        let number = self.history.scans.len();
        let (client, rest) = (name.client, range.clone());
        self.history.scans.push(ScanHistory { client, table, range, reverse, required, pages: Vec::new() });
        self.next_page(Scanning { name, number, rest, items, values, failed: 0 });
    }

    fn some_range(&mut self, table: usize, random: &mut Random) -> Interval {
        let keys = self.cluster.in_order(table);
        if random.chance(500) {
            return Interval::everything();
        }
        let mut places = [random.pick(&keys).0.clone(), random.pick(&keys).0.clone()];
        places.sort();
        let [start, end] = places;
        let end = random.chance(600).then(|| end.successor());
        Interval { start, end }
    }

    /// A client asks for the next page of its scan, of some coordinator.
    pub(crate) fn next_page(&mut self, mut scanning: Scanning) {
        let number = scanning.number;
        scanning.name.attempt += 1;
        let (name, client) = (scanning.name, scanning.name.client);
        let random = &mut self.random(For::Scans, [name.number(), 0]);
        let on =
            if self.closing { Some(self.some_node(name)) } else { self.some_coordinator(client, random) };
        let Some(on) = on else { return self.go_on_scanning(scanning) };
        let scan = &self.history.scans[number];
        let before = scan.pages.last().map(|page| page.coordinator);
        if before.is_some_and(|before| before != on) {
            self.met(Happening::PageElsewhere);
        }
        if scanning.failed > 0 {
            self.met(Happening::PageAgain);
        }
        let scan = &self.history.scans[number];
        let request = Request {
            range: scanning.rest.clone(),
            reverse: scan.reverse,
            level: self.asked(scan.required),
            items: scanning.items,
            // The first entry of an answer is more than that.
            bytes: if random.chance(400) { 40 } else { 1 << 20 },
            values: scanning.values,
        };
        let deadline = Instant(self.schedule.now() + self.some_timeout(name));
        let table = self.cluster.table(scan.table);
        let machine = Scan::new(table, request, deadline, self.context(on));
        let wall_min = self.now_on(on).wall;
        self.tell(|| {
            let scan = brief::rest(Some(&scanning.rest));
            format!("client {client} scan {number} at {on}: t{} {scan} for {}", table.0 - 1, scanning.items)
        });
        let page = PageHistory {
            coordinator: on,
            from: scanning.rest.clone(),
            items: scanning.items,
            call: self.moment(),
            ret: None,
            wall_min,
            outcome: PageOutcome::Open,
        };
        let pages = &mut self.history.scans[number].pages;
        pages.push(page);
        let page = RunningPage { scan: machine, scanning, at: pages.len() - 1, begun: 0, walks: 0 };
        let number = self.next_number();
        self.waits(client);
        let process = self.node(on).process.as_mut().expect("clients ask living nodes");
        process.pages.insert(number, page);
        self.step_page(on, number, Input::Start);
    }

    /// A page hears something: what came of one of its operations.
    pub(crate) fn hear_paged(&mut self, (node, run): (NodeId, u32), page: u64, input: Input) {
        if self.node(node).living(run).is_some() {
            self.step_page(node, page, input);
        }
    }

    /// Lets a page take a step, and does what it wants done.
    fn step_page(&mut self, on: NodeId, number: u64, input: Input) {
        let now = self.now_on(on);
        let run = self.node(on).run;
        let process = self.node(on).process.as_mut().expect("only living processes are stepped");
        // Out of its process, so that it can look plans up in the world.
        let Some(mut page) = process.pages.remove(&number) else { return };
        if let Input::Walked(Some(Ok(found))) = &input {
            let unread = |slot: &&segment::Slot| matches!(slot, segment::Slot::Unread(_));
            for _ in found.slots.iter().filter(unread) {
                self.met(Happening::PageRead);
            }
        }
        let seen = &mut self.history.scans[page.scanning.number].pages[page.at];
        seen.wall_min = seen.wall_min.min(now.wall);
        let whom = [page.scanning.name.number(), u64::from(page.begun) + 1];
        let mut actions = Vec::new();
        page.scan.step(now, input, &Heard { world: self, on, whom }, &mut actions);
        let mut begun = VecDeque::new();
        let mut answer = None;
        for action in actions {
            match action {
                Action::Walk { machine, subject, plan } => {
                    page.walks += 1;
                    begun.push_back((Operation::Walk(machine), subject, plan, None));
                }
                Action::Read { number, machine, subject, plan } => {
                    begun.push_back((Operation::Get(machine), subject, plan, Some(number)));
                }
                Action::Respond(answered) => answer = Some(*answered),
            }
        }
        if let Some(answer) = answer {
            return self.answer_page(page, answer);
        }
        let (name, required) = (page.scanning.name, self.history.scans[page.scanning.number].required);
        let first = page.begun;
        page.begun += begun.len() as u16;
        let process = self.node(on).process.as_mut().expect("a step does not end its process");
        process.pages.insert(number, page);
        for (part, (machine, subject, plan, read)) in (first..).zip(begun) {
            let name = Name { client: SCANNER, action: mix(name.number()) as u32, part, attempt: 0 };
            let attempt = self.begin_part(name, on, required, machine, &subject, &plan);
            self.parts.insert(attempt, Part { node: on, run, page: number, read });
        }
    }

    fn begin_part(
        &mut self,
        name: Name,
        on: NodeId,
        required: u8,
        machine: Operation,
        subject: &Subject,
        plan: &Plan,
    ) -> AttemptId {
        let timeout = subject.deadline.0.saturating_sub(self.schedule.now());
        let required = self.asked(required).within(plan.n());
        let (spot, asked) = match machine {
            Operation::Walk(_) => {
                let table = self.cluster.number_of(plan.table.id).expect("it is of this cluster");
                (Spot { table, key: 0 }, Asked::Walk { required })
            }
            Operation::Get(_) | Operation::Put(_) => {
                (self.spot_of(&plan.place).expect("a key that was listed"), Asked::Read { required })
            }
        };
        self.begin(name, on, spot, asked, timeout, machine, plan, subject.at.clone())
    }

    /// An operation of a page is over: the page hears of it.
    pub(crate) fn paged(&mut self, attempt: AttemptId, outcome: &Outcome) {
        let Some(Part { node, run, page, read }) = self.parts.remove(&attempt) else { return };
        let input = match (outcome, read) {
            (Outcome::Walked(answer), _) => Input::Walked(Some(answer.clone())),
            (Outcome::Got(answer), Some(number)) => Input::Read(number, Some(Ok(answer.clone()))),
            (Outcome::GetFailed(error), Some(number)) => Input::Read(number, Some(Err(error.clone()))),
            (_, Some(number)) => Input::Read(number, None),
            (_, None) => Input::Walked(None),
        };
        self.schedule.after(0, Event::Paged { node, run, page, input: Box::new(input) });
    }

    fn answer_page(&mut self, page: RunningPage, answer: Answer) {
        if let Ok(answered) = &answer {
            let scan = &self.history.scans[page.scanning.number];
            let (reverse, sharding) = (scan.reverse, self.setting.tables[scan.table].sharding);
            let is_range = sharding == Sharding::Range;
            let met = [
                (Happening::RangePage, is_range),
                (Happening::ReversePage, reverse),
                (Happening::PageCut, answered.rest.is_some()),
                (Happening::PageOfShards, page.walks > 1),
                (Happening::ScanEnded, answered.rest.is_none()),
            ];
            for (happening, _) in met.into_iter().filter(|(_, is_so)| *is_so) {
                self.met(happening);
            }
        }
        self.end_page(
            page,
            match answer {
                Ok(answered) => PageOutcome::Answered(answered),
                Err(error) => PageOutcome::Failed(error),
            },
        );
    }

    /// A page has its outcome: the client hears it, and goes on or gives up.
    pub(crate) fn end_page(&mut self, page: RunningPage, outcome: PageOutcome) {
        let ret = self.moment();
        let RunningPage { mut scanning, at, .. } = page;
        let (client, number) = (scanning.name.client, scanning.number);
        self.tell(|| format!("client {client} scan {number} => {}", brief::page(&outcome)));
        let rest = match &outcome {
            PageOutcome::Answered(page) => {
                scanning.failed = 0;
                page.rest.clone()
            }
            PageOutcome::Failed(_) | PageOutcome::Vanished => {
                scanning.failed += 1;
                (scanning.failed < TRIES_MAX).then(|| scanning.rest.clone())
            }
            PageOutcome::Open => None,
        };
        let seen = &mut self.history.scans[number].pages[at];
        (seen.ret, seen.outcome) = (Some(ret), outcome);
        if let Some(rest) = rest {
            self.go_on_scanning(Scanning { rest, ..scanning });
        }
        self.heard_back(client);
    }
}
