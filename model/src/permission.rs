//! What a user may do, where access control is on.

use minicbor::{Decode, Encode};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// One kind of thing that a user may do. None includes another, but for `Admin`, which includes all where it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Permission {
    /// See the cluster: its health, its members, its jobs, the names of all its tables, its metrics; no key and no value.
    #[n(0)]
    Monitor,
    /// Read keys and values.
    #[n(1)]
    Read,
    /// Store and delete values.
    #[n(2)]
    Write,
    /// Change a table and drop it; of everything also the cluster, its users and what they may do.
    #[n(3)]
    Admin,
}

/// A word that is no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a permission is monitor, read, write or admin")]
pub struct UnknownPermission;

impl Permission {
    /// Every permission.
    pub const ALL: [Permission; 4] =
        [Permission::Monitor, Permission::Read, Permission::Write, Permission::Admin];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Permission::Monitor => "monitor",
            Permission::Read => "read",
            Permission::Write => "write",
            Permission::Admin => "admin",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == text).ok_or(UnknownPermission)
    }
}
