//! Scans: runs the machine of one page ([`quorate_coordinator::scan`]) over the transport, to its answer.
//!
//! ```text
//!            ┌── Ask ──> the replica of this node, or a peer's ──┐
//!   machine ─┼── Read ──> an operation of its own, in the driver │
//!      ^     └── Respond ──> the caller                          │
//!      └───── reply | failed | read | tick <── mailbox <─────────┘
//! ```
//!
//! A page changes nothing by itself, so a caller that goes away takes it along; the reads of single keys that it began
//! are operations of the driver, and go on until they are done.

use crate::clock;
use crate::drive::{Driver, Subject};
use crate::switch::Switch;
use crate::views::Views;
use quorate_coordinator::scan::{Action, Answer, Input, Request, Scan};
use quorate_coordinator::{Call, Context, Failure, get};
use quorate_model::RangeReply;
use std::sync::Arc;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::Instant;

/// What runs scans. One per node.
pub struct Scanner {
    switch: Arc<Switch>,
    driver: Arc<Driver>,
    views: Arc<Views>,
    context: Context,
}

/// Tells a scan how a call ended, once; dropped unused, that it is lost.
struct Completion {
    mailbox: UnboundedSender<Input>,
    call: Option<Call>,
}

impl Completion {
    fn complete(mut self, ended: Result<RangeReply, Failure>) {
        self.post(ended);
    }

    fn post(&mut self, ended: Result<RangeReply, Failure>) {
        if let Some(call) = self.call.take() {
            // A scan that is over has closed its mailbox.
            drop(self.mailbox.send(match ended {
                Ok(reply) => Input::Reply(call, reply),
                Err(failure) => Input::Failed(call, failure),
            }));
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.post(Err(Failure::Lost));
    }
}

impl Scanner {
    /// Over this transport and driver, planning by these views.
    pub fn new(switch: Arc<Switch>, driver: Arc<Driver>, views: Arc<Views>, context: Context) -> Self {
        Self { switch, driver, views, context }
    }

    /// Runs one page to its answer.
    pub async fn run(&self, request: Request) -> Answer {
        let deadline = clock::tokio_instant(request.deadline);
        let (mailbox, mut inputs) = mpsc::unbounded_channel();
        let mut news = self.views.news();
        let mut scan = Scan::new(request, self.context);
        let mut actions = Vec::new();
        scan.step(clock::now(), Input::Start, &*self.views, &mut actions);
        loop {
            for action in actions.drain(..) {
                match action {
                    Action::Ask { call, to, request } => {
                        let completion = Completion { mailbox: mailbox.clone(), call: Some(call) };
                        let ended = move |ended| completion.complete(ended);
                        self.switch.ask_range(to, request, deadline, Box::new(ended));
                    }
                    Action::Read { number, machine, plan } => {
                        let subject = Subject {
                            table: plan.table.id,
                            sort_key: plan.place.sort_key.clone(),
                            deadline,
                            value_bytes: 0,
                        };
                        self.read(number, *machine, subject, mailbox.clone());
                    }
                    Action::Respond(answer) => return *answer,
                }
            }
            let wake = scan.wake_at().map_or_else(|| deadline, clock::tokio_instant);
            let input = tokio::select! {
                biased;
                input = inputs.recv() => input.expect("a sender is held here"),
                changed = news.changed(), if scan.waits_for_catalog() => {
                    changed.expect("views are kept as long as their node");
                    Input::Tick
                }
                () = tokio::time::sleep_until(wake) => Input::Tick,
            };
            scan.step(clock::now(), input, &*self.views, &mut actions);
        }
    }

    fn read(&self, number: u32, machine: get::Get, subject: Subject, mailbox: UnboundedSender<Input>) {
        let driver = Arc::clone(&self.driver);
        tokio::spawn(async move {
            let answer = driver.run(machine, subject).await.ok();
            // A scan that is over has closed its mailbox.
            drop(mailbox.send(Input::Read(number, answer)));
        });
    }

    /// When a page that may take so long must be answered.
    pub fn deadline(timeout: std::time::Duration) -> quorate_model::Instant {
        clock::instant(Instant::now() + timeout)
    }
}
