//! Commands about who may do what.
//!
//! No clock takes part: whether a token has expired is judged where it is shown, and the rule that keeps the last admin in
//! counts those tokens only that never do.

use super::Applied;
use crate::catalog::access::{
    ADMIN_ROLE, Access, CERTIFICATE_CHARS_MAX, GRANTS_MAX, Grant, PREFIX_BYTES_MAX, ROLES_MAX,
    ROLES_PER_USER_MAX, Role, Scope, TOKENS_PER_USER_MAX, Token, TokenId, USERS_MAX, User,
};
use crate::catalog::command::access::{AddToken, NewAdmin, PutRole, PutUser, SetAccess};
use crate::catalog::rejection::access::AccessRejection;
use crate::catalog::{Catalog, Rejection, is_label};
use quorate_model::{Epoch, Permission};
use std::sync::Arc;

impl Catalog {
    pub(super) fn set_access(&self, set: &SetAccess) -> Result<Applied, Rejection> {
        let mut access = Access::clone(&self.access);
        let epoch = self.epoch.next();
        if let Some(NewAdmin { user, token }) = &set.admin {
            check_name("user", user)?;
            let role = access.role(ADMIN_ROLE).cloned().unwrap_or_else(|| role(ADMIN_ROLE));
            let everything = Grant { permission: Permission::Admin, scope: Scope::Everything };
            if !role.grants.contains(&everything) {
                let grants = sorted(role.grants.into_iter().chain([everything]));
                access = access.with_role(Role { grants, epoch, ..role });
                check_rooms(&access)?;
            }
            let found = access.user(user).cloned().unwrap_or_else(|| self::user(user));
            let roles = sorted(found.roles.iter().cloned().chain([ADMIN_ROLE.to_owned()]));
            if roles != found.roles || access.user(user).is_none() {
                access = access.with_user(User { roles, epoch, ..found });
                check_rooms(&access)?;
            }
            access = with_token(&with_room(&access, user, token.id), user, token)?;
        }
        if let Some(is_on) = set.enabled {
            access = access.switched(is_on);
        }
        self.with_access(access)
    }

    pub(super) fn put_user(&self, put: &PutUser) -> Result<Applied, Rejection> {
        let PutUser { name, roles, certificate, seen } = put;
        check_name("user", name)?;
        let roles = sorted(roles.iter().cloned());
        if let Some(missing) = roles.iter().find(|role| self.access.role(role).is_none()) {
            return Err(AccessRejection::NoSuchRole { name: missing.clone() }.into());
        }
        check_count("roles of one user", roles.len(), ROLES_PER_USER_MAX)?;
        if let Some(certificate) = certificate {
            self.check_certificate(name, certificate)?;
        }
        let known = self.access.user(name);
        let is_same = |known: &User| known.roles == roles && known.certificate == *certificate;
        if known.is_some_and(is_same) {
            return Ok(self.unchanged());
        }
        check_seen(("user", name), *seen, known.map(|known| known.epoch))?;
        let tokens = known.map(|known| known.tokens.clone()).unwrap_or_default();
        let (name, certificate, epoch) = (name.clone(), certificate.clone(), self.epoch.next());
        let access = self.access.with_user(User { name, roles, certificate, tokens, epoch });
        check_rooms(&access)?;
        self.with_access(access)
    }

    pub(super) fn remove_user(&self, name: &str) -> Result<Applied, Rejection> {
        if self.access.user(name).is_none() {
            return Err(AccessRejection::NoSuchUser { name: name.to_owned() }.into());
        }
        self.with_access(self.access.without_user(name))
    }

    pub(super) fn add_token(&self, add: &AddToken) -> Result<Applied, Rejection> {
        self.with_access(with_token(&self.access, &add.user, &add.token)?)
    }

    pub(super) fn remove_token(&self, id: TokenId) -> Result<Applied, Rejection> {
        let holds = |user: &&User| user.tokens.iter().any(|token| token.id == id);
        let user = self.access.users().find(holds).ok_or(AccessRejection::NoSuchToken { id })?;
        let tokens = user.tokens.iter().filter(|token| token.id != id).cloned().collect();
        self.with_access(self.access.with_user(User { tokens, ..user.clone() }))
    }

    pub(super) fn put_role(&self, put: &PutRole) -> Result<Applied, Rejection> {
        let PutRole { name, grants, seen } = put;
        check_name("role", name)?;
        grants.iter().try_for_each(|grant| self.check_grant(grant))?;
        let grants = sorted(grants.iter().cloned());
        let known = self.access.role(name);
        if known.is_some_and(|known| known.grants == grants) {
            return Ok(self.unchanged());
        }
        check_seen(("role", name), *seen, known.map(|known| known.epoch))?;
        let access = self.access.with_role(Role { name: name.clone(), grants, epoch: self.epoch.next() });
        check_rooms(&access)?;
        self.with_access(access)
    }

    pub(super) fn remove_role(&self, name: &str) -> Result<Applied, Rejection> {
        if self.access.role(name).is_none() {
            return Err(AccessRejection::NoSuchRole { name: name.to_owned() }.into());
        }
        let has_it = |user: &&User| user.roles.iter().any(|role| role == name);
        let users: Vec<&str> = self.access.users().filter(has_it).map(|user| user.name.as_str()).collect();
        if !users.is_empty() {
            return Err(AccessRejection::RoleInUse { role: name.to_owned(), users: users.join(", ") }.into());
        }
        self.with_access(self.access.without_role(name))
    }

    /// This catalog with other users and roles; unless nothing would be different, or all admins locked out.
    fn with_access(&self, access: Access) -> Result<Applied, Rejection> {
        if access == *self.access {
            return Ok(self.unchanged());
        }
        if access.is_on() && !access.has_admin() {
            return Err(AccessRejection::LastAdmin.into());
        }
        Ok(Self { access: Arc::new(access), ..self.next() }.applied())
    }

    fn check_certificate(&self, user: &str, certificate: &str) -> Result<(), Rejection> {
        let is_name = (1..=CERTIFICATE_CHARS_MAX).contains(&certificate.chars().count())
            && !certificate.chars().any(char::is_control);
        if !is_name {
            return Err(AccessRejection::InvalidCertificate.into());
        }
        match self.access.certificate(certificate) {
            Some(other) if other.name() != user => {
                Err(AccessRejection::CertificateTaken { user: other.name().to_owned() }.into())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_grant(&self, grant: &Grant) -> Result<(), Rejection> {
        let Grant { permission, scope } = grant;
        if let Some(table) = scope.table().filter(|table| self.table_by_id(*table).is_none()) {
            return Err(Rejection::NoSuchTable { table });
        }
        let wrong = |on: &str, instead: &str| {
            let (on, instead) = (on.to_owned(), instead.to_owned());
            Err(AccessRejection::WrongScope { permission: *permission, on, instead }.into())
        };
        match (scope, permission) {
            (Scope::Table(_) | Scope::Prefix(..), Permission::Monitor) => {
                wrong("on a table", "it is about the cluster; grant it on everything, or read on the table")
            }
            (Scope::Prefix(..), Permission::Admin) => {
                wrong("on a prefix of keys", "grant it on the table, or read and write on the prefix")
            }
            (Scope::Prefix(_, prefix), Permission::Read | Permission::Write)
                if !(1..=PREFIX_BYTES_MAX).contains(&prefix.len()) =>
            {
                Err(AccessRejection::PrefixOutOfRange.into())
            }
            (
                Scope::Everything | Scope::Table(_) | Scope::Prefix(..),
                Permission::Monitor | Permission::Read | Permission::Write | Permission::Admin,
            ) => Ok(()),
        }
    }
}

/// A role that allows nothing.
fn role(name: &str) -> Role {
    Role { name: name.to_owned(), grants: Vec::new(), epoch: Epoch(0) }
}

/// A user that may nothing.
fn user(name: &str) -> User {
    User { name: name.to_owned(), roles: Vec::new(), certificate: None, tokens: Vec::new(), epoch: Epoch(0) }
}

/// In order, each once.
fn sorted<T: Ord>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.into_iter().collect();
    all.sort();
    all.dedup();
    all
}

/// The same with one token more of a user. One that is there is no other.
fn with_token(access: &Access, user: &str, token: &Token) -> Result<Access, Rejection> {
    let user = access.user(user).ok_or_else(|| AccessRejection::NoSuchUser { name: user.to_owned() })?;
    if let Some(known) = access.token(token.id) {
        let is_same = known.digest == token.digest && known.principal.name() == user.name;
        return if is_same {
            Ok(access.clone())
        } else {
            Err(AccessRejection::TokenTaken { id: token.id }.into())
        };
    }
    check_count("tokens of one user", user.tokens.len() + 1, TOKENS_PER_USER_MAX)?;
    let tokens = user.tokens.iter().chain([token]).cloned().collect();
    Ok(access.with_user(User { tokens, ..user.clone() }))
}

/// The same with room for one token more of a user: the earliest goes where there is none. It is the way back for who has
/// lost all of them, and must not end here.
fn with_room(access: &Access, user: &str, new: TokenId) -> Access {
    let Some(user) = access.user(user).filter(|user| user.tokens.len() >= TOKENS_PER_USER_MAX) else {
        return access.clone();
    };
    if user.tokens.iter().any(|token| token.id == new) {
        return access.clone();
    }
    access.with_user(User { tokens: user.tokens[1..].to_vec(), ..user.clone() })
}

fn check_name(what: &str, name: &str) -> Result<(), Rejection> {
    // A segment of a path that begins with a dot is changed by many a client.
    if is_label(name) && !name.starts_with('.') {
        return Ok(());
    }
    Err(AccessRejection::InvalidName { what: what.to_owned(), name: name.to_owned() }.into())
}

fn check_seen(
    (what, name): (&str, &str),
    seen: Option<Epoch>,
    known: Option<Epoch>,
) -> Result<(), Rejection> {
    if seen.is_none_or(|seen| seen == known.unwrap_or(Epoch(0))) {
        return Ok(());
    }
    Err(AccessRejection::Changed { what: what.to_owned(), name: name.to_owned() }.into())
}

fn check_count(what: &str, count: usize, limit: usize) -> Result<(), Rejection> {
    if count <= limit {
        return Ok(());
    }
    Err(AccessRejection::TooMany { what: what.to_owned(), limit: limit as u32 }.into())
}

fn check_rooms(access: &Access) -> Result<(), Rejection> {
    check_count("users", access.users().len(), USERS_MAX)?;
    check_count("roles", access.roles().len(), ROLES_MAX)?;
    check_count("grants", access.roles().map(|role| role.grants.len()).sum(), GRANTS_MAX)?;
    let of_user = access.users().map(|user| user.roles.len()).max().unwrap_or(0);
    check_count("roles of one user", of_user, ROLES_PER_USER_MAX)
}
