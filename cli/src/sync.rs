//! `quorate sync`: compare what owners hold and bring them together, and when they were last found equal.

use crate::context::Context;
use crate::exit::Failure;
use crate::output::printable;
use crate::{document, job};
use clap::{Args, Subcommand};
use quorate_api::document::{JobSpec, SyncState};
use quorate_api::form::JobType;

/// `quorate sync`.
#[derive(Args, Debug)]
pub struct SyncCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Order every member to compare its shards now. Without it that happens by itself, every `sync.every`.
    Start(Start),
    /// Show, for each table, when its shards were last found equal at all their owners.
    #[command(after_help = "Example:\n  quorate sync status")]
    Status,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate sync start --wait\n  \
    quorate sync start --table demo --verify-only --wait    # 8: they differ, 5: not all asked")]
struct Start {
    /// This table alone [default: all].
    #[arg(long)]
    table: Option<String>,
    /// Only count where owners differ; change nothing.
    #[arg(long)]
    verify_only: bool,
    /// Wait until it is done, and end with what came of it.
    #[arg(long)]
    wait: bool,
}

impl SyncCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self.action {
            Action::Start(Start { table, verify_only, wait }) => {
                let kind = if verify_only { JobType::Verify } else { JobType::Sync }.as_str().to_owned();
                let spec = JobSpec { kind, table };
                let ordered = context.told("ordering the job", client.order_job(&spec)).await?;
                let id = ordered.read.id;
                if wait {
                    return job::wait(context, &client, &id).await;
                }
                context
                    .output
                    .note(&format!("ordered; wait for it with `quorate job wait {}`", printable(&id)));
                document::show(&context.output, &ordered.json)
            }
            Action::Status => {
                let state = context.told("asking the members", client.sync_state()).await?;
                if context.output.is_json() {
                    return context.output.json(&state.json);
                }
                for line in missing(&state.read) {
                    context.output.note(&line);
                }
                let tables = document::elements(state.json, "tables");
                document::show_list(&context.output, document::SYNC, &tables, "there is no table")
            }
        }
    }
}

/// What the table does not say.
fn missing(state: &SyncState) -> Vec<String> {
    let silent = state.unanswered.iter().map(|absent| {
        format!("{} did not answer ({}): what only it knows is missing", absent.node, absent.error)
    });
    let alone = state.tables.iter().filter(|table| table.looked_after < table.shards).map(|table| {
        let without = table.shards - table.looked_after;
        format!(
            "no member that answered has looked after {without} of {} shards of {}",
            table.shards, table.name
        )
    });
    silent.chain(alone).map(|line| printable(&line)).collect()
}
