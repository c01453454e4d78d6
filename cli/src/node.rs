//! `quorate node`: one member, and what only its operator can decide.

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::printable;
use crate::{confirm, document};
use clap::{Args, Subcommand};
use quorate_api::document::Loss;
use quorate_client::{Client, Endpoint, Options};
use serde_json::Value as Json;

/// `quorate node`.
#[derive(Args, Debug)]
pub struct NodeCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show one member.
    #[command(after_help = "Example:\n  quorate node show n3")]
    Show {
        /// Its id or its name.
        node: String,
    },
    /// Give a node no new copies and no requests for keys, and let it say that it is not ready: load balancers leave it
    /// alone. It keeps what it has, and answers the other nodes for it.
    #[command(after_help = "Example:\n  quorate node drain n3")]
    Drain {
        /// Its id or its name.
        node: String,
    },
    /// Let a node that was drained be like any other again.
    #[command(after_help = "Example:\n  quorate node undrain n3")]
    Undrain {
        /// Its id or its name.
        node: String,
    },
    /// Let a doubtful node go on with what it still has, after saying what may be lost.
    AcceptLoss(AcceptLoss),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate node accept-loss n3 --preview                   # changes nothing\n  \
    quorate node accept-loss n3                             # asks for the name")]
struct AcceptLoss {
    /// The node's id or its name.
    node: String,
    /// The node's id or its name once more, instead of the question.
    #[arg(long, value_name = "NODE", require_equals = true)]
    accept_data_loss: Option<String>,
    /// Only say what may be lost.
    #[arg(long, conflicts_with = "accept_data_loss")]
    preview: bool,
}

impl NodeCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Show { node } => {
                document::show(&context.output, &context.client()?.node(&node).await?.json)
            }
            Action::Drain { node } => {
                let drained = context.told("draining the node", context.client()?.drain(&node)).await?;
                let id = printable(&drained.read.node);
                context.output.note(&format!(
                    "{id} is drained: it gets no new copies, takes no requests for keys, says that it is not ready, and \
                     still answers the other nodes for what it owns\n  \
                     next: `quorate node undrain {id}` ends that; `quorate cluster plan remove {id}` moves away what it has"
                ));
                shown_to_programs(context, &drained.json)
            }
            Action::Undrain { node } => {
                let drained = context.told("undraining the node", context.client()?.undrain(&node)).await?;
                let id = printable(&drained.read.node);
                context.output.note(&format!("{id} is like any other member again"));
                shown_to_programs(context, &drained.json)
            }
            Action::AcceptLoss(accept) => accept.run(context).await,
        }
    }
}

/// A document that says no more to a person than the words have.
fn shown_to_programs(context: &Context, answer: &Json) -> Result<(), Failure> {
    if context.output.is_json() { document::show(&context.output, answer) } else { Ok(()) }
}

impl AcceptLoss {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let output = &context.output;
        let node = &self.node;
        let client = of_the_node(context, node).await?;
        let loss = context.told("looking at what is there", client.loss(node)).await?;
        if self.preview {
            return document::show(output, &loss.json);
        }
        for line in sentences(&loss.read) {
            output.note(&line);
        }
        if let Some(refusal) = loss.read.refusal {
            return Err(Failure::new(Exit::Conflict, printable(&refusal)));
        }
        let what = confirm::Loss {
            name: node,
            doing: format!("letting {node} go on accepts what it may have lost"),
            question: format!("This lets {node} go on without what it has lost."),
            nothing: "nothing was accepted",
        };
        confirm::by_name(&what, self.accept_data_loss.as_deref(), context)?;
        let name = self.accept_data_loss.as_deref().unwrap_or(node);
        let answer = context.told("accepting the loss", client.accept_loss(node, name)).await?;
        document::show(output, &answer)
    }
}

/// A client of that node alone: only it can read its disk. If no member knows where it is, the endpoints are asked.
async fn of_the_node(context: &Context, node: &str) -> Result<Client, Failure> {
    let any = context.client()?;
    let Ok(known) = any.node(node).await else { return Ok(any) };
    let address: Option<Endpoint> = known.read.node.address.and_then(|address| address.parse().ok());
    let Some(address) = address else { return Ok(any) };
    Ok(Client::new(Options { endpoints: vec![address], ..context.options.clone() })?)
}

/// What may be lost, for people.
fn sentences(loss: &Loss) -> Vec<String> {
    let doubtful = format!("{} is doubtful ({}): {}", loss.node, loss.cause, loss.doubt);
    let mut lines = vec![printable(&doubtful)];
    lines.extend(loss.tables.iter().map(|table| printable(&table.loss)));
    if loss.tables.is_empty() {
        lines.push("it knows of no table of which it owns a shard".to_owned());
    }
    lines
}
