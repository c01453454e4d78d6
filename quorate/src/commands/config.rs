//! `quorate config`: the sample, the check, and what is in force.

use super::serve;
use crate::config::{Given, Resolved, links, sample, settings::SETTINGS, validate::validate};
use clap::{Args, Subcommand};
use quorate_cli::{Context, Failure};
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// `quorate config`.
#[derive(Args, Debug)]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print a sample file with every setting, its meaning and its default.
    #[command(after_help = "Example:\n  quorate config init > quorate.toml")]
    Init,
    /// Check a file and the environment, as `quorate serve` would, and the secret and the data folder that they name.
    #[command(after_help = "Example:\n  quorate config check --config quorate.toml")]
    Check(File),
    /// Show every value in force, and where it came from.
    #[command(after_help = "Example:\n  QUORATE_ZONE=east quorate config show")]
    Show(File),
}

#[derive(Args, Debug)]
struct File {
    /// The configuration file [env: `QUORATE_CONFIG`].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigCommand {
    /// Does it.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let output = &context.output;
        match self.action {
            Action::Init => output.bytes(sample::sample().as_bytes()),
            Action::Check(file) => {
                let resolved = file.resolve()?;
                validate(&resolved.config)?;
                serve::check_what_is_named(&resolved.config)?;
                if let Some(warning) = links::warning(&resolved.links) {
                    output.note(&format!("warning: {warning}"));
                }
                output.note("the configuration is sound");
                Ok(())
            }
            Action::Show(file) => {
                let resolved = file.resolve()?;
                if output.is_json() {
                    return output.json(&shown(&resolved));
                }
                output.bytes(sample::show(&resolved).as_bytes())
            }
        }
    }
}

fn shown(resolved: &Resolved) -> Json {
    let all = SETTINGS.iter().map(|setting| {
        let value = setting.show(&resolved.config).and_then(|value| {
            let document: toml::Table = toml::from_str(&format!("value = {value}")).ok()?;
            serde_json::to_value(document.get("value")?).ok()
        });
        (setting.name.to_owned(), json!({ "value": value, "from": resolved.origin(setting).to_string() }))
    });
    Json::Object(all.collect())
}

impl File {
    fn resolve(&self) -> Result<Resolved, Failure> {
        Ok(Resolved::of(
            crate::config::file(self.config.as_deref()).as_deref(),
            crate::config::environment(),
            &Given::new(),
        )?)
    }
}
