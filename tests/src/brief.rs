//! Short words for what flows, so that a story can be read: `write 3-n1.7f "v5" +c0.0:1 sync`.

use crate::history::{Asked, Outcome, PageOutcome};
use crate::message::{Message, Told};
use quorate_coordinator::Input;
use quorate_coordinator::scan::Item;
use quorate_model::message::SMALL_BYTES;
use quorate_model::range::{Entry, Walk};
use quorate_model::{
    Body, Held, Interval, Operations, RangeReply, RangeRequest, Record, Reply, Request, Version,
};

/// A version: number, node, a bit of the boot, counter.
pub fn version(version: &Version) -> String {
    let text = version.to_string();
    let mut parts = text.split('.');
    let (first, boot, counter) = (parts.next(), parts.next(), parts.next());
    let boot = boot.map_or("", |boot| &boot[..boot.len().min(3)]);
    format!("{}.{boot}.{}", first.unwrap_or(""), counter.unwrap_or(""))
}

fn held(held: Option<&Held>) -> String {
    held.map_or("nothing".to_owned(), |held| {
        format!("{}{}", version(&held.version), if held.expired { "!" } else { "" })
    })
}

/// Operation ids with their versions, in brackets; nothing if there are none.
pub fn operations(operations: &Operations) -> String {
    let brief =
        |operation: &quorate_model::Operation| format!("{}@{}", operation.id, version(&operation.version));
    let all: Vec<String> = operations.as_slice().iter().map(brief).collect();
    if all.is_empty() { String::new() } else { format!(" [{}]", all.join(" ")) }
}

fn body(body: &Body) -> String {
    match body {
        Body::Value { payload, .. } => {
            let long = if payload.len() > SMALL_BYTES { " (large)" } else { "" };
            format!("{:?}{long}", String::from_utf8_lossy(payload).trim_end())
        }
        Body::Tombstone => "deleted".to_owned(),
        Body::Expired => "expired".to_owned(),
    }
}

/// A record.
pub fn record(record: &Record) -> String {
    let expires = record.expires_at.map_or(String::new(), |at| format!(" until {}", at.0 % 10_000_000));
    format!("{} {}{expires}{}", version(&record.version), body(&record.body), operations(&record.operations))
}

/// A request.
pub fn request(request: &Request) -> String {
    match request {
        Request::Ask { .. } => "ask".to_owned(),
        Request::Read { whole: true, .. } => "read".to_owned(),
        Request::Read { whole: false, .. } => "read digest".to_owned(),
        Request::Write { record: sent, durability, .. } => format!("write {} {durability}", record(sent)),
        Request::Assign { draft, durability, .. } => format!("assign {} {durability}", body(&draft.body)),
        Request::Hint { owner, record: kept, .. } => format!("hint for {owner}: {}", record(kept)),
        Request::Inspect { .. } => "inspect".to_owned(),
    }
}

/// An answer.
pub fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Known { held: known, operations: ids, floor, forgot } => {
            let floor = floor.map_or(String::new(), |floor| format!(" floor {floor}"));
            let forgot = forgot.map_or(String::new(), |forgot| format!(" forgot ids to {forgot}"));
            format!("known {}{}{floor}{forgot}", held(known.as_ref()), operations(ids))
        }
        Reply::Record(found) => found.as_ref().map_or("nothing".to_owned(), record),
        Reply::Digest { held: known, .. } => format!("digest of {}", held(known.as_ref())),
        Reply::Written { held: known } => format!("written, holds {}", held(Some(known))),
        Reply::Assigned { record: stored } => format!("assigned {}", record(stored)),
        Reply::Hinted => "hinted".to_owned(),
        Reply::Inspected(_) => "inspected".to_owned(),
        Reply::Refused(refusal) => format!("refused: {refusal:?}"),
        Reply::Broken => "broken".to_owned(),
        Reply::Absent { sealed } => format!("nothing, sealed up to {sealed}"),
    }
}

/// A request of either kind.
pub fn message(message: &Message) -> String {
    match message {
        Message::Key(asked) => request(asked),
        Message::Range(RangeRequest::Scan { over, walk }) => {
            let Walk { reverse, items, values, .. } = walk;
            let way = if *reverse { "down" } else { "up" };
            let whole = if *values { "values" } else { "keys" };
            format!("walk {way} {} for {items} {whole}", rest(Some(&over.interval)))
        }
        Message::Range(
            other @ (RangeRequest::Sums { .. }
            | RangeRequest::Parts { .. }
            | RangeRequest::List { .. }
            | RangeRequest::Fetch { .. }
            | RangeRequest::Merge { .. }
            | RangeRequest::Page { .. }
            | RangeRequest::Floors { .. }
            | RangeRequest::Removals { .. }
            | RangeRequest::Confirm { .. }
            | RangeRequest::Drop { .. }),
        ) => format!("{other:?}"),
    }
}

/// An answer of either kind.
pub fn told(told: &Told) -> String {
    match told {
        Told::Key(answer) => reply(answer),
        Told::Range(RangeReply::Refused(refusal)) => format!("refused: {refusal:?}"),
        Told::Range(RangeReply::Scanned(scanned)) => {
            let entry = |entry: &Entry| format!("{} {}", entry.sort_key, held(Some(&entry.held)));
            let entries: Vec<String> = scanned.entries.iter().map(entry).collect();
            let until = scanned.until.as_ref().map_or("the end".to_owned(), ToString::to_string);
            format!("[{}] until {until}", entries.join(", "))
        }
        Told::Range(
            other @ (RangeReply::Sums(_)
            | RangeReply::Parted(_)
            | RangeReply::Listed(_)
            | RangeReply::Fetched(_)
            | RangeReply::Paged(_)
            | RangeReply::Merged
            | RangeReply::Floored(_)
            | RangeReply::Removals(_)
            | RangeReply::Confirmed(_)
            | RangeReply::Dropped(_)
            | RangeReply::Broken),
        ) => format!("{other:?}"),
    }
}

/// What is left of a range.
pub fn rest(rest: Option<&Interval>) -> String {
    let Some(Interval { start, end }) = rest else { return "nothing".to_owned() };
    format!("[{start}, {})", end.as_ref().map_or("end".to_owned(), ToString::to_string))
}

/// What a machine is told.
pub fn input(input: &Input<Told>) -> String {
    match input {
        Input::Start => "start".to_owned(),
        Input::Reply { call, reply } => format!("#{} {}", call.0, told(reply)),
        Input::Failed { call, failure, .. } => format!("#{} {failure:?}", call.0),
        Input::Tick => "tick".to_owned(),
    }
}

/// What a client asks.
pub fn asked(asked: &Asked) -> String {
    match asked {
        Asked::Read { required } => format!("read r={required}"),
        Asked::Walk { required } => format!("walk r={required}"),
        Asked::Write(write) => {
            let what = write.value.as_ref().map_or("delete".to_owned(), |value| format!("write {value:?}"));
            let id = write.id.as_ref().map_or(String::new(), |id| format!(" id {id}"));
            let retry = if write.is_retry { " again" } else { "" };
            format!("{what} w={}{id}{retry}", write.required)
        }
    }
}

/// What a client is answered.
pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Open => "open".to_owned(),
        Outcome::Got(answer) => {
            let found = answer.record.as_ref().map_or("nothing".to_owned(), record);
            format!("got {found} ({}/{})", answer.acks, answer.required)
        }
        Outcome::Stored(answer) => {
            let replayed = if answer.replayed { " replayed" } else { "" };
            format!("stored {}{replayed} ({}/{})", version(&answer.version), answer.acks, answer.required)
        }
        Outcome::GetFailed(error) | Outcome::Walked(Err(error)) => format!("failed: {error}"),
        Outcome::Walked(Ok(found)) => {
            format!("walked {} keys, rest {}", found.slots.len(), rest(found.rest.as_ref()))
        }
        Outcome::PutFailed(error) => format!("failed, {:?}: {error}", error.outcome()),
        Outcome::Vanished => "vanished".to_owned(),
    }
}

/// What a client is answered to a page.
pub fn page(outcome: &PageOutcome) -> String {
    match outcome {
        PageOutcome::Open => "open".to_owned(),
        PageOutcome::Answered(page) => {
            let item = |item: &Item| format!("{} {}", item.sort_key, version(&item.version));
            let items: Vec<String> = page.items.iter().map(item).collect();
            format!("page [{}], rest {}", items.join(", "), rest(page.rest.as_ref()))
        }
        PageOutcome::Failed(error) => format!("failed: {error}"),
        PageOutcome::Vanished => "vanished".to_owned(),
    }
}
