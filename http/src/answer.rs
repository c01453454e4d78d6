//! Answers of the core, as headers and documents: each says what it was.

use super::fault::Fault;
use super::problem::{Problem, replica_so_far};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};
use quorate_api::document::Written;
use quorate_api::form::{self, Word};
use quorate_api::header::{OCTETS, QUORATE_CONSISTENCY, QUORATE_VERSION, SERVER_TIMING};
use quorate_coordinator::answer::{ReplicaReport, ReplicaResult};
use quorate_coordinator::{GetAnswer, Lowered, PutAnswer};
use quorate_model::{Body, Guarantee, Record, Version, WallTime};
use std::time::{Duration, UNIX_EPOCH};

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("visible ASCII")
}

/// The strong validator of a version.
pub fn etag(version: Version) -> String {
    format!("\"{version}\"")
}

/// A moment as HTTP writes it; `None` where it is past the year 9999.
fn http_date(at: WallTime) -> Option<HeaderValue> {
    const YEAR_10000_MS: u64 = 253_402_300_800_000;
    (at.0 < YEAR_10000_MS).then(|| {
        let at = UNIX_EPOCH + Duration::from_millis(at.0);
        value(httpdate::fmt_http_date(at))
    })
}

/// What an answer was worth: the guarantee, the counts that it rests on, and why it is less than the level says, if it is.
pub fn consistency(
    guarantee: Guarantee,
    counts: std::fmt::Arguments<'_>,
    lowered: Option<Lowered>,
) -> HeaderValue {
    value(match reason(lowered) {
        None => format!("{guarantee}; {counts}"),
        Some(reason) => format!("{guarantee}; {counts}; reason={reason}"),
    })
}

/// The word for that reason.
pub fn reason(lowered: Option<Lowered>) -> Option<Word> {
    lowered.map(|lowered| match lowered {
        Lowered::AcceptedLoss => form::Lowered::AcceptedLoss.into(),
    })
}

/// The headers of every read that reached its level, whatever it found.
pub fn read_headers(answer: &GetAnswer) -> HeaderMap {
    let GetAnswer { record, guarantee, lowered, acks, required, n, repaired, .. } = answer;
    let mut headers = HeaderMap::with_capacity(12);
    let counts = format_args!("r={required}; n={n}; acks={acks}; repaired={repaired}");
    headers.insert(QUORATE_CONSISTENCY, consistency(*guarantee, counts, *lowered));
    // A cache has to ask again: an answer is as old as its request.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(record) = record {
        headers.insert(QUORATE_VERSION, value(record.version.to_string()));
    }
    headers
}

/// The headers that describe a value.
pub fn value_headers(headers: &mut HeaderMap, record: &Record, content_type: &str) {
    headers.insert(ETAG, value(etag(record.version)));
    if let Some(written) = http_date(record.written_at) {
        headers.insert(LAST_MODIFIED, written);
    }
    if let Some(expires) = record.expires_at.and_then(http_date) {
        headers.insert(EXPIRES, expires);
    }
    // What was stored came from a client; an older node may have let through what this one does not.
    let stored = HeaderValue::from_str(content_type);
    headers.insert(CONTENT_TYPE, stored.unwrap_or(HeaderValue::from_static(OCTETS)));
    // A stored page must not act in the name of this node.
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
}

/// The headers of every write that reached its level.
pub fn write_headers(answer: &PutAnswer) -> HeaderMap {
    let PutAnswer { version, guarantee, lowered, acks, required, n, .. } = answer;
    let mut headers = HeaderMap::with_capacity(8);
    let counts = format_args!("w={required}; n={n}; acks={acks}; repaired=0");
    headers.insert(QUORATE_CONSISTENCY, consistency(*guarantee, counts, *lowered));
    headers.insert(QUORATE_VERSION, value(version.to_string()));
    headers.insert(ETAG, value(etag(*version)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}

/// `Server-Timing`: the whole, then each owner.
pub fn server_timing(headers: &mut HeaderMap, took: Duration, replicas: &[ReplicaReport]) {
    let whole = format!("total;dur={:.3}", took.as_secs_f64() * 1_000.0);
    let owners = replicas.iter().map(|report| {
        let result = match report.result {
            ReplicaResult::Ack => "ack",
            ReplicaResult::Answered => "answered",
            ReplicaResult::Timeout => "waiting",
            ReplicaResult::Down => "down",
            ReplicaResult::Lost => "lost",
            ReplicaResult::Refused(_) => "refused",
        };
        let millis = report.after.0 as f64 / 1_000.0;
        format!("{};dur={millis:.3};desc=\"{result}\"", report.node)
    });
    let text = std::iter::once(whole).chain(owners).collect::<Vec<_>>().join(", ");
    headers.insert(SERVER_TIMING, value(text));
}

/// The value that a read found, with its record and media type; or a problem that carries the read's headers.
pub fn value_of(answer: &GetAnswer) -> Result<(&Record, &str, &Bytes), Problem> {
    let missing = match answer.record.as_ref().map(|record| (record, &record.body)) {
        Some((record, Body::Value { content_type, payload })) => return Ok((record, content_type, payload)),
        None => "the key has no value: no owner asked holds anything of it",
        Some((_, Body::Tombstone)) => "the key was deleted; Quorate-Version is that of the delete",
        Some((_, Body::Expired)) => "the key's value has expired; Quorate-Version is its version",
    };
    Err(Problem::from(Fault::NoSuchKey(missing)).with_headers(read_headers(answer)))
}

/// What a write answers with, and what each owner said if that was asked for.
pub fn written(answer: &PutAnswer, trace: bool) -> Written {
    let replicas = if trace { answer.replicas.as_slice() } else { &[] };
    Written {
        version: answer.version.to_string(),
        etag: etag(answer.version),
        acks: answer.acks,
        required: answer.required,
        n: answer.n,
        consistency: answer.guarantee.as_str().into(),
        consistency_reason: reason(answer.lowered),
        replayed: answer.replayed,
        replicas: replicas.iter().map(replica_so_far).collect(),
    }
}

/// A moment for people and programs: RFC 3339 in UTC, with milliseconds.
pub fn timestamp(at: WallTime) -> String {
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(at.0)).unwrap_or(UNIX_EPOCH);
    humantime::format_rfc3339_millis(at).to_string()
}

/// Inverse of [`timestamp`]; `None`: it is no time, or one before 1970.
pub fn time(text: &str) -> Option<WallTime> {
    let since = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(WallTime(u64::try_from(since.as_millis()).ok()?))
}
