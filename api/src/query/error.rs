//! Why a query was refused.

use crate::code::Code;
use crate::text::shown;
use quorate_model::level::LevelOutOfRange;
use quorate_model::{Durability, Level};
use thiserror::Error;

/// Names under which clients of other systems put a secret into a query.
const SECRETS: [&str; 4] = ["token", "access_token", "bearer", "api_key"];

/// Why a query was refused. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// An unknown name.
    #[error("the query parameter \"{name}\" is not known; {known}")]
    Unknown {
        /// As it came, escaped.
        name: String,
        /// What is known here.
        known: String,
    },
    /// A secret.
    #[error(
        "\"{name}\" in a query is refused, whatever it holds: logs and proxies keep URLs; send a token in the header \
         Authorization: Bearer, and revoke this one if it is one"
    )]
    Secret {
        /// Which.
        name: &'static str,
    },
    /// A known name without a meaning here.
    #[error("the query parameter \"{name}\" has no meaning on this request; {known}")]
    NotHere {
        /// Which.
        name: &'static str,
        /// What is known here.
        known: String,
    },
    /// `w` on a read or `r` on a write.
    #[error("\"{name}\" is for {its}; this is a {here}")]
    OtherSide {
        /// `r` or `w`.
        name: &'static str,
        /// What it is for.
        its: &'static str,
        /// What this request is.
        here: &'static str,
    },
    /// The same name twice.
    #[error("the query parameter \"{name}\" comes twice; say once what you mean")]
    Repeated {
        /// Which.
        name: &'static str,
    },
    /// A percent sign that does not begin an escape, or bytes that are not text.
    #[error("the query has a broken percent-escape, or one that is no UTF-8")]
    Escape,
    /// Not a level.
    #[error(
        "{name}={value} is not a consistency level: use one, quorum, all or a number from 1 to the table's n"
    )]
    Level {
        /// Which parameter.
        name: &'static str,
        /// As it came, escaped.
        value: String,
    },
    /// A level that exists on other tables only, or is not built.
    #[error("{name}={value} is not available on this table: use one, quorum, all or a number from 1 to n")]
    LevelNotHere {
        /// Which parameter.
        name: &'static str,
        /// The level.
        value: String,
    },
    /// A number outside 1..=n.
    #[error("{name}: {error}")]
    OutOfRange {
        /// Which parameter.
        name: &'static str,
        /// The bounds.
        error: LevelOutOfRange,
    },
    /// `consistency` says one thing, `r` or `w` another.
    #[error(
        "consistency={consistency} asks for {a} owners and {name}={level} for {b}; say once what you mean"
    )]
    Contradiction {
        /// The first.
        consistency: Level,
        /// What it counts to.
        a: u8,
        /// `r` or `w`.
        name: &'static str,
        /// The second.
        level: Level,
        /// What it counts to.
        b: u8,
    },
    /// Not a duration above zero.
    #[error(
        "{name}={value} is not a duration: use a whole number above 0 and ms, s, m, h or d, as in 250ms or 60s, up to \
         100 years"
    )]
    Duration {
        /// Which parameter.
        name: &'static str,
        /// As it came, escaped.
        value: String,
    },
    /// Not a durability.
    #[error("durability={value} is not known: use sync or os")]
    Durability {
        /// As it came, escaped.
        value: String,
    },
    /// A durability below the table's.
    #[error("durability={asked} is less than the table's {table}: a request may raise it, never lower it")]
    DurabilityBelowTable {
        /// What was asked.
        asked: Durability,
        /// What the table promises.
        table: Durability,
    },
    /// A flag that is neither true nor false.
    #[error("{name}={value} is not known: use {name}=true or leave it out")]
    Flag {
        /// Which parameter.
        name: &'static str,
        /// As it came, escaped.
        value: String,
    },
    /// Not a number of keys.
    #[error("limit={value} is not a number of keys: use a whole number above 0")]
    Limit {
        /// As it came, escaped.
        value: String,
    },
    /// Not a number of bytes.
    #[error("bytes={value} is not a number of bytes: use a whole number above 0")]
    Bytes {
        /// As it came, escaped.
        value: String,
    },
    /// Not a part.
    #[error(
        "part={value} is not a part of a table: use K/M, the part K of M equal ones, as in 2/8; M is at most 1024"
    )]
    Part {
        /// As it came, escaped.
        value: String,
    },
    /// A key that is not base64url.
    #[error("{name} is not base64url, which enc=b64 says it is")]
    Base64 {
        /// Which parameter.
        name: &'static str,
    },
    /// An encoding of keys other than base64url.
    #[error("enc={value} is not known: use enc=b64 (base64url) or leave it out")]
    Enc {
        /// As it came, escaped.
        value: String,
    },
}

impl QueryError {
    /// Of a name that is not known. What it was given is not repeated.
    pub(super) fn unknown(name: &str, known: String) -> Self {
        match SECRETS.into_iter().find(|secret| name.eq_ignore_ascii_case(secret)) {
            Some(name) => QueryError::Secret { name },
            None => QueryError::Unknown { name: shown(name), known },
        }
    }

    /// The code that a program sees.
    pub fn code(&self) -> Code {
        match self {
            QueryError::Unknown { .. } | QueryError::Secret { .. } | QueryError::NotHere { .. } => {
                Code::UnknownParameter
            }
            QueryError::OtherSide { .. }
            | QueryError::Level { .. }
            | QueryError::LevelNotHere { .. }
            | QueryError::OutOfRange { .. }
            | QueryError::Contradiction { .. } => Code::InvalidConsistency,
            QueryError::Repeated { name } if matches!(*name, "consistency" | "r" | "w") => {
                Code::InvalidConsistency
            }
            QueryError::Repeated { .. }
            | QueryError::Escape
            | QueryError::Duration { .. }
            | QueryError::Durability { .. }
            | QueryError::DurabilityBelowTable { .. }
            | QueryError::Flag { .. }
            | QueryError::Limit { .. }
            | QueryError::Bytes { .. }
            | QueryError::Part { .. }
            | QueryError::Base64 { .. }
            | QueryError::Enc { .. } => Code::InvalidParameter,
        }
    }
}
