//! The clients of the load: a fixed rate of mixed requests, at nodes that are up.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::TABLE;
use crate::http::{Answer, Body, Http, Reply};

/// How many requests may be under way at once.
const CLIENTS: u32 = 20;

/// How many keys a phase has.
const KEYS_PER_PHASE: u32 = 500;

/// How many keys one mget asks for.
const KEYS_PER_MGET: usize = 5;

/// Of all failures, so many are kept word for word.
const FAILURES_KEPT_MAX: usize = 20;

/// What the clients share.
#[derive(Debug)]
pub struct Clients {
    http: Http,
    nodes: Vec<Target>,
    phase: Mutex<Phase>,
    measured: Mutex<Measured>,
    last_completed: Mutex<Instant>,
    over: AtomicBool,
}

/// A node, as the clients see it.
#[derive(Debug)]
struct Target {
    endpoint: String,
    is_up: AtomicBool,
}

/// The keys of one stretch of time.
#[derive(Debug, Default)]
struct Phase {
    name: String,
    /// Keys for which a put or delete was begun.
    written: BTreeSet<String>,
}

/// What the clients saw.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Requests that did what they were asked to.
    pub completed: u64,
    /// Requests that failed at a node that was up all the while.
    pub failures_count: u64,
    /// The first of them.
    pub failures: Vec<String>,
    /// Requests under way at a node when it was killed.
    pub orphaned: u64,
    /// How long each completed request took, in microseconds.
    pub latencies_us: Vec<u32>,
    /// The longest time in which nothing completed.
    pub longest_gap: Duration,
}

impl Clients {
    /// Clients of these nodes, all of which are up.
    pub fn new(endpoints: Vec<String>) -> Clients {
        let target = |endpoint| Target { endpoint, is_up: AtomicBool::new(true) };
        Clients {
            http: Http::new(),
            nodes: endpoints.into_iter().map(target).collect(),
            phase: Mutex::default(),
            measured: Mutex::default(),
            last_completed: Mutex::new(Instant::now()),
            over: AtomicBool::new(false),
        }
    }

    /// From now on, keys have another name. Returns the keys that were written in the phase that ends.
    pub fn begin_phase(&self, name: String) -> BTreeSet<String> {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *phase, Phase { name, written: BTreeSet::new() }).written
    }

    /// A node is about to be killed: nobody asks it any more.
    pub fn strike(&self, index: usize) {
        self.nodes[index].is_up.store(false, Ordering::SeqCst);
    }

    /// A node is back.
    pub fn welcome(&self, index: usize) {
        self.nodes[index].is_up.store(true, Ordering::SeqCst);
    }

    /// Lets the clients stop after their present request.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// What was seen so far.
    pub fn measured(&self) -> Measured {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answer of some node that is up to a GET below the load's table; `None` if it gave none.
    pub(super) async fn look(&self, path: &str, turn: usize) -> Option<Answer> {
        let up: Vec<&Target> = self.nodes.iter().filter(|node| node.is_up.load(Ordering::SeqCst)).collect();
        let url = format!("{}/v1/tables/{TABLE}/{path}", up.get(turn % up.len().max(1))?.endpoint);
        match self.http.ask(Method::GET, &url, Body::Empty).await {
            Reply::Answer(answer) => Some(answer),
            Reply::NotSent { .. } | Reply::Lost { .. } => None,
        }
    }

    fn take_key(&self, random: &mut ChaCha8Rng, for_writing: bool) -> String {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{}-{}", phase.name, random.random_range(0..KEYS_PER_PHASE));
        if for_writing {
            phase.written.insert(key.clone());
        }
        key
    }

    async fn ask_something(&self, random: &mut ChaCha8Rng) {
        let up: Vec<&Target> = self.nodes.iter().filter(|node| node.is_up.load(Ordering::SeqCst)).collect();
        let node = *up.choose(random).expect("one node at most is down");
        let table = format!("{}/v1/tables/{TABLE}", node.endpoint);
        let one_key = |key: &str| format!("{table}/keys/{key}?consistency=quorum");
        let (verb, method, url, body) = match random.random_range(0..100) {
            0..40 => {
                let value = Body::Text(random.random::<u64>().to_string());
                ("put", Method::PUT, one_key(&self.take_key(random, true)), value)
            }
            40..70 => ("get", Method::GET, one_key(&self.take_key(random, false)), Body::Empty),
            70..80 => ("delete", Method::DELETE, one_key(&self.take_key(random, true)), Body::Empty),
            _ => {
                let mut keys = BTreeSet::new();
                while keys.len() < KEYS_PER_MGET {
                    keys.insert(self.take_key(random, false));
                }
                let body = Body::Json(json!({ "keys": keys }));
                ("mget", Method::POST, format!("{table}/mget?consistency=quorum"), body)
            }
        };
        let asked = Instant::now();
        let reply = self.http.ask(method, &url, body).await;
        let failure = failure(verb, &reply).map(|why| format!("{verb} {url}: {why}"));
        self.note(node, asked, failure);
    }

    fn note(&self, node: &Target, asked: Instant, failure: Option<String>) {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            None => {
                let mut last = self.last_completed.lock().unwrap_or_else(PoisonError::into_inner);
                measured.longest_gap = measured.longest_gap.max(last.elapsed());
                *last = Instant::now();
                measured.completed += 1;
                measured.latencies_us.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Some(_) if !node.is_up.load(Ordering::SeqCst) => measured.orphaned += 1,
            Some(failure) => {
                measured.failures_count += 1;
                if measured.failures.len() < FAILURES_KEPT_MAX {
                    measured.failures.push(failure);
                }
            }
        }
    }
}

/// Starts the clients: together they begin so many requests a second, and catch up when they were held up.
pub fn start(clients: &Arc<Clients>, rate: u32, seed: u64) -> Vec<JoinHandle<()>> {
    let period = Duration::from_secs(1) * CLIENTS / rate.max(1);
    let client = |number: u32| {
        let clients = Arc::clone(clients);
        async move {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(u64::from(number) + 1);
            let mut ticks =
                tokio::time::interval_at(tokio::time::Instant::now() + period * number / CLIENTS, period);
            while !clients.over.load(Ordering::Relaxed) {
                ticks.tick().await;
                clients.ask_something(&mut random).await;
            }
        }
    };
    (0..CLIENTS).map(|number| tokio::spawn(client(number))).collect()
}

/// Why a reply is not what was asked for; `None` if it is.
fn failure(verb: &str, reply: &Reply) -> Option<String> {
    match reply {
        Reply::Answer(answer) if verb == "mget" && answer.status == 200 => failure_in_results(&answer.json()),
        Reply::Answer(answer) if answer.is_success() => None,
        Reply::Answer(answer) if answer.status == 404 && answer.json()["code"] == "no-such-key" => None,
        Reply::Answer(answer) => {
            let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(500)]).into_owned();
            Some(format!("{} {body}", answer.status))
        }
        Reply::NotSent { cause } => Some(format!("not sent: {cause}")),
        Reply::Lost { how, cause } => Some(format!("{how}: {cause}")),
    }
}

/// Why a list of results is not complete: each must be there or be known not to exist.
fn failure_in_results(json: &Value) -> Option<String> {
    let results =
        json.as_array().or_else(|| ["results", "items"].iter().find_map(|name| json[name].as_array()));
    let Some(results) = results else { return Some(format!("no list of results in {json}")) };
    if results.len() != KEYS_PER_MGET {
        return Some(format!("{} results for {KEYS_PER_MGET} keys", results.len()));
    }
    let is_answered = |result: &&Value| matches!(result["status"].as_u64(), Some(200 | 404));
    results
        .iter()
        .find(|result| !is_answered(result))
        .map(|result| format!("a result without an answer: {result}"))
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut latencies = self.latencies_us.clone();
        latencies.sort_unstable();
        let share = |percent: usize| {
            let at = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
            f64::from(latencies.get(at).copied().unwrap_or(0)) / 1e3
        };
        write!(
            formatter,
            "latency: median {:.1} ms, 99 % {:.1} ms, longest {:.1} ms; longest gap {:.3} s\n\
             failed requests at the other nodes: {} (under way at a node when it was killed: {})",
            share(50),
            share(99),
            share(100),
            self.longest_gap.as_secs_f64(),
            self.failures_count,
            self.orphaned,
        )?;
        for failure in &self.failures {
            write!(formatter, "\n  {failure}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &Value) -> Reply {
        let (consistency, version) = (String::new(), String::new());
        Reply::Answer(Answer { status, consistency, version, body: body.to_string().into_bytes() })
    }

    #[test]
    fn what_is_absent_is_answered_and_what_is_unavailable_is_not() {
        let absent = answer(404, &json!({ "code": "no-such-key" }));
        let no_table = answer(404, &json!({ "code": "no-such-table" }));
        let unavailable = answer(503, &json!({ "code": "unavailable" }));
        assert_eq!(failure("get", &absent), None);
        assert_eq!(failure("put", &answer(200, &json!({}))), None);
        assert!(failure("get", &no_table).is_some());
        assert!(failure("put", &unavailable).is_some());
        assert!(failure("put", &Reply::NotSent { cause: "refused".into() }).is_some());
    }

    #[test]
    fn an_mget_is_only_as_good_as_each_of_its_results() {
        let results = |statuses: &[u16]| {
            let list: Vec<Value> = statuses.iter().map(|status| json!({ "status": status })).collect();
            failure("mget", &answer(200, &json!({ "results": list })))
        };
        assert_eq!(results(&[200, 404, 200, 200, 404]), None);
        assert!(results(&[200, 404, 200, 200, 503]).is_some_and(|why| why.contains("503")));
        assert!(results(&[200, 404]).is_some_and(|why| why.contains("2 results for 5 keys")));
        assert!(failure("mget", &answer(200, &json!({}))).is_some());
    }

    #[test]
    fn the_keys_of_a_phase_are_those_that_were_written_in_it() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = Clients::new(vec!["http://127.0.0.1:1".into()]);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        clients.begin_phase("a".into());
        let written = clients.take_key(&mut random, true);
        clients.take_key(&mut random, false);
        assert_eq!(clients.begin_phase("b".into()), BTreeSet::from([written]));
        assert_eq!(clients.begin_phase("c".into()), BTreeSet::new());
    }

    #[test]
    fn failures_count_only_while_the_node_is_up() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = Clients::new(vec!["http://127.0.0.1:1".into()]);
        clients.note(&clients.nodes[0], Instant::now(), Some("broken".into()));
        clients.strike(0);
        clients.note(&clients.nodes[0], Instant::now(), Some("broken".into()));
        clients.welcome(0);
        clients.note(&clients.nodes[0], Instant::now(), None);
        let measured = clients.measured();
        assert_eq!((measured.failures_count, measured.orphaned, measured.completed), (1, 1, 1));
    }
}
