//! Why a change of who may do what was rejected.

use crate::catalog::access::{CERTIFICATE_CHARS_MAX, PREFIX_BYTES_MAX, TokenId};
use minicbor::{Decode, Encode};
use quorate_model::Permission;
use thiserror::Error;

/// Why nothing was changed, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, Error, Encode, Decode)]
pub enum AccessRejection {
    /// Before every member understands it.
    #[n(0)]
    #[error(
        "there is no access control yet: some member runs a version that does not know it (the catalog is at level {level}, \
         this needs 6); upgrade every node and try again"
    )]
    NotEnabled {
        /// The present level.
        #[n(0)]
        level: u32,
    },
    /// A name of a wrong form.
    #[n(1)]
    #[error(
        "{what} name {name:?} is not allowed: use 1 to 64 of the characters A-Z a-z 0-9 . _ -, and no dot in front"
    )]
    InvalidName {
        /// `user` or `role`.
        #[n(0)]
        what: String,
        /// The name.
        #[n(1)]
        name: String,
    },
    /// The name of a client certificate that none can have.
    #[n(2)]
    #[error(
        "the name of a client certificate has 1 to {CERTIFICATE_CHARS_MAX} characters, and no control characters"
    )]
    InvalidCertificate,
    /// No such user.
    #[n(3)]
    #[error("there is no user {name:?}: `quorate auth user list` shows those there are")]
    NoSuchUser {
        /// The name.
        #[n(0)]
        name: String,
    },
    /// No such role.
    #[n(4)]
    #[error("there is no role {name:?}: `quorate auth role list` shows those there are")]
    NoSuchRole {
        /// The name.
        #[n(0)]
        name: String,
    },
    /// No such token.
    #[n(5)]
    #[error("there is no token {id}: it was revoked, or never made")]
    NoSuchToken {
        /// Its public half.
        #[n(0)]
        id: TokenId,
    },
    /// It is not what its author saw.
    #[n(6)]
    #[error("{what} {name:?} has changed since, or is there already: look at it again")]
    Changed {
        /// `user` or `role`.
        #[n(0)]
        what: String,
        /// Which.
        #[n(1)]
        name: String,
    },
    /// All admins would be locked out.
    #[n(7)]
    #[error(
        "no admin would be left who can say for ever who it is: while access control is on, some user with `admin` on \
         everything keeps a client certificate, or a token that does not expire; give one to another user first"
    )]
    LastAdmin,
    /// As many as there may be.
    #[n(8)]
    #[error("there are {limit} {what}, which is the limit: remove one first")]
    TooMany {
        /// What.
        #[n(0)]
        what: String,
        /// The limit.
        #[n(1)]
        limit: u32,
    },
    /// Users have it.
    #[n(9)]
    #[error("role {role:?} is had by {users}: take it from them first")]
    RoleInUse {
        /// The role.
        #[n(0)]
        role: String,
        /// By whom.
        #[n(1)]
        users: String,
    },
    /// Another user is proved by it.
    #[n(10)]
    #[error("this client certificate proves user {user:?}: a certificate proves one user")]
    CertificateTaken {
        /// Who.
        #[n(0)]
        user: String,
    },
    /// Another token has this id.
    #[n(11)]
    #[error("another token has the id {id}: draw another one")]
    TokenTaken {
        /// The id.
        #[n(0)]
        id: TokenId,
    },
    /// A permission where it has no meaning.
    #[n(12)]
    #[error("`{permission}` can't be granted {on}: {instead}")]
    WrongScope {
        /// Which.
        #[n(0)]
        permission: Permission,
        /// On what.
        #[n(1)]
        on: String,
        /// What can be.
        #[n(2)]
        instead: String,
    },
    /// A prefix of keys that is too long.
    #[n(13)]
    #[error(
        "a prefix of keys in a grant has 1 to {PREFIX_BYTES_MAX} bytes: grant the whole table, or shorten it"
    )]
    PrefixOutOfRange,
}
