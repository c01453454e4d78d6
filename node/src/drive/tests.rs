//! The driver, with a machine that writes down what it is told and a transport that does what each test wants.

use super::*;
use quorate_coordinator::session::CATALOG_WAIT;
use quorate_coordinator::{Effect, Ended, Input, Machine, Said};
use quorate_model::{
    Boot, ClusterId, Epoch, Instant as Moment, Interval, Now, Owner, Place, Refusal, ShardNow, SortKey,
};
use quorate_ring::{Catalog, Command, NewNode, NewTable, RequestId, Weight};
use std::sync::Mutex;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn catalog() -> Catalog {
    let node = NewNode {
        request: RequestId(1),
        name: "n1".into(),
        zone: "z".into(),
        weight: Weight::ONE,
        http_address: "127.0.0.1:1".into(),
        peer_address: "127.0.0.1:2".into(),
        boot: Boot(1),
    };
    let founded = Catalog::bootstrap("tests", ClusterId(1), node).expect("founded");
    let mut table = NewTable::hash("t", RequestId(2));
    (table.n, table.shards) = (1, 1);
    founded.apply(&Command::CreateTable(table)).expect("created").catalog
}

/// The same catalog, one epoch later.
fn later(catalog: &Catalog) -> Catalog {
    let mut table = NewTable::hash("another", RequestId(3));
    (table.n, table.shards) = (1, 1);
    catalog.apply(&Command::CreateTable(table)).expect("created").catalog
}

fn subject(catalog: &Catalog) -> Subject {
    let table = catalog.table("t").expect("there").id;
    Subject {
        table,
        at: Position::Key(SortKey::new(vec![0; 8])),
        deadline: Instant::now() + PATIENCE,
        value_bytes: 100,
    }
}

/// Sends one read at its start, and answers with a sentence about the first thing it hears.
struct Probe {
    at: Place,
    answered: bool,
}

impl Probe {
    fn new(subject: &Subject, epoch: Epoch) -> Self {
        let Position::Key(sort_key) = subject.at.clone() else { panic!("a read is of a key") };
        let at = Place { table: subject.table, epoch, sort_key };
        Self { at, answered: false }
    }
}

impl Machine for Probe {
    type Request = Request;
    type Answer = String;

    fn step(&mut self, _: Now, input: Input, effects: &mut Vec<Effect<String>>) {
        let heard = match input {
            Input::Start => {
                let request = Request::Ask { at: self.at.clone() };
                effects.push(Effect::Send { call: Call(1), to: NodeId(2), request });
                return;
            }
            Input::Reply { call, reply } => format!("{call:?} {reply:?}"),
            Input::Failed { call, failure, newer } => {
                format!("{call:?} {failure:?} newer={:?}", newer.map(|plan| plan.place.epoch))
            }
            Input::Tick => "tick".to_owned(),
        };
        self.answered = true;
        effects.extend([Effect::Respond(heard), Effect::Done]);
    }

    fn wake_at(&self) -> Option<Moment> {
        None
    }
}

/// Hands each call's completion to the test.
#[derive(Default)]
struct Wire(Mutex<Vec<Completion>>);

impl Transport for Wire {
    fn send(&self, _: NodeId, _: Request, _: Instant, completion: Completion) {
        self.0.lock().expect("unpoisoned").push(completion);
    }

    fn send_range(&self, _: NodeId, _: RangeRequest, _: Instant, _: Completion<RangeReply>) {}
}

impl Wire {
    async fn sent(&self) -> Completion {
        let by = Instant::now() + PATIENCE;
        loop {
            if let Some(completion) = self.0.lock().expect("unpoisoned").pop() {
                return completion;
            }
            assert!(Instant::now() < by, "nothing was sent");
            tokio::task::yield_now().await;
        }
    }
}

fn driver(catalog: Catalog) -> (Arc<Wire>, Arc<Views>, Arc<Driver>) {
    let wire = Arc::new(Wire::default());
    let views = Arc::new(Views::new(NodeId(1), catalog));
    let driver = Driver::new(Arc::clone(&wire) as Arc<dyn Transport>, Arc::clone(&views), Rules::INTACT);
    (wire, views, driver)
}

/// What the machine hears when its one call ends so; meanwhile `publish` may become the newest catalog.
async fn hears(epoch: Epoch, ended: Option<Ended>, publish: Option<Catalog>) -> String {
    let catalog = catalog();
    let subject = subject(&catalog);
    let (wire, views, driver) = driver(catalog);
    let machine = Probe::new(&subject, epoch);
    let running = tokio::spawn(async move { driver.run(machine, subject).await });
    let completion = wire.sent().await;
    match ended {
        Some(ended) => completion.complete(ended),
        None => drop(completion),
    }
    if let Some(catalog) = publish {
        views.publish(Arc::new(catalog));
    }
    let heard = tokio::time::timeout(PATIENCE, running).await.expect("in time");
    heard.expect("no panic").expect("an answer")
}

#[tokio::test]
async fn an_answer_comes_back_with_its_call() {
    assert_eq!(hears(Epoch(2), Some(Ok(Reply::Hinted.into())), None).await, "Call(1) Hinted");
}

#[tokio::test]
async fn a_transport_that_forgets_a_call_has_lost_it() {
    assert_eq!(hears(Epoch(2), None, None).await, "Call(1) Lost newer=None");
}

#[tokio::test]
async fn a_stale_coordinator_waits_for_the_catalog_that_its_owner_knows() {
    let stale = || Some(Ok(Reply::Refused(Refusal::Stale { current: Epoch(3) }).into()));
    let wait = Duration::from_micros(CATALOG_WAIT.0);
    let begun = Instant::now();
    let heard = hears(Epoch(2), stale(), Some(later(&catalog()))).await;
    assert_eq!(heard, "Call(1) Refused(Stale { current: Epoch(3) }) newer=None", "the shard has not changed");
    assert!(begun.elapsed() < wait, "it was there at once");
    let begun = Instant::now();
    hears(Epoch(2), stale(), None).await;
    assert!(begun.elapsed() >= wait, "it never came");
}

#[tokio::test]
async fn a_coordinator_that_no_catalog_reaches_goes_on_by_what_a_refusal_says() {
    let (interval, sets) = (Interval::everything(), vec![vec![Owner::unnamed(NodeId(2))]]);
    let newer = ShardNow { index: 0, interval, epoch: Epoch(3), sets, has_losses: None };
    let reply = Reply::Refused(Refusal::Stale { current: Epoch(3) });
    let begun = Instant::now();
    let heard = hears(Epoch(2), Some(Ok(Said { reply, newer: Some(newer) })), None).await;
    assert_eq!(heard, "Call(1) Refused(Stale { current: Epoch(3) }) newer=Some(Epoch(3))");
    assert!(begun.elapsed() < Duration::from_micros(CATALOG_WAIT.0), "no catalog is waited for");
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nothing_with_it() {
    let catalog = catalog();
    let subject = subject(&catalog);
    let (wire, _, driver) = driver(catalog);
    let caller = tokio::spawn({
        let (driver, machine) = (Arc::clone(&driver), Probe::new(&subject, Epoch(2)));
        async move { driver.run(machine, subject).await }
    });
    let completion = wire.sent().await;
    caller.abort();
    assert!(caller.await.is_err());
    assert_eq!(driver.load(), Load { running: 1, value_bytes: 100 }, "the machine waits for its call");
    completion.complete(Ok(Reply::Hinted.into()));
    let by = Instant::now() + PATIENCE;
    while driver.load().running > 0 {
        assert!(Instant::now() < by, "it never ended");
        tokio::task::yield_now().await;
    }
    assert_eq!(driver.load().value_bytes, 0);
}

/// A machine that panics is counted, and its caller hears of it.
struct Broken;

impl Machine for Broken {
    type Request = Request;
    type Answer = ();

    fn step(&mut self, _: Now, _: Input, _: &mut Vec<Effect<()>>) {
        panic!("as this test wants it");
    }

    fn wake_at(&self) -> Option<Moment> {
        None
    }
}

#[tokio::test]
async fn a_machine_that_panics_is_counted_and_answered() {
    let catalog = catalog();
    let subject = subject(&catalog);
    let (_, _, driver) = driver(catalog);
    assert_eq!(driver.run(Broken, subject).await, Err(Panicked));
    assert_eq!((driver.panics(), driver.load()), (1, Load { running: 0, value_bytes: 0 }));
}
