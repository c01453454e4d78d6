//! Request headers, read strictly: a condition that can't be judged is refused, never treated as advice.

use http::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_UNMODIFIED_SINCE, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use quorate_api::Code;
use quorate_api::header::{IDEMPOTENCY_KEY, JSON, JSON_LINES, OCTETS, OPENMETRICS, PREFER};
use quorate_api::text::shown;
use quorate_model::OperationId;
use quorate_model::operation::ParseOperationIdError;
use quorate_model::record::CONTENT_TYPE_BYTES_MAX;
use thiserror::Error;

/// Why a header was refused. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeadError {
    /// `If-Match` and its kin on a write.
    #[error(
        "{name} on a write needs a consensus table; this is a register table, which can't judge it; nothing was stored"
    )]
    ConditionOnWrite {
        /// Which header.
        name: &'static str,
    },
    /// `If-Match` on a read.
    #[error("{name} has no meaning on a read: use If-None-Match")]
    ConditionOnRead {
        /// Which header.
        name: &'static str,
    },
    /// The same header twice, where one counts.
    #[error("the header {name} comes twice; say once what you mean")]
    Repeated {
        /// Which header.
        name: &'static str,
    },
    /// An `Idempotency-Key` that is none.
    #[error("Idempotency-Key: {0}")]
    Operation(#[from] ParseOperationIdError),
    /// An `Idempotency-Key` where none has a meaning.
    #[error("an Idempotency-Key names one write; this request is not one write")]
    OperationNotHere,
    /// `retry=true` alone.
    #[error("retry=true needs the Idempotency-Key of the first attempt")]
    RetryWithoutOperation,
    /// An `Idempotency-Key` on a write below the table's promise.
    #[error(
        "an Idempotency-Key needs the table's write level of {table_w} owners; this write asks for {required}; nothing was stored"
    )]
    OperationBelowTable {
        /// Owners of the request.
        required: u8,
        /// Owners of the table's w.
        table_w: u8,
    },
    /// A `Content-Type` that is none.
    #[error(
        "Content-Type \"{value}\" is not a media type of at most {CONTENT_TYPE_BYTES_MAX} visible ASCII characters"
    )]
    ContentType {
        /// As it came, escaped.
        value: String,
    },
    /// A document that is not JSON.
    #[error("this request takes application/json; it came as {value}")]
    NotJson {
        /// As it came, escaped.
        value: String,
    },
    /// A compressed body.
    #[error("Content-Encoding {value} is not taken: send the bytes as they are")]
    ContentEncoding {
        /// As it came, escaped.
        value: String,
    },
    /// Neither `Content-Length` nor chunks.
    #[error("a body needs Content-Length or Transfer-Encoding: chunked, also where it is empty")]
    LengthRequired,
    /// A body in a transfer coding that would be stored as it came.
    #[error("Transfer-Encoding {value} is not taken: only chunked is; nothing was done")]
    TransferEncoding {
        /// As it came, escaped.
        value: String,
    },
    /// An `Expect` that this server can't meet.
    #[error("Expect: {value} is not known: only 100-continue is; nothing was done")]
    Expectation {
        /// As it came, escaped.
        value: String,
    },
    /// The answer is in no form that `Accept` takes.
    #[error("the answer is {offered}, which Accept does not take")]
    NotAcceptable {
        /// What there is.
        offered: String,
    },
}

impl HeadError {
    /// The code that a program sees.
    pub fn code(&self) -> Code {
        match self {
            HeadError::ConditionOnWrite { .. } => Code::ConditionsNeedConsensus,
            HeadError::ConditionOnRead { .. }
            | HeadError::Repeated { .. }
            | HeadError::Operation(_)
            | HeadError::OperationNotHere => Code::InvalidHeader,
            HeadError::RetryWithoutOperation => Code::InvalidParameter,
            HeadError::OperationBelowTable { .. } => Code::InvalidConsistency,
            HeadError::ContentType { .. } | HeadError::NotJson { .. } | HeadError::ContentEncoding { .. } => {
                Code::UnsupportedMediaType
            }
            HeadError::LengthRequired => Code::LengthRequired,
            HeadError::TransferEncoding { .. } => Code::BadRequest,
            HeadError::Expectation { .. } => Code::ExpectationFailed,
            HeadError::NotAcceptable { .. } => Code::NotAcceptable,
        }
    }
}

fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    called: &'static str,
) -> Result<Option<&'a HeaderValue>, HeadError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(HeadError::Repeated { name: called });
    }
    Ok(first)
}

fn lossy(value: &HeaderValue) -> String {
    shown(&String::from_utf8_lossy(value.as_bytes()))
}

/// Refuses every condition on a write.
pub fn refuse_conditions(headers: &HeaderMap) -> Result<(), HeadError> {
    let conditions = [
        (IF_MATCH, "If-Match"),
        (IF_NONE_MATCH, "If-None-Match"),
        (IF_MODIFIED_SINCE, "If-Modified-Since"),
        (IF_UNMODIFIED_SINCE, "If-Unmodified-Since"),
    ];
    match conditions.into_iter().find(|(name, _)| headers.contains_key(name)) {
        Some((_, name)) => Err(HeadError::ConditionOnWrite { name }),
        None => Ok(()),
    }
}

/// Whether a read's `If-None-Match` names this tag (the client holds it already). Other conditions are refused, but
/// for `If-Modified-Since`: its seconds are too coarse to answer with, and without an answer it means nothing.
pub fn none_match(headers: &HeaderMap) -> Result<NoneMatch<'_>, HeadError> {
    for (name, called) in [(IF_MATCH, "If-Match"), (IF_UNMODIFIED_SINCE, "If-Unmodified-Since")] {
        if headers.contains_key(name) {
            return Err(HeadError::ConditionOnRead { name: called });
        }
    }
    Ok(NoneMatch(headers))
}

/// A read's `If-None-Match`.
#[derive(Clone, Copy, Debug)]
pub struct NoneMatch<'a>(&'a HeaderMap);

impl NoneMatch<'_> {
    /// Whether it names this tag (with its quotes), or any.
    pub fn names(self, tag: &str) -> bool {
        let values = self.0.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(str::trim).any(|candidate| {
            // Weak comparison: our tags have no comma within their quotes.
            candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == tag
        })
    }
}

/// The write's operation id, if it has one.
pub fn operation(headers: &HeaderMap) -> Result<Option<OperationId>, HeadError> {
    let Some(value) = single(headers, &IDEMPOTENCY_KEY, "Idempotency-Key")? else { return Ok(None) };
    let text = value.to_str().map_err(|_| ParseOperationIdError)?;
    Ok(Some(text.parse()?))
}

/// Refuses an operation id where none has a meaning.
pub fn refuse_operation(headers: &HeaderMap) -> Result<(), HeadError> {
    if headers.contains_key(IDEMPOTENCY_KEY) { Err(HeadError::OperationNotHere) } else { Ok(()) }
}

/// Whether `Prefer: return=minimal` asks for an answer without a body.
pub fn prefers_minimal(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split([',', ';']))
        .any(|preference| preference.trim().eq_ignore_ascii_case("return=minimal"))
}

/// The media type to keep beside a value.
pub fn content_type(headers: &HeaderMap) -> Result<String, HeadError> {
    refuse_encoding(headers)?;
    let Some(value) = single(headers, &CONTENT_TYPE, "Content-Type")? else { return Ok(OCTETS.to_owned()) };
    match value.to_str() {
        Ok(text) if is_media_type(text) => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(HeadError::ContentType { value: lossy(value) }),
    }
}

/// Whether a text may stand in `Content-Type`: `type/subtype`, perhaps with parameters.
pub fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    let essence = essence(text);
    text.len() <= CONTENT_TYPE_BYTES_MAX
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && essence.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Refuses a document that does not say it is JSON. A form that a web page can send without asking is none.
pub fn expect_json(headers: &HeaderMap) -> Result<(), HeadError> {
    refuse_encoding(headers)?;
    match single(headers, &CONTENT_TYPE, "Content-Type")? {
        Some(value) if value.to_str().is_ok_and(|text| essence(text).eq_ignore_ascii_case(JSON)) => Ok(()),
        Some(value) => Err(HeadError::NotJson { value: lossy(value) }),
        None => Err(HeadError::NotJson { value: "nothing (no Content-Type)".to_owned() }),
    }
}

fn refuse_encoding(headers: &HeaderMap) -> Result<(), HeadError> {
    let encoded = |value: &&HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    match headers.get_all(CONTENT_ENCODING).iter().find(encoded) {
        Some(value) => Err(HeadError::ContentEncoding { value: lossy(value) }),
        None => Ok(()),
    }
}

/// Refuses an `Expect` other than `100-continue`, and a body in any transfer coding but `chunked`: its coded bytes would
/// be taken for the value.
pub fn expect_framing(headers: &HeaderMap) -> Result<(), HeadError> {
    let unlike = |name: &HeaderName, known: &str| {
        let mut values = headers.get_all(name).iter();
        values.find(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(known.as_bytes())).map(lossy)
    };
    if let Some(value) = unlike(&TRANSFER_ENCODING, "chunked") {
        return Err(HeadError::TransferEncoding { value });
    }
    match unlike(&EXPECT, "100-continue") {
        Some(value) => Err(HeadError::Expectation { value }),
        None => Ok(()),
    }
}

/// Refuses a request that has no length although it must have a body.
pub fn expect_length(headers: &HeaderMap) -> Result<(), HeadError> {
    if headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING) {
        Ok(())
    } else {
        Err(HeadError::LengthRequired)
    }
}

/// Refuses where `Accept` takes no answer of this media type.
pub fn expect_accepted(headers: &HeaderMap, offered: &str) -> Result<(), HeadError> {
    if accepts(headers, offered) {
        Ok(())
    } else {
        Err(HeadError::NotAcceptable { offered: offered.to_owned() })
    }
}

/// Whether a person asks, with a browser: `Accept` names HTML.
pub fn prefers_html(headers: &HeaderMap) -> bool {
    is_named(headers, "text/html")
}

/// Whether a collector asks for metrics in the form of OpenMetrics: `Accept` names it.
pub fn prefers_openmetrics(headers: &HeaderMap) -> bool {
    is_named(headers, essence(OPENMETRICS))
}

/// Whether a program asks for a stream of documents: `Accept` names JSON lines.
pub fn prefers_lines(headers: &HeaderMap) -> bool {
    is_named(headers, JSON_LINES)
}

/// Whether `Accept` names this very media type.
fn is_named(headers: &HeaderMap, kind: &str) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| essence(range).eq_ignore_ascii_case(kind))
}

fn accepts(headers: &HeaderMap, offered: &str) -> bool {
    if !headers.contains_key(ACCEPT) {
        return true;
    }
    let offered = essence(offered).to_ascii_lowercase();
    let kind = offered.split('/').next().unwrap_or_default();
    // The most specific range decides: 3 the type itself, 2 `kind/*`, 1 `*/*`.
    let mut best = (0, false);
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')).map(str::trim).filter(|range| !range.is_empty()) {
        let name = essence(range).to_ascii_lowercase();
        let rank = match name.split_once('/') {
            Some(("*", "*")) => 1,
            Some((range_kind, "*")) if range_kind == kind => 2,
            Some(_) if name == offered => 3,
            Some(_) | None => 0,
        };
        if rank > 0 && rank >= best.0 {
            best = (rank, quality_above_zero(range));
        }
    }
    best.1
}

fn quality_above_zero(range: &str) -> bool {
    let mut parameters = range.split(';').skip(1).map(str::trim);
    let quality = parameters.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    quality.is_none_or(|q| q.trim().parse::<f32>().is_ok_and(|q| q > 0.0))
}

#[cfg(test)]
mod tests;
