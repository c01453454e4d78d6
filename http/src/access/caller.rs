//! The one who asks, for as long as its request runs.

use quorate_model::{Table, TableId, WallTime};
use quorate_ring::Access;
use quorate_ring::catalog::access::{Principal, Rights, TokenId};
use std::sync::Arc;

/// Who asks, where access control is on.
#[derive(Clone, Debug)]
pub enum Caller {
    /// It did not say, and what it asks needs nothing.
    Stranger,
    /// A user.
    Known(Known),
}

/// A user who asks.
#[derive(Clone, Debug)]
pub struct Known {
    principal: Arc<Principal>,
    credential: Credential,
    /// The one table that it was let in to ask about; `None`: whichever.
    table: Option<TableId>,
}

/// By what a user was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// A token.
    Token(TokenId),
    /// A client certificate with this name.
    Certificate(Arc<str>),
}

impl Caller {
    /// The user; `None`: it is not known.
    pub fn known(&self) -> Option<&Known> {
        match self {
            Caller::Stranger => None,
            Caller::Known(known) => Some(known),
        }
    }

    /// What it may do; a stranger nothing.
    pub fn may(&self, is_allowed: impl FnOnce(&Rights) -> bool) -> bool {
        self.known().is_some_and(|known| is_allowed(known.rights()))
    }

    /// Whether it was let in to ask about this table. One that was dropped and made again under its name is another one.
    pub fn is_about(&self, table: &Table) -> bool {
        self.known().is_some_and(|known| known.table.is_none_or(|admitted| admitted == table.id))
    }
}

impl Known {
    pub(super) fn new(principal: Arc<Principal>, credential: Credential) -> Self {
        Self { principal, credential, table: None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.principal.name()
    }

    /// What it may do.
    pub fn rights(&self) -> &Rights {
        self.principal.rights()
    }

    /// The same, for one table alone.
    #[must_use]
    pub fn on(self, table: TableId) -> Self {
        Self { table: Some(table), ..self }
    }

    /// The same user by what is known of users now; `None`: what it was recognised by is none any more.
    pub fn again(&self, access: &Access, now: WallTime) -> Option<Self> {
        let principal = match &self.credential {
            Credential::Token(id) => {
                let known = access.token(*id).filter(|known| !known.has_expired(now))?;
                Arc::clone(&known.principal)
            }
            Credential::Certificate(name) => Arc::clone(access.certificate(name)?),
        };
        let is_same = principal.name() == self.principal.name();
        is_same.then(|| Self { principal, credential: self.credential.clone(), table: self.table })
    }
}
