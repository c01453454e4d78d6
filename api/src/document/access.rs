//! Who may do what: users, their tokens and roles, and what roles grant.

use super::KeyName;
use crate::form::{self, Word};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// Access control, as far as who asks may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Access {
    /// Whether who asks must prove who it is.
    pub enabled: bool,
    /// Who asks; `null`: access control is off, and it is not asked.
    #[schema(required, value_type = Option<form::Label>)]
    pub user: Option<String>,
    /// What that user may do, by all of its roles.
    pub grants: Vec<Grant>,
    /// Every user. For those alone that have `admin` on everything, or while access control is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<User>>,
    /// Every role; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Role>>,
    /// The catalog's epoch under which this is so.
    pub epoch: u64,
}

/// One thing that a role allows: on everything, on a table, or on those of its keys that begin with a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// What.
    #[schema(value_type = form::Permission)]
    pub permission: Word,
    /// The table; without it: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::TableName>)]
    pub table: Option<String>,
    /// What the keys begin with, where that is UTF-8; without either: all keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The same as base64url, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Base64Url>)]
    pub prefix_b64: Option<String>,
}

/// The same, as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantSpec {
    /// What.
    #[schema(value_type = form::Permission)]
    pub permission: Word,
    /// The table, which must be there; without it: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::TableName>)]
    pub table: Option<String>,
    /// What the keys begin with; without either: all keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The same as base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Base64Url>)]
    pub prefix_b64: Option<String>,
}

/// A user: a person or a program that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Its name.
    #[schema(value_type = form::Label)]
    pub name: String,
    /// Its roles.
    #[schema(value_type = Vec<form::Label>)]
    pub roles: Vec<String>,
    /// The name in the client certificate that proves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Its tokens, without their secrets, the earliest first.
    pub tokens: Vec<UserToken>,
    /// When it was made, or its roles or certificate last changed.
    pub epoch: u64,
}

/// A token of a user, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserToken {
    /// Its id.
    #[schema(value_type = form::TokenId)]
    pub id: String,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// From when on it is none any more; without it: it stays one until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// Grants under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Role {
    /// Its name.
    #[schema(value_type = form::Label)]
    pub name: String,
    /// All that it allows.
    pub grants: Vec<Grant>,
    /// When it was made or last changed.
    pub epoch: u64,
}

/// Access control is switched on or off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessSwitch {
    /// Whether who asks must prove who it is from now on.
    pub enabled: bool,
    /// A user that is given a token and may administer everything; it is made where there is none of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Label>)]
    pub user: Option<String>,
}

/// Access control is switched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessSwitched {
    /// Whether it is on.
    pub enabled: bool,
    /// The catalog's epoch since which every member that can be reached knows it.
    pub epoch: u64,
    /// The token of the user that was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<IssuedToken>,
}

/// A user, as it is to be; its tokens stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// Its roles, each of which is there.
    #[schema(value_type = Vec<form::Label>)]
    pub roles: Vec<String>,
    /// The name in the client certificate that proves it: its common name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::CommonName>)]
    pub certificate: Option<String>,
    /// When it last changed, as far as its author knows; 0: there is none of that name. Without it: whatever there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// A role, as it is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleSpec {
    /// All that it allows.
    pub grants: Vec<GrantSpec>,
    /// When it last changed, as far as its author knows; 0: there is none of that name. Without it: whatever there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// A token that is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSpec {
    /// For how long it is one, as in `90d`; without it: until it is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Duration>)]
    pub expires_in: Option<String>,
}

/// A token that was made. Nothing but its owner keeps it. What is printed of it for debugging is its id.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedToken {
    /// Its id.
    #[schema(value_type = form::TokenId)]
    pub id: String,
    /// The token: shown this once.
    #[schema(value_type = form::TokenText)]
    pub token: String,
    /// Whose it is.
    #[schema(value_type = form::Label)]
    pub user: String,
    /// From when on it is none any more; without it: it stays one until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// A user, a role or a token is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// Its name, or its id.
    pub removed: String,
    /// The catalog's epoch since which every member that can be reached knows it.
    pub epoch: u64,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken").field("id", &self.id).field("user", &self.user).finish_non_exhaustive()
    }
}

impl Grant {
    /// On everything, on a table, or on keys of it.
    pub fn new(permission: Word, table: Option<&str>, prefix: Option<&[u8]>) -> Self {
        let KeyName { key, key_b64 } = prefix.map(KeyName::from).unwrap_or_default();
        Self { permission, table: table.map(str::to_owned), prefix: key, prefix_b64: key_b64 }
    }
}

impl From<Grant> for GrantSpec {
    fn from(grant: Grant) -> Self {
        let Grant { permission, table, prefix, prefix_b64 } = grant;
        Self { permission, table, prefix, prefix_b64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::Permission;

    #[test]
    fn a_grant_is_on_everything_on_a_table_or_on_a_prefix() {
        for (table, prefix, text) in [
            (None, None, r#"{"permission":"read"}"#),
            (Some("t"), None, r#"{"permission":"read","table":"t"}"#),
            (Some("t"), Some(&b"eu/"[..]), r#"{"permission":"read","table":"t","prefix":"eu/"}"#),
            (Some("t"), Some(&b"\xff"[..]), r#"{"permission":"read","table":"t","prefix_b64":"_w"}"#),
        ] {
            let grant = Grant::new(form::Permission::Read.into(), table, prefix);
            assert_eq!(serde_json::to_string(&grant).expect("plain"), text);
            let spec: GrantSpec = serde_json::from_str(text).expect("the same is asked for");
            assert_eq!(spec, GrantSpec::from(grant));
        }
        serde_json::from_str::<GrantSpec>(r#"{"permission":"read","tabel":"t"}"#).expect_err("a typo");
    }

    #[test]
    fn permissions_have_their_words() {
        let words = Permission::ALL.map(Permission::as_str);
        assert_eq!(form::Permission::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>(), words);
    }

    #[test]
    fn what_is_printed_of_a_token_is_its_id() {
        let token = IssuedToken {
            id: "00000000000000a7".to_owned(),
            token: "secret".to_owned(),
            user: "ann".to_owned(),
            expires_at: None,
        };
        let printed = format!("{token:?}");
        assert!(printed.contains("00000000000000a7") && !printed.contains("secret"), "{printed}");
    }
}
