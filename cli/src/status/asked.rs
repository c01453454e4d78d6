//! Asks the node that an endpoint names for the cluster, and every member for itself.

use super::facts::{self, Answer, Facts, Healing, Held, Hold, Member, Refusing, Stays};
use crate::exit::Failure;
use crate::output::printable;
use crate::quantity::{bytes, count};
use quorate_api::document::{self, Cluster, Here, Job, Jobs, Limits, MoveJob, Node, Recovered};
use quorate_api::form::{JobState, Membership, MoveState, State, Why};
use quorate_client::{Client, Document, Endpoint, Options};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long each member may take to say how it is.
const MEMBER_TIMEOUT: Duration = Duration::from_secs(1);

/// What the cluster's nodes said.
pub struct Asked {
    /// The cluster, as the node that was asked sees it.
    pub cluster: Document<Cluster>,
    /// Its members.
    pub members: Vec<Said>,
    /// The limits in force at that node; `None`: it did not say.
    limits: Option<Limits>,
    /// Jobs that are remembered; none where the node is older.
    jobs: Jobs,
}

/// One member: what the node that was asked says of it, and what it says itself.
pub struct Said {
    /// The former.
    pub node: Document<Node>,
    /// Whether it is ready.
    answer: Answer,
    /// The cluster, as it sees it. `None`: it did not answer.
    own: Option<Document<Cluster>>,
}

impl Asked {
    /// Asks them, all members at once.
    pub async fn of(client: &Client) -> Result<Self, Failure> {
        let cluster = client.cluster().await?;
        let Document { read, json } = client.nodes().await?;
        let documents = crate::document::elements(json, "nodes");
        let nodes: Vec<Document<Node>> =
            read.nodes.into_iter().zip(documents).map(|(read, json)| Document { read, json }).collect();
        let (limits, jobs) = tokio::join!(client.limits(), client.jobs());
        let none = || Jobs { jobs: Vec::new(), moves: Vec::new(), unanswered: Vec::new() };
        let jobs = jobs.map_or_else(|_| none(), |jobs| jobs.read);
        let mut asked = JoinSet::new();
        for (at, node) in nodes.iter().enumerate() {
            let endpoint = node.read.address.as_deref().and_then(|address| address.parse().ok());
            let options = Options {
                timeout: MEMBER_TIMEOUT,
                admin_timeout: MEMBER_TIMEOUT,
                ..client.options().clone()
            };
            asked.spawn(async move { (at, ask(endpoint, options).await) });
        }
        let mut answers = vec![None; nodes.len()];
        while let Some(answer) = asked.join_next().await {
            let (at, said) = answer.expect("asking a member does not panic");
            answers[at] = Some(said);
        }
        let members = nodes
            .into_iter()
            .zip(answers)
            .map(|(node, said)| {
                let (answer, own) = said.expect("each was asked");
                Said { node, answer, own }
            })
            .collect();
        Ok(Self { cluster, members, limits: limits.ok(), jobs })
    }

    /// The members' documents, with what they said themselves.
    pub fn documents(&self) -> Vec<Json> {
        let document = |said: &Said| {
            let mut node = said.node.json.clone();
            node["ready"] = json!(said.answer == Answer::Ready);
            node["hints"] = json!(self.hints_for(said));
            node["here"] = json!(said.own.as_ref().map(|own| &own.json["here"]));
            match &said.answer {
                Answer::Ready => {}
                Answer::NotReady { why, .. } | Answer::Silent(why) => node["error"] = json!(why),
            }
            node
        };
        self.members.iter().map(document).collect()
    }

    /// What the judgement needs.
    pub fn facts(&self) -> Facts {
        let cluster = &self.cluster.read;
        let is_loopback =
            |said: &Said| said.node.read.address.as_ref().is_some_and(|it| it.starts_with("127."));
        Facts {
            asked: printable(&cluster.node),
            members: self.members.iter().map(|said| self.member(said)).collect(),
            leader: cluster.leader.as_deref().map(printable),
            shards: cluster.shards,
            refusing: Refusing {
                reads: cluster.shards_refusing_reads,
                writes: cluster.shards_refusing_writes,
            },
            at_risk: cluster.at_risk.iter().map(|risk| printable(risk)).collect(),
            recoveries: cluster.recoveries.iter().map(recovery).collect(),
            accepted_losses: cluster.accepted_losses.iter().map(|loss| printable(loss)).collect(),
            complaint: (!cluster.healthy).then(|| printable(&cluster.health)),
            free_bytes_min: self
                .limits
                .as_ref()
                .and_then(|limits| limits.get(Some("replica"), "free_bytes_min")),
            jobs: self.jobs_that_go_on(),
            purge_held_back: self.purge_held_back(),
            is_dev: cluster.name == "dev" && self.members.iter().all(is_loopback),
        }
    }

    /// Moves first: there is one of them at most.
    fn jobs_that_go_on(&self) -> Vec<facts::Job> {
        let moves = self.jobs.moves.iter().filter(|job| job.ended_epoch.is_none()).map(moving);
        let compared = self.jobs.jobs.iter().filter(|job| goes_on(job)).map(comparing);
        moves.chain(compared).collect()
    }

    /// Each shard is told of by one member.
    fn purge_held_back(&self) -> BTreeMap<Hold, Held> {
        let mut found: BTreeMap<Hold, Held> = BTreeMap::new();
        for held in self.members.iter().filter_map(Said::here).flat_map(|here| &here.purge_held_back) {
            let hold = held.by.as_deref().map_or(Hold::Move, |node| Hold::Node(printable(node)));
            let all = found.entry(hold).or_default();
            all.shards += held.shards;
            all.removals += held.removals;
        }
        found
    }

    fn member(&self, said: &Said) -> Member {
        let (node, here) = (&said.node.read, said.here());
        let text = |text: &Option<String>| text.as_deref().map(printable);
        Member {
            id: printable(&node.id),
            name: printable(&node.name),
            address: text(&node.address).unwrap_or_default(),
            peer_address: text(&node.peer_address).unwrap_or_default(),
            is_heard: node.state.parse() == Ok(State::Up),
            is_returning: node.why.as_deref().is_some_and(|why| why.parse() == Ok(Why::Returning)),
            is_voter: node.voter,
            answer: said.answer.clone(),
            stays: stays(node, self.cluster.read.shards > 0),
            doubt: here.and_then(|here| text(&here.doubt_cause)).or_else(|| text(&node.doubt)),
            healing: here.map_or(&node.healing, |here| &here.healing).as_ref().map(healing),
            disk_full: here.map_or(node.disk_full, |here| here.disk_full),
            free_bytes: here.map_or(node.free_bytes, |here| here.free_bytes),
            leftover_bytes: node.leftover_bytes.unwrap_or(0),
            version: text(&node.version),
            hints: self.hints_for(said),
            keeps_hints_for: here.map_or_else(Vec::new, |here| {
                let kept = here.hints_waiting.iter().filter(|(_, count)| **count > 0);
                kept.map(|(owner, _)| printable(owner)).collect()
            }),
            hints_overflow: here.map_or(0, |here| here.hints_overflow),
        }
    }

    /// Hints that wait for a member, at every member that answered.
    fn hints_for(&self, owner: &Said) -> u64 {
        let kept = |said: &Said| said.here()?.hints_waiting.get(&owner.node.read.id).copied();
        self.members.iter().filter_map(kept).sum()
    }

    /// The cluster in one line, and what this screen does not know.
    pub fn summary(&self) -> String {
        let Cluster { name, epoch, leader, tables, shards, .. } = &self.cluster.read;
        let (name, leader) = (printable(name), leader.as_deref().map_or("-".to_owned(), printable));
        let line = format!("{name}  epoch {epoch}  leader {leader}  tables {tables}  shards {shards}");
        let is_silent = |said: &&Said| said.own.is_none();
        let silent: Vec<String> =
            self.members.iter().filter(is_silent).map(|said| printable(&said.node.read.id)).collect();
        if silent.is_empty() {
            line
        } else {
            format!("{line}\nhints that {} may keep are not counted", silent.join(", "))
        }
    }
}

impl Said {
    /// What only it can say: its hints, its disk.
    fn here(&self) -> Option<&Here> {
        self.own.as_ref().map(|own| &own.read.here)
    }
}

/// Whether some part of a job is not done.
fn goes_on(job: &Job) -> bool {
    matches!(job.state.parse(), Ok(JobState::Waiting | JobState::Running))
}

fn comparing(job: &Job) -> facts::Job {
    let says = printable(&format!("{} {} goes on: {}", job.kind, job.id, job.says));
    facts::Job { says, then: "see `quorate job list`".to_owned(), is_move: false }
}

/// What moves, how far it is, and what the first shard waits for that waits for something.
fn moving(job: &MoveJob) -> facts::Job {
    let state = match job.state.parse() {
        Ok(MoveState::Running) => "goes on".to_owned(),
        Ok(MoveState::Paused) => "is paused".to_owned(),
        Ok(MoveState::Gathering) => "is about to begin".to_owned(),
        Ok(MoveState::Aborting) => "is taken back".to_owned(),
        Ok(MoveState::Done | MoveState::Aborted) | Err(_) => format!("is {}", job.state),
    };
    let data = match job.bytes {
        0 => String::new(),
        all => format!(", {} of {} copied", bytes(job.bytes_done), bytes(all)),
    };
    let waits = job.waiting.iter().find_map(|it| Some(format!("; {} {}", it.shard, it.waits_for.as_ref()?)));
    let far = format!("{} of {} shards have moved{data}", count(job.shards_done), count(job.shards));
    let says = format!("{} {state}: {far}{}", job.kind, waits.unwrap_or_default());
    let verb = if job.state.parse() == Ok(MoveState::Paused) { "resume" } else { "show" };
    let then = format!("`quorate job {verb} {}`", job.id);
    facts::Job { says: printable(&says), then: printable(&then), is_move: true }
}

fn stays(node: &Node, has_owners: bool) -> Stays {
    let (membership, drained) = (node.membership.as_deref(), node.drained == Some(true));
    match membership.map(str::parse) {
        Some(Ok(Membership::Banned)) => Stays::Banned,
        Some(Ok(Membership::Leaving)) => Stays::Leaving,
        Some(Ok(Membership::Member) | Err(_)) | None if drained => Stays::Drained,
        Some(Ok(Membership::Member))
            if crate::document::is_joining(membership, drained, node.shards, has_owners) =>
        {
            Stays::Joining
        }
        Some(Ok(Membership::Member) | Err(_)) | None => Stays::Yes,
    }
}

fn healing(said: &document::Healing) -> Healing {
    let document::Healing { shards, whole, records, waits_for } = said;
    let waits_for = waits_for.as_deref().map(printable);
    Healing { shards: *shards, whole: *whole, records: *records, waits_for }
}

/// Asks one member how it is: whether it is ready, and how it sees the cluster.
async fn ask(endpoint: Option<Endpoint>, options: Options) -> (Answer, Option<Document<Cluster>>) {
    let Some(endpoint) = endpoint else {
        return (Answer::Silent("its address is not known".to_owned()), None);
    };
    let client = match Client::new(Options { endpoints: vec![endpoint], ..options }) {
        Ok(client) => client,
        Err(error) => return (Answer::Silent(error.to_string()), None),
    };
    let (ready, cluster) = tokio::join!(client.ready(), client.cluster());
    let answer = match ready {
        Ok(()) => Answer::Ready,
        Err(quorate_client::Error::Problem { problem, .. }) => {
            Answer::NotReady { code: problem.code.into_owned(), why: printable(&problem.detail) }
        }
        Err(error) => Answer::Silent(printable(&error.cause())),
    };
    (answer, cluster.ok())
}

/// That the catalog went on without members, as a sentence.
fn recovery(known: &Recovered) -> String {
    let Recovered { lost, by, at, epoch: _ } = known;
    let lost: Vec<String> = lost.iter().map(|node| printable(node)).collect();
    format!(
        "the catalog went on without {}, as was decided at {} ({})",
        lost.join(", "),
        printable(by),
        printable(at)
    )
}
