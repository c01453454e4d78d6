//! The parameters of a scan: which keys, how many, which way.

use super::error::QueryError;
use crate::text::{self, shown};

/// Which keys a scan is about, and how it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanQuery {
    /// The bytes that each key begins with.
    pub prefix: Option<Vec<u8>>,
    /// The first key.
    pub start: Option<Vec<u8>>,
    /// The first key behind the last one.
    pub end: Option<Vec<u8>>,
    /// Most keys, at least 1.
    pub limit: Option<usize>,
    /// Whether the last key comes first.
    pub reverse: bool,
    /// Whether values are wanted too.
    pub values: bool,
    /// Whether only the number of keys is wanted.
    pub count: bool,
    /// Where to go on.
    pub cursor: Option<String>,
}

impl ScanQuery {
    /// Takes a parameter that is a key or a part of one.
    pub(super) fn take_key(&mut self, name: &str, bytes: Vec<u8>) {
        let slot = match name {
            "prefix" => &mut self.prefix,
            "start" => &mut self.start,
            _ => &mut self.end,
        };
        *slot = Some(bytes);
    }

    /// With `enc=b64`, keys are base64url.
    pub(super) fn decode(&mut self, base64: bool) -> Result<(), QueryError> {
        if !base64 {
            return Ok(());
        }
        let keys = [("prefix", &mut self.prefix), ("start", &mut self.start), ("end", &mut self.end)];
        for (name, key) in keys {
            if let Some(bytes) = key {
                *bytes = text::from_base64url(bytes).ok_or(QueryError::Base64 { name })?;
            }
        }
        Ok(())
    }
}

/// A number of keys, at least 1.
pub(super) fn limit(value: &str) -> Result<usize, QueryError> {
    let limit = value.parse().ok().filter(|limit| *limit > 0);
    limit.ok_or_else(|| QueryError::Limit { value: shown(value) })
}
