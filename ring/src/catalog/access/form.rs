//! Access as bytes: a part of a snapshot, and by itself for the note that a member keeps beside its database.

use super::{Access, Role, User};
use minicbor::{Decode, Decoder, Encode};
use thiserror::Error;

/// The form of bytes that stand by themselves: the first of them.
const FORM: u8 = 1;

/// Bytes that are none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not what is known of users and roles: {0}")]
pub struct DamagedAccess(String);

/// Without what follows from the rest.
#[derive(Encode, Decode)]
pub(in crate::catalog) struct AccessForm {
    #[n(0)]
    is_on: bool,
    #[n(1)]
    users: Vec<User>,
    #[n(2)]
    roles: Vec<Role>,
}

impl AccessForm {
    pub(in crate::catalog) fn of(access: &Access) -> Self {
        Self {
            is_on: access.is_on(),
            users: access.users().cloned().collect(),
            roles: access.roles().cloned().collect(),
        }
    }

    /// What may come from a damaged disk is checked for what the rest relies on: that each name and each id is there once.
    pub(in crate::catalog) fn into_access(self) -> Result<Access, &'static str> {
        let Self { is_on, users, roles } = self;
        let (users_told, roles_told) = (users.len(), roles.len());
        let tokens_told: usize = users.iter().map(|user| user.tokens.len()).sum();
        let certificates_told = users.iter().filter(|user| user.certificate.is_some()).count();
        let access = Access::of(is_on, users, roles);
        if access.users.len() != users_told || access.roles.len() != roles_told {
            return Err("two users or two roles have one name");
        }
        if access.tokens.len() != tokens_told || access.certificates.len() != certificates_told {
            return Err("two users have one token or one certificate");
        }
        if access.users().flat_map(|user| &user.roles).any(|role| access.role(role).is_none()) {
            return Err("a user has a role that is none");
        }
        Ok(access)
    }
}

impl Access {
    /// These users and roles as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        minicbor::encode(AccessForm::of(self), &mut bytes).expect("a vector takes every byte");
        bytes
    }

    /// Inverse of [`Access::encode`]. Total.
    pub fn decode(bytes: &[u8]) -> Result<Self, DamagedAccess> {
        let damaged = |why: &str| DamagedAccess(why.to_owned());
        let Some((&FORM, body)) = bytes.split_first() else { return Err(damaged("its form is unknown")) };
        let mut decoder = Decoder::new(body);
        let form: AccessForm = decoder.decode().map_err(|error| DamagedAccess(error.to_string()))?;
        if decoder.position() != body.len() {
            return Err(damaged("there are trailing bytes"));
        }
        form.into_access().map_err(damaged)
    }
}
