//! `quorate auth role`: what those who have a role may do.

use super::known::{everyone, grants, shown};
use crate::context::Context;
use crate::document;
use crate::exit::{Exit, Failure};
use crate::key::key_bytes;
use crate::output::printable;
use crate::quantity::listed;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use quorate_api::document::{Grant, GrantSpec, RoleSpec};
use quorate_api::form;
use serde_json::Value as Json;
use std::ffi::OsString;

/// `quorate auth role`.
#[derive(Args, Debug)]
pub struct RoleCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show all roles and what they allow.
    #[command(after_help = "Example:\n  quorate auth role list")]
    List,
    /// Make a role that allows nothing yet.
    #[command(after_help = "Example:\n  quorate auth role add readers")]
    Add {
        /// Its name: 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', without a dot in front.
        role: String,
    },
    /// Remove a role that no user has.
    #[command(after_help = "Example:\n  quorate auth role remove readers")]
    Remove {
        /// Its name.
        role: String,
    },
    /// Let a role allow more.
    #[command(after_help = "Examples:\n  \
        quorate auth role grant readers read --table users\n  \
        quorate auth role grant eu read write --table users --prefix eu/\n  \
        quorate auth role grant watchers monitor --all")]
    Grant(Granted),
    /// Let a role allow less.
    #[command(after_help = "Example:\n  quorate auth role revoke eu write --table users --prefix eu/")]
    Revoke(Granted),
}

#[derive(Args, Debug)]
struct Granted {
    /// The role.
    role: String,
    /// What is allowed, one word or more: monitor (see the cluster, no key), read, write, or admin (all of these, and to
    /// change what it is granted on).
    #[arg(required = true, value_name = "PERMISSION", value_parser = permission())]
    permission: Vec<form::Permission>,
    #[command(flatten)]
    on: On,
    /// Keys of the table that begin so, and no others.
    #[arg(long, value_name = "PREFIX", requires = "table")]
    prefix: Option<OsString>,
    /// --prefix is base64url: for keys a shell cannot type.
    #[arg(long, requires = "prefix")]
    b64: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct On {
    /// Everything: the cluster, and every table that there is or will be.
    #[arg(long)]
    all: bool,
    /// One table. One that is dropped and made again under its name is another table.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
}

fn permission() -> impl TypedValueParser<Value = form::Permission> {
    let words = form::Permission::ALL.iter().map(|word| word.as_str());
    PossibleValuesParser::new(words).map(|word| word.parse::<form::Permission>().expect("one of these"))
}

impl RoleCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::List => list(context).await,
            Action::Add { role } => {
                let spec = RoleSpec { grants: Vec::new(), epoch: Some(0) };
                let client = context.client()?;
                let made = context.told("making the role", client.put_role(&role, &spec)).await?;
                let role = printable(&role);
                context.output.note(&format!(
                    "role {role} is made and allows nothing yet\n  next: `quorate auth role grant {role} read --table TABLE`"
                ));
                shown(context, &made.json)
            }
            Action::Remove { role } => {
                let client = context.client()?;
                let removed = context.told("removing the role", client.remove_role(&role)).await?;
                context.output.note(&format!("role {} is removed", printable(&role)));
                shown(context, &removed.json)
            }
            Action::Grant(granted) => granted.change(context, true).await,
            Action::Revoke(granted) => granted.change(context, false).await,
        }
    }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let known = everyone(context, &context.client()?).await?;
    let mut roles = document::elements(known.json, "roles");
    if !context.output.is_json() {
        for (role, known) in roles.iter_mut().zip(&known.roles) {
            role["grants"] = Json::from(grants(&known.grants).join("; "));
        }
    }
    document::show_list(&context.output, document::ROLES, &roles, "there is no role")
}

impl Granted {
    async fn change(self, context: &Context, is_more: bool) -> Result<(), Failure> {
        let client = context.client()?;
        let known = everyone(context, &client).await?;
        let found = known.role(&self.role)?;
        let named = self.named()?;
        let spec = RoleSpec { grants: changed(&found.grants, &named, is_more)?, epoch: Some(found.epoch) };
        let answer = context.told("changing the role", client.put_role(&self.role, &spec)).await?;
        let allowed = grants(&answer.read.grants);
        let allowed = if allowed.is_empty() { "nothing".to_owned() } else { listed(&allowed) };
        context.output.note(&format!("role {} allows from now on: {allowed}", printable(&self.role)));
        shown(context, &answer.json)
    }

    /// The grants that the command line names.
    fn named(&self) -> Result<Vec<Grant>, Failure> {
        let prefix = self.prefix.clone().map(|prefix| key_bytes(prefix, self.b64)).transpose()?;
        let grant = |permission: &form::Permission| {
            Grant::new((*permission).into(), self.on.table.as_deref(), prefix.as_deref())
        };
        Ok(self.permission.iter().map(grant).collect())
    }
}

/// What a role allows once it allows these, too, or no longer.
fn changed(known: &[Grant], named: &[Grant], is_more: bool) -> Result<Vec<GrantSpec>, Failure> {
    if is_more {
        let new = named.iter().filter(|grant| !known.contains(grant));
        return Ok(known.iter().chain(new).cloned().map(GrantSpec::from).collect());
    }
    if let Some(missing) = named.iter().find(|grant| !known.contains(grant)) {
        let missing = grants(std::slice::from_ref(missing)).concat();
        let sentence = format!("the role does not grant this: {missing}; nothing was changed");
        return Err(
            Failure::new(Exit::NotFound, sentence).next("see what it grants: `quorate auth role list`")
        );
    }
    Ok(known.iter().filter(|grant| !named.contains(grant)).cloned().map(GrantSpec::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(permission: form::Permission, table: Option<&str>, prefix: Option<&[u8]>) -> Grant {
        Grant::new(permission.into(), table, prefix)
    }

    #[test]
    fn a_grant_is_added_once_and_taken_back_as_it_was_given() {
        let read = grant(form::Permission::Read, Some("users"), None);
        let write = grant(form::Permission::Write, Some("users"), Some(b"eu/"));
        let spec = |grants: &[&Grant]| -> Vec<GrantSpec> {
            grants.iter().map(|grant| GrantSpec::from((*grant).clone())).collect()
        };
        let both = changed(std::slice::from_ref(&read), &[write.clone(), read.clone()], true).expect("more");
        assert_eq!(both, spec(&[&read, &write]));
        let one = changed(&[read.clone(), write.clone()], std::slice::from_ref(&write), false).expect("less");
        assert_eq!(one, spec(&[&read]));
        let whole = grant(form::Permission::Write, Some("users"), None);
        let failure = changed(&[read, write], &[whole], false).expect_err("another one");
        assert_eq!(failure.exit, Exit::NotFound);
    }

    #[test]
    fn grants_are_said_in_words() {
        let all = [
            grant(form::Permission::Monitor, None, None),
            grant(form::Permission::Write, Some("users"), Some(b"eu/")),
            grant(form::Permission::Read, Some("users"), Some(b"\xff")),
        ];
        assert_eq!(
            grants(&all),
            ["monitor everything", "write users keys eu/*", "read users keys _w* (base64url)"]
        );
    }
}
