//! The loop that finds a node to answer a call. It waits and sends; what it decides by stands beside it.

use super::failed::Failed;
use super::health::Endpoints;
use super::hedge::Hedging;
use super::judge::Judgement;
use super::map::{Map, Maps};
use super::options::{Routing, SessionOptions};
use super::tries::Tries;
use crate::call::{Answer, Call};
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::outcome::Effect;
use quorate_api::Code;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A request waits no longer for a map, and for no more than a quarter of its time.
const MAP_TIME_MAX: Duration = Duration::from_secs(1);

/// What all calls of one session share.
#[derive(Debug)]
pub(crate) struct Engine {
    client: Client,
    deadline: Duration,
    routing: Routing,
    endpoints: Mutex<Endpoints>,
    maps: Mutex<Maps>,
    hedging: Mutex<Hedging>,
}

/// A call, and how it may be carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work<'a> {
    /// What is asked.
    pub call: &'a Call,
    /// Table and key, where an owner does it best.
    pub place: Option<(&'a str, &'a [u8])>,
    /// Whether each write in it has an operation id, so that it can be repeated.
    pub has_ids: bool,
    /// Whether it may be sent to two nodes at once.
    pub is_hedged: bool,
}

/// What a node said to an attempt.
type Said = Result<Answer, Error>;

/// What came of an attempt: from each endpoint that was asked and answered, in their order.
type Came = Vec<(Endpoint, Said)>;

/// A map that is being made. Should its maker be dropped before the end, others try again.
struct Making<'a> {
    engine: &'a Engine,
    table: &'a str,
    is_done: bool,
}

impl<'a> Work<'a> {
    /// A call that any node may carry out.
    pub fn of(call: &'a Call) -> Self {
        Self { call, place: None, has_ids: false, is_hedged: false }
    }
}

impl Engine {
    /// Over a client, whose endpoints are where it begins.
    pub fn new(client: Client, options: &SessionOptions) -> Self {
        let turn = getrandom::u32().unwrap_or_default() as usize;
        let endpoints = Endpoints::new(client.options().endpoints.clone(), turn);
        Self {
            client,
            deadline: options.deadline,
            routing: options.routing,
            endpoints: Mutex::new(endpoints),
            maps: Mutex::default(),
            hedging: Mutex::new(Hedging::new(options.hedge)),
        }
    }

    /// Carries out a call: attempts until one is answered, or nothing better can come.
    pub async fn perform(&self, work: &Work<'_>) -> Result<Answer, Failed> {
        let mut tries = Tries::new(work.call, work.has_ids, Instant::now() + self.deadline);
        loop {
            let owners = self.owners(work, &tries).await;
            let now = Instant::now();
            let next = if tries.left(now).is_zero() {
                None
            } else {
                locked(&self.endpoints).pick(&owners, tries.tried(), now)
            };
            let Some(endpoint) = next else {
                let Some(pause) = tries.pause(now, chance()) else { return Err(tries.over()) };
                tokio::time::sleep(pause).await;
                tries.begin_round();
                continue;
            };
            for (endpoint, said) in self.attempt(work, &mut tries, endpoint, &owners).await {
                if let Some(answer) = self.taken(work, &mut tries, &endpoint, said)? {
                    return Ok(answer);
                }
            }
        }
    }

    /// The answer, if it is one; an error where nothing better can come; else what went wrong is noted.
    fn taken(
        &self,
        work: &Work<'_>,
        tries: &mut Tries,
        endpoint: &Endpoint,
        said: Said,
    ) -> Result<Option<Answer>, Failed> {
        locked(&self.maps).note(epoch_of(&said));
        let error = match said {
            Ok(answer) => {
                locked(&self.endpoints).answered(endpoint);
                return Ok(Some(answer));
            }
            Err(error) => error,
        };
        let judgement = Judgement::of(&error, work.call.effect, work.has_ids);
        if judgement.is_aside {
            locked(&self.endpoints).failed(endpoint, Instant::now(), judgement.wait, chance());
        } else {
            locked(&self.endpoints).answered(endpoint);
        }
        if judgement.goes_on {
            tries.failed(endpoint, error, judgement);
            return Ok(None);
        }
        Err(tries.ended(endpoint, error))
    }

    /// One attempt: at this endpoint, and at another one too if it is slow.
    async fn attempt(
        &self,
        work: &Work<'_>,
        tries: &mut Tries,
        endpoint: Endpoint,
        owners: &[Endpoint],
    ) -> Came {
        let begun = Instant::now();
        tries.ask(&endpoint);
        let share = tries.share(begun);
        let attempt = tries.attempt(work.call, share);
        let Some((delay, second)) = self.rival(work, tries, owners, share, begun) else {
            let said = self.client.send_to(&attempt, &endpoint).await;
            self.took(work, &said, begun);
            return vec![(endpoint, said)];
        };
        let rest = tries.attempt(work.call, share.saturating_sub(delay));
        let (came, late) = self.race((&endpoint, &attempt), delay, (&second, &rest)).await;
        if came.len() > 1 || late.is_some() {
            locked(&self.hedging).hedged();
            tries.ask(&second);
        }
        if late.as_ref() == Some(&endpoint) {
            locked(&self.endpoints).lost_race(&endpoint, Instant::now(), chance());
        }
        if let Some((_, said)) = came.last() {
            self.took(work, said, begun);
        }
        came
    }

    /// After what time which endpoint is asked too, if the call is hedged.
    fn rival(
        &self,
        work: &Work<'_>,
        tries: &Tries,
        owners: &[Endpoint],
        share: Duration,
        now: Instant,
    ) -> Option<(Duration, Endpoint)> {
        let delay = if work.is_hedged { locked(&self.hedging).delay()? } else { return None };
        let endpoints = locked(&self.endpoints);
        let second = endpoints.other(owners, tries.tried(), now)?;
        (delay < share && !endpoints.is_aside(&second, now)).then_some((delay, second))
    }

    fn took(&self, work: &Work<'_>, said: &Said, begun: Instant) {
        if work.is_hedged && settles(said) {
            locked(&self.hedging).took(begun.elapsed());
        }
    }

    /// Two attempts, the second if the first is not answered after `delay`: what came, and who was late when that
    /// settled it. An attempt that is late is cancelled.
    async fn race(
        &self,
        (first, attempt): (&Endpoint, &Call),
        delay: Duration,
        (second, rest): (&Endpoint, &Call),
    ) -> (Came, Option<Endpoint>) {
        let mut one = pin!(self.client.send_to(attempt, first));
        if let Ok(said) = tokio::time::timeout(delay, &mut one).await {
            return (vec![(first.clone(), said)], None);
        }
        let mut other = pin!(self.client.send_to(rest, second));
        let (came, late) = tokio::select! {
            said = &mut one => ((first, said), second),
            said = &mut other => ((second, said), first),
        };
        if settles(&came.1) {
            return (vec![(came.0.clone(), came.1)], Some(late.clone()));
        }
        let last = if late == first { one.await } else { other.await };
        (vec![(came.0.clone(), came.1), (late.clone(), last)], None)
    }

    /// Where the owners of the call's key are reached, after a new map was made if it is time for one.
    async fn owners(&self, work: &Work<'_>, tries: &Tries) -> Vec<Endpoint> {
        let Some((table, key)) = work.place.filter(|_| self.routing == Routing::Owner) else {
            return Vec::new();
        };
        let now = Instant::now();
        if locked(&self.maps).begin(table, now) {
            let making = Making { engine: self, table, is_done: false };
            let time = MAP_TIME_MAX.min(tries.left(now) / 4);
            // Without a map any node is asked.
            let _in_time = tokio::time::timeout(time, making.make(now)).await;
        }
        locked(&self.maps).owners(table, key)
    }
}

impl Making<'_> {
    async fn make(mut self, begun: Instant) {
        let maps = &self.engine.maps;
        let ring = match self.engine.client.ring(Some(self.table)).await {
            Ok(ring) => ring.read,
            Err(error) => {
                let is_gone = error.code() == Code::NoSuchTable.as_str();
                self.is_done = true;
                return locked(maps).fail(self.table, is_gone, Instant::now());
            }
        };
        let Some(map) = Map::of(&ring) else { return };
        let members = ring.nodes.iter().map(|member| (member.node.as_str(), member.address.as_deref()));
        locked(maps).learn(members);
        // A node of an older version does not say in the ring where members are.
        let is_known = locked(maps).knows(&map);
        if !is_known && let Ok(nodes) = self.engine.client.nodes().await {
            let nodes = &nodes.read.nodes;
            let members = nodes.iter().map(|member| (member.id.as_str(), member.address.as_deref()));
            locked(maps).learn(members);
        }
        let everywhere = locked(maps).everywhere();
        locked(&self.engine.endpoints).name(everywhere);
        locked(maps).end(self.table, map, begun.elapsed(), Instant::now());
        self.is_done = true;
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            locked(&self.engine.maps).fail(self.table, false, Instant::now());
        }
    }
}

/// Whether no other answer to a read can be better than this one.
fn settles(said: &Said) -> bool {
    match said {
        Ok(_) => true,
        Err(error) => !Judgement::of(error, Effect::Read, false).goes_on,
    }
}

/// The epoch that an answer names, a refusal's too.
fn epoch_of(said: &Said) -> Option<u64> {
    match said {
        Ok(answer) => answer.meta.epoch,
        Err(Error::Problem { meta, .. }) => meta.epoch,
        Err(Error::Unreachable { .. } | Error::Lost { .. } | Error::Unintelligible { .. }) => None,
    }
}

/// From 0 to 1, for pauses.
fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |drawn| f64::from(drawn) / f64::from(u32::MAX))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds this lock")
}
