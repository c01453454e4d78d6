//! `quorate table`: list, create, describe, stats, alter, drop.

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::printable;
use crate::quantity::count;
use crate::{confirm, document};
use bytesize::ByteSize;
use clap::{Args, Subcommand};
use quorate_api::document::{self as documents, KeyArgument, TableChange, TableSpec};
use quorate_model::Level;
use serde_json::Value as Json;

/// `quorate table`.
#[derive(Args, Debug)]
pub struct TableCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show all tables.
    #[command(after_help = "Example:\n  quorate table list")]
    List,
    /// Make a table.
    Create(Create),
    /// Show one table.
    #[command(after_help = "Example:\n  quorate table describe demo")]
    Describe {
        /// Its name.
        table: String,
    },
    /// Show what a table holds: keys, removals and bytes, of each shard too.
    #[command(after_help = "Example:\n  quorate table stats demo")]
    Stats {
        /// Its name.
        table: String,
    },
    /// Change a table's defaults. Its write promise (w) cannot be changed.
    Alter(Alter),
    /// Drop a table and everything in it.
    Drop(Drop),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate table create users\n  \
    quorate table create events --sharding range --split-at 2025 --split-at 2026\n  \
    quorate table create sessions --ttl 30m --durability os")]
struct Create {
    /// Its name: 1 to 64 of a-z, 0-9, '_' and '-'.
    table: String,
    /// Copies of each record [default: 3].
    #[arg(long, short)]
    n: Option<u8>,
    /// Default level of reads: one, quorum, all or a number [default: quorum].
    #[arg(long, value_name = "LEVEL")]
    r: Option<Level>,
    /// The write promise: one, quorum, all or a number [default: quorum].
    #[arg(long, value_name = "LEVEL")]
    w: Option<Level>,
    /// hash or range [default: hash].
    #[arg(long)]
    sharding: Option<String>,
    /// The protocol that keeps its keys [default: register].
    #[arg(long)]
    mode: Option<String>,
    /// Shards a hash table starts with, a power of two [default: 64].
    #[arg(long)]
    shards: Option<u32>,
    /// Where a shard of a range table begins; may be repeated, in ascending order [default: one shard].
    #[arg(long, value_name = "KEY")]
    split_at: Vec<String>,
    /// What an acknowledgement means: sync or os [default: sync].
    #[arg(long)]
    durability: Option<String>,
    /// When values expire that name no ttl of their own, such as 10m [default: never].
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    /// A shard with more bytes is split, such as 64MiB [default: as the nodes are configured].
    #[arg(long, value_name = "SIZE")]
    shard_bytes_max: Option<ByteSize>,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
struct Change {
    /// Default level of reads.
    #[arg(long, value_name = "LEVEL")]
    r: Option<Level>,
    /// What an acknowledgement means: sync or os.
    #[arg(long)]
    durability: Option<String>,
    /// When values expire that name no ttl of their own; `none`: never.
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    /// A shard with more bytes is split, such as 64MiB; `none`: as the nodes are configured.
    #[arg(long, value_name = "SIZE", value_parser = size_or_none)]
    shard_bytes_max: Option<Size>,
}

/// A size, or none of its own.
#[derive(Clone, Copy, Debug)]
struct Size(Option<ByteSize>);

fn size_or_none(text: &str) -> Result<Size, String> {
    if text == "none" { Ok(Size(None)) } else { text.parse().map(|size| Size(Some(size))) }
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  quorate table alter sessions --ttl 1h")]
struct Alter {
    /// Its name.
    table: String,
    #[command(flatten)]
    change: Change,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate table drop sessions                                  # asks for the name\n  \
    quorate table drop sessions --accept-data-loss=sessions      # in a script")]
struct Drop {
    /// Its name.
    table: String,
    /// Its id (`table describe` says it), where an earlier table of this name is dropped and waits for owners still.
    #[arg(long)]
    id: Option<String>,
    /// The table's name once more, instead of the question.
    #[arg(long, value_name = "TABLE", require_equals = true)]
    accept_data_loss: Option<String>,
}

impl TableCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let output = &context.output;
        let client = context.client()?;
        match self.action {
            Action::List => {
                let tables =
                    document::elements(context.told("listing tables", client.tables()).await?, "tables");
                document::show_list(
                    output,
                    document::TABLES,
                    &tables,
                    "there is no table; make one with `quorate table create NAME`",
                )?;
                let has_lost =
                    |table: &&Json| table["accepted_losses"].as_array().is_some_and(|it| !it.is_empty());
                for name in tables.iter().filter(has_lost).filter_map(|table| table["name"].as_str()) {
                    let name = printable(name);
                    output.note(&format!(
                        "table {name} went on after an accepted loss: its answers say eventual; `quorate table describe \
                         {name}` says since when"
                    ));
                }
                Ok(())
            }
            Action::Describe { table } => {
                let found = context.told(&format!("looking for table {table}"), client.table(&table)).await?;
                document::show(output, &found)
            }
            Action::Stats { table } => {
                let doing = format!("asking what table {table} holds");
                let mut found = context.told(&doing, client.table_stats(&table)).await?;
                if let (false, Some(hottest)) = (output.is_json(), hottest(&found)) {
                    found["hottest"] = hottest.into();
                }
                document::show(output, &found)
            }
            Action::Create(create) => {
                let answer = context
                    .told(&format!("making table {}", create.table), client.create_table(&create.spec()))
                    .await?;
                output.note(&format!("table {} is made and known to every reachable member", create.table));
                document::show(output, &answer)
            }
            Action::Alter(Alter { table, change }) => {
                let answer = context
                    .told(&format!("changing table {table}"), client.alter_table(&table, &change.document()))
                    .await?;
                output.note(&format!("table {table} is changed"));
                document::show(output, &answer)
            }
            Action::Drop(drop) => {
                // Whether it exists comes first: an operator should not have to type the name of a table that is not there.
                let found = client.table(&drop.table);
                let found = context.told(&format!("looking for table {}", drop.table), found).await;
                match found.map_err(Failure::from) {
                    // One that is dropped already may not be closed yet: the same command again waits for that.
                    Err(failure) if failure.exit == Exit::NotFound && drop.accept_data_loss.is_some() => {}
                    Err(failure) => return Err(failure),
                    Ok(_) => {}
                }
                drop.confirm(context)?;
                let answer = context
                    .told(
                        &format!("dropping table {}", drop.table),
                        client.drop_table(&drop.table, drop.id.as_deref()),
                    )
                    .await?;
                output.note(&format!("table {} is dropped, with everything in it", drop.table));
                if answer.is_null() { Ok(()) } else { document::show(output, &answer) }
            }
        }
    }
}

impl Create {
    fn split_at(&self) -> Option<Vec<KeyArgument>> {
        let keys: Vec<KeyArgument> = self.split_at.iter().cloned().map(KeyArgument::Text).collect();
        (!keys.is_empty()).then_some(keys)
    }

    fn spec(&self) -> TableSpec {
        TableSpec {
            name: self.table.clone(),
            sharding: self.sharding.clone(),
            n: self.n,
            r: self.r.map(documents::Level::from),
            w: self.w.map(documents::Level::from),
            mode: self.mode.clone(),
            shards: self.shards,
            split_at: self.split_at(),
            durability: self.durability.clone(),
            ttl: self.ttl.clone(),
            shard_bytes_max: self.shard_bytes_max.map(|size| size.as_u64()),
        }
    }
}

impl Change {
    fn document(self) -> TableChange {
        TableChange {
            r: self.r.map(documents::Level::from),
            durability: self.durability,
            ttl: self.ttl.map(|ttl| (ttl != "none").then_some(ttl)),
            shard_bytes_max: self.shard_bytes_max.map(|Size(size)| size.map(|size| size.as_u64())),
            ..TableChange::default()
        }
    }
}

impl Drop {
    /// Asks for the table's name, on a terminal; elsewhere it must have been given.
    fn confirm(&self, context: &Context) -> Result<(), Failure> {
        let table = &self.table;
        let what = confirm::Loss {
            name: table,
            doing: format!("dropping {table} loses everything in it"),
            question: format!("This drops {table} and everything in it, on every node."),
            nothing: "nothing was dropped",
        };
        confirm::by_name(&what, self.accept_data_loss.as_deref(), context)
    }
}

/// So many shards are named.
const HOTTEST: usize = 3;

/// The shards with the most requests, and why a split would not help one; `None`: none has any.
fn hottest(stats: &Json) -> Option<String> {
    let mut shards: Vec<&Json> = stats["by_shard"].as_array()?.iter().collect();
    shards.retain(|shard| shard["load"].as_u64().is_some_and(|load| load > 0));
    shards.sort_by_key(|shard| std::cmp::Reverse(shard["load"].as_u64()));
    let said = |shard: &&Json| {
        let load = count(shard["load"].as_u64().unwrap_or(0));
        let hot = &shard["hot_key"];
        let key = hot["key"].as_str().or(hot["key_b64"].as_str());
        let why = match (key, shard["grows"].as_bool()) {
            (Some(key), _) => format!(" (half of them for key {})", printable(key)),
            (None, Some(true)) => " (at its end, which grows)".to_owned(),
            (None, Some(false) | None) => String::new(),
        };
        format!("{} {load}/s{why}", printable(shard["id"].as_str().unwrap_or_default()))
    };
    let said: Vec<String> = shards.iter().take(HOTTEST).map(said).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hottest_shards_come_first_with_what_makes_them_so() {
        let stats = json!({"by_shard": [
            {"id": "t/0", "load": 0}, {"id": "t/1", "load": 20}, {"id": "t/2", "load": 1_234, "grows": true},
            {"id": "t/3", "load": 90, "hot_key": {"key": "a"}}, {"id": "t/4", "load": 3},
        ]});
        let said = "t/2 1,234/s (at its end, which grows), t/3 90/s (half of them for key a), t/1 20/s";
        assert_eq!(hottest(&stats).as_deref(), Some(said));
        assert_eq!(hottest(&json!({"by_shard": [{"id": "t/0", "load": 0}]})), None);
    }
}
