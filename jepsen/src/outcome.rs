//! From an HTTP reply to what a client may conclude from it.
//!
//! The rule is the contract's: a 2xx took effect, `no-such-key` is an answer and no error, a problem document says
//! itself what happened to the data (`outcome`), a write without a clear word is unknown, a read without a value has
//! no effect. An answer that the contract does not allow is a *breach*: it is told, and the run does not pass, whatever
//! the history says.

use serde_json::Value;

use crate::http::{Answer, Reply};
use quorate_checkers::level::Level;
use quorate_checkers::operation::Status;

/// How many copies each table of the workloads has; its `r` is a quorum.
pub const COPIES: u8 = 3;

/// The label of a retry of which the node does not know any more whether it was applied, and which it does not apply.
pub const TOO_OLD: &str = "409 idempotency-expired";

/// The label of a request for a table that is not there.
const NO_TABLE: &str = "404 no-such-table";

/// The labels of requests without an answer.
pub const LOST: [&str; 3] = ["not sent", "timeout", "broken"];

/// What stands behind the label of a refusal that does not say when to try again, though it must.
pub const UNTOLD: &str = " without Retry-After";

/// What a single-key request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// GET.
    Read,
    /// PUT.
    Write,
    /// DELETE.
    Delete,
}

impl Verb {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::Write => "write",
            Verb::Delete => "delete",
        }
    }
}

/// What was asked, as far as the contract depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What for.
    pub verb: Verb,
    /// At which level, of a table with [`COPIES`] copies whose `r` is a quorum.
    pub level: Level,
    /// The table's `w`.
    pub table_w: Level,
    /// Whether it had an operation id, and which attempt it was.
    pub attempt: Option<Attempt>,
    /// Whether another client may have dropped the table.
    pub table_may_be_gone: bool,
}

/// Which attempt at one operation a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The first.
    First,
    /// A later one, which says so.
    Again,
}

impl Expected {
    /// What an answer must say that it promises.
    fn guarantee(self) -> &'static str {
        let owners = |level: Level| level.owners(COPIES);
        let is_quorum = self.level.is_quorum(COPIES);
        let (is_linearizable, is_regular) = match self.verb {
            Verb::Read => (
                is_quorum && self.table_w.is_quorum(COPIES),
                owners(self.level) + owners(self.table_w) > COPIES,
            ),
            Verb::Write | Verb::Delete => (
                is_quorum,
                owners(self.level) >= owners(self.table_w)
                    && owners(self.level) + owners(Level::Quorum) > COPIES,
            ),
        };
        match (is_linearizable, is_regular) {
            (true, _) => "linearizable",
            (false, true) => "regular",
            (false, false) => "eventual",
        }
    }
}

/// What a client concludes from a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What happened to the data.
    pub status: Status,
    /// For a read that succeeded: the value, or nothing if there is no such key.
    pub value: Option<String>,
    /// The version that the answer named.
    pub version: Option<String>,
    /// Whether the answer repeats an earlier one.
    pub replayed: bool,
    /// The reply in a few words, for counting: `200`, `404 no-such-key`, `503 unavailable`, `not sent`, `timeout`.
    pub label: String,
    /// How the reply breaks the contract, if it does.
    pub breach: Option<String>,
}

/// Judges a reply to a single-key request.
pub fn judge(expected: Expected, reply: &Reply) -> Outcome {
    match reply {
        Reply::Answer(answer) if answer.is_success() => success(expected, answer),
        Reply::Answer(answer) => refusal(expected, answer),
        Reply::NotSent { .. } => Outcome::of(Status::Fail, LOST[0].to_owned()),
        Reply::Lost { how, .. } => Outcome::of(without_a_word(expected.verb), (*how).to_owned()),
    }
}

/// Judges a reply to a read of so many keys at quorum: one outcome for each, in order.
pub fn judge_many(reply: &Reply, count: usize) -> Vec<Outcome> {
    let (verb, level) = (Verb::Read, Level::Quorum);
    let expected = Expected { verb, level, table_w: level, attempt: None, table_may_be_gone: false };
    let all_alike = |outcome: Outcome| vec![outcome; count];
    match reply {
        Reply::Answer(answer) if answer.status == 200 => {
            let json = answer.json();
            let results = json["results"].as_array().map(Vec::as_slice).unwrap_or_default();
            if results.len() == count {
                results.iter().map(|result| judge_result(expected, result)).collect()
            } else {
                let label = format!("mget: {} results for {count} keys", results.len());
                all_alike(Outcome { breach: Some(label.clone()), ..Outcome::of(Status::Fail, label) })
            }
        }
        reply @ (Reply::Answer(_) | Reply::NotSent { .. } | Reply::Lost { .. }) => {
            all_alike(judge(expected, reply))
        }
    }
}

/// One result of many is judged as the answer that it would be alone.
fn judge_result(expected: Expected, result: &Value) -> Outcome {
    let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
    let status = result["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
    let body = match status {
        200 => text("value").into_bytes(),
        _ => result["error"].to_string().into_bytes(),
    };
    let answer = Answer {
        status,
        consistency: text("consistency"),
        version: text("version"),
        retry_after: true,
        body,
    };
    judge(expected, &Reply::Answer(answer))
}

impl Outcome {
    /// It had no effect.
    pub fn failed(label: String) -> Outcome {
        Outcome::of(Status::Fail, label)
    }

    fn of(status: Status, label: String) -> Outcome {
        Outcome { status, value: None, version: None, replayed: false, label, breach: None }
    }
}

/// What an error means that does not say what happened to the data.
fn without_a_word(verb: Verb) -> Status {
    match verb {
        Verb::Read => Status::Fail,
        Verb::Write | Verb::Delete => Status::Unknown,
    }
}

fn success(expected: Expected, answer: &Answer) -> Outcome {
    let mut outcome = Outcome::of(Status::Ok, answer.status.to_string());
    outcome.version = (!answer.version.is_empty()).then(|| answer.version.clone());
    let verb = expected.verb;
    if let Some(said) = wrong_guarantee(expected, answer) {
        outcome.breach = Some(said);
    }
    match verb {
        Verb::Read => {
            // What is not text was written by no client: the checker sees it as a value from nowhere.
            outcome.value = Some(String::from_utf8_lossy(&answer.body).into_owned());
        }
        Verb::Write | Verb::Delete => {
            let json = answer.json();
            outcome.replayed = json["replayed"] == Value::Bool(true);
            if let Some(version) = json["version"].as_str() {
                outcome.version = Some(version.to_owned());
            }
            if outcome.replayed {
                outcome.label += " replayed";
            }
            let missing = ["version", "etag"].into_iter().find(|member| json.get(member).is_none());
            if let Some(missing) = missing.filter(|_| answer.status == 200) {
                outcome.breach = Some(format!("{}: 200 without \"{missing}\"", verb.name()));
            }
            if outcome.replayed && expected.attempt != Some(Attempt::Again) {
                outcome.breach = Some(format!("{}: a first attempt is answered as replayed", verb.name()));
            }
        }
    }
    outcome
}

/// How an answer promises something else than the contract says. A read must say what it promises; a write may.
fn wrong_guarantee(expected: Expected, answer: &Answer) -> Option<String> {
    let says = answer.consistency.split(';').next().unwrap_or_default().trim();
    let must_say = expected.verb == Verb::Read;
    let is_right = says == expected.guarantee() || (says.is_empty() && !must_say);
    (!is_right).then(|| {
        let (verb, level) = (expected.verb.name(), expected.level);
        format!("{verb} at {level}: says that it is {:?}, not {}", answer.consistency, expected.guarantee())
    })
}

fn refusal(expected: Expected, answer: &Answer) -> Outcome {
    let problem = answer.json();
    let verb = expected.verb;
    let member = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
    let code = member("code");
    let mut label = format!("{} {code}", answer.status).trim_end().to_owned();
    let is_untold = answer.status == 503 && !answer.retry_after;
    if is_untold {
        label += UNTOLD;
    }
    if answer.status == 404 && code == "no-such-key" {
        return match verb {
            Verb::Read | Verb::Delete => Outcome::of(Status::Ok, label),
            Verb::Write => Outcome { breach: Some(label.clone()), ..Outcome::of(Status::Unknown, label) },
        };
    }
    if expected.table_may_be_gone && label == NO_TABLE {
        return Outcome::of(Status::Fail, label);
    }
    // Whatever its `outcome` says of earlier attempts, this one stored nothing.
    if label == TOO_OLD && expected.attempt == Some(Attempt::Again) {
        return Outcome::of(Status::Fail, label);
    }
    let status = match (verb, member("outcome")) {
        (Verb::Read, _) | (Verb::Write | Verb::Delete, "not_applied") => Status::Fail,
        (Verb::Write | Verb::Delete, _) => without_a_word(verb),
    };
    // A run asks for nothing illegal of a table that exists: only an honest "not now" fits the contract.
    let is_honest = matches!(answer.status, 429 | 503 | 504 | 507);
    let says_outcome = verb == Verb::Read || !member("outcome").is_empty();
    let breach = (!is_honest || !says_outcome || is_untold).then(|| {
        let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into_owned();
        format!("{}: {label}: {body}", verb.name())
    });
    Outcome { breach, ..Outcome::of(status, label) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Reply {
        let (consistency, version) = ("linearizable; r=2; n=3; acks=2".to_owned(), String::new());
        Reply::Answer(Answer {
            status,
            consistency,
            version,
            retry_after: true,
            body: body.as_bytes().to_vec(),
        })
    }

    fn at_quorum(verb: Verb) -> Expected {
        Expected {
            verb,
            level: Level::Quorum,
            table_w: Level::Quorum,
            attempt: None,
            table_may_be_gone: false,
        }
    }

    #[test]
    fn what_each_reply_means_for_each_verb() {
        let lost = Reply::Lost { how: "broken", cause: String::new() };
        let refused = Reply::NotSent { cause: "connection refused".into() };
        let written = answer(200, r#"{"version":"1-n1","etag":"\"x\""}"#);
        let absent = answer(404, r#"{"code":"no-such-key"}"#);
        let unavailable = answer(503, r#"{"code":"unavailable","outcome":"not_applied"}"#);
        let write_timeout = answer(504, r#"{"code":"write-timeout","outcome":"unknown"}"#);
        let read_timeout = answer(504, r#"{"code":"read-timeout"}"#);
        let untold = match &unavailable {
            Reply::Answer(answer) => Reply::Answer(Answer { retry_after: false, ..answer.clone() }),
            Reply::NotSent { .. } | Reply::Lost { .. } => unreachable!("it is an answer"),
        };
        for (verb, reply, status, label, breach) in [
            (Verb::Read, &answer(200, "x"), Status::Ok, "200", false),
            (Verb::Read, &answer(200, ""), Status::Ok, "200", false),
            (Verb::Write, &written, Status::Ok, "200", false),
            (Verb::Delete, &written, Status::Ok, "200", false),
            (Verb::Write, &answer(204, ""), Status::Ok, "204", false),
            (Verb::Write, &answer(200, "{}"), Status::Ok, "200", true),
            (Verb::Read, &absent, Status::Ok, "404 no-such-key", false),
            (Verb::Delete, &absent, Status::Ok, "404 no-such-key", false),
            (Verb::Write, &absent, Status::Unknown, "404 no-such-key", true),
            (Verb::Read, &unavailable, Status::Fail, "503 unavailable", false),
            (Verb::Write, &unavailable, Status::Fail, "503 unavailable", false),
            (Verb::Write, &untold, Status::Fail, "503 unavailable without Retry-After", true),
            (Verb::Delete, &write_timeout, Status::Unknown, "504 write-timeout", false),
            (Verb::Write, &answer(504, ""), Status::Unknown, "504", true),
            (Verb::Write, &answer(500, ""), Status::Unknown, "500", true),
            (Verb::Read, &read_timeout, Status::Fail, "504 read-timeout", false),
            (
                Verb::Read,
                &answer(404, r#"{"code":"no-such-table"}"#),
                Status::Fail,
                "404 no-such-table",
                true,
            ),
            (Verb::Write, &lost, Status::Unknown, "broken", false),
            (Verb::Read, &lost, Status::Fail, "broken", false),
            (Verb::Write, &refused, Status::Fail, "not sent", false),
        ] {
            let outcome = judge(at_quorum(verb), reply);
            let found = (outcome.status, outcome.label.as_str(), outcome.breach.is_some());
            assert_eq!(found, (status, label, breach), "{verb:?} {reply:?}");
        }
    }

    #[test]
    fn a_table_that_may_be_gone_may_be_missed_by_every_verb() {
        let gone = answer(404, r#"{"code":"no-such-table"}"#);
        for verb in [Verb::Read, Verb::Write, Verb::Delete] {
            let outcome = judge(Expected { table_may_be_gone: true, ..at_quorum(verb) }, &gone);
            assert_eq!((outcome.status, outcome.breach), (Status::Fail, None), "{verb:?}");
        }
    }

    #[test]
    fn an_answer_must_promise_what_its_level_promises() {
        let answer = |consistency: &str, body: &str| {
            let (consistency, version) = (consistency.to_owned(), String::new());
            Reply::Answer(Answer {
                status: 200,
                consistency,
                version,
                retry_after: false,
                body: body.as_bytes().to_vec(),
            })
        };
        let is_breach = |verb, level, consistency| {
            let body = if verb == Verb::Read { "x" } else { r#"{"version":"1-n1","etag":"\"x\""}"# };
            let expected = Expected { level, ..at_quorum(verb) };
            judge(expected, &answer(consistency, body)).breach.is_some()
        };
        for (verb, level, consistency, breach) in [
            (Verb::Read, Level::Quorum, "linearizable; r=2; n=3", false),
            (Verb::Read, Level::Quorum, "regular; r=1; n=3", true),
            (Verb::Read, Level::Quorum, "eventual", true),
            (Verb::Read, Level::Quorum, "", true),
            (Verb::Read, Level::Count(2), "linearizable", false),
            (Verb::Read, Level::One, "eventual; r=1; n=3", false),
            (Verb::Read, Level::One, "linearizable; r=1; n=3", true),
            (Verb::Write, Level::Quorum, "linearizable; w=2", false),
            (Verb::Write, Level::Quorum, "", false),
            (Verb::Write, Level::One, "linearizable; w=1", true),
            (Verb::Delete, Level::All, "eventual; w=3", true),
        ] {
            assert_eq!(is_breach(verb, level, consistency), breach, "{verb:?} {level} {consistency:?}");
        }
    }

    #[test]
    fn the_promise_depends_on_the_w_of_the_table_too() {
        let guarantee = |verb, level, table_w| Expected { level, table_w, ..at_quorum(verb) }.guarantee();
        let (one, quorum, all) = (Level::One, Level::Quorum, Level::All);
        assert_eq!(guarantee(Verb::Read, all, one), "regular");
        assert_eq!(guarantee(Verb::Read, quorum, one), "eventual");
        assert_eq!(guarantee(Verb::Read, one, all), "regular");
        assert_eq!(guarantee(Verb::Read, quorum, all), "linearizable");
        assert_eq!(guarantee(Verb::Write, quorum, one), "linearizable");
        assert_eq!(guarantee(Verb::Write, one, one), "eventual");
    }

    #[test]
    fn an_operation_id_is_repeated_or_forgotten_only_on_a_later_attempt() {
        let replayed = answer(200, r#"{"version":"5-n1","etag":"\"x\"","replayed":true}"#);
        let expired = answer(409, r#"{"code":"idempotency-expired","outcome":"unknown"}"#);
        let reused = answer(409, r#"{"code":"idempotency-reused","outcome":"not_applied"}"#);
        let found = |attempt, reply| {
            let expected = Expected { attempt, ..at_quorum(Verb::Write) };
            let outcome = judge(expected, reply);
            (outcome.status, outcome.replayed, outcome.breach.is_some())
        };
        assert_eq!(found(Some(Attempt::Again), &replayed), (Status::Ok, true, false));
        assert_eq!(found(Some(Attempt::First), &replayed), (Status::Ok, true, true));
        assert_eq!(found(Some(Attempt::Again), &expired), (Status::Fail, false, false));
        assert_eq!(found(Some(Attempt::First), &expired), (Status::Unknown, false, true));
        assert_eq!(found(Some(Attempt::Again), &reused), (Status::Fail, false, true));
    }

    #[test]
    fn each_of_many_keys_has_its_own_outcome() {
        let body = r#"{"results":[
            {"key":"a","status":200,"value":"x","version":"1-n1","consistency":"linearizable"},
            {"key":"b","status":404,"error":{"code":"no-such-key"}},
            {"key":"c","status":503,"error":{"code":"unavailable","outcome":"not_applied"}}]}"#;
        let outcomes = judge_many(&answer(200, body), 3);
        let found: Vec<_> = outcomes.iter().map(|one| (one.status, one.value.as_deref())).collect();
        assert_eq!(found, [(Status::Ok, Some("x")), (Status::Ok, None), (Status::Fail, None)]);
        assert!(outcomes.iter().all(|outcome| outcome.breach.is_none()), "{outcomes:?}");
        assert!(judge_many(&answer(200, body), 2).iter().all(|outcome| outcome.breach.is_some()));
        let unavailable = answer(503, r#"{"code":"unavailable"}"#);
        assert!(judge_many(&unavailable, 2).iter().all(|outcome| outcome.status == Status::Fail));
    }

    #[test]
    fn only_a_read_that_found_something_has_a_value() {
        let value = |status, body| judge(at_quorum(Verb::Read), &answer(status, body)).value;
        assert_eq!(value(200, "x"), Some("x".to_owned()));
        assert_eq!(value(200, ""), Some(String::new()));
        assert_eq!(value(404, r#"{"code":"no-such-key"}"#), None);
    }
}
