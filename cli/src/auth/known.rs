//! What is known of users and roles, and how it is said.

use crate::context::Context;
use crate::document;
use crate::exit::{Exit, Failure};
use crate::output::printable;
use quorate_api::document::{Grant, Role, User};
use quorate_client::Client;
use serde_json::Value as Json;

/// Every user and every role; and the document that they stand in, as it came.
pub struct Everyone {
    pub users: Vec<User>,
    pub roles: Vec<Role>,
    pub json: Json,
}

/// All that is known: for admins.
pub async fn everyone(context: &Context, client: &Client) -> Result<Everyone, Failure> {
    let access = context.told("asking who may do what", client.access()).await?;
    if let (Some(users), Some(roles)) = (access.read.users, access.read.roles) {
        return Ok(Everyone { users, roles, json: access.json });
    }
    let sentence = "users and roles are shown to those alone who may administer everything";
    Err(Failure::new(Exit::NotAllowed, sentence).next("see what you may do: `quorate auth status`"))
}

impl Everyone {
    /// The user of this name.
    pub fn user(&self, name: &str) -> Result<&User, Failure> {
        self.users.iter().find(|user| user.name == name).ok_or_else(|| {
            let sentence = format!("there is no user {}", printable(name));
            Failure::new(Exit::NotFound, sentence).next("see those there are: `quorate auth user list`")
        })
    }

    /// The role of this name.
    pub fn role(&self, name: &str) -> Result<&Role, Failure> {
        self.roles.iter().find(|role| role.name == name).ok_or_else(|| {
            let (sentence, name) = (format!("there is no role {}", printable(name)), printable(name));
            Failure::new(Exit::NotFound, sentence).next(format!(
                "make it: `quorate auth role add {name}`, or see those there are: `quorate auth role list`"
            ))
        })
    }
}

/// Each grant in words: `read users`, `write users keys eu/*`.
pub fn grants(grants: &[Grant]) -> Vec<String> {
    let said = |grant: &Grant| {
        let Grant { permission, table, prefix, prefix_b64 } = grant;
        let permission = printable(permission);
        let Some(table) = table else { return format!("{permission} everything") };
        let table = printable(table);
        match (prefix, prefix_b64) {
            (Some(prefix), _) => format!("{permission} {table} keys {}*", printable(prefix)),
            (None, Some(prefix)) => format!("{permission} {table} keys {}* (base64url)", printable(prefix)),
            (None, None) => format!("{permission} {table}"),
        }
    };
    grants.iter().map(said).collect()
}

/// A document that says no more to a person than the words have.
pub fn shown(context: &Context, answer: &Json) -> Result<(), Failure> {
    if context.output.is_json() { document::show(&context.output, answer) } else { Ok(()) }
}
