//! From an HTTP reply to what a client may conclude from it.
//!
//! The rule is the contract's: a 2xx took effect, `no-such-key` is an answer and no error, a problem document says
//! itself what happened to the data (`outcome`), a write without a clear word is unknown, a read without a value has
//! no effect. An answer that the contract does not allow is a *breach*: it is told, and the run does not pass, whatever
//! the history says.

use crate::http::{Answer, Reply};
use crate::operation::Status;

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

/// What a client concludes from a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What happened to the data.
    pub status: Status,
    /// For a read that succeeded: the value, or nothing if there is no such key.
    pub value: Option<String>,
    /// The reply in a few words, for counting: `200`, `404 no-such-key`, `503 unavailable`, `not sent`, `timeout`.
    pub label: String,
    /// How the reply breaks the contract, if it does.
    pub breach: Option<String>,
}

/// Judges a reply to a single-key request at quorum.
pub fn judge(verb: Verb, reply: &Reply) -> Outcome {
    match reply {
        Reply::Answer(answer) if answer.is_success() => success(verb, answer),
        Reply::Answer(answer) => refusal(verb, answer),
        Reply::NotSent { .. } => Outcome::of(Status::Fail, "not sent".to_owned()),
        Reply::Lost { how, .. } => Outcome::of(without_a_word(verb), (*how).to_owned()),
    }
}

impl Outcome {
    fn of(status: Status, label: String) -> Outcome {
        Outcome { status, value: None, label, breach: None }
    }
}

/// What an error means that does not say what happened to the data.
fn without_a_word(verb: Verb) -> Status {
    match verb {
        Verb::Read => Status::Fail,
        Verb::Write | Verb::Delete => Status::Unknown,
    }
}

fn success(verb: Verb, answer: &Answer) -> Outcome {
    let mut outcome = Outcome::of(Status::Ok, answer.status.to_string());
    match verb {
        Verb::Read => {
            // Whatever is not text, nobody wrote: the checker sees it as a value from nowhere.
            outcome.value = Some(String::from_utf8_lossy(&answer.body).into_owned());
            if !answer.consistency.starts_with("linearizable") {
                outcome.breach = Some(format!("read at quorum: says that it is {:?}", answer.consistency));
            }
        }
        Verb::Write | Verb::Delete => {
            let json = answer.json();
            let missing = ["version", "etag"].into_iter().find(|member| json.get(member).is_none());
            if let Some(missing) = missing.filter(|_| answer.status == 200) {
                outcome.breach = Some(format!("{}: 200 without \"{missing}\"", verb.name()));
            }
        }
    }
    outcome
}

fn refusal(verb: Verb, answer: &Answer) -> Outcome {
    let problem = answer.json();
    let member = |name: &str| problem.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let code = member("code");
    let label = format!("{} {code}", answer.status).trim_end().to_owned();
    if answer.status == 404 && code == "no-such-key" {
        return match verb {
            Verb::Read | Verb::Delete => Outcome::of(Status::Ok, label),
            Verb::Write => Outcome { breach: Some(label.clone()), ..Outcome::of(Status::Unknown, label) },
        };
    }
    let status = match (verb, member("outcome")) {
        (Verb::Read, _) | (Verb::Write | Verb::Delete, "not_applied") => Status::Fail,
        (Verb::Write | Verb::Delete, _) => without_a_word(verb),
    };
    // A run asks for nothing illegal of a table that exists: only an honest "not now" fits the contract.
    let is_honest = matches!(answer.status, 429 | 503 | 504 | 507);
    let says_outcome = verb == Verb::Read || !member("outcome").is_empty();
    let breach = (!is_honest || !says_outcome).then(|| {
        let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into_owned();
        format!("{}: {label}: {body}", verb.name())
    });
    Outcome { breach, ..Outcome::of(status, label) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Reply {
        let consistency = "linearizable; r=2; n=3; acks=2".to_owned();
        Reply::Answer(Answer { status, consistency, body: body.as_bytes().to_vec() })
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
            let outcome = judge(verb, reply);
            let found = (outcome.status, outcome.label.as_str(), outcome.breach.is_some());
            assert_eq!(found, (status, label, breach), "{verb:?} {reply:?}");
        }
    }

    #[test]
    fn a_read_at_quorum_that_is_not_linearizable_is_a_breach() {
        for consistency in ["", "regular; r=1; n=3", "eventual"] {
            let answer = Answer { status: 200, consistency: consistency.to_owned(), body: Vec::new() };
            assert!(judge(Verb::Read, &Reply::Answer(answer)).breach.is_some(), "{consistency:?}");
        }
    }

    #[test]
    fn only_a_read_that_found_something_has_a_value() {
        let value = |status, body| judge(Verb::Read, &answer(status, body)).value;
        assert_eq!(value(200, "x"), Some("x".to_owned()));
        assert_eq!(value(200, ""), Some(String::new()));
        assert_eq!(value(404, r#"{"code":"no-such-key"}"#), None);
    }
}
