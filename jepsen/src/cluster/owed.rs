//! What a node owes whose disk was damaged, or may have forgotten: to notice, to step out, and to say so.
//!
//! `docs/operations.md` says what such a node does, and it is held to exactly that. Whoever damages a node says which
//! [`Owed`] follows; at each recovery, and at the end, a [`Testimony`] is taken and judged:
//!
//! | asked | must say |
//! |---|---|
//! | `/health/ready` of the node | 503 `replica-doubtful`, a reason, and what to type |
//! | `/metrics` of the node | `quorate_replica_doubtful 1` |
//! | `/v1/cluster/nodes` of another member | the cause, which must be one of those that are owed |
//! | keys that all owners have acknowledged, asked of the node | the value, or an error; never `no-such-key` |
//!
//! The last is owed by every node, whatever it has noticed: a node in doubt may go on as coordinator and answer from the
//! other owners, but nothing that it has forgotten may be called absent.

use reqwest::Method;
use serde_json::Value;

use crate::http::{Answer, Body, Http, Reply};
use quorate_checkers::panics::metric;

/// What a damaged node owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    /// It steps out for one of these causes.
    Doubt(&'static [Cause]),
    /// It steps out for one of these causes, or has not noticed so far: nobody may have read that place.
    Perhaps(&'static [Cause]),
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

/// Keys that all their owners have acknowledged before anything broke, and that nobody deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probes {
    /// The table they are in.
    pub table: String,
    /// How many there are.
    pub count: usize,
}

/// What all probes hold.
const PROBE_VALUE: &str = "kept";

/// What another member says about a node's disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Listed {
    /// Nothing: nobody was asked, or nobody answered.
    #[default]
    Nothing,
    /// It has no doubt.
    WithoutDoubt,
    /// It has one, for this cause.
    Doubt(String),
}

/// What a node and another one say about its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Testimony {
    /// Whether its process runs.
    pub is_running: bool,
    /// Its readiness: the status, the code of the problem and its text.
    pub ready: Option<(u16, String, String)>,
    /// What its metrics say.
    pub metric: Option<bool>,
    /// What another member says of it.
    pub listed: Listed,
    /// Probes that it called absent, or gave another value for.
    pub lies: Vec<String>,
}

/// Whether a testimony is what is owed: in a few words if it is, and what is amiss if it is not, or not yet.
pub fn judge(owed: Owed, said: &Testimony) -> Result<String, String> {
    if let Some(lie) = said.lies.first() {
        return Err(lie.clone());
    }
    match (owed, said.is_running) {
        (Owed::End, false) => return Ok("does not run, as it should".to_owned()),
        (Owed::End, true) => return Err("runs on, although its process had to end".to_owned()),
        (Owed::Doubt(_) | Owed::Perhaps(_), false) => return Err("does not run".to_owned()),
        (Owed::Doubt(_) | Owed::Perhaps(_), true) => {}
    }
    let Some((status, code, text)) = &said.ready else {
        return Err("does not answer about itself".to_owned());
    };
    let listed = match &said.listed {
        Listed::Nothing => return Err("is not in the list of another member".to_owned()),
        Listed::WithoutDoubt => None,
        Listed::Doubt(cause) => Some(cause),
    };
    let metric = said.metric.ok_or("its metrics have no quorate_replica_doubtful")?;
    let (causes, must) = match owed {
        Owed::Doubt(causes) => (causes, true),
        Owed::Perhaps(causes) => (causes, false),
        Owed::End => (&[][..], true),
    };
    if *status == 200 {
        return match (must, metric, listed) {
            (false, false, None) => Ok("has noticed nothing so far".to_owned()),
            (true, ..) => Err("says that it is ready".to_owned()),
            (false, ..) => Err(format!(
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
        let owed: Vec<&str> = causes.iter().map(|cause| cause.name()).collect();
        return Err(format!("doubts its disk for the cause {listed} rather than {}", owed.join(" or ")));
    };
    if !text.contains(cause.remedy()) {
        return Err(format!("does not say what to do ({}): {text}", cause.remedy()));
    }
    Ok(format!("doubts its disk ({listed}), and everybody knows"))
}

/// Takes a testimony of a node that runs.
pub(super) async fn hear(
    http: &Http,
    name: &str,
    endpoint: &str,
    other: Option<&str>,
    probes: Option<&Probes>,
) -> Testimony {
    let mut said = Testimony { is_running: true, ..Testimony::default() };
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
    if let Some(other) = other
        && let Some(answer) = answer(http, &format!("{other}/v1/cluster/nodes")).await
    {
        said.listed = listed(&answer.json(), name);
    }
    if let Some(probes) = probes {
        for url in urls(probes, endpoint) {
            let answer = answer(http, &format!("{url}?consistency=one")).await;
            said.lies.extend(answer.as_ref().and_then(lie).map(|lie| format!("{lie} ({url})")));
        }
    }
    said
}

/// Writes the probes to all their owners; an error says what was answered.
pub(super) async fn write_probes(http: &Http, endpoint: &str, probes: &Probes) -> Result<(), String> {
    for url in urls(probes, endpoint) {
        let url = format!("{url}?consistency=all");
        match http.ask(Method::PUT, &url, Body::Text(PROBE_VALUE.to_owned())).await {
            Reply::Answer(answer) if answer.is_success() => {}
            Reply::Answer(answer) => {
                return Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)));
            }
            Reply::NotSent { cause } | Reply::Lost { cause, .. } => return Err(cause),
        }
    }
    Ok(())
}

fn urls<'a>(probes: &'a Probes, endpoint: &'a str) -> impl Iterator<Item = String> + 'a {
    (1..=probes.count)
        .map(move |number| format!("{endpoint}/v1/tables/{}/keys/jepsen-probe-{number}", probes.table))
}

async fn answer(http: &Http, url: &str) -> Option<Answer> {
    match http.ask(Method::GET, url, Body::Empty).await {
        Reply::Answer(answer) => Some(answer),
        Reply::NotSent { .. } | Reply::Lost { .. } => None,
    }
}

/// What is wrong with an answer about a probe. Any error is better than a wrong answer, but for `no-such-key`, which is
/// one.
fn lie(answer: &Answer) -> Option<String> {
    match answer.status {
        404 => Some("calls a key absent that all its owners have acknowledged".to_owned()),
        200 if answer.body != PROBE_VALUE.as_bytes() => {
            Some(format!("gives a value that nobody wrote: {}", String::from_utf8_lossy(&answer.body)))
        }
        _ => None,
    }
}

/// What a list of members says of the doubts of one.
fn listed(list: &Value, name: &str) -> Listed {
    let member = super::members(list).and_then(|all| all.iter().find(|member| member["name"] == name));
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

    const MUST: Owed = Owed::Doubt(&[Cause::Behind]);
    const MAY: Owed = Owed::Perhaps(&[Cause::Damaged]);

    /// A node that does all that is owed.
    fn doubtful(cause: Cause) -> Testimony {
        Testimony {
            is_running: true,
            ready: Some((503, "replica-doubtful".into(), format!("it ends too early: {}", cause.remedy()))),
            metric: Some(true),
            listed: Listed::Doubt(cause.name().into()),
            lies: Vec::new(),
        }
    }

    fn unaware() -> Testimony {
        let ready = Some((200, String::new(), String::new()));
        Testimony {
            is_running: true,
            ready,
            metric: Some(false),
            listed: Listed::WithoutDoubt,
            lies: Vec::new(),
        }
    }

    #[test]
    fn a_node_that_steps_out_and_says_so_owes_nothing() {
        assert!(judge(MUST, &doubtful(Cause::Behind)).is_ok());
        assert!(judge(MAY, &doubtful(Cause::Damaged)).is_ok());
        assert!(judge(Owed::End, &Testimony::default()).is_ok());
    }

    #[test]
    fn not_to_notice_is_allowed_only_where_nobody_may_have_read() {
        assert!(judge(MAY, &unaware()).is_ok());
        assert_eq!(judge(MUST, &unaware()), Err("says that it is ready".to_owned()));
        assert!(judge(Owed::End, &unaware()).is_err());
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
            body: body.into(),
        };
        assert!(lie(&answer(200, PROBE_VALUE)).is_none() && lie(&answer(503, "")).is_none());
        assert!(lie(&answer(404, "")).is_some() && lie(&answer(200, "another")).is_some());
    }

    #[test]
    fn lists_and_metrics_are_read() {
        let list = json!({"nodes": [{"name": "n1", "doubt": null}, {"name": "n2", "doubt": "behind"}]});
        assert_eq!(listed(&list, "n1"), Listed::WithoutDoubt);
        assert_eq!(listed(&list, "n2"), Listed::Doubt("behind".to_owned()));
        assert_eq!(listed(&list, "n3"), Listed::Nothing);
        let page = "# HELP quorate_replica_doubtful 1 while\nquorate_replica_doubtful 1\n";
        assert_eq!(metric(page, "quorate_replica_doubtful"), Some(1.0));
        assert_eq!(metric(page, "quorate_replica"), None);
    }
}
