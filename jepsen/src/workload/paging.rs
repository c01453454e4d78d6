//! One scan of a client: page after page, to the end of what it asked for.
//!
//! What a page says of a key is what a read of that key would have answered while the page was made. So a scan is written
//! down as reads: a key that is listed as one that found it, at the time of its page; a key that may be there and is not
//! listed as one that found nothing, at some time of the scan. A scan that breaks off says nothing of keys that it has not
//! listed. That keys come in order, once, and within the bounds holds whatever anybody wrote: a page that lists them
//! otherwise breaks the contract.

use reqwest::Method;
use serde_json::Value;

use super::Run;
use crate::http::{Body, Reply};
use crate::outcome::{Expected, Outcome, Verb, judge};
use quorate_checkers::level::Level;
use quorate_checkers::operation::{ClientId, Detail, Kind, Operation, Status};
use std::collections::BTreeSet;

/// A scan that has not ended after so many pages never does.
const PAGES_MAX: usize = 10_000;

/// A scan at quorum, with values.
#[derive(Clone, Debug)]
pub struct Scanned<'a> {
    /// Who asks.
    pub client: ClientId,
    /// Every key that may be there, as of the moment before the scan.
    pub known: &'a [String],
    /// Which keys, and how.
    pub over: Over,
    /// Whether it belongs to the closing reads.
    pub closing: bool,
    /// Whether each page is asked of another node.
    pub wanders: bool,
}

/// Which keys a scan is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Over {
    /// The first key, and the first one behind the last; `None`: all, in an order that is the table's own.
    pub bounds: Option<(String, String)>,
    /// Whether the last key comes first.
    pub reverse: bool,
    /// Most keys of a page.
    pub limit: usize,
    /// What the workload's keys begin with: what is done to nodes is shown by other keys of the same table.
    pub own: &'static str,
}

/// What a page says.
struct Page {
    items: Vec<(String, String)>,
    next: Option<String>,
}

impl Over {
    fn holds(&self, key: &str) -> bool {
        self.bounds.as_ref().is_none_or(|(start, end)| start.as_str() <= key && key < end.as_str())
    }

    /// The query of the page that a cursor leads to. Keys and cursors need no escaping.
    fn query(&self, cursor: Option<&str>) -> String {
        let mut query = format!("consistency=quorum&values=true&limit={}", self.limit);
        if let Some((start, end)) = &self.bounds {
            query += &format!("&start={start}&end={end}");
        }
        if self.reverse {
            query += "&reverse=true";
        }
        cursor.map_or(query.clone(), |cursor| query + "&cursor=" + cursor)
    }

    /// What is wrong with a key that is listed behind others.
    fn wrong(&self, key: &str, last: Option<&str>, listed: &BTreeSet<String>) -> Option<String> {
        if !self.holds(key) {
            return Some(format!("scan: {key} is listed beyond the bounds {:?}", self.bounds));
        }
        if listed.contains(key) {
            return Some(format!("scan: {key} is listed twice"));
        }
        let last = last.filter(|_| self.bounds.is_some())?;
        let is_behind = if self.reverse { key < last } else { key > last };
        (!is_behind).then(|| format!("scan: {key} is listed behind {last}"))
    }
}

impl Run {
    /// Scans to the end, and writes down what that says of each key; whether it came to its end.
    pub async fn scan(&self, asked: &Scanned<'_>, turn: usize) -> bool {
        let Scanned { over, .. } = asked;
        let begun = self.recorder.now();
        let (mut listed, mut last, mut cursor) = (BTreeSet::new(), None::<String>, None);
        for number in 0..PAGES_MAX {
            let index = (turn + if asked.wanders { number } else { 0 }) % self.endpoints.len();
            let query = over.query(cursor.as_deref());
            let url = format!("{}/v1/tables/{}/keys?{query}", self.endpoints[index], self.table);
            let call = self.recorder.now();
            let reply = self.http.ask(Method::GET, &url, Body::Empty).await;
            let ret = self.recorder.now();
            let (mut outcome, page) = judge_page(&reply);
            for (key, value) in page.items.into_iter().filter(|(key, _)| key.starts_with(over.own)) {
                outcome.breach = outcome.breach.or_else(|| over.wrong(&key, last.as_deref(), &listed));
                self.read(asked, (&key, Some(value)), (call, ret), Some(index));
                last = Some(key.clone());
                listed.insert(key);
            }
            self.tally.count(Verb::Read, &outcome);
            if outcome.status != Status::Ok {
                return false;
            }
            cursor = page.next;
            if cursor.is_none() {
                for key in asked.known.iter().filter(|key| over.holds(key) && !listed.contains(*key)) {
                    self.read(asked, (key, None), (begun, ret), None);
                }
                return true;
            }
        }
        let label = format!("scan: no end after {PAGES_MAX} pages");
        self.tally.count(Verb::Read, &Outcome { breach: Some(label.clone()), ..Outcome::failed(label) });
        false
    }

    fn read(
        &self,
        asked: &Scanned<'_>,
        (key, value): (&str, Option<String>),
        (call, ret): (u64, u64),
        index: Option<usize>,
    ) {
        let node = index.and_then(|index| u16::try_from(index + 1).ok());
        self.recorder.record(Operation {
            client: asked.client,
            key: key.to_owned(),
            kind: Kind::Read { value },
            call,
            ret: Some(ret),
            status: Status::Ok,
            closing: asked.closing,
            detail: Detail { node, ..Detail::default() },
        });
    }
}

/// Judges a reply to a page, and reads it.
fn judge_page(reply: &Reply) -> (Outcome, Page) {
    let (verb, level) = (Verb::Read, Level::Quorum);
    let expected = Expected { verb, level, table_w: level, attempt: None, table_may_be_gone: false };
    let mut outcome = judge(expected, reply);
    let nothing = Page { items: Vec::new(), next: None };
    if outcome.status != Status::Ok {
        return (outcome, nothing);
    }
    let body: Value =
        outcome.value.take().and_then(|body| serde_json::from_str(&body).ok()).unwrap_or_default();
    let text = |item: &Value, name: &str| item[name].as_str().map(str::to_owned);
    let items = body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let read: Option<Vec<(String, String)>> =
        items.iter().map(|item| Some((text(item, "key")?, text(item, "value")?))).collect();
    if let (Some(items), Some(next)) = (read, body.get("next_cursor")) {
        return (outcome, Page { items, next: next.as_str().map(str::to_owned) });
    }
    let label = "scan: no page".to_owned();
    (Outcome { breach: Some(label.clone()), ..Outcome::failed(label) }, nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Answer;

    fn over(reverse: bool) -> Over {
        Over { bounds: Some(("b".into(), "d".into())), reverse, limit: 10, own: "" }
    }

    #[test]
    fn keys_come_once_and_in_order_and_within_the_bounds() {
        let listed = BTreeSet::from(["b1".to_owned(), "c".to_owned()]);
        for (key, reverse, is_right) in [
            ("b2", true, true),
            ("c1", false, true),
            ("b2", false, false),
            ("c1", true, false),
            ("b1", true, false),
            ("d", false, false),
            ("a", true, false),
        ] {
            assert_eq!(over(reverse).wrong(key, Some("c"), &listed).is_none(), is_right, "{key} {reverse}");
        }
        assert!(Over::default().wrong("a", Some("c"), &listed).is_none(), "a table's own order is not known");
    }

    #[test]
    fn a_page_is_read_and_what_is_none_breaks_the_contract() {
        let answer = |body: &str| {
            Reply::Answer(Answer {
                status: 200,
                consistency: "linearizable; r=2; n=3; acks=2".into(),
                version: String::new(),
                retry_after: false,
                body: body.as_bytes().to_vec(),
            })
        };
        let (outcome, page) =
            judge_page(&answer(r#"{"items":[{"key":"a","value":"v"}],"next_cursor":"abc"}"#));
        assert!(outcome.status == Status::Ok && outcome.breach.is_none());
        assert_eq!((page.items, page.next), (vec![("a".into(), "v".into())], Some("abc".into())));
        for body in [r#"{"items":[]}"#, r#"{"items":[{"key":"a"}],"next_cursor":null}"#, "["] {
            let (outcome, _) = judge_page(&answer(body));
            assert!(outcome.status == Status::Fail && outcome.breach.is_some(), "{body}");
        }
        assert!(judge_page(&answer(r#"{"items":[],"next_cursor":null}"#)).1.next.is_none());
    }
}
