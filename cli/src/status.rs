//! `quorate status`: one screen that says how the cluster is.

use crate::context::Context;
use crate::document;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Tone, Word, printable};
use clap::Args;
use quorate_client::{Client, Endpoint, Options};
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long each member may take to say how it is.
const MEMBER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the node that is asked for all of it may take, unless `--timeout` says otherwise: it answers from memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How often `--watch` looks.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// `quorate status`.
#[derive(Args, Debug)]
pub struct Status {
    /// Look again every second, until interrupted.
    #[arg(long)]
    watch: bool,
    /// End with code 8 unless every node is ready.
    #[arg(long, conflicts_with = "watch")]
    check: bool,
}

/// What is known of the cluster at one moment.
struct Screen {
    cluster: Json,
    members: Vec<Member>,
}

/// One member: what the cluster says of it, and what it says itself.
struct Member {
    document: Json,
    /// Why it is not ready, or could not be asked.
    error: Option<String>,
    /// What only it can say: its hints, its disk. `None`: it did not answer.
    here: Option<Json>,
}

/// So many tables at risk are listed; the others are counted.
const RISKS_SHOWN_MAX: usize = 8;

/// So much of a member's own words fits beside it.
const STATE_CHARS_MAX: usize = 72;

impl Status {
    /// Shows it, once or again and again.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client_within(ANSWER_TIMEOUT)?;
        if self.watch {
            return watch(context, &client).await;
        }
        let screen = Screen::of(&client).await?;
        screen.show(&context.output)?;
        if self.check && !screen.is_healthy() {
            return Err(Failure::new(Exit::Unhealthy, screen.readiness()));
        }
        Ok(())
    }
}

async fn watch(context: &Context, client: &Client) -> Result<(), Failure> {
    let clear = !context.output.is_json() && std::io::stdout().is_terminal();
    let mut interval = tokio::time::interval(WATCH_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let screen = Screen::of(client).await;
        if clear {
            context.output.bytes(b"\x1b[H\x1b[2J")?;
        }
        match screen {
            Ok(screen) => screen.show(&context.output)?,
            // A cluster that cannot be reached for a while is what somebody who watches wants to see.
            Err(failure) => context.output.failure(&failure),
        }
    }
}

impl Screen {
    async fn of(client: &Client) -> Result<Self, Failure> {
        let cluster = client.cluster().await?;
        let documents = document::elements(client.nodes().await?, "nodes");
        let mut asked = JoinSet::new();
        for (at, document) in documents.iter().enumerate() {
            let endpoint = endpoint_of(document);
            asked.spawn(async move { (at, ask(endpoint).await) });
        }
        let mut answers = vec![(None, None); documents.len()];
        while let Some(answer) = asked.join_next().await {
            let (at, said) = answer.expect("asking a member does not panic");
            answers[at] = said;
        }
        let members = documents
            .into_iter()
            .zip(answers)
            .map(|(document, (error, here))| Member { document, error, here })
            .collect();
        Ok(Self { cluster, members })
    }

    /// Whether every member is ready, and there is nothing else that the cluster itself knows of. A node that has
    /// just joined knows no member yet.
    fn is_healthy(&self) -> bool {
        !self.members.is_empty()
            && self.members.iter().all(|member| member.error.is_none())
            && self.cluster.get("healthy").and_then(Json::as_bool).unwrap_or(true)
    }

    fn show(&self, output: &Output) -> Result<(), Failure> {
        if output.is_json() { output.json(&self.json()) } else { output.line(&self.text(output)) }
    }

    fn json(&self) -> Json {
        let nodes: Vec<Json> = self
            .members
            .iter()
            .map(|member| {
                let mut node = member.document.clone();
                node["ready"] = json!(member.error.is_none());
                node["hints"] = json!(self.hints_for(member));
                node["here"] = json!(member.here);
                if let Some(error) = &member.error {
                    node["error"] = json!(error);
                }
                node
            })
            .collect();
        json!({ "healthy": self.is_healthy(), "cluster": self.cluster, "nodes": nodes })
    }

    fn text(&self, output: &Output) -> String {
        let about = |name: &str| self.cluster.get(name).map(document::word);
        let mut text = output.toned(Tone::Strong, &about("name").unwrap_or_default());
        for name in ["epoch", "leader", "tables", "shards"] {
            if let Some(value) = about(name) {
                write!(text, "  {name} {value}").expect("a String takes every write");
            }
        }
        let (tone, mark) = if self.is_healthy() { (Tone::Good, "ok") } else { (Tone::Bad, "!!") };
        write!(text, "\n{}  {}\n", output.toned(tone, mark), self.sentence())
            .expect("a String takes every write");
        for line in self.troubles() {
            writeln!(text, "    {}", output.toned(Tone::Bad, &line)).expect("a String takes every write");
        }
        text.push('\n');
        let rows = self.members.iter().map(|member| member.row(self.hints_for(member))).collect();
        text.push_str(&output.table(
            &["NODE", "NAME", "ZONE", "ADDRESS", "VOTER", "SHARDS", "BYTES", "HINTS", "VERSION", "STATE"],
            rows,
        ));
        text
    }

    /// One sentence: what the cluster says of itself, unless members say otherwise.
    fn sentence(&self) -> String {
        let said = self.cluster.get("health").map(document::word);
        let claims_health = self.cluster.get("healthy").and_then(Json::as_bool).unwrap_or(true);
        said.filter(|_| !self.members.is_empty() && (self.is_healthy() || !claims_health))
            .unwrap_or_else(|| self.readiness())
    }

    /// What an operator should know beyond the sentence: tables at risk, hints that did not fit, disks full or in doubt.
    fn troubles(&self) -> Vec<String> {
        let risks = self.cluster.get("at_risk").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let mut lines: Vec<String> = risks.iter().take(RISKS_SHOWN_MAX).map(document::word).collect();
        if risks.len() > RISKS_SHOWN_MAX {
            lines.push(format!("and {} more at risk", risks.len() - RISKS_SHOWN_MAX));
        }
        let silent: Vec<String> =
            self.members.iter().filter(|member| member.here.is_none()).map(Member::id).collect();
        if !silent.is_empty() {
            lines.push(format!("hints that {} may keep are not counted: no answer", silent.join(", ")));
        }
        for member in &self.members {
            lines.extend(self.misleading(member));
            let Some(here) = &member.here else { continue };
            let lost = here.get("hints_overflow").and_then(Json::as_u64).unwrap_or(0);
            if lost > 0 {
                lines.push(format!(
                    "{}: {lost} hints have not fitted since its data folder was made; a quorum read of a key brings its owners up to date",
                    member.id()
                ));
            }
            if here.get("disk_full").and_then(Json::as_bool) == Some(true) {
                lines.push(format!(
                    "{}: its disk is full: it refuses writes until there is space again; reads go on",
                    member.id()
                ));
            }
            if let Some(doubt) = here.get("replica_doubt").and_then(Json::as_str) {
                lines.push(format!("{}: doubts its disk: {}", member.id(), printable(doubt)));
            }
        }
        lines
    }

    /// A member that is named like another one's id.
    fn misleading(&self, member: &Member) -> Option<String> {
        let (id, name) = (member.id(), member.document.get("name").map(document::word)?);
        let other = self.members.iter().any(|other| other.id() == name && name != id);
        other.then(|| {
            format!("{id} is named {name}, which is another member's id: say id:{name} or name:{name}")
        })
    }

    /// Hints that wait for a member, at every member that answered.
    fn hints_for(&self, owner: &Member) -> u64 {
        let id = owner.id();
        let kept = |member: &Member| member.here.as_ref()?.get("hints_waiting")?.get(&id)?.as_u64();
        self.members.iter().filter_map(kept).sum()
    }

    /// How many nodes are ready, and which are not.
    fn readiness(&self) -> String {
        let ill: Vec<String> =
            self.members.iter().filter(|member| member.error.is_some()).map(Member::id).collect();
        match ill.as_slice() {
            [] if self.members.is_empty() => {
                "the node that was asked does not know the cluster yet".to_owned()
            }
            [] if self.is_healthy() => format!("all {} nodes are ready", self.members.len()),
            [] => self.cluster.get("health").map(document::word).unwrap_or_default(),
            ill => format!("not ready: {} (of {} nodes)", ill.join(", "), self.members.len()),
        }
    }
}

impl Member {
    fn id(&self) -> String {
        self.document.get("id").map(document::word).unwrap_or_default()
    }

    fn row(&self, hints: u64) -> Vec<Word> {
        let word = |names: &[&str]| {
            let found = names.iter().find_map(|name| self.document.get(*name));
            Word::from(found.map(document::word).unwrap_or_default())
        };
        let state = match &self.error {
            None => Word::toned(Tone::Good, "ready"),
            Some(error) => {
                let seen = if self.here.is_some() { "not ready" } else { "no answer" };
                let mut state = format!("{seen}: {}", printable(error));
                if state.chars().count() > STATE_CHARS_MAX {
                    state = state.chars().take(STATE_CHARS_MAX).chain(['…']).collect();
                }
                Word::toned(Tone::Bad, state)
            }
        };
        let bytes = self.document.get("bytes").and_then(Json::as_u64);
        let bytes = bytes.map_or_else(|| "-".to_owned(), |bytes| bytesize::ByteSize(bytes).to_string());
        vec![
            word(&["id"]),
            word(&["name"]),
            word(&["zone"]),
            word(ADDRESS),
            word(&["voter"]),
            word(&["shards"]),
            Word::from(bytes),
            Word::from(hints.to_string()),
            word(&["version"]),
            state,
        ]
    }
}

/// What a member's HTTP address may be called.
const ADDRESS: &[&str] = &["http", "http_address", "address"];

fn endpoint_of(document: &Json) -> Option<Endpoint> {
    ADDRESS.iter().find_map(|name| document.get(*name)?.as_str()?.parse().ok())
}

/// Asks one member how it is: why it is not ready, and what only it can say.
async fn ask(endpoint: Option<Endpoint>) -> (Option<String>, Option<Json>) {
    let Some(endpoint) = endpoint else { return (Some("its address is not known".to_owned()), None) };
    let options =
        Options { endpoints: vec![endpoint], timeout: MEMBER_TIMEOUT, admin_timeout: MEMBER_TIMEOUT };
    let client = match Client::new(options) {
        Ok(client) => client,
        Err(error) => return (Some(error.to_string()), None),
    };
    let (error, cluster) = tokio::join!(client.ready(), client.cluster());
    (error.err(), cluster.ok().and_then(|cluster| cluster.get("here").cloned()))
}
