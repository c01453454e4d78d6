//! `quorate cluster plan`: what a change of the cluster would move and cost, and carrying it out.
//!
//! ```text
//!   what is wanted ──> a node makes the plan ──> the preview ──> apply ──> a job of the catalog ──> its progress
//! ```
//!
//! A plan changes nothing. The node that made it keeps it for an hour, and its id names that node: the commands on a plan
//! ask that one.

mod preview;

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::printable;
use crate::{confirm, document, job};
use clap::{Args, Subcommand};
use quorate_api::document::{
    self as documents, AddNode, Balance, CopyTable, Plan, PlanChange, PlanSpec, RemoveNode, ReplaceNode,
    WeighNode,
};
use quorate_api::form::Membership;
use quorate_client::{Client, Document, Endpoint, Options};
use quorate_model::Level;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// How long each member may take to say which plans it keeps.
const MEMBER_TIMEOUT: Duration = Duration::from_secs(1);

/// `quorate cluster plan`.
#[derive(Args, Debug)]
pub struct PlanCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Give members their share of the data.
    Add(Add),
    /// Move what members own to the others; they are no members then.
    Remove(Remove),
    /// Move what one member owns to another one; the first is no member then.
    Replace(Replace),
    /// Let a member hold more or less.
    Weight(Weight),
    /// Change how many copies of each record a table has.
    Copies(Copies),
    /// Even out what lies unevenly.
    #[command(after_help = "Example:\n  quorate cluster plan balance --apply")]
    Balance(How),
    /// Show the plans that members keep: each those of the last hour.
    #[command(after_help = "Example:\n  quorate cluster plan list")]
    List,
    /// Show a plan again.
    #[command(after_help = "Example:\n  quorate cluster plan show p-n1-3")]
    Show {
        /// Its id.
        plan: String,
    },
    /// Carry out a plan, after showing it; on a terminal it asks first.
    #[command(after_help = "Example:\n  quorate cluster plan apply p-n1-3 --wait")]
    Apply {
        /// Its id.
        plan: String,
        /// Wait until everything is where it should be, and show how far it is.
        #[arg(long)]
        wait: bool,
    },
    /// Forget a plan; a job that it has begun goes on.
    #[command(after_help = "Example:\n  quorate cluster plan discard p-n1-3")]
    Discard {
        /// Its id.
        plan: String,
    },
}

/// What becomes of a plan that was made.
#[derive(Args, Clone, Copy, Debug)]
struct How {
    /// Carry it out at once, after showing it; on a terminal it asks first.
    #[arg(long)]
    apply: bool,
    /// Wait until everything is where it should be, and show how far it is.
    #[arg(long, requires = "apply")]
    wait: bool,
}

/// What an operator says about members that are gone.
#[derive(Args, Debug)]
struct Gone {
    /// It will certainly never run again: nothing waits for it, and it is kept out from then on.
    #[arg(long)]
    dead: bool,
    /// Accept that what only this node holds is lost; may be repeated.
    #[arg(long, value_name = "NODE", require_equals = true)]
    accept_data_loss: Vec<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate cluster plan add                    # every member that owns nothing yet\n  \
    quorate cluster plan add n4 n5 --apply --wait")]
struct Add {
    /// Their ids or names [default: all that own nothing yet].
    nodes: Vec<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate cluster plan remove n2\n  \
    quorate cluster plan remove n4 n5 n6 --apply       # together: no copy moves twice\n  \
    quorate cluster plan remove n2 --dead --apply      # its machine never comes back")]
struct Remove {
    /// Their ids or names.
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
    #[command(flatten)]
    gone: Gone,
    #[command(flatten)]
    how: How,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  quorate cluster plan replace n2 n5 --apply --wait")]
struct Replace {
    /// The one that leaves: its id or its name.
    old: String,
    /// The one that comes in its place: a member already.
    new: String,
    #[command(flatten)]
    gone: Gone,
    #[command(flatten)]
    how: How,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  quorate cluster plan weight n4 2 --apply")]
struct Weight {
    /// Its id or its name.
    node: String,
    /// Its share, as a factor from 0.01 to 100: 1 is an ordinary node, 2 one that holds twice as much.
    #[arg(value_name = "WEIGHT")]
    share: f64,
    #[command(flatten)]
    how: How,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  quorate cluster plan copies orders 5")]
struct Copies {
    /// The table.
    table: String,
    /// Copies of each record, 1 to 15.
    n: u8,
    /// Default level of reads; needed where it is a number now.
    #[arg(long, value_name = "LEVEL")]
    r: Option<Level>,
    /// The write promise; needed where it is a number now.
    #[arg(long, value_name = "LEVEL")]
    w: Option<Level>,
    #[command(flatten)]
    how: How,
}

/// Whether it is asked before a plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// On a terminal, unless `--yes` has answered it.
    Asked,
    /// The command was the answer.
    Settled,
}

impl PlanCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let (spec, how) = match self.action {
            Action::Add(Add { nodes, how }) => {
                let nodes = if nodes.is_empty() { newcomers(context, &client).await? } else { nodes };
                (adding(nodes), how)
            }
            Action::Remove(Remove { nodes, gone, how }) => {
                let remove = |node| PlanChange {
                    remove: Some(RemoveNode { node, dead: gone.dead }),
                    ..PlanChange::default()
                };
                let changes = nodes.into_iter().map(remove).collect();
                (PlanSpec { changes, accept_data_loss: gone.accept_data_loss }, how)
            }
            Action::Replace(Replace { old, new, gone, how }) => {
                let replace = Some(ReplaceNode { old, new, dead: gone.dead });
                let change = PlanChange { replace, ..PlanChange::default() };
                (PlanSpec { changes: vec![change], accept_data_loss: gone.accept_data_loss }, how)
            }
            Action::Weight(Weight { node, share, how }) => {
                let weight = Some(WeighNode { node, weight: share });
                (of_one(PlanChange { weight, ..PlanChange::default() }), how)
            }
            Action::Copies(Copies { table, n, r, w, how }) => {
                let level = |level: Option<Level>| level.map(documents::Level::from);
                let table = Some(CopyTable { name: table, n, r: level(r), w: level(w) });
                (of_one(PlanChange { table, ..PlanChange::default() }), how)
            }
            Action::Balance(how) => {
                (of_one(PlanChange { balance: Some(Balance {}), ..PlanChange::default() }), how)
            }
            Action::List => return list(context, &client).await,
            Action::Show { plan } => {
                let keeper = keeper(context, &client, &plan).await;
                return show(context, &keeper.plan(&plan).await?);
            }
            Action::Apply { plan, wait } => {
                let plan = keeper(context, &client, &plan).await.plan(&plan).await?;
                return carry_out(context, &client, plan, Question::Asked, wait).await;
            }
            Action::Discard { plan } => {
                let keeper = keeper(context, &client, &plan).await;
                let answer = keeper.discard_plan(&plan).await?;
                context.output.note("the plan is forgotten; nothing was changed by that");
                return if context.output.is_json() {
                    document::show(&context.output, &answer.json)
                } else {
                    Ok(())
                };
            }
        };
        let plan = context.told("making a plan", client.make_plan(&spec)).await?;
        if how.apply {
            return carry_out(context, &client, plan, Question::Asked, how.wait).await;
        }
        show(context, &plan)?;
        let id = printable(&plan.read.id);
        context.output.note(&format!(
            "\nnothing has changed yet\n  next: `quorate cluster plan apply {id} --wait` carries it out, within the hour"
        ));
        Ok(())
    }
}

/// Makes a plan, shows it, and carries it out without a question.
pub async fn at_once(context: &Context, client: &Client, spec: &PlanSpec, wait: bool) -> Result<(), Failure> {
    let plan = context.told("making a plan", client.make_plan(spec)).await?;
    carry_out(context, client, plan, Question::Settled, wait).await
}

/// Members get their share.
pub fn adding(nodes: Vec<String>) -> PlanSpec {
    let change = |node| PlanChange { add: Some(AddNode { node }), ..PlanChange::default() };
    PlanSpec { changes: nodes.into_iter().map(change).collect(), accept_data_loss: Vec::new() }
}

/// A member that runs gives away what it owns, and leaves.
pub fn removing(node: String) -> PlanSpec {
    of_one(PlanChange { remove: Some(RemoveNode { node, dead: false }), ..PlanChange::default() })
}

fn of_one(change: PlanChange) -> PlanSpec {
    PlanSpec { changes: vec![change], accept_data_loss: Vec::new() }
}

/// Shows a plan, carries it out, and waits for it if that is wanted. For a program both are one document.
async fn carry_out(
    context: &Context,
    client: &Client,
    plan: Document<Plan>,
    question: Question,
    wait: bool,
) -> Result<(), Failure> {
    let output = &context.output;
    if !output.is_json() {
        show(context, &plan)?;
    }
    if question == Question::Asked {
        let id = printable(&plan.read.id);
        confirm::by_yes("Carry out this plan?", context).map_err(|failure| {
            failure.next(format!("it is kept for an hour: `quorate cluster plan apply {id}`"))
        })?;
    }
    let keeper = keeper(context, client, &plan.read.id).await;
    let applied = context.told("carrying out the plan", keeper.apply_plan(&plan.read.id)).await?;
    let id = printable(&applied.read.id);
    if !wait {
        output.note(&format!(
            "\nit is carried out as job {id}\n  next: `quorate job wait {id}` shows how far it is"
        ));
        return if output.is_json() {
            output.json(&json!({ "plan": plan.json, "job": applied.json }))
        } else {
            Ok(())
        };
    }
    output.note("");
    // Any node knows the job.
    let ended = job::until_ended(context, client, &applied.read.id).await?;
    if output.is_json() {
        output.json(&json!({ "plan": plan.json, "job": ended.json }))?;
    } else {
        job::say_end(output, &ended.read)?;
    }
    job::verdict(&ended.read)
}

fn show(context: &Context, plan: &Document<Plan>) -> Result<(), Failure> {
    let output = &context.output;
    if output.is_json() { output.json(&plan.json) } else { output.line(&preview::text(output, &plan.read)) }
}

/// The members that own nothing yet, and could.
async fn newcomers(context: &Context, client: &Client) -> Result<Vec<String>, Failure> {
    let nodes = context.told("listing members", client.nodes()).await?.read.nodes;
    let gets = |node: &documents::Node| {
        let stays = node.membership.as_deref().is_none_or(|it| it.parse() == Ok(Membership::Member));
        stays && node.drained != Some(true) && node.shards == 0
    };
    let found: Vec<String> = nodes.into_iter().filter(gets).map(|node| format!("id:{}", node.id)).collect();
    if found.is_empty() {
        return Err(Failure::new(Exit::Conflict, "every member that may own something does; nothing was planned")
            .next("name the members that should own more, or even out what all have: `quorate cluster plan balance`"));
    }
    Ok(found)
}

/// A client of the member that keeps a plan, which its id names; where that is not known, of the endpoints.
async fn keeper(context: &Context, client: &Client, plan: &str) -> Client {
    let named = plan.strip_prefix("p-").and_then(|rest| rest.split_once('-'));
    let Some((node, _)) = named else { return client.clone() };
    let Ok(known) = client.node(&format!("id:{node}")).await else { return client.clone() };
    let address: Option<Endpoint> = known.read.node.address.and_then(|address| address.parse().ok());
    let of_it = |address| Client::new(Options { endpoints: vec![address], ..context.options.clone() }).ok();
    address.and_then(of_it).unwrap_or_else(|| client.clone())
}

/// The plans of all members that answer.
async fn list(context: &Context, client: &Client) -> Result<(), Failure> {
    let output = &context.output;
    let nodes = context.told("listing members", client.nodes()).await?.read.nodes;
    let mut plans: Vec<Json> = Vec::new();
    for node in nodes {
        let address: Option<Endpoint> = node.address.and_then(|address| address.parse().ok());
        let options = |address| Options {
            endpoints: vec![address],
            admin_timeout: MEMBER_TIMEOUT,
            ..context.options.clone()
        };
        let Some(options) = address.map(options) else { continue };
        match Client::new(options)?.plans().await {
            Ok(kept) => plans.extend(document::elements(kept.json, "plans")),
            Err(error) => output.note(&printable(&format!(
                "{} did not answer ({}): the plans that it keeps are missing",
                node.id,
                error.cause()
            ))),
        }
    }
    document::show_list(
        output,
        document::PLANS,
        &plans,
        "no member keeps a plan; `quorate cluster plan` makes one",
    )
}
