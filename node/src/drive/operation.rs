//! One operation at work: its session, its mailbox and its alarm.
//!
//! ```text
//!   in its caller's task:   answer ──┬─ over ──────> gone
//!                 the caller goes ──┴─ not over ──> in a task of its own: over
//! ```

use super::mailbox::Mailbox;
use super::{Driver, Panicked, Sent, Subject};
use crate::clock;
use quorate_coordinator::{Action, ActionOf, Ask, EndedOf, Machine, Said, Session, session};
use quorate_model::Epoch;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::time::{Sleep, sleep_until};

impl Driver {
    /// Runs a machine until it answers. Dropping the returned future does not stop it.
    pub async fn run<M>(self: &Arc<Self>, machine: M, subject: Subject) -> Result<M::Answer, Panicked>
    where
        M: Machine<Request: Sent> + Send + 'static,
        M::Answer: Send + 'static,
    {
        let mut operation = WaitedFor::new(Operation::new(Arc::clone(self), machine, subject));
        let answered = {
            let mut answer = pin!(operation.answer());
            let mut poll = |cx: &mut Context<'_>| catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)));
            poll_fn(|cx| match poll(cx) {
                Ok(answered) => answered.map(Ok),
                Err(_) => Poll::Ready(Err(Panicked)),
            })
            .await
        };
        if answered.is_err() {
            operation.forget();
            self.panics.fetch_add(1, Ordering::Relaxed);
        }
        answered
    }
}

/// Counted among the driver's operations for as long as it exists; counts a panic of its machine.
struct Operation<M: Machine<Request: Sent>> {
    driver: Arc<Driver>,
    session: Session<M>,
    mailbox: Arc<Mailbox<<M::Request as Ask>::Reply>>,
    /// What the session wants done.
    actions: Vec<ActionOf<M>>,
    /// Rings for the session, or too early; set once there is something to wait for.
    alarm: Option<Pin<Box<Sleep>>>,
    value_bytes: u64,
    is_over: bool,
}

/// An operation with a caller. Dropped, it goes on in a task of its own.
struct WaitedFor<M>(Option<Box<Operation<M>>>)
where
    M: Machine<Request: Sent> + Send + 'static,
    M::Answer: Send + 'static;

/// What an operation waits for.
enum Event<M: Machine<Request: Ask>> {
    Ended(quorate_coordinator::Call, EndedOf<M>),
    CaughtUp,
    Alarm,
}

impl<M: Machine<Request: Sent>> Operation<M> {
    /// One that has not begun.
    fn new(driver: Arc<Driver>, machine: M, subject: Subject) -> Box<Self> {
        let value_bytes = subject.value_bytes;
        let subject = session::Subject {
            table: subject.table,
            at: subject.at,
            deadline: clock::instant(subject.deadline),
        };
        driver.running.fetch_add(1, Ordering::Relaxed);
        let session = Session::new(machine, subject, driver.rules);
        let mut operation = Box::new(Self {
            driver,
            session,
            mailbox: Mailbox::new(),
            actions: Vec::new(),
            alarm: None,
            value_bytes: 0,
            is_over: false,
        });
        operation.holds_more(value_bytes);
        operation
    }

    fn holds_more(&mut self, value_bytes: usize) {
        self.value_bytes += value_bytes as u64;
        self.driver.value_bytes.fetch_add(value_bytes as u64, Ordering::Relaxed);
    }

    /// Goes on until there is an answer for the caller; `None`: it is over.
    async fn next_answer(&mut self) -> Option<M::Answer> {
        loop {
            let answer = self.carry_out();
            if answer.is_some() || self.is_over {
                return answer;
            }
            match self.event().await {
                Event::Ended(call, ended) => {
                    // What an owner has sent, the machine may keep.
                    if let Ok(Said { reply, .. }) = &ended {
                        self.holds_more(M::Request::value_bytes(reply));
                    }
                    let views = &*self.driver.views;
                    self.session.ended(clock::now(), call, ended, views, &mut self.actions);
                }
                Event::CaughtUp => {
                    self.session.caught_up(clock::now(), &*self.driver.views, &mut self.actions);
                }
                Event::Alarm => self.session.tick(clock::now(), &*self.driver.views, &mut self.actions),
            }
        }
    }

    /// Goes on until it is over.
    async fn end(&mut self) {
        while self.next_answer().await.is_some() {}
    }

    /// Carries out what the session wants; the answer, if that is among it.
    fn carry_out(&mut self) -> Option<M::Answer> {
        let mut answer = None;
        for action in self.actions.drain(..) {
            match action {
                Action::Send { call, to, request, deadline } => {
                    let (completion, deadline) =
                        (self.mailbox.completion(call), clock::tokio_instant(deadline));
                    request.send(&*self.driver.transport, to, deadline, completion);
                }
                Action::Respond(answered) => answer = Some(answered),
                Action::Done => self.is_over = true,
            }
        }
        answer
    }

    async fn event(&mut self) -> Event<M> {
        let Some(epoch) = self.session.awaits() else {
            return poll_fn(|cx| self.poll_event(cx)).await;
        };
        let driver = Arc::clone(&self.driver);
        tokio::select! {
            biased;
            event = poll_fn(|cx| self.poll_event(cx)) => event,
            () = applied(&driver, epoch) => Event::CaughtUp,
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event<M>> {
        if let Poll::Ready((call, ended)) = self.mailbox.poll(cx) {
            return Poll::Ready(Event::Ended(call, ended));
        }
        let Some(wake) = self.session.wake_at().map(clock::tokio_instant) else { return Poll::Pending };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(wake)));
        // Most moments move away: the alarm follows when it rings, or when one comes nearer.
        if wake < alarm.deadline() {
            alarm.as_mut().reset(wake);
        }
        loop {
            ready!(alarm.as_mut().poll(cx));
            if wake <= alarm.deadline() {
                // The next moment sets it anew.
                self.alarm = None;
                return Poll::Ready(Event::Alarm);
            }
            alarm.as_mut().reset(wake);
        }
    }
}

/// Waits until this node has applied a catalog.
async fn applied(driver: &Driver, epoch: Epoch) {
    driver.views.applied(epoch).await;
}

impl<M> WaitedFor<M>
where
    M: Machine<Request: Sent> + Send + 'static,
    M::Answer: Send + 'static,
{
    /// One that has not begun.
    fn new(operation: Box<Operation<M>>) -> Self {
        Self(Some(operation))
    }

    /// Lets it end here: its machine has panicked.
    fn forget(&mut self) {
        self.0 = None;
    }

    /// Begins it, and waits for its answer.
    async fn answer(&mut self) -> M::Answer {
        let operation = self.0.as_mut().expect("it is here until this is dropped");
        operation.session.start(clock::now(), &mut operation.actions);
        operation.next_answer().await.expect("an operation answers before it is over")
    }
}

impl<M> Drop for WaitedFor<M>
where
    M: Machine<Request: Sent> + Send + 'static,
    M::Answer: Send + 'static,
{
    fn drop(&mut self) {
        let Some(mut operation) = self.0.take() else { return };
        if operation.is_over {
            return;
        }
        // Where the runtime is gone, nothing goes on.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { operation.end().await });
        }
    }
}

impl<M: Machine<Request: Sent>> Drop for Operation<M> {
    fn drop(&mut self) {
        self.driver.running.fetch_sub(1, Ordering::Relaxed);
        self.driver.value_bytes.fetch_sub(self.value_bytes, Ordering::Relaxed);
        if std::thread::panicking() {
            self.driver.panics.fetch_add(1, Ordering::Relaxed);
        }
    }
}
