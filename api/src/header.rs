//! Names of headers and media types.

use http::HeaderName;

/// The version of a key: `<seq>-<writer>`.
pub const QUORATE_VERSION: HeaderName = HeaderName::from_static("quorate-version");
/// What an answer was worth: the guarantee, the counts that it rests on, and why it is less than the level says, if it is.
pub const QUORATE_CONSISTENCY: HeaderName = HeaderName::from_static("quorate-consistency");
/// Keys that were looked at for a page that lists a hash table in the order of keys.
pub const QUORATE_SCANNED: HeaderName = HeaderName::from_static("quorate-scanned");
/// The epoch of the catalog under which a node answered.
pub const QUORATE_EPOCH: HeaderName = HeaderName::from_static("quorate-epoch");
/// The node that answered.
pub const QUORATE_COORDINATOR: HeaderName = HeaderName::from_static("quorate-coordinator");
/// The request's id, in answers, in problems and in the log.
pub const QUORATE_REQUEST: HeaderName = HeaderName::from_static("quorate-request");
/// With `trace=true`: where the time went.
pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// The operation id of a write: `<client>:<sequence>`.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `return=minimal`: an answer without a body.
pub const PREFER: HeaderName = HeaderName::from_static("prefer");
/// W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The media type of every document.
pub const JSON: &str = "application/json";
/// The media type of a stream of documents, one a line.
pub const JSON_LINES: &str = "application/jsonl";
/// The media type of every refusal.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The media type of a value that was stored without one.
pub const OCTETS: &str = "application/octet-stream";
/// The media type of a value that came as JSON text without one.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// The media type of a page for people.
pub const HTML: &str = "text/html; charset=utf-8";
/// The media type of the metrics in their older form, which names counters with their `_total` in full.
pub const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The media type of the metrics in their newer form.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A level's guarantee and counts, as they stand in [`QUORATE_CONSISTENCY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consistency<'a>(pub &'a str);

impl<'a> Consistency<'a> {
    /// `linearizable`, `regular` or `eventual`.
    pub fn guarantee(self) -> &'a str {
        self.0.split(';').next().unwrap_or_default().trim()
    }

    /// One of the counts, such as `r`, `n`, `acks` or `repaired`.
    pub fn count(self, name: &str) -> Option<u64> {
        self.part(name)?.parse().ok()
    }

    /// Why the guarantee is less than the level says: `accepted-loss`; `None`: it is what it says.
    pub fn reason(self) -> Option<&'a str> {
        self.part("reason")
    }

    fn part(self, name: &str) -> Option<&'a str> {
        self.0.split(';').skip(1).find_map(|pair| {
            let (found, value) = pair.trim().split_once('=')?;
            (found == name).then_some(value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_consistency_header_is_read() {
        let consistency = Consistency("linearizable; r=2; n=3; acks=2; repaired=1");
        assert_eq!(consistency.guarantee(), "linearizable");
        assert_eq!(consistency.count("repaired"), Some(1));
        assert_eq!((consistency.count("w"), consistency.reason()), (None, None));
        let lowered = Consistency("eventual; r=2; n=3; acks=2; repaired=0; reason=accepted-loss");
        assert_eq!((lowered.guarantee(), lowered.count("r")), ("eventual", Some(2)));
        assert_eq!(lowered.reason(), Some("accepted-loss"));
    }
}
