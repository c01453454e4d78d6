//! Commands about who may do what. From level 6 on.
//!
//! A user and a role are written whole, as their author wants them to be. Who changes one says at which epoch it last
//! changed, as far as its author knows, so that of two who change it at once the second one is told.

use crate::catalog::access::{Grant, Token};
use minicbor::{Decode, Encode};
use quorate_model::Epoch;

/// Access control is switched on or off, or an admin is made, or both at once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetAccess {
    /// Whether who asks must say who it is from now on; `None`: as it is.
    #[n(0)]
    pub enabled: Option<bool>,
    /// A user that gets a token and may administer everything from now on, whether it was there or not.
    #[n(1)]
    pub admin: Option<NewAdmin>,
}

/// A user that may administer everything.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewAdmin {
    /// Its name.
    #[n(0)]
    pub user: String,
    /// Its token.
    #[n(1)]
    pub token: Token,
}

/// A user as it is from now on; its tokens stay.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PutUser {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its roles.
    #[n(1)]
    pub roles: Vec<String>,
    /// The name in the client certificate that proves it.
    #[n(2)]
    pub certificate: Option<String>,
    /// When it last changed, as far as the author knows; 0: there is none of that name. `None`: whatever there is.
    #[n(3)]
    pub seen: Option<Epoch>,
}

/// A role as it is from now on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PutRole {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// All that it allows.
    #[n(1)]
    pub grants: Vec<Grant>,
    /// As of a user.
    #[n(2)]
    pub seen: Option<Epoch>,
}

/// A user gets a token.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AddToken {
    /// The user.
    #[n(0)]
    pub user: String,
    /// The token.
    #[n(1)]
    pub token: Token,
}
