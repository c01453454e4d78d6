//! Scans: runs the machine of one page ([`quorate_coordinator::scan`]) over the driver, to its answer.
//!
//! ```text
//!            ┌── Walk ──> an operation of its own, in the driver ──┐
//!   machine ─┼── Read ──> another                                  │
//!      ^     └── Respond ──> the caller                            │
//!      └──────── walked | read <── mailbox <───────────────────────┘
//! ```
//!
//! A page changes nothing by itself, so a caller that goes away takes it along; the operations that it began go on until
//! they are done.

use crate::clock;
use crate::drive::{Driver, Sent, Subject};
use crate::views::Views;
use quorate_coordinator::scan::{Action, Answer, Input, Request, Scan};
use quorate_coordinator::{Context, Machine, session};
use quorate_model::TableId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::Instant;

/// What runs scans. One per node.
pub struct Scanner {
    driver: Arc<Driver>,
    views: Arc<Views>,
    context: Context,
}

impl Scanner {
    /// Over this driver, planning by these views.
    pub fn new(driver: Arc<Driver>, views: Arc<Views>, context: Context) -> Self {
        Self { driver, views, context }
    }

    /// Runs one page of a table to its answer, for a client that waits so long.
    pub async fn run(&self, table: TableId, request: Request, timeout: Duration) -> Answer {
        let deadline = clock::instant(Instant::now() + timeout);
        let (mailbox, mut inputs) = mpsc::unbounded_channel();
        let mut scan = Scan::new(table, request, deadline, self.context);
        let mut actions = Vec::new();
        let mut input = Input::Start;
        loop {
            scan.step(clock::now(), input, &*self.views, &mut actions);
            for action in actions.drain(..) {
                match action {
                    Action::Walk { machine, subject, .. } => {
                        self.begin(*machine, subject, &mailbox, Input::Walked);
                    }
                    Action::Read { number, machine, subject, .. } => {
                        self.begin(*machine, subject, &mailbox, move |answer| Input::Read(number, answer));
                    }
                    Action::Respond(answer) => return *answer,
                }
            }
            input = inputs.recv().await.expect("a sender is held here");
        }
    }

    /// Begins an operation; the scan hears of its answer, also that there is none.
    fn begin<M>(
        &self,
        machine: M,
        subject: session::Subject,
        mailbox: &UnboundedSender<Input>,
        input: impl FnOnce(Option<M::Answer>) -> Input + Send + 'static,
    ) where
        M: Machine<Request: Sent> + Send + 'static,
        M::Answer: Send + 'static,
    {
        let session::Subject { table, at, deadline } = subject;
        let subject = Subject { table, at, deadline: clock::tokio_instant(deadline), value_bytes: 0 };
        let (driver, mailbox) = (Arc::clone(&self.driver), mailbox.clone());
        tokio::spawn(async move {
            let answer = driver.run(machine, subject).await.ok();
            // A scan that is over has closed its mailbox.
            drop(mailbox.send(input(answer)));
        });
    }
}
