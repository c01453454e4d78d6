//! Query parameters, typed and strict: a typo must never weaken a read silently.
//!
//! Each request says which parameters have a meaning on it. Everything else (unknown, repeated, contradictory, out
//! of range) is refused with a sentence, before anything else is done.

mod error;
mod scan;

pub use error::QueryError;
pub use scan::{Part, ScanQuery};

use crate::text::{self, shown};
use quorate_model::{Durability, Level, Table};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Longest time that a value may be given to live: a hundred years, in milliseconds.
pub const TTL_MS_MAX: u64 = 36_500 * 24 * 3_600 * 1_000;

/// The word for a value that lives until it is deleted.
const NEVER: &str = "none";

/// How long a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeToLive {
    /// Until it is deleted, whatever its table has for values that name none.
    Unlimited,
    /// So many milliseconds, at least 1 and at most [`TTL_MS_MAX`].
    Millis(u64),
}

/// The parameters there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// `consistency`
    Consistency,
    /// `r`
    R,
    /// `w`
    W,
    /// `timeout`
    Timeout,
    /// `durability`
    Durability,
    /// `ttl`
    Ttl,
    /// `retry`
    Retry,
    /// `trace`
    Trace,
    /// `enc`
    Enc,
    /// `table`
    Table,
    /// `id`
    Id,
    /// `prefix`
    Prefix,
    /// `start`
    Start,
    /// `end`
    End,
    /// `limit`
    Limit,
    /// `bytes`
    Bytes,
    /// `reverse`
    Reverse,
    /// `values`
    Values,
    /// `count`
    Count,
    /// `sum`
    Sum,
    /// `cursor`
    Cursor,
    /// `part`
    Part,
}

/// Parameters of a read of one key.
pub const READ: &[Parameter] =
    &[Parameter::Consistency, Parameter::R, Parameter::Timeout, Parameter::Trace, Parameter::Enc];
/// Parameters of a write of one key.
pub const WRITE: &[Parameter] = &[
    Parameter::Consistency,
    Parameter::W,
    Parameter::Timeout,
    Parameter::Durability,
    Parameter::Ttl,
    Parameter::Retry,
    Parameter::Trace,
    Parameter::Enc,
];
/// Parameters of a delete of one key: as a write, but a tombstone does not expire.
pub const DELETE: &[Parameter] = &[
    Parameter::Consistency,
    Parameter::W,
    Parameter::Timeout,
    Parameter::Durability,
    Parameter::Retry,
    Parameter::Trace,
    Parameter::Enc,
];
/// Parameters of `mget`.
pub const MGET: &[Parameter] = &[Parameter::Consistency, Parameter::R, Parameter::Timeout];
/// Parameters of `batch`.
pub const BATCH: &[Parameter] =
    &[Parameter::Consistency, Parameter::W, Parameter::Timeout, Parameter::Durability, Parameter::Retry];
/// Parameters of `locate`.
pub const LOCATE: &[Parameter] = &[Parameter::Enc];
/// Parameters of `explain`.
pub const EXPLAIN: &[Parameter] = &[Parameter::Enc, Parameter::Timeout];
/// Parameters of a change of the catalog.
pub const CHANGE: &[Parameter] = &[Parameter::Timeout];
/// Parameters of the drop of a table.
pub const DROP: &[Parameter] = &[Parameter::Id, Parameter::Timeout];
/// Parameters of the ring.
pub const RING: &[Parameter] = &[Parameter::Table];
/// Parameters of a scan.
pub const SCAN: &[Parameter] = &[
    Parameter::Prefix,
    Parameter::Start,
    Parameter::End,
    Parameter::Limit,
    Parameter::Bytes,
    Parameter::Reverse,
    Parameter::Values,
    Parameter::Count,
    Parameter::Sum,
    Parameter::Cursor,
    Parameter::Part,
    Parameter::Consistency,
    Parameter::R,
    Parameter::Timeout,
    Parameter::Enc,
];
/// Parameters of requests that have none.
pub const NONE: &[Parameter] = &[];

/// What a query says. What it does not say is `None` or false.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    consistency: Option<Level>,
    r: Option<Level>,
    w: Option<Level>,
    timeout: Option<Duration>,
    durability: Option<Durability>,
    /// How long the value lives.
    pub ttl: Option<TimeToLive>,
    /// Whether this is not the first attempt.
    pub retry: bool,
    /// Whether the answer shall say how it came about.
    pub trace: bool,
    /// Whether the key in the path is base64url.
    pub base64: bool,
    /// The table that is asked about.
    pub table: Option<String>,
    /// The id of the table that is meant, as it was asked for.
    pub id: Option<String>,
    /// Which keys a scan is about, and how it goes.
    pub scan: ScanQuery,
}

impl Parameter {
    /// Every parameter.
    pub const ALL: [Parameter; 22] = [
        Parameter::Consistency,
        Parameter::R,
        Parameter::W,
        Parameter::Timeout,
        Parameter::Durability,
        Parameter::Ttl,
        Parameter::Retry,
        Parameter::Trace,
        Parameter::Enc,
        Parameter::Table,
        Parameter::Id,
        Parameter::Prefix,
        Parameter::Start,
        Parameter::End,
        Parameter::Limit,
        Parameter::Bytes,
        Parameter::Reverse,
        Parameter::Values,
        Parameter::Count,
        Parameter::Sum,
        Parameter::Cursor,
        Parameter::Part,
    ];

    /// As it stands in the query.
    pub fn as_str(self) -> &'static str {
        match self {
            Parameter::Consistency => "consistency",
            Parameter::R => "r",
            Parameter::W => "w",
            Parameter::Timeout => "timeout",
            Parameter::Durability => "durability",
            Parameter::Ttl => "ttl",
            Parameter::Retry => "retry",
            Parameter::Trace => "trace",
            Parameter::Enc => "enc",
            Parameter::Table => "table",
            Parameter::Id => "id",
            Parameter::Prefix => "prefix",
            Parameter::Start => "start",
            Parameter::End => "end",
            Parameter::Limit => "limit",
            Parameter::Bytes => "bytes",
            Parameter::Reverse => "reverse",
            Parameter::Values => "values",
            Parameter::Count => "count",
            Parameter::Sum => "sum",
            Parameter::Cursor => "cursor",
            Parameter::Part => "part",
        }
    }

    /// Its place in a set of parameters.
    fn bit(self) -> u32 {
        1 << self as u16
    }

    fn refused_here(self, takes: &[Parameter]) -> QueryError {
        match self {
            Parameter::W if takes.contains(&Parameter::R) => {
                QueryError::OtherSide { name: "w", its: "writes", here: "read" }
            }
            Parameter::R if takes.contains(&Parameter::W) => {
                QueryError::OtherSide { name: "r", its: "reads", here: "write" }
            }
            name => QueryError::NotHere { name: name.as_str(), known: known(takes) },
        }
    }
}

fn known(takes: &[Parameter]) -> String {
    if takes.is_empty() {
        return "this request takes none".to_owned();
    }
    let names: Vec<&str> = takes.iter().map(|name| name.as_str()).collect();
    format!("this request takes {}", names.join(", "))
}

impl Query {
    /// Reads a raw query string (without its `?`), of which this request takes only some parameters.
    pub fn parse(raw: Option<&str>, takes: &[Parameter]) -> Result<Self, QueryError> {
        let mut query = Self::default();
        let mut seen = 0;
        for pair in raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = text::decode(name).ok_or(QueryError::Escape)?;
            let bytes = text::decode_bytes(value.as_bytes()).ok_or(QueryError::Escape)?;
            let name = Parameter::ALL
                .into_iter()
                .find(|known| known.as_str() == name)
                .ok_or_else(|| QueryError::unknown(&name, known(takes)))?;
            if !takes.contains(&name) {
                return Err(name.refused_here(takes));
            }
            if seen & name.bit() != 0 {
                return Err(QueryError::Repeated { name: name.as_str() });
            }
            seen |= name.bit();
            query.take(name, bytes)?;
        }
        let base64 = query.base64;
        query.scan.decode(base64)?;
        query.scan.check()?;
        Ok(query)
    }

    /// Whether a raw query says that this is not the first attempt, whatever else it says: for what is refused before it
    /// is understood.
    pub fn says_retry(raw: Option<&str>) -> bool {
        let is = |text: &str, word: &str| text::decode(text).is_some_and(|text| text == word);
        let mut pairs = raw.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        pairs.any(|(name, value)| is(name, Parameter::Retry.as_str()) && is(value, "true"))
    }

    fn take(&mut self, name: Parameter, bytes: Vec<u8>) -> Result<(), QueryError> {
        let text = String::from_utf8(bytes).map_err(std::string::FromUtf8Error::into_bytes);
        let value = match (name, text) {
            // Keys, and parts of keys, are any bytes.
            (Parameter::Prefix | Parameter::Start | Parameter::End, text) => {
                let bytes = text.map_or_else(|bytes| bytes, String::into_bytes);
                self.scan.take_key(name.as_str(), bytes);
                return Ok(());
            }
            (_, text) => text.map_err(|_| QueryError::Escape)?,
        };
        let value = value.as_str();
        match name {
            Parameter::Consistency => self.consistency = Some(level("consistency", value)?),
            Parameter::R => self.r = Some(level("r", value)?),
            Parameter::W => self.w = Some(level("w", value)?),
            Parameter::Timeout => self.timeout = Some(Duration::from_millis(duration_ms("timeout", value)?)),
            Parameter::Ttl => self.ttl = Some(value.parse()?),
            Parameter::Durability => self.durability = Some(durability(value)?),
            Parameter::Retry => self.retry = flag("retry", value)?,
            Parameter::Trace => self.trace = flag("trace", value)?,
            Parameter::Enc if value == "b64" => self.base64 = true,
            Parameter::Enc => return Err(QueryError::Enc { value: shown(value) }),
            Parameter::Table => self.table = Some(value.to_owned()),
            Parameter::Id => self.id = Some(value.to_owned()),
            Parameter::Limit => self.scan.limit = Some(scan::limit(value)?),
            Parameter::Bytes => self.scan.bytes = Some(scan::bytes(value)?),
            Parameter::Reverse => self.scan.reverse = flag("reverse", value)?,
            Parameter::Values => self.scan.values = flag("values", value)?,
            Parameter::Count => self.scan.count = flag("count", value)?,
            Parameter::Sum => self.scan.sum = flag("sum", value)?,
            Parameter::Cursor => self.scan.cursor = Some(value.to_owned()),
            Parameter::Part => self.scan.part = Some(scan::part(value)?),
            // Taken as bytes above.
            Parameter::Prefix | Parameter::Start | Parameter::End => {}
        }
        Ok(())
    }

    /// The level of a read on this table.
    pub fn read_level(&self, table: &Table) -> Result<Level, QueryError> {
        self.side("r", self.r, table.r, table.n)
    }

    /// The level of a write on this table.
    pub fn write_level(&self, table: &Table) -> Result<Level, QueryError> {
        self.side("w", self.w, table.w, table.n)
    }

    fn side(
        &self,
        name: &'static str,
        own: Option<Level>,
        default: Level,
        n: u8,
    ) -> Result<Level, QueryError> {
        let counted =
            |name, level: Level| level.required(n).map_err(|error| QueryError::OutOfRange { name, error });
        match (self.consistency, own) {
            (None, None) => counted(name, default).map(|_| default),
            (Some(level), None) => counted("consistency", level).map(|_| level),
            (None, Some(level)) => counted(name, level).map(|_| level),
            (Some(consistency), Some(level)) => {
                let (a, b) = (counted("consistency", consistency)?, counted(name, level)?);
                if a == b {
                    Ok(level)
                } else {
                    Err(QueryError::Contradiction { consistency, a, name, level, b })
                }
            }
        }
    }

    /// What an acknowledgement must mean: the table's durability or more.
    pub fn durability(&self, table: &Table) -> Result<Durability, QueryError> {
        match self.durability {
            None => Ok(table.durability),
            Some(asked) if asked >= table.durability => Ok(asked),
            Some(asked) => Err(QueryError::DurabilityBelowTable { asked, table: table.durability }),
        }
    }

    /// How long the client waits: what it asks for, else `default`; at most `max`.
    pub fn timeout(&self, default: Duration, max: Duration) -> Duration {
        self.timeout.unwrap_or(default).min(max)
    }
}

fn level(name: &'static str, value: &str) -> Result<Level, QueryError> {
    match value.parse() {
        Ok(level) => Ok(level),
        Err(_) if matches!(value, "any" | "local_one" | "local_quorum" | "each_quorum") => {
            Err(QueryError::LevelNotHere { name, value: value.to_owned() })
        }
        Err(_) => Err(QueryError::Level { name, value: shown(value) }),
    }
}

fn durability(value: &str) -> Result<Durability, QueryError> {
    match value {
        "sync" => Ok(Durability::Sync),
        "os" => Ok(Durability::Os),
        _ => Err(QueryError::Durability { value: shown(value) }),
    }
}

fn flag(name: &'static str, value: &str) -> Result<bool, QueryError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(QueryError::Flag { name, value: shown(value) }),
    }
}

fn duration_ms(name: &'static str, value: &str) -> Result<u64, QueryError> {
    text::duration_ms(value).ok_or_else(|| QueryError::Duration { name, value: shown(value) })
}

impl FromStr for TimeToLive {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        if text == NEVER { Ok(Self::Unlimited) } else { ttl_ms(text).map(Self::Millis) }
    }
}

impl fmt::Display for TimeToLive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str(NEVER),
            Self::Millis(millis) => write!(f, "{millis}ms"),
        }
    }
}

/// A time to live in milliseconds: above zero, at most [`TTL_MS_MAX`].
pub fn ttl_ms(value: &str) -> Result<u64, QueryError> {
    let millis = duration_ms("ttl", value)?;
    if millis > TTL_MS_MAX {
        return Err(QueryError::Duration { name: "ttl", value: shown(value) });
    }
    Ok(millis)
}

#[cfg(test)]
mod tests;
