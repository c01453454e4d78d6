//! What the node counts, for Prometheus.
//!
//! Two kinds, for two reasons. What happens with every request (counts, latencies) is counted here, through
//! *handles*: the label sets are a small fixed grid, and a request finds its cell by three array indices, not by
//! hashing labels under a lock. What is a state (hints waiting, queues, links, the engine) is asked of its owner
//! when Prometheus scrapes, by a collector, and costs nothing in between.
//!
//! Names are `quorate_<what>_<unit>`; a counter ends in `_total`, as Prometheus wants it.

pub mod lines;
mod states;
mod traffic;

pub use states::States;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use quorate_coordinator::answer::{ReplicaReport, ReplicaResult};
use quorate_model::Level;
use quorate_node::control::Traffic;
use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use traffic::{Counts, Kind};

macro_rules! label {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $name:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $($(#[$variant_doc])* $name,)* }

        impl $type {
            /// All of them.
            pub const ALL: &'static [$type] = &[$($type::$name),*];

            const COUNT: usize = Self::ALL.len();

            /// The label's text.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$name => $text,)* }
            }
        }
    };
}

label! {
    /// What a request asked for.
    Operation {
        /// A read of one key.
        Get = "get",
        /// A write of one key.
        Put = "put",
        /// A delete of one key.
        Delete = "delete",
        /// A page of keys, or a stream of them.
        Scan = "scan",
        /// Reads of many keys; each counts as `get` too.
        Mget = "mget",
        /// Writes of many keys; each counts as `put` or `delete` too.
        Batch = "batch",
        /// Where a key lives.
        Locate = "locate",
        /// What each owner holds of a key.
        Explain = "explain",
        /// Tables and shards.
        Tables = "tables",
        /// Members and the ring.
        Cluster = "cluster",
        /// Health, metrics and limits.
        Health = "health",
        /// Nothing that is served.
        Unknown = "unknown",
    }
}

label! {
    /// The level of a request, as it was asked for or as its table says.
    LevelLabel {
        /// No level has a meaning, or it was not known yet when the request was refused.
        None = "none",
        /// One owner.
        One = "one",
        /// A majority.
        Quorum = "quorum",
        /// Every owner.
        All = "all",
        /// A number.
        Count = "count",
    }
}

label! {
    /// How a request ended.
    Outcome {
        /// Done.
        Ok = "ok",
        /// There is no such key, table or route.
        NotFound = "not_found",
        /// Refused for what it said.
        Refused = "refused",
        /// Refused for what is at work already.
        Overloaded = "overloaded",
        /// Too few owners.
        Unavailable = "unavailable",
        /// The deadline came first; without effect.
        Timeout = "timeout",
        /// A write of unknown outcome.
        Unknown = "unknown",
        /// A bug.
        Bug = "bug",
    }
}

label! {
    /// Why a connection ended.
    Closed {
        /// The client or the protocol ended it.
        Done = "done",
        /// Its head or its first byte did not come in time.
        HeadTimeout = "head_timeout",
        /// It idled too long.
        IdleTimeout = "idle_timeout",
        /// The client did not take its answer.
        Stalled = "stalled",
        /// What came was not HTTP.
        Malformed = "malformed",
        /// It broke.
        Broken = "broken",
    }
}

label! {
    /// Why it was not proved who asks. Clients are told nothing of it.
    AuthFailure {
        /// Neither a token nor a client certificate came.
        Missing = "missing",
        /// What came in `Authorization` is no token.
        Malformed = "malformed",
        /// No user has that token: its id is not known, or its secret is another one.
        Token = "token",
        /// The token has expired.
        Expired = "expired",
        /// No user has that client certificate.
        Certificate = "certificate",
        /// A token came over a connection that others can read.
        Exposed = "exposed",
    }
}

impl From<Level> for LevelLabel {
    fn from(level: Level) -> Self {
        match level {
            Level::One => LevelLabel::One,
            Level::Quorum => LevelLabel::Quorum,
            Level::All => LevelLabel::All,
            Level::Count(_) => LevelLabel::Count,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    level: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LatencyLabels {
    operation: &'static str,
    level: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabels {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// Everything that one node counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    request_cells: Vec<OnceLock<Counter>>,
    latencies: Family<LatencyLabels, Histogram, fn() -> Histogram>,
    latency_cells: Vec<OnceLock<Histogram>>,
    replica_results: [Counter; 6],
    closed: [Counter; Closed::COUNT],
    traffic: Counts,
    auth_failures: [Counter; AuthFailure::COUNT],
    /// Requests of users who may not do what they asked for.
    pub forbidden: Counter,
    /// Lines of the audit log that were not written.
    pub audit_failures: Counter,
    /// Replicas brought up to date before a read was answered.
    pub repairs: Counter,
    /// Handlers that panicked. Each is a bug.
    pub panics: Counter,
    /// Connections taken on.
    pub connections: Counter,
    /// Connections open now.
    pub connections_open: Gauge,
    /// Requests at work now.
    pub requests_running: Gauge,
    /// Bytes of values taken in.
    pub value_bytes_in: Counter,
    /// Bytes of values given out.
    pub value_bytes_out: Counter,
}

fn latency_histogram() -> Histogram {
    // 100 us to 52 s, each bucket twice the one before.
    Histogram::new(exponential_buckets(0.0001, 2.0, 20))
}

fn cells<T>(count: usize) -> Vec<OnceLock<T>> {
    std::iter::repeat_with(OnceLock::new).take(count).collect()
}

fn auth_failures(registry: &mut Registry) -> [Counter; AuthFailure::COUNT] {
    let causes: Family<CauseLabels, Counter> = Family::default();
    registry.register("auth_failures", "Requests that did not prove who asks, by cause", causes.clone());
    [
        AuthFailure::Missing,
        AuthFailure::Malformed,
        AuthFailure::Token,
        AuthFailure::Expired,
        AuthFailure::Certificate,
        AuthFailure::Exposed,
    ]
    .map(|cause| causes.get_or_create_owned(&CauseLabels { cause: cause.as_str() }))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("quorate");
        let requests = Family::default();
        registry.register(
            "requests",
            "Requests, by what they asked, at which level and how they ended",
            requests.clone(),
        );
        let latencies = Family::new_with_constructor(latency_histogram as fn() -> Histogram);
        registry.register("request_seconds", "Time from a request's head to its answer", latencies.clone());
        let results: Family<ResultLabels, Counter> = Family::default();
        registry.register(
            "replica_results",
            "What owners had said when the client was answered",
            results.clone(),
        );
        let replica_results = ["ack", "waiting", "down", "lost", "refused", "answered"]
            .map(|result| results.get_or_create_owned(&ResultLabels { result }));
        let reasons: Family<ReasonLabels, Counter> = Family::default();
        registry.register("http_connections_closed", "Connections that ended, by reason", reasons.clone());
        let closed = [
            Closed::Done,
            Closed::HeadTimeout,
            Closed::IdleTimeout,
            Closed::Stalled,
            Closed::Malformed,
            Closed::Broken,
        ]
        .map(|reason| reasons.get_or_create_owned(&ReasonLabels { reason: reason.as_str() }));
        let auth_failures = auth_failures(&mut registry);
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let forbidden = counter("auth_forbidden", "Requests of users who may not do what they asked for");
        let audit_failures = counter("audit_failures", "Lines of the audit log that were not written");
        let repairs = counter("read_repairs", "Replicas brought up to date before a read was answered");
        let panics = counter("http_panics", "Handlers that panicked");
        let connections = counter("http_connections", "Connections taken on");
        let value_bytes_in = counter("value_bytes_in", "Bytes of values taken in");
        let value_bytes_out = counter("value_bytes_out", "Bytes of values given out");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let connections_open = gauge("http_connections_open", "Connections open now");
        let requests_running = gauge("http_requests_running", "Requests at work now");
        Self {
            registry: Mutex::new(registry),
            requests,
            request_cells: cells(Operation::COUNT * LevelLabel::COUNT * Outcome::COUNT),
            latencies,
            latency_cells: cells(Operation::COUNT * LevelLabel::COUNT),
            replica_results,
            closed,
            traffic: Counts::new(Outcome::COUNT),
            auth_failures,
            forbidden,
            audit_failures,
            repairs,
            panics,
            connections,
            connections_open,
            requests_running,
            value_bytes_in,
            value_bytes_out,
        }
    }
}

impl Metrics {
    /// Counts one request that has ended.
    pub fn request(&self, operation: Operation, level: LevelLabel, outcome: Outcome, took: Duration) {
        let row = operation as usize * LevelLabel::COUNT + level as usize;
        let count = self.request_cells[row * Outcome::COUNT + outcome as usize].get_or_init(|| {
            self.requests.get_or_create_owned(&RequestLabels {
                operation: operation.as_str(),
                level: level.as_str(),
                outcome: outcome.as_str(),
            })
        });
        count.inc();
        let latency = self.latency_cells[row].get_or_init(|| {
            let labels = LatencyLabels { operation: operation.as_str(), level: level.as_str() };
            self.latencies.get_or_create_owned(&labels)
        });
        latency.observe(took.as_secs_f64());
        if let Some(kind) = kind(operation) {
            self.traffic.note(kind, outcome as usize, took);
        }
    }

    /// What clients were answered, as it is told to other members.
    pub fn traffic(&self) -> Traffic {
        let words: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
        self.traffic.told(&words)
    }

    /// Counts what the owners said to one operation.
    pub fn replicas(&self, reports: &[ReplicaReport]) {
        for report in reports {
            let index = match report.result {
                ReplicaResult::Ack => 0,
                ReplicaResult::Timeout => 1,
                ReplicaResult::Down => 2,
                ReplicaResult::Lost => 3,
                ReplicaResult::Refused(_) => 4,
                ReplicaResult::Answered => 5,
            };
            self.replica_results[index].inc();
        }
    }

    /// Counts a connection that has ended.
    pub fn closed(&self, reason: Closed) {
        self.closed[reason as usize].inc();
    }

    /// Counts a request that did not prove who asks.
    pub fn auth_failed(&self, cause: AuthFailure) {
        self.auth_failures[cause as usize].inc();
    }

    /// Adds what is asked of its owner at each scrape.
    pub fn register(&self, collector: Box<dyn Collector>) {
        self.registry().register_collector(collector);
    }

    /// Everything, in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(16 * 1024);
        encode(&mut out, &self.registry()).expect("writing to a string can't fail");
        out
    }

    /// The same in the older text format of Prometheus: a counter is described by its whole name, with its `_total`.
    pub fn older_text(&self) -> String {
        let text = self.text();
        let counter = |line: &str| Some(line.strip_prefix("# TYPE ")?.strip_suffix(" counter")?.to_owned());
        let counters: BTreeSet<String> = text.lines().filter_map(counter).collect();
        let mut out = String::with_capacity(text.len() + 1024);
        for line in text.lines().filter(|line| *line != "# EOF") {
            let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
            match described.and_then(|described| described.split_once(' ')) {
                Some((name, says)) if counters.contains(name) => {
                    let word = &line[..line.len() - name.len() - 1 - says.len()];
                    out.extend([word, name, "_total ", says]);
                }
                Some(_) | None => out.push_str(line),
            }
            out.push('\n');
        }
        out
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request for keys is to the other members; `None`: it is none, or its items count themselves.
fn kind(operation: Operation) -> Option<Kind> {
    match operation {
        Operation::Get => Some(Kind::Read),
        Operation::Put | Operation::Delete => Some(Kind::Write),
        Operation::Scan => Some(Kind::Scan),
        Operation::Mget
        | Operation::Batch
        | Operation::Locate
        | Operation::Explain
        | Operation::Tables
        | Operation::Cluster
        | Operation::Health
        | Operation::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_in_its_own_cell() {
        let metrics = Metrics::default();
        let took = Duration::from_millis(3);
        metrics.request(Operation::Get, LevelLabel::Quorum, Outcome::Ok, took);
        metrics.request(Operation::Get, LevelLabel::Quorum, Outcome::Ok, took);
        metrics.request(Operation::Unknown, LevelLabel::Count, Outcome::Bug, took);
        let text = metrics.text();
        let line = |operation: &str, level: &str, outcome: &str, count: u64| {
            let labels = format!("operation=\"{operation}\",level=\"{level}\",outcome=\"{outcome}\"");
            format!("quorate_requests_total{{{labels}}} {count}\n")
        };
        assert!(text.contains(&line("get", "quorum", "ok", 2)), "{text}");
        assert!(text.contains(&line("unknown", "count", "bug", 1)), "{text}");
        assert_eq!(text.matches("quorate_requests_total{").count(), 2, "no empty cells");
        assert!(
            text.contains("quorate_request_seconds_count{operation=\"get\",level=\"quorum\"} 2\n"),
            "{text}"
        );
        assert!(text.ends_with("# EOF\n"));
        assert_eq!(
            metrics.traffic().reads.outcomes,
            [("ok".to_owned(), 2)],
            "what is no request for keys is not told"
        );
    }

    #[test]
    fn the_older_form_names_counters_in_full_and_has_no_end() {
        let metrics = Metrics::default();
        metrics.request(Operation::Get, LevelLabel::Quorum, Outcome::Ok, Duration::from_millis(3));
        let (newer, older) = (metrics.text(), metrics.older_text());
        for described in [
            "# HELP quorate_requests_total Requests, by what they asked",
            "# TYPE quorate_requests_total counter\n",
            "# TYPE quorate_request_seconds histogram\n",
            "# TYPE quorate_http_connections_open gauge\n",
        ] {
            assert!(older.contains(described), "{described} in {older}");
        }
        assert!(!older.contains("# EOF"), "{older}");
        let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(samples(&older), samples(&newer));
    }
}
