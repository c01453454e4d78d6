//! `quorate auth`: whether access control is on, and who may do what.

mod known;
mod role;
mod user;

use crate::confirm;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::printable;
use crate::quantity::listed;
use crate::token::{NewFile, hand_over};
use clap::{Args, Subcommand};
use known::{grants, shown};
use quorate_api::document::{AccessSwitch, Grant};
use std::path::PathBuf;

/// The user that the first `enable` makes.
const FIRST: &str = "admin";

/// `quorate auth`.
#[derive(Args, Debug)]
pub struct AuthCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show whether access control is on, who you are and what you may do.
    #[command(after_help = "Example:\n  quorate auth status")]
    Status,
    /// Switch access control on: from then on each request must prove who asks. The first time, this makes a user who may
    /// administer everything, and prints its token.
    Enable(Enable),
    /// Switch access control off: everyone who reaches a node may then do everything. Users, roles and tokens are kept.
    #[command(after_help = "Example:\n  quorate auth disable")]
    Disable,
    /// List, make, change and remove users.
    User(user::UserCommand),
    /// List, make and revoke the tokens of users.
    Token(user::TokenCommand),
    /// List, make and remove roles; grant to them, and take back.
    Role(role::RoleCommand),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate auth enable --save admin.token          # the first time\n  \
    quorate auth enable                             # again, after `auth disable`")]
struct Enable {
    /// A user who gets a token and may administer everything [default: admin, if there is no user].
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Write the token into this new file, for you alone, instead of to standard output.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

impl AuthCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Status => status(context).await,
            Action::Enable(enable) => enable.run(context).await,
            Action::Disable => disable(context).await,
            Action::User(user) => user.run(context).await,
            Action::Token(token) => token.run(context).await,
            Action::Role(role) => role.run(context).await,
        }
    }
}

async fn status(context: &Context) -> Result<(), Failure> {
    let (output, client) = (&context.output, context.client()?);
    let access = context.told("asking who may do what", client.access()).await?;
    if output.is_json() {
        return output.json(&access.json);
    }
    let access = access.read;
    let Some(user) = &access.user else {
        let said = if access.enabled { "on" } else { "off: everyone who reaches a node may do everything" };
        return output.line(&format!("access control is {said}"));
    };
    output.line(&format!(
        "access control is on\nyou are {}\nyou may {}",
        printable(user),
        may(&access.grants)
    ))
}

/// What some grants allow, in words.
fn may(granted: &[Grant]) -> String {
    if granted.is_empty() {
        "nothing: no role of yours grants anything".to_owned()
    } else {
        listed(&grants(granted))
    }
}

impl Enable {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (output, client) = (&context.output, context.client()?);
        let access = context.told("asking who may do what", client.access()).await?.read;
        if access.enabled && self.user.is_none() {
            output.note("access control is on already");
            return Ok(());
        }
        // Users that are there from before: one of them administers.
        let has_users = access.users.is_some_and(|users| !users.is_empty());
        let user = self.user.or_else(|| (!has_users).then(|| FIRST.to_owned()));
        if !access.enabled {
            output.note("from now on each request needs a token or a client certificate: programs, `quorate status`, scrapers");
            confirm::by_yes("Switch access control on?", context)?;
        }
        let file = match (&user, &self.save) {
            (Some(_), Some(path)) => Some(NewFile::begin(path)?),
            (None, _) | (Some(_), None) => None,
        };
        let switch = AccessSwitch { enabled: true, user };
        let switched = context.told("switching access control on", client.switch_access(&switch)).await?;
        output.note("access control is on, and every reachable member knows it");
        let Some(issued) = switched.read.token else { return shown(context, &switched.json) };
        say_first_steps(context, &issued.user, file.is_some());
        if output.is_json() && file.is_none() {
            return output.json(&switched.json);
        }
        hand_over(output, &issued.token, file)
    }
}

fn say_first_steps(context: &Context, user: &str, is_saved: bool) {
    let user = printable(user);
    let kept = if is_saved { "the file has" } else { "below is" };
    context.output.note(&format!(
        "{kept} the token of {user}, who may administer everything: it is shown this once, and no node keeps it\n  \
         next: name its file with --token-file FILE or QUORATE_TOKEN_FILE, and give a second person one of their own: \
         `quorate auth user add NAME --role admin`"
    ));
}

async fn disable(context: &Context) -> Result<(), Failure> {
    let (output, client) = (&context.output, context.client()?);
    output.note("from then on everyone who reaches a node may read, change and drop everything; users, roles and tokens are kept");
    confirm::by_yes("Switch access control off?", context)?;
    let switch = AccessSwitch { enabled: false, user: None };
    let switched = context.told("switching access control off", client.switch_access(&switch)).await?;
    output.note("access control is off\n  next: `quorate auth enable` switches it on again");
    shown(context, &switched.json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_may_do_is_a_sentence() {
        assert!(may(&[]).starts_with("nothing"));
        let granted = [
            Grant::new("monitor".into(), None, None),
            Grant::new("read".into(), Some("users"), None),
            Grant::new("write".into(), Some("users"), Some(b"eu/")),
        ];
        let said = may(&granted);
        assert!(
            said.contains("monitor everything")
                && said.contains("read users")
                && said.contains("write users keys eu/*"),
            "{said}"
        );
    }
}
