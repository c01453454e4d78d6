//! `quorate auth user` and `quorate auth token`.

use super::known::{everyone, shown};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::printable;
use crate::quantity::counted;
use crate::token::{NewFile, hand_over};
use crate::{confirm, document};
use clap::{Args, Subcommand};
use quorate_api::document::{TokenSpec, UserSpec};
use serde_json::Value as Json;
use std::path::PathBuf;

/// The word for no certificate.
const NONE: &str = "none";

/// `quorate auth user`.
#[derive(Args, Debug)]
pub struct UserCommand {
    #[command(subcommand)]
    action: UserAction,
}

#[derive(Debug, Subcommand)]
enum UserAction {
    /// Show all users.
    #[command(after_help = "Example:\n  quorate auth user list")]
    List,
    /// Make a user. It can do nothing before it has a token or a certificate, and a role.
    Add(Add),
    /// Give a user other roles, or another client certificate; its tokens stay.
    Alter(Alter),
    /// Remove a user and all its tokens.
    #[command(after_help = "Example:\n  quorate auth user remove ann")]
    Remove {
        /// Its name.
        user: String,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate auth user add ann --role admin\n  \
    quorate auth user add billing --role readers --certificate billing.example.com")]
struct Add {
    /// Its name: 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', without a dot in front.
    user: String,
    /// A role that it has; may be repeated.
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// The common name in the client certificate that proves it.
    #[arg(long, value_name = "NAME")]
    certificate: Option<String>,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
struct Change {
    /// A role that it has from now on; may be repeated.
    #[arg(long, value_name = "ROLE")]
    add_role: Vec<String>,
    /// A role that it has no longer; may be repeated.
    #[arg(long, value_name = "ROLE")]
    drop_role: Vec<String>,
    /// The common name in the client certificate that proves it; `none`: no certificate does.
    #[arg(long, value_name = "NAME")]
    certificate: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  quorate auth user alter ann --add-role readers --drop-role admin")]
struct Alter {
    /// Its name.
    user: String,
    #[command(flatten)]
    change: Change,
}

/// `quorate auth token`.
#[derive(Args, Debug)]
pub struct TokenCommand {
    #[command(subcommand)]
    action: TokenAction,
}

#[derive(Debug, Subcommand)]
enum TokenAction {
    /// Show the tokens of all users, by their ids: the part behind qrt_.
    #[command(after_help = "Example:\n  quorate auth token list")]
    List,
    /// Give a user one more token, and print it: it is shown this once.
    Create(Create),
    /// Let a token be none any more.
    #[command(after_help = "Example:\n  quorate auth token revoke 00c5a1f20b6e9d34")]
    Revoke {
        /// Its id, never the whole token.
        id: String,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate auth token create billing --expires 90d --save billing.token\n  \
    quorate auth token create ann > ann.token")]
struct Create {
    /// The user.
    user: String,
    /// For how long it is a token, such as 90d [default: until it is revoked].
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Write it into this new file, for you alone, instead of to standard output.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

impl UserCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            UserAction::List => {
                let known = everyone(context, &context.client()?).await?;
                let mut users = document::elements(known.json, "users");
                if !context.output.is_json() {
                    users.iter_mut().for_each(name_tokens);
                }
                document::show_list(&context.output, document::USERS, &users, "there is no user")
            }
            UserAction::Add(add) => add.run(context).await,
            UserAction::Alter(alter) => alter.run(context).await,
            UserAction::Remove { user } => remove(context, &user).await,
        }
    }
}

/// In a table a user's tokens are their ids.
fn name_tokens(user: &mut Json) {
    let tokens = user["tokens"].as_array().into_iter().flatten();
    user["tokens"] = tokens.map(|token| token["id"].clone()).collect();
}

impl Add {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let Add { user, role: roles, certificate } = self;
        let spec = UserSpec { roles, certificate, epoch: Some(0) };
        let client = context.client()?;
        let made = context.told("making the user", client.put_user(&user, &spec)).await?;
        let user = printable(&user);
        context.output.note(&format!(
            "user {user} is made, and every reachable member knows it\n  \
             next: `quorate auth token create {user}` gives it a token"
        ));
        shown(context, &made.json)
    }
}

impl Alter {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let Alter { user, change: Change { add_role, drop_role, certificate } } = self;
        let client = context.client()?;
        let known = everyone(context, &client).await?;
        let found = known.user(&user)?;
        if let Some(role) = drop_role.iter().find(|role| !found.roles.contains(role)) {
            let sentence = format!("user {} does not have the role {}", printable(&user), printable(role));
            return Err(
                Failure::new(Exit::NotFound, sentence).next("see its roles: `quorate auth user list`")
            );
        }
        let kept = found.roles.iter().filter(|role| !drop_role.contains(role)).cloned();
        let certificate = match certificate {
            None => found.certificate.clone(),
            Some(name) => (name != NONE).then_some(name),
        };
        let spec = UserSpec { roles: kept.chain(add_role).collect(), certificate, epoch: Some(found.epoch) };
        let changed = context.told("changing the user", client.put_user(&user, &spec)).await?;
        context.output.note(&format!("user {} is changed", printable(&user)));
        shown(context, &changed.json)
    }
}

async fn remove(context: &Context, user: &str) -> Result<(), Failure> {
    let client = context.client()?;
    let tokens = everyone(context, &client).await?.user(user)?.tokens.len();
    let name = printable(user);
    context.output.note(&format!("this removes user {name} and its {}", counted(tokens as u64, "token")));
    confirm::by_yes(&format!("Remove user {name}?"), context)?;
    let removed = context.told("removing the user", client.remove_user(user)).await?;
    context.output.note(&format!("user {name} is removed, and every reachable member knows it"));
    shown(context, &removed.json)
}

impl TokenCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            TokenAction::List => {
                let known = everyone(context, &context.client()?).await?;
                let of_user = |user: &Json| {
                    let name = user["name"].clone();
                    let tokens = user["tokens"].as_array().cloned().unwrap_or_default().into_iter();
                    tokens.map(move |mut token| {
                        token["user"] = name.clone();
                        token
                    })
                };
                let users = document::elements(known.json, "users");
                let tokens: Vec<Json> = users.iter().flat_map(of_user).collect();
                document::show_list(&context.output, document::TOKENS, &tokens, "there is no token")
            }
            TokenAction::Create(create) => create.run(context).await,
            TokenAction::Revoke { id } => {
                // Of a whole token, its id alone is sent.
                let id = id
                    .strip_prefix("qrt_")
                    .and_then(|token| token.split('_').next())
                    .unwrap_or(&id)
                    .to_owned();
                let client = context.client()?;
                let revoked = context.told("revoking the token", client.revoke_token(&id)).await?;
                let id = printable(&revoked.read.removed);
                context
                    .output
                    .note(&format!("token {id} is none any more, and every reachable member knows it"));
                shown(context, &revoked.json)
            }
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (output, client) = (&context.output, context.client()?);
        let file = self.save.as_deref().map(NewFile::begin).transpose()?;
        let spec = TokenSpec { expires_in: self.expires };
        let issued = context.told("making a token", client.issue_token(&self.user, &spec)).await?;
        let (id, user) = (printable(&issued.read.id), printable(&issued.read.user));
        output.note(&format!(
            "token {id} of {user} is made: it is shown this once, and no node keeps it\n  \
             next: name its file with --token-file FILE or QUORATE_TOKEN_FILE"
        ));
        if output.is_json() && file.is_none() {
            return output.json(&issued.json);
        }
        hand_over(output, &issued.read.token, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_names_tokens_by_their_ids() {
        let mut user =
            json!({ "name": "ann", "tokens": [{ "id": "a7", "created_at": "x" }, { "id": "a8" }] });
        name_tokens(&mut user);
        assert_eq!(user, json!({ "name": "ann", "tokens": ["a7", "a8"] }));
    }
}
