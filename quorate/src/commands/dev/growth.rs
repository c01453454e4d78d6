//! A node that comes, and one that goes: by the plans of any cluster, and by starting and ending a process.

use super::control;
use super::greeting::called;
use quorate_cli::word::printable;
use quorate_cli::{Context, Exit, Failure, plan};
use quorate_client::{Client, Endpoint, Method, Options};
use serde_json::Value as Json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a node whose copies are elsewhere may take to leave the catalog and to end.
const END_TIMEOUT: Duration = Duration::from_mins(1);

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(200);

/// Starts a further node, and gives it its share.
pub async fn add(context: &Context, wait: bool) -> Result<(), Failure> {
    let control = control::find(context).await?;
    let node: Json = control.change(Method::POST, "/v1/dev/nodes".to_owned(), None::<&()>).await?;
    let (name, http) = (text(&node, "name"), text(&node, "http"));
    context.output.note(&format!("{name} runs at http://{http}, and owns nothing yet"));
    let nodes = Nodes::of(&control).await?;
    let client = nodes.client(context)?;
    let done = plan::at_once(context, &client, &plan::adding(vec![called_so(&name)]), wait).await;
    done.map_err(|failure| {
        let command = called(context.options.endpoints.first());
        let later = format!("{name} runs; later: `{command} cluster plan add {name} --apply`");
        if failure.next.is_none() { failure.next(later) } else { failure }
    })
}

/// Moves a node's copies away, and waits until it is no member any more and has ended.
pub async fn remove(context: &Context, node: &str) -> Result<(), Failure> {
    let control = control::find(context).await?;
    let nodes = Nodes::of(&control).await?;
    if !nodes.has(node) {
        let sentence = format!("there is no node {}", printable(node));
        return Err(Failure::new(Exit::NotFound, sentence).next("`quorate status` shows which there are"));
    }
    // Not by way of the one that goes.
    let client = nodes.without(node).client(context)?;
    plan::at_once(context, &client, &plan::removing(called_so(node)), true).await?;
    let deadline = Instant::now() + END_TIMEOUT;
    while Nodes::of(&control).await?.has(node) {
        if Instant::now() >= deadline {
            let sentence = format!("{node} owns nothing any more, and is a member still");
            return Err(Failure::new(Exit::Unavailable, sentence)
                .next("it ends once the others have its hints and its vote: `quorate status`"));
        }
        sleep(LOOK).await;
    }
    context.output.note(&format!("{node} is gone: its copies are at the others, its folder is empty"));
    Ok(())
}

/// A node of this name, whatever ids there are.
fn called_so(name: &str) -> String {
    format!("name:{name}")
}

fn text(node: &Json, name: &str) -> String {
    node.get(name).and_then(Json::as_str).map(printable).unwrap_or_default()
}

/// The nodes of a development cluster.
struct Nodes(Vec<Json>);

impl Nodes {
    async fn of(control: &Client) -> Result<Self, Failure> {
        let known = control.ask("/v1/dev".to_owned()).await?;
        Ok(Self(quorate_cli::document::elements(known, "nodes")))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|node| text(node, "name") == name)
    }

    fn without(self, name: &str) -> Self {
        Self(self.0.into_iter().filter(|node| text(node, "name") != name).collect())
    }

    /// A client of those that run.
    fn client(&self, context: &Context) -> Result<Client, Failure> {
        let up = self.0.iter().filter(|node| text(node, "state") == "up");
        let endpoints: Vec<Endpoint> = up.filter_map(|node| text(node, "http").parse().ok()).collect();
        Ok(Client::new(Options { endpoints, ..context.options.clone() })?)
    }
}
