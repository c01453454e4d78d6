//! Who may do what: users, the roles that they have, and the grants of each role.
//!
//! ```text
//!   token ──> its id ──> SHA-256 of its secret ──┐                   ┌─ read   on table 7
//!                                                ├─> user ──> roles ─┼─ write  on keys of table 7 that begin with "eu/"
//!   client certificate ──> its name ─────────────┘                   └─ admin  on everything
//! ```
//!
//! It is a part of the catalog, so that each member judges by itself, with or without a majority: what a user may do holds
//! as the last catalog says that reached the member. A grant names a table by its id: one that is dropped and made again
//! under the same name is another table, of which no role has a grant.
//!
//! # Invariants
//!
//! - No secret is here. Of a token there is the SHA-256 of 256 random bits, which leads to nothing.
//! - While access control is on, some user may administer everything and has a client certificate, or a token that does not
//!   expire: the catalog rejects what would lock all admins out ([`Access::has_admin`]).
//! - Every list is bounded.
//!
//! # What is absent
//!
//! Passwords, which people choose: a token is drawn, so that one hash is enough and no guess ever succeeds. The clock:
//! whether a token has expired is asked with the time.

mod form;
mod rights;

pub(super) use form::AccessForm;
pub use form::DamagedAccess;
pub use rights::{Principal, Rights};

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use quorate_model::{Epoch, Permission, TableId, WallTime};
use std::collections::BTreeMap;
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;

/// The role that the first admin gets.
pub const ADMIN_ROLE: &str = "admin";
/// Most users of a cluster.
pub const USERS_MAX: usize = 1_024;
/// Most roles of a cluster.
pub const ROLES_MAX: usize = 256;
/// Most roles of one user.
pub const ROLES_PER_USER_MAX: usize = 16;
/// Most tokens of one user.
pub const TOKENS_PER_USER_MAX: usize = 16;
/// Most grants of all roles together.
pub const GRANTS_MAX: usize = 4_096;
/// Longest prefix of keys in a grant, in bytes.
pub const PREFIX_BYTES_MAX: usize = 256;
/// Longest name of a client certificate, in characters: of a common name.
pub const CERTIFICATE_CHARS_MAX: usize = 64;

/// The public half of a token: 64 random bits, 16 hexadecimal digits in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct TokenId(#[n(0)] pub u64);

/// The SHA-256 of a token's secret.
pub type Digest = [u8; 32];

/// A token, as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Token {
    /// Its public half.
    #[n(0)]
    pub id: TokenId,
    /// What its secret hashes to.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub digest: Digest,
    /// When it was made, by the clock of the member that made it.
    #[n(2)]
    pub created: WallTime,
    /// From when on it is none any more; `None`: it stays one until it is revoked.
    #[n(3)]
    pub expires: Option<WallTime>,
}

/// A user: a person or a program that asks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct User {
    /// A label, `[A-Za-z0-9._-]{1,64}`, without a dot in front.
    #[n(0)]
    pub name: String,
    /// Its roles, in the order of their names.
    #[n(1)]
    pub roles: Vec<String>,
    /// The name in the client certificate that proves it; `None`: none does.
    #[n(2)]
    pub certificate: Option<String>,
    /// Its tokens, the earliest first.
    #[n(3)]
    pub tokens: Vec<Token>,
    /// When it was made, or its roles or its certificate last changed.
    #[n(4)]
    pub epoch: Epoch,
}

/// What a grant is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Scope {
    /// The cluster, and every table that there is or will be.
    #[n(0)]
    Everything,
    /// A table.
    #[n(1)]
    Table(#[n(0)] TableId),
    /// The keys of a table that begin with these bytes.
    #[n(2)]
    Prefix(#[n(0)] TableId, #[n(1)] ByteVec),
}

/// One thing that a role allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Grant {
    /// What.
    #[n(0)]
    pub permission: Permission,
    /// On what.
    #[n(1)]
    pub scope: Scope,
}

/// Grants under a name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Role {
    /// A label, of the form of a user's name.
    #[n(0)]
    pub name: String,
    /// In their order, each once.
    #[n(1)]
    pub grants: Vec<Grant>,
    /// When it was made or last changed.
    #[n(2)]
    pub epoch: Epoch,
}

/// Users, roles, and whether they count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    is_on: bool,
    users: BTreeMap<String, User>,
    roles: BTreeMap<String, Role>,
    /// Every token by its id; follows from users and roles.
    tokens: BTreeMap<TokenId, Known>,
    /// Users by the names in their certificates; follows in the same way.
    certificates: BTreeMap<String, Arc<Principal>>,
}

/// A token, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What its secret hashes to.
    pub digest: Digest,
    /// From when on it is none any more.
    pub expires: Option<WallTime>,
    /// Whose it is.
    pub principal: Arc<Principal>,
}

impl Scope {
    /// The table that it is about; `None`: everything.
    pub fn table(&self) -> Option<TableId> {
        match self {
            Scope::Everything => None,
            Scope::Table(table) | Scope::Prefix(table, _) => Some(*table),
        }
    }
}

impl Known {
    /// Whether it has expired by then.
    pub fn has_expired(&self, now: WallTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl Access {
    /// These users and roles.
    pub fn of(
        is_on: bool,
        users: impl IntoIterator<Item = User>,
        roles: impl IntoIterator<Item = Role>,
    ) -> Self {
        let users: BTreeMap<String, User> = users.into_iter().map(|user| (user.name.clone(), user)).collect();
        let roles: BTreeMap<String, Role> = roles.into_iter().map(|role| (role.name.clone(), role)).collect();
        let (mut tokens, mut certificates) = (BTreeMap::new(), BTreeMap::new());
        for user in users.values() {
            let grants = user.roles.iter().filter_map(|role| roles.get(role)).flat_map(|role| &role.grants);
            let principal = Arc::new(Principal::new(&user.name, Rights::of(grants)));
            for token in &user.tokens {
                let principal = Arc::clone(&principal);
                let known = Known { digest: token.digest, expires: token.expires, principal };
                tokens.insert(token.id, known);
            }
            if let Some(certificate) = &user.certificate {
                certificates.insert(certificate.clone(), principal);
            }
        }
        Self { is_on, users, roles, tokens, certificates }
    }

    /// Whether who asks must say who it is.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// The users, ordered by name.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &User> {
        self.users.values()
    }

    /// A user.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// The roles, ordered by name.
    pub fn roles(&self) -> impl ExactSizeIterator<Item = &Role> {
        self.roles.values()
    }

    /// A role.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(name)
    }

    /// A token, and whose it is. Its secret and the time are still to be looked at.
    pub fn token(&self, id: TokenId) -> Option<&Known> {
        self.tokens.get(&id)
    }

    /// The user that a client certificate of this name proves.
    pub fn certificate(&self, name: &str) -> Option<&Arc<Principal>> {
        self.certificates.get(name)
    }

    /// Whether some user may administer everything and can say for ever who it is: by a token that does not expire. No node
    /// asks for client certificates yet, so that none of them proves anything.
    pub fn has_admin(&self) -> bool {
        let is_admin = |principal: &Principal| principal.rights().may_everywhere(Permission::Admin);
        self.tokens.values().any(|known| known.expires.is_none() && is_admin(&known.principal))
    }

    /// The same users and roles, switched on or off.
    #[must_use]
    pub fn switched(&self, is_on: bool) -> Self {
        Self { is_on, ..self.clone() }
    }

    /// The same with this user, in the place of the one of its name.
    #[must_use]
    pub fn with_user(&self, user: User) -> Self {
        let others = self.users.values().filter(|other| other.name != user.name).cloned();
        Self::of(self.is_on, others.chain([user.clone()]), self.roles.values().cloned())
    }

    /// The same without a user.
    #[must_use]
    pub fn without_user(&self, name: &str) -> Self {
        let others = self.users.values().filter(|other| other.name != name).cloned();
        Self::of(self.is_on, others, self.roles.values().cloned())
    }

    /// The same with this role, in the place of the one of its name.
    #[must_use]
    pub fn with_role(&self, role: Role) -> Self {
        let others = self.roles.values().filter(|other| other.name != role.name).cloned();
        Self::of(self.is_on, self.users.values().cloned(), others.chain([role.clone()]))
    }

    /// The same without a role.
    #[must_use]
    pub fn without_role(&self, name: &str) -> Self {
        let others = self.roles.values().filter(|other| other.name != name).cloned();
        Self::of(self.is_on, self.users.values().cloned(), others)
    }

    /// The same without any grant on a table; `None`: there is none. Roles that had some changed at this epoch.
    pub fn without_table(&self, table: TableId, epoch: Epoch) -> Option<Self> {
        let is_on_it = |grant: &Grant| grant.scope.table() == Some(table);
        if !self.roles.values().any(|role| role.grants.iter().any(is_on_it)) {
            return None;
        }
        let roles = self.roles.values().map(|role| {
            let grants: Vec<Grant> = role.grants.iter().filter(|grant| !is_on_it(grant)).cloned().collect();
            let epoch = if grants.len() < role.grants.len() { epoch } else { role.epoch };
            Role { name: role.name.clone(), grants, epoch }
        });
        Some(Self::of(self.is_on, self.users.values().cloned(), roles))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for TokenId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        u64::from_str_radix(text, 16).map(Self)
    }
}
