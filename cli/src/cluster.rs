//! `quorate cluster`: members, their places on the ring, and plans of changes.

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::{document, plan, ring_picture};
use clap::{Args, Subcommand};
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

impl ClusterCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let output = &context.output;
        match self.action {
            Action::Plan(plan) => plan.run(context).await,
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
