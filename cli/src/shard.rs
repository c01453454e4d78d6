//! `quorate shard`: where the parts of a table are.

use crate::context::Context;
use crate::document;
use crate::exit::Failure;
use clap::{Args, Subcommand};

/// `quorate shard`.
#[derive(Args, Debug)]
pub struct ShardCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the shards of a table with their owners; one that moves has its new owners under NEXT.
    #[command(after_help = "Example:\n  quorate shard list demo")]
    List {
        /// The table.
        table: String,
    },
}

impl ShardCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let Action::List { table } = self.action;
        let client = context.client()?;
        let shards = context.told(&format!("listing the shards of {table}"), client.shards(&table)).await?;
        let shards = document::elements(shards, "shards");
        document::show_list(&context.output, document::SHARDS, &shards, "the table has no shards")
    }
}
