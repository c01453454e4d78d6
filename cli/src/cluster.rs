//! `quorate cluster`: members, their places on the ring, and plans of changes.

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::printable;
use crate::{confirm, document, plan, ring_picture};
use clap::{Args, Subcommand};
use quorate_api::document::RecoverSpec;
use std::path::PathBuf;

/// `quorate cluster`.
#[derive(Args, Debug)]
pub struct ClusterCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the members; --wide shows all that is known of each.
    #[command(after_help = "Examples:\n  \
        quorate cluster nodes\n  \
        quorate cluster nodes --wide")]
    Nodes,
    /// Show who owns which part of the ring.
    Ring(Ring),
    /// Let the catalog go on without a majority of its voters, once the others are gone for good.
    Recover(Recover),
    /// Plan how the cluster grows, shrinks or is spread, see what that costs, and carry it out.
    Plan(plan::PlanCommand),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate cluster ring --table demo\n  \
    quorate cluster ring --svg ring.svg")]
struct Ring {
    /// Of one table alone.
    #[arg(long)]
    table: Option<String>,
    /// Draw it into this file (SVG).
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate cluster recover n2 n3 --preview                   # changes nothing\n  \
    quorate cluster recover n2 n3 --accept-data-loss=n2,n3    # what only they had is lost")]
struct Recover {
    /// The members that will certainly never run again: their ids or names.
    #[arg(required = true)]
    lost: Vec<String>,
    /// The same once more, with commas between them, instead of the question.
    #[arg(long, value_name = "NODES", require_equals = true)]
    accept_data_loss: Option<String>,
    /// Only say what would be lost.
    #[arg(long, conflicts_with = "accept_data_loss")]
    preview: bool,
}

impl ClusterCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let output = &context.output;
        match self.action {
            Action::Plan(plan) => plan.run(context).await,
            Action::Recover(recover) => recover.run(context).await,
            Action::Nodes => {
                let nodes =
                    document::elements(context.told("listing members", client.nodes()).await?.json, "nodes");
                document::show_list(output, document::NODES, &nodes, "there is no member")
            }
            Action::Ring(Ring { table, svg: None }) => document::show(
                output,
                &context.told("reading the ring", client.ring(table.as_deref())).await?.json,
            ),
            Action::Ring(Ring { table, svg: Some(file) }) => {
                let ring = context.told("reading the ring", client.ring(table.as_deref())).await?;
                let picture =
                    ring_picture::svg(&ring.read).map_err(|cause| Failure::new(Exit::Other, cause))?;
                std::fs::write(&file, picture).map_err(|error| {
                    Failure::new(Exit::Other, format!("{} cannot be written: {error}", file.display()))
                })?;
                output.note(&format!("the ring is drawn in {}", file.display()));
                Ok(())
            }
        }
    }
}

impl Recover {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, output) = (context.client()?, &context.output);
        let mut spec = RecoverSpec { lost: self.lost, accept_data_loss: Vec::new() };
        let meant = context.told("asking the members that are left", client.recover(&spec)).await?;
        if self.preview {
            return document::show(output, &meant.json);
        }
        output.note(&printable(&meant.read.says));
        for table in &meant.read.tables {
            output.note(&printable(&table.loss));
        }
        let names = spec.lost.join(",");
        let what = confirm::Loss {
            name: &names,
            doing: format!("going on without {names} gives up what only they had"),
            question: format!("This gives {names} up for good."),
            nothing: "nothing was changed",
        };
        confirm::by_name(&what, self.accept_data_loss.as_deref(), context)?;
        spec.accept_data_loss.clone_from(&spec.lost);
        let decided = context.told("giving them up", client.recover(&spec)).await?;
        output.note(&format!(
            "{}\n  next: `quorate status` shows when it has started again; members that come get copies with `quorate \
             cluster plan copies TABLE N`",
            printable(&decided.read.says)
        ));
        if output.is_json() { document::show(output, &decided.json) } else { Ok(()) }
    }
}
