//! One operation of a client, as it was seen from outside: what was asked, when, and what came of it.
//!
//! An operation is an interval of time, from the moment the client called to the moment it had its answer. What the
//! cluster did lies somewhere inside that interval, if it is known to have happened at all; the checkers decide
//! whether one moment can be chosen in each interval so that all answers make sense.
//!
//! Values are texts that a workload makes unique, so that a read tells which write it saw. Binary values are left
//! out: the proofs need to tell values apart, not to store pictures.

use serde::{Deserialize, Serialize};

use crate::level::Level;

/// Who called. One client has one operation under way at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u32);

/// What was asked of one key, with the value that was given or, for a read, seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Asked for the value.
    Read {
        /// What was answered: `None` is "no such key". Means nothing unless the status is [`Status::Ok`].
        value: Option<String>,
    },
    /// Stored a value.
    Write {
        /// The value that was sent.
        value: String,
    },
    /// Deleted the key. Deleting what is not there is legal and changes nothing.
    Delete,
    /// Stored a value on condition that the key held another.
    Cas {
        /// The value that was expected; `None` expects that there is no such key.
        expect: Option<String>,
        /// The value that was sent.
        value: String,
    },
}

/// What came of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It took effect between call and return.
    Ok,
    /// It never took effect and never will.
    Fail,
    /// It may take effect at any time after the call, also long after the return, or never.
    Unknown,
    /// A compare-and-set found another value than it expected: it changed nothing, and is an observation. On any
    /// other operation it means the same as [`Status::Fail`].
    Mismatch,
}

/// One operation of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who called.
    pub client: ClientId,
    /// The key it was about.
    pub key: String,
    /// What was asked, and what was seen.
    pub kind: Kind,
    /// When the client called, in nanoseconds since the history began.
    pub call: u64,
    /// When the client had its answer or gave up, in nanoseconds since the history began; never before `call`.
    /// `None` if it never returned, which only fits [`Status::Unknown`]; elsewhere it is read as "at the very end".
    pub ret: Option<u64>,
    /// What came of it.
    pub status: Status,
    /// Whether it belongs to the closing reads, made after all faults were healed.
    pub closing: bool,
    /// What else is known of it. A checker of plain registers needs none of it.
    pub detail: Detail,
}

/// How an operation was asked, and what its answer said besides the outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// The number of the node that was asked, from 1: node 1 is `n1`.
    pub node: Option<u16>,
    /// The level asked for; `None` if the workload knows only one.
    pub level: Option<Level>,
    /// The operation id that was sent with it, the same for each attempt.
    pub id: Option<String>,
    /// The version that the answer named.
    pub version: Option<String>,
    /// Whether the answer said that it repeats an earlier one.
    pub replayed: bool,
    /// The time to live that was sent, in milliseconds.
    pub ttl_ms: Option<u64>,
    /// What came in place of a success, in a few words: `503 unavailable`, `timeout`.
    pub refusal: Option<String>,
}

impl Operation {
    /// An operation of which no more is known than this, and that is no closing read.
    pub fn new(client: u32, key: &str, kind: Kind, call: u64, ret: Option<u64>, status: Status) -> Operation {
        let (client, key, detail) = (ClientId(client), key.to_owned(), Detail::default());
        Operation { client, key, kind, call, ret, status, closing: false, detail }
    }

    /// Whether it returned before the other was called, so that every order must keep it first.
    pub fn precedes(&self, other: &Operation) -> bool {
        self.ret.is_some_and(|ret| ret < other.call)
    }
}
