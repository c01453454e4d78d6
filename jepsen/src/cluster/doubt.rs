//! What is expected of a node whose disk was damaged, or may have forgotten: never wrong, and it says why.
//!
//! Nothing here knows how a node keeps its data. Before anything breaks, and again before each round of faults, *probes* are
//! written: keys that all their owners have acknowledged. Afterwards each damaged node is asked, at each recovery and at the
//! end, and its `Testimony` is judged:
//!
//! | asked | must say, in the end |
//! |---|---|
//! | the probes, of the node | at all times: the value, or an error; never `no-such-key`, never another value |
//! | `/health/ready` of the node, its `/metrics`, `/v1/cluster/nodes` of another member | all three that it is well, and the last that it came back from a loss: its incarnation has grown |
//! | `explain` on each probe | the version that this node acknowledged before its damage: it has it from the others |
//! | or, where the damaged place may not have been read yet: the same without a loss | the same |
//!
//! So a node is whole again by itself within [`WHOLE_TIMEOUT`], whatever the cause, or was whole all the time. One that stays
//! doubtful fails the run; so does one that is ready and lacks what it acknowledged, one that says one thing here and another
//! there, and one that comes back from a loss that it never had. Where a fault leaves no doubt (a failed sync, a power cut of what was
//! never synced, a damaged file of the node's own that every start reads) it must have been out. `docs/operations.md` has
//! the causes and what happens next.
//!
//! There are enough whole owners for that: never more than a minority of a key's copies is damaged at a time.

use std::time::{Duration, Instant};

use quorate_checkers::panics::metric;
use reqwest::Method;
use serde_json::Value;

use super::{Cluster, POLL_INTERVAL};
use crate::http::{Answer, Body, Http};

/// How many probes are written at a time: of so many each node owns some.
const PROBES: usize = 8;

/// How long a node may take from its recovery until it holds everything again.
pub const WHOLE_TIMEOUT: Duration = Duration::from_secs(60);

/// What all probes hold.
pub(super) const PROBE_VALUE: &str = "kept";

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

impl Expected {
    /// It has nothing any more: it must be ready and hold everything again, as a later incarnation or as a new member.
    pub const ANEW: Expected = Expected::Doubt(&[]);
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
}

/// A key that all its owners have acknowledged before something broke, and that no client touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// The path of its table.
    pub(super) table: String,
    /// Its key.
    pub(super) key: String,
    /// The version that was acknowledged.
    pub(super) version: String,
}

/// What another member says about a node's disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Listed {
    /// Why the node doubts it, if it does.
    doubt: Option<String>,
    /// Grows when the node gives its data up.
    incarnation: u64,
}

/// How a damaged node does as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// It stays as it is, in a few words.
    Stays(String),
    /// It came back from its loss, and is a node like the others again, of this incarnation.
    WholeAgain(u64),
}

/// What one damaged node said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Which.
    pub node: usize,
    /// In a few words.
    pub words: String,
    /// Whether it holds everything again, and counts as damaged no more.
    pub is_whole_again: bool,
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
    /// What another member says of it; `None`: no other member was asked, or none answered.
    listed: Option<Listed>,
    /// Whether what it acknowledged may have been in the memory of its machine alone.
    may_forget: bool,
    /// Probes of which it does not show what it acknowledged, or does not answer, each with what is wrong.
    lost: Vec<String>,
    /// Probes that it called absent, or gave another value for.
    lies: Vec<String>,
}

/// Whether a testimony of a node that was of this incarnation before its damage is what is expected; else what is amiss,
/// or not yet so.
fn judge(expected: Expected, before: u64, said: &Testimony) -> Result<Standing, String> {
    if let Some(lie) = said.lies.first() {
        return Err(lie.clone());
    }
    let (causes, may_be_whole) = match (expected, said.is_running) {
        (Expected::End, false) => return Ok(Standing::Stays("does not run, as it should".to_owned())),
        (Expected::End, true) => return Err("runs on, although its process had to end".to_owned()),
        (Expected::Doubt(_) | Expected::DoubtOrWhole(_), false) => return Err("does not run".to_owned()),
        (Expected::Doubt(causes), true) => (causes, false),
        (Expected::DoubtOrWhole(causes), true) => (causes, true),
    };
    let Some((status, code, text)) = &said.ready else {
        return Err("does not answer about itself".to_owned());
    };
    let Some(Listed { doubt, incarnation }) = &said.listed else {
        return Err("is not in the list of another member".to_owned());
    };
    let metric = said.metric.ok_or("its metrics have no quorate_replica_doubtful")?;
    if *status == 200 {
        let came_back = *incarnation > before;
        return match (metric, doubt, said.lost.first()) {
            (false, None, _) if !came_back && !may_be_whole => Err("says that it is ready".to_owned()),
            (false, None, Some(lost)) if came_back || !said.may_forget => {
                Err(format!("says that it is ready, but {lost}"))
            }
            (false, None, _) if came_back => Ok(Standing::WholeAgain(*incarnation)),
            (false, None, _) => Ok(Standing::Stays("is whole, as far as the probes show".to_owned())),
            _ => Err(format!(
                "says that it is ready, while its metrics say {metric} and another member {doubt:?}"
            )),
        };
    }
    if *status != 503 || code != "replica-doubtful" {
        return Err(format!("says {status} {code}: {text}"));
    }
    if !metric {
        return Err("says replica-doubtful, but its metrics do not".to_owned());
    }
    let Some(listed) = doubt else {
        return Err("doubts its disk, but another member does not know".to_owned());
    };
    let expected: Vec<&str> = causes.iter().map(|cause| cause.name()).collect();
    if !expected.contains(&listed.as_str()) {
        return Err(format!("doubts its disk for the cause {listed} rather than {}", expected.join(" or ")));
    }
    // Every cause heals by itself: nothing is left for an operator.
    Err(format!("doubts its disk ({listed}) and is not whole again: {text}"))
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

    /// Whether one of the nodes is gone and nobody brings it back: what waits for it waits without end.
    pub fn misses_one_for_good(&self) -> bool {
        self.damaged
            .iter()
            .any(|(index, expected)| *expected == Expected::End && !self.nodes[*index].is_running())
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

    /// Asks each damaged node what it says of its disk. Each has this time to do what is expected of it; one that does not is
    /// noted as a misdeed.
    pub async fn ask_damaged(&mut self, timeout: Duration) -> Vec<Said> {
        let mut all = Vec::new();
        for (index, expected) in self.damaged.clone() {
            let deadline = Instant::now() + timeout;
            let name = self.nodes[index].name().to_owned();
            let mut said =
                |words: String, is_whole_again| all.push(Said { node: index, words, is_whole_again });
            loop {
                // One that may end, and did, says nothing more; one that may not has been noticed.
                self.nodes[index].ended_by_itself();
                let testimony = self.testimony(index).await;
                match judge(expected, self.incarnation(index), &testimony) {
                    Ok(Standing::Stays(words)) => {
                        said(format!("{name} {words}"), false);
                        break;
                    }
                    Ok(Standing::WholeAgain(incarnation)) => {
                        self.incarnations.insert(index, incarnation);
                        self.trust(index);
                        said(format!("{name} holds everything again"), true);
                        break;
                    }
                    Err(why) if Instant::now() > deadline || !testimony.lies.is_empty() => {
                        let misdeed = format!(
                            "{name} {why}; after its damage is expected: {expected:?}, and that it is whole again by itself \
                             where it can be"
                        );
                        said(misdeed.clone(), false);
                        if !self.unexpected.contains(&misdeed) {
                            self.unexpected.push(misdeed);
                        }
                        break;
                    }
                    Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
                }
            }
        }
        all
    }

    /// Which incarnation a node is, as far as is known: that of its last recovery.
    fn incarnation(&self, index: usize) -> u64 {
        self.incarnations.get(&index).copied().unwrap_or(1)
    }

    /// Nodes that gave their data up although nothing had damaged them.
    pub(super) async fn causeless_losses(&self) -> Vec<String> {
        let is_sound = |index: &usize| !self.damaged.contains_key(index) && self.nodes[*index].is_running();
        let sound: Vec<usize> = (0..self.nodes.len()).filter(is_sound).collect();
        let Some(first) = sound.first() else { return Vec::new() };
        let url = format!("{}/v1/cluster/nodes", self.nodes[*first].endpoint());
        let Some(list) = answer(&self.http, &url).await.map(|answer| answer.json()) else {
            return Vec::new();
        };
        let lost = sound.iter().filter(|index| {
            listed(&list, self.nodes[**index].member())
                .is_some_and(|listed| listed.incarnation > self.incarnation(**index))
        });
        lost.map(|index| {
            format!("{} gave its data up, and nothing had damaged it", self.nodes[*index].name())
        })
        .collect()
    }

    async fn testimony(&self, index: usize) -> Testimony {
        let node = &self.nodes[index];
        if !node.is_running() {
            return Testimony::default();
        }
        let (http, endpoint) = (&self.http, node.endpoint());
        let may_forget = self.forgets_on_power_cut;
        let mut said = Testimony { is_running: true, may_forget, ..Testimony::default() };
        // The first look at the probes: a read of them may repair what it finds.
        for probe in &self.probes {
            let url = format!("{endpoint}/{}/explain/{}", probe.table, probe.key);
            let explained = answer(http, &url).await.filter(|answer| answer.status == 200);
            let explained = explained.map_or(Value::Null, |answer| answer.json());
            said.lost.extend(lacks(&explained, node.member(), probe));
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
            said.listed = listed(&answer.json(), node.member());
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

/// What a list of members says of one.
fn listed(list: &Value, name: &str) -> Option<Listed> {
    let member =
        super::founding::members(list).and_then(|all| all.iter().find(|member| member["name"] == name))?;
    let doubt = member["doubt"].as_str().map(str::to_owned);
    Some(Listed { doubt, incarnation: member["incarnation"].as_u64()? })
}

#[cfg(test)]
mod tests;
