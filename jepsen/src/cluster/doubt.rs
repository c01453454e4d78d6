//! What is expected of a node whose disk was damaged, or may have forgotten: never wrong, and it says why.
//!
//! Nothing here knows how a node keeps its data. Before anything breaks, and again before each round of faults, *probes* are
//! written: keys that all their owners have acknowledged. Afterwards each damaged node is asked, at each recovery and at the
//! end, and its `Testimony` is judged:
//!
//! | asked | must say |
//! |---|---|
//! | the probes, of the node | the value, or an error; never `no-such-key`, never another value |
//! | `/health/ready` of the node | 503 `replica-doubtful`, a reason, and what to type |
//! | `/metrics` of the node | `quorate_replica_doubtful 1` |
//! | `/v1/cluster/nodes` of another member | the cause, one of those that the fault can have; the remedy is that cause's |
//! | or, where the damaged place may not have been read yet: all three say that it is well, and `explain` on each probe | the version that this node acknowledged |
//!
//! So a node is out and says why, or it is whole. One that is ready and lacks what it acknowledged fails the run, and so does
//! one that says one thing here and another there. Where a fault leaves no doubt (a failed sync, a power cut of what was never
//! synced, a damaged file of the node's own that every start reads) it must be out. `docs/operations.md` has the causes and
//! their remedies.

use std::time::{Duration, Instant};

use quorate_checkers::panics::metric;
use reqwest::Method;
use serde_json::Value;

use super::{Cluster, POLL_INTERVAL};
use crate::http::{Answer, Body, Http};

/// How many probes are written at a time: of so many each node owns some.
const PROBES: usize = 8;

/// What all probes hold.
const PROBE_VALUE: &str = "kept";

/// What a damaged node is expected to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It steps out for one of these causes.
    Doubt(&'static [Cause]),
    /// It steps out for one of these causes, or it is whole.
    DoubtOrWhole(&'static [Cause]),
    /// Its process ends with a sentence.
    End,
}

/// Why a node doubts its disk, in the words of its documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// What is read is not what was written, or a file is gone.
    Damaged,
    /// A write or a sync failed.
    Failed,
    /// The data end before something that was durable.
    Behind,
    /// The machine stopped while acknowledged records were in its memory alone.
    MachineStopped,
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Cause::Damaged => "damaged",
            Cause::Failed => "failed",
            Cause::Behind => "behind",
            Cause::MachineStopped => "machine-stopped",
        }
    }

    /// What its readiness has to tell an operator to do.
    fn remedy(self) -> &'static str {
        match self {
            Cause::Damaged => "with an empty folder",
            Cause::Failed | Cause::Behind | Cause::MachineStopped => "quorate node accept-loss",
        }
    }
}

/// A key that all its owners have acknowledged before something broke, and that no client touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// The path of its table.
    table: String,
    key: String,
    /// The version that was acknowledged.
    version: String,
}

/// What another member says about a node's disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Listed {
    /// Nothing: no other member was asked, or none answered.
    #[default]
    Nothing,
    /// It has no doubt.
    WithoutDoubt,
    /// It has one, for this cause.
    Doubt(String),
}

/// What a node and another one say about its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Testimony {
    /// Whether its process runs.
    is_running: bool,
    /// Its readiness: the status, the code of the problem and its text.
    ready: Option<(u16, String, String)>,
    /// What its metrics say.
    metric: Option<bool>,
    /// What another member says of it.
    listed: Listed,
    /// Probes of which it does not show what it acknowledged, or does not answer, each with what is wrong.
    lost: Vec<String>,
    /// Probes that it called absent, or gave another value for.
    lies: Vec<String>,
}

/// Whether a testimony is what is expected: in a few words if it is, and what is amiss if it is not, or not yet.
fn judge(expected: Expected, said: &Testimony) -> Result<String, String> {
    if let Some(lie) = said.lies.first() {
        return Err(lie.clone());
    }
    let (causes, may_be_whole) = match (expected, said.is_running) {
        (Expected::End, false) => return Ok("does not run, as it should".to_owned()),
        (Expected::End, true) => return Err("runs on, although its process had to end".to_owned()),
        (Expected::Doubt(_) | Expected::DoubtOrWhole(_), false) => return Err("does not run".to_owned()),
        (Expected::Doubt(causes), true) => (causes, false),
        (Expected::DoubtOrWhole(causes), true) => (causes, true),
    };
    let Some((status, code, text)) = &said.ready else {
        return Err("does not answer about itself".to_owned());
    };
    let listed = match &said.listed {
        Listed::Nothing => return Err("is not in the list of another member".to_owned()),
        Listed::WithoutDoubt => None,
        Listed::Doubt(cause) => Some(cause),
    };
    let metric = said.metric.ok_or("its metrics have no quorate_replica_doubtful")?;
    if *status == 200 {
        return match (may_be_whole, metric, listed, said.lost.first()) {
            (true, false, None, None) => Ok("is whole, as far as the probes show".to_owned()),
            (true, false, None, Some(lost)) => Err(format!("says that it is ready, but {lost}")),
            (false, ..) => Err("says that it is ready".to_owned()),
            (true, ..) => Err(format!(
                "says that it is ready, while its metrics say {metric} and another member {listed:?}"
            )),
        };
    }
    if *status != 503 || code != "replica-doubtful" {
        return Err(format!("says {status} {code} rather than 503 replica-doubtful: {text}"));
    }
    if !metric {
        return Err("says replica-doubtful, but its metrics do not".to_owned());
    }
    let Some(listed) = listed else {
        return Err("doubts its disk, but another member does not know".to_owned());
    };
    let Some(cause) = causes.iter().find(|cause| cause.name() == listed) else {
        let expected: Vec<&str> = causes.iter().map(|cause| cause.name()).collect();
        return Err(format!("doubts its disk for the cause {listed} rather than {}", expected.join(" or ")));
    };
    if !text.contains(cause.remedy()) {
        return Err(format!("does not say what to do ({}): {text}", cause.remedy()));
    }
    Ok(format!("doubts its disk ({listed}), and all members know"))
}

impl Cluster {
    /// How many more nodes may be made doubtful: a minority of a key's copies in all.
    pub fn may_make_doubtful(&self) -> usize {
        let minority = (super::COPIES.min(self.nodes.len()) - 1) / 2;
        minority.saturating_sub(self.damaged.len())
    }

    /// From now on this node need not be ready. Something else is expected of it, which may be said again if more is known.
    pub fn expect(&mut self, index: usize, expected: Expected) {
        self.damaged.insert(index, expected);
    }

    /// What was to damage this node has damaged nothing: it is to be ready like the others.
    pub fn trust(&mut self, index: usize) {
        self.damaged.remove(&index);
    }

    /// The nodes whose disks were damaged, or may have forgotten.
    pub fn damaged(&self) -> impl Iterator<Item = usize> {
        self.damaged.keys().copied()
    }

    /// Writes the first probes, to all their owners.
    pub(super) async fn write_first_probes(
        &mut self,
        table: &str,
        timeout: Duration,
    ) -> Result<(), super::Error> {
        let deadline = Instant::now() + timeout;
        self.table = format!("v1/tables/{table}");
        loop {
            match self.write_probes().await {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() < deadline => tokio::time::sleep(POLL_INTERVAL).await,
                Err(last) => {
                    let what = "all owners to have the probes".to_owned();
                    return Err(super::Error::TooLate { what, waited: timeout, last });
                }
            }
        }
    }

    /// Writes more probes while all is well, if a node may still be damaged: what they prove is as young as they are. What is
    /// not acknowledged proves nothing, and is left out.
    pub async fn refresh_probes(&mut self) {
        if self.may_make_doubtful() > 0 && !self.table.is_empty() {
            // Some owner may be slow: then there are fewer of them.
            let _ = self.write_probes().await;
        }
    }

    async fn write_probes(&mut self) -> Result<(), String> {
        for _ in 0..PROBES {
            let (table, key) = (self.table.clone(), format!("jepsen-probe-{}", self.probes.len() + 1));
            let url = format!("{}/{table}/keys/{key}?consistency=all", self.nodes[0].endpoint());
            let value = Body::Text(PROBE_VALUE.to_owned());
            let answer = self.http.ask(Method::PUT, &url, value).await.success()?;
            let version = answer.json()["version"].as_str().unwrap_or(&answer.version).to_owned();
            self.probes.push(Probe { table, key, version });
        }
        Ok(())
    }

    /// Asks each damaged node what it says of its disk, and gives the answers in a few words. Each has this time to do what is
    /// expected of it; one that does not is noted as a misdeed.
    pub async fn ask_damaged(&mut self, timeout: Duration) -> Vec<String> {
        let mut said = Vec::new();
        for (index, expected) in self.damaged.clone() {
            let deadline = Instant::now() + timeout;
            let name = self.nodes[index].name().to_owned();
            loop {
                // One that may end, and did, says nothing more; one that may not has been noticed.
                self.nodes[index].ended_by_itself();
                let testimony = self.testimony(index).await;
                match judge(expected, &testimony) {
                    Ok(words) => {
                        said.push(format!("{name} {words}"));
                        break;
                    }
                    Err(why) if Instant::now() > deadline || !testimony.lies.is_empty() => {
                        let misdeed = format!("{name} {why}; after its damage is expected: {expected:?}");
                        said.push(misdeed.clone());
                        if !self.unexpected.contains(&misdeed) {
                            self.unexpected.push(misdeed);
                        }
                        break;
                    }
                    Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
                }
            }
        }
        said
    }

    async fn testimony(&self, index: usize) -> Testimony {
        let node = &self.nodes[index];
        if !node.is_running() {
            return Testimony::default();
        }
        let (http, endpoint) = (&self.http, node.endpoint());
        let mut said = Testimony { is_running: true, ..Testimony::default() };
        // The first look at the probes: a read of them may repair what it finds.
        for probe in self.probes.iter().filter(|_| !self.forgets_on_power_cut) {
            let url = format!("{endpoint}/{}/explain/{}", probe.table, probe.key);
            let explained = answer(http, &url).await.filter(|answer| answer.status == 200);
            let explained = explained.map_or(Value::Null, |answer| answer.json());
            said.lost.extend(lacks(&explained, node.name(), probe));
        }
        if let Some(answer) = answer(http, &format!("{endpoint}/health/ready")).await {
            let problem = answer.json();
            let code = problem["code"].as_str().or(problem["type"].as_str()).unwrap_or_default();
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            said.ready = Some((answer.status, code.to_owned(), text));
        }
        if let Some(page) = answer(http, &format!("{endpoint}/metrics")).await {
            let doubtful = metric(&String::from_utf8_lossy(&page.body), "quorate_replica_doubtful");
            said.metric = doubtful.map(|number| number > 0.0);
        }
        let is_other = |other: &usize| *other != index && !self.damaged.contains_key(other);
        if let Some(other) = (0..self.nodes.len()).find(is_other)
            && let Some(answer) =
                answer(http, &format!("{}/v1/cluster/nodes", self.nodes[other].endpoint())).await
        {
            said.listed = listed(&answer.json(), node.name());
        }
        for probe in &self.probes {
            let url = format!("{endpoint}/{}/keys/{}?consistency=one", probe.table, probe.key);
            let answer = answer(http, &url).await;
            said.lies.extend(answer.as_ref().and_then(lie).map(|lie| format!("{lie} ({url})")));
        }
        said
    }
}

async fn answer(http: &Http, url: &str) -> Option<Answer> {
    http.get(url).await.answer().ok()
}

/// What is wrong with an answer about a probe. Any error is better than a wrong answer, but for `no-such-key`, which is
/// one.
fn lie(answer: &Answer) -> Option<String> {
    match answer.status {
        404 => Some("calls a key absent that all its owners have acknowledged".to_owned()),
        200 if answer.body != PROBE_VALUE.as_bytes() => {
            Some(format!("gives a value that was never written: {}", String::from_utf8_lossy(&answer.body)))
        }
        _ => None,
    }
}

/// What a node lacks of a probe, from its own answer to `explain`: nothing if it holds the version that it acknowledged, or
/// is no owner of it.
fn lacks(explained: &Value, name: &str, probe: &Probe) -> Option<String> {
    let list = |member: &str| explained[member].as_array().map(Vec::as_slice).unwrap_or_default();
    let (owners, key) = (list("owners"), &probe.key);
    if owners.is_empty() {
        return Some(format!("does not explain {key}"));
    }
    let id = &owners.iter().find(|owner| owner["name"] == name)?["node"];
    match list("replicas").iter().find(|replica| replica["node"] == *id) {
        Some(replica) if replica["version"] == probe.version.as_str() && replica["tombstone"] != true => None,
        Some(replica) => Some(format!("holds of {key} not version {}: {replica}", probe.version)),
        None => Some(format!("does not say what it holds of {key}")),
    }
}

/// What a list of members says of the doubts of one.
fn listed(list: &Value, name: &str) -> Listed {
    let member =
        super::founding::members(list).and_then(|all| all.iter().find(|member| member["name"] == name));
    let doubt = |member: &Value| {
        let cause = member["doubt"].as_str();
        cause.map_or(Listed::WithoutDoubt, |cause| Listed::Doubt(cause.to_owned()))
    };
    member.map_or(Listed::Nothing, doubt)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MUST: Expected = Expected::Doubt(&[Cause::Behind]);
    const MAY: Expected = Expected::DoubtOrWhole(&[Cause::Damaged]);

    /// A node that does all that is expected.
    fn doubtful(cause: Cause) -> Testimony {
        Testimony {
            is_running: true,
            ready: Some((503, "replica-doubtful".into(), format!("it ends too early: {}", cause.remedy()))),
            metric: Some(true),
            listed: Listed::Doubt(cause.name().into()),
            ..Testimony::default()
        }
    }

    fn unaware() -> Testimony {
        Testimony {
            is_running: true,
            ready: Some((200, String::new(), String::new())),
            metric: Some(false),
            listed: Listed::WithoutDoubt,
            ..Testimony::default()
        }
    }

    #[test]
    fn a_node_that_steps_out_and_says_so_is_as_expected() {
        assert!(judge(MUST, &doubtful(Cause::Behind)).is_ok());
        assert!(judge(MAY, &doubtful(Cause::Damaged)).is_ok());
        assert!(judge(Expected::End, &Testimony::default()).is_ok());
        // What it holds does not matter once it is out.
        let out = Testimony { lost: vec!["holds nothing".into()], ..doubtful(Cause::Damaged) };
        assert!(judge(MAY, &out).is_ok());
    }

    #[test]
    fn not_to_notice_is_allowed_only_to_a_node_that_is_whole() {
        assert!(judge(MAY, &unaware()).is_ok());
        let lost = Testimony { lost: vec!["holds of x not version 5".into()], ..unaware() };
        assert!(judge(MAY, &lost).is_err_and(|why| why.contains("holds of x not version 5")));
        assert_eq!(judge(MUST, &unaware()), Err("says that it is ready".to_owned()));
        assert!(judge(Expected::End, &unaware()).is_err());
    }

    #[test]
    fn each_missing_word_is_missed() {
        let whole = doubtful(Cause::Behind);
        let lacking = [
            Testimony { is_running: false, ..whole.clone() },
            Testimony { ready: None, ..whole.clone() },
            Testimony { ready: Some((503, "unavailable".into(), String::new())), ..whole.clone() },
            Testimony { ready: Some((503, "replica-doubtful".into(), "no way out".into())), ..whole.clone() },
            Testimony { metric: None, ..whole.clone() },
            Testimony { metric: Some(false), ..whole.clone() },
            Testimony { listed: Listed::Nothing, ..whole.clone() },
            Testimony { listed: Listed::WithoutDoubt, ..whole.clone() },
            Testimony { listed: Listed::Doubt("failed".into()), ..whole.clone() },
            Testimony { lies: vec!["calls a key absent".into()], ..whole.clone() },
        ];
        for testimony in lacking {
            assert!(judge(MUST, &testimony).is_err(), "{testimony:?}");
        }
        let contradicts = Testimony { metric: Some(true), ..unaware() };
        assert!(judge(MAY, &contradicts).is_err());
    }

    #[test]
    fn a_probe_is_there_or_cannot_be_told_but_never_absent() {
        let answer = |status, body: &str| Answer {
            status,
            consistency: String::new(),
            version: String::new(),
            retry_after: false,
            body: body.into(),
        };
        assert!(lie(&answer(200, PROBE_VALUE)).is_none() && lie(&answer(503, "")).is_none());
        assert!(lie(&answer(404, "")).is_some() && lie(&answer(200, "another")).is_some());
    }

    #[test]
    fn an_owner_lacks_a_probe_unless_it_holds_the_version_that_was_acknowledged() {
        let probe = Probe { table: "v1/tables/t".into(), key: "p".into(), version: "5-n1".into() };
        let explained =
            |replica: Value| json!({ "owners": [{ "name": "first", "node": "n1" }], "replicas": [replica] });
        let held = explained(json!({ "node": "n1", "version": "5-n1", "tombstone": false }));
        assert_eq!(lacks(&held, "first", &probe), None);
        assert_eq!(lacks(&held, "second", &probe), None, "it is no owner");
        for wrong in [
            explained(json!({ "node": "n1", "version": null })),
            explained(json!({ "node": "n1", "version": "4-n1" })),
            explained(json!({ "node": "n1", "version": "5-n1", "tombstone": true })),
            explained(json!({ "node": "n1", "error": "the replica doubts its disk" })),
            explained(json!({ "node": "n2", "version": "5-n1" })),
            Value::Null,
        ] {
            assert!(lacks(&wrong, "first", &probe).is_some(), "{wrong}");
        }
    }

    #[test]
    fn lists_are_read() {
        let list = json!({"nodes": [{"name": "n1", "doubt": null}, {"name": "n2", "doubt": "behind"}]});
        assert_eq!(listed(&list, "n1"), Listed::WithoutDoubt);
        assert_eq!(listed(&list, "n2"), Listed::Doubt("behind".to_owned()));
        assert_eq!(listed(&list, "n3"), Listed::Nothing);
    }
}
