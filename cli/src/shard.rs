//! `quorate shard`: where the parts of a table are, and how they are split, merged and moved by hand.

use crate::context::Context;
use crate::document;
use crate::exit::{Exit, Failure};
use crate::output::printable;
use clap::{Args, Subcommand};
use quorate_api::document::{
    Bound, KeyArgument, KeyName, NamedKey, Shard, ShardMerge, ShardMove, ShardSplit, Shards,
};
use quorate_api::text::{from_base64, to_base64url};
use quorate_client::{Client, Document};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

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
    /// Make two shards of one: at a place, or where it is halved. No request is refused, and nothing is moved.
    Split(Split),
    /// Make one shard of two neighbours on the same nodes.
    Merge(Merge),
    /// Move one copy of a shard from one node to another: a job, begun at once.
    Move(Move),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate shard split orders --at user-5000           # the shard that holds the key\n  \
    quorate shard split orders --shard 3                # where it is halved\n  \
    quorate shard split demo --at 4000000000000000      # of a hash table: a token")]
struct Split {
    /// The table.
    table: String,
    /// Which shard: its number, or as `shard list` names it [default: the one that holds the place].
    #[arg(long, value_name = "SHARD", required_unless_present = "at")]
    shard: Option<String>,
    /// Where the second one begins: a key, or of a hash table a token [default: where the shard is halved by bytes].
    #[arg(long, value_name = "KEY")]
    at: Option<OsString>,
    /// KEY is base64url: for keys a shell cannot type.
    #[arg(long, requires = "at")]
    b64: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  quorate shard merge orders 3        # with the shard behind it")]
struct Merge {
    /// The table.
    table: String,
    /// Which shard: its number, or as `shard list` names it.
    shard: String,
    /// Its neighbour [default: the shard behind it].
    #[arg(long, value_name = "SHARD")]
    with: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  quorate shard move orders 3 --from n1 --to n4")]
struct Move {
    /// The table.
    table: String,
    /// Which shard: its number, or as `shard list` names it.
    shard: String,
    /// The owner that gives its copy away: its id or its name.
    #[arg(long, value_name = "NODE")]
    from: String,
    /// The node that gets it.
    #[arg(long, value_name = "NODE")]
    to: String,
}

impl ShardCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self.action {
            Action::List { table } => {
                let shards =
                    context.told(&format!("listing the shards of {table}"), client.shards(&table)).await?;
                show(context, shards)
            }
            Action::Split(split) => split.run(context, &client).await,
            Action::Merge(Merge { table, shard, with }) => {
                let shard = number(&table, &shard)?;
                let with = with.map(|with| number(&table, &with)).transpose()?;
                let merge = ShardMerge { with };
                let merged = client.merge_shard(&table, shard, &merge);
                let merged = context.told("merging the shards", merged).await?;
                context.output.note("they are one shard, on the same nodes");
                show(context, merged)
            }
            Action::Move(Move { table, shard, from, to }) => {
                let shard = number(&table, &shard)?;
                let way = ShardMove { from, to };
                let begun = client.move_shard(&table, shard, &way);
                let begun = context.told("moving the shard", begun).await?;
                let job = printable(&begun.read.id);
                context.output.note(&format!("job {job} moves it\n  next: `quorate job wait {job}`"));
                document::show(&context.output, &begun.json)
            }
        }
    }
}

impl Split {
    async fn run(self, context: &Context, client: &Client) -> Result<(), Failure> {
        let Self { table, shard, at, b64 } = self;
        let at = at.map(|at| bytes(at, b64)).transpose()?;
        let shard = match (shard, &at) {
            (Some(shard), _) => number(&table, &shard)?,
            (None, at) => {
                let shards = context.told("looking for the shard", client.shards(&table)).await?;
                holding(&shards.read, at.as_deref().unwrap_or_default())
            }
        };
        let split = ShardSplit { at: at.map(|at| argument(&at)) };
        let made = client.split_shard(&table, shard, &split);
        let made = context.told("splitting the shard", made).await?;
        context.output.note("it is two shards, each on the same nodes as before");
        show(context, made)
    }
}

fn show(context: &Context, shards: Document<Shards>) -> Result<(), Failure> {
    let shards = document::elements(shards.json, "shards");
    document::show_list(&context.output, document::SHARDS, &shards, "the table has no shards")
}

/// The number of a shard that is named by it, or as lists name it.
fn number(table: &str, shard: &str) -> Result<u32, Failure> {
    let own = shard.strip_prefix(table).and_then(|rest| rest.strip_prefix('/'));
    own.unwrap_or(shard).parse().map_err(|_| {
        let shard = printable(shard);
        Failure::new(Exit::Usage, format!("{shard} is no shard of {table}: name its number, as in {table}/3"))
    })
}

fn bytes(at: OsString, is_base64: bool) -> Result<Vec<u8>, Failure> {
    let bytes = at.into_vec();
    if !is_base64 {
        return Ok(bytes);
    }
    let decoded = std::str::from_utf8(&bytes).ok().and_then(from_base64);
    decoded.ok_or_else(|| Failure::new(Exit::Usage, "--at is not base64url".to_owned()))
}

fn argument(at: &[u8]) -> KeyArgument {
    match std::str::from_utf8(at) {
        Ok(text) => KeyArgument::Text(text.to_owned()),
        Err(_) => KeyArgument::Named(NamedKey { key: None, key_b64: Some(to_base64url(at)) }),
    }
}

/// The shard that holds a place; the server says so if there is none.
fn holding(shards: &Shards, at: &[u8]) -> u32 {
    let begins_before = |shard: &&Shard| start(shard).as_slice() <= at;
    let holding = shards.shards.iter().take_while(begins_before).last();
    holding.map_or(0, |shard| shard.index)
}

/// Where a shard begins: the bytes of a key, or the digits of a token.
fn start(shard: &Shard) -> Vec<u8> {
    match &shard.start {
        Bound::Token(token) => token.as_bytes().to_vec(),
        Bound::Key(KeyName { key: Some(key), .. }) => key.as_bytes().to_vec(),
        Bound::Key(KeyName { key: None, key_b64 }) => {
            key_b64.as_deref().and_then(from_base64).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(index: u32, start: Bound) -> Shard {
        Shard {
            id: format!("t/{index}"),
            index,
            start,
            end: None,
            position: String::new(),
            epoch: 1,
            owners: Vec::new(),
            next: Vec::new(),
        }
    }

    #[test]
    fn the_shard_of_a_place_is_found_by_key_and_by_token() {
        let of = |starts: [Bound; 3]| Shards {
            table: "t".to_owned(),
            epoch: 1,
            shards: starts.into_iter().zip([0, 7, 3]).map(|(start, index)| shard(index, start)).collect(),
        };
        let keys = of([&b""[..], b"m", b"\xff"].map(|key| Bound::Key(KeyName::from(key))));
        let tokens = of(["0000000000000000", "8000000000000000", "c000000000000000"]
            .map(|it| Bound::Token(it.to_owned())));
        assert_eq!([&b"a"[..], b"m", b"zz", b"\xff\x01"].map(|at| holding(&keys, at)), [0, 7, 7, 3]);
        assert_eq!([&b"7fffffffffffffff"[..], b"bfffffffffffffff"].map(|at| holding(&tokens, at)), [0, 7]);
        assert_eq!(number("t", "t/12").ok(), Some(12));
        assert_eq!(number("t", "12").ok(), Some(12));
        assert!(number("t", "u/12").is_err() && number("t", "").is_err());
    }
}
