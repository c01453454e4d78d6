//! The cluster changes while it is used: shards move, a member leaves and comes back as a newcomer.
//!
//! What an operator types is what is done: `quorate cluster plan ... --apply`, asked of some node that runs. A plan that is
//! refused, since another is carried out or too few members would be left, is nothing to heal. What becomes of the data is
//! not asked of those who moved them: the workloads' histories say it.
//!
//! *Weight*: a node's share of the data shrinks or grows, so shards move from it or to it, and back when it is healed.
//! *Leave*: a member's copies move away, its process is ended and its folder emptied; it joins again under its name, as a
//! member that nobody knew before, and asks for its share (`--auto`).

use std::time::{Duration, Instant};

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::{Cluster, Error, Excuse, members};
use crate::tool;

/// How long a member that leaves may take until it is none; else its job is broken off, and it stays.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// How much of the data a member holds.
    Weight,
    /// Who is a member.
    Leave,
}

/// See the module's essay.
pub struct Member {
    change: Change,
    aim: Aim,
    /// Who was struck, and the job that carries it out.
    struck: Option<(usize, String)>,
}

impl Member {
    /// One that has struck nobody yet.
    pub fn new(change: Change) -> Member {
        Member { change, aim: Aim::new(Extent::One), struck: None }
    }

    fn name(&self) -> &'static str {
        match self.change {
            Change::Weight => "member-weight",
            Change::Leave => "member-leave",
        }
    }
}

impl Fault for Member {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let chosen = self.aim.choose(&cluster.free(), cluster, 1, random);
        let Some(index) = chosen.first().copied() else { return Ok(None) };
        let name = cluster.nodes()[index].name().to_owned();
        let (plan, what) = match self.change {
            Change::Weight => {
                let weight = if random.random() { "0.25" } else { "3" };
                (vec!["weight", &name, weight], format!("its weight becomes {weight}"))
            }
            Change::Leave => (vec!["remove", &name], "leaves".to_owned()),
        };
        let Some(job) = apply(cluster, &plan) else { return Ok(None) };
        cluster.claim(index, self.name());
        if self.change == Change::Leave {
            cluster.node_mut(index).excuse(Some(Excuse::NoMember));
        }
        self.struck = Some((index, job));
        Ok(Struck::of(cluster, &[index], &what).map(|struck| struck.others_serve(cluster)))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        let Some((index, job)) = self.struck.take() else {
            return Ok("there was nothing to heal".to_owned());
        };
        let name = cluster.nodes()[index].name().to_owned();
        let healed = match self.change {
            Change::Weight => Ok(match apply(cluster, &["weight", &name, "1"]) {
                Some(_) => format!("{name}: its weight becomes 1"),
                None => format!("{name}: keeps its weight, since that change goes on or was refused"),
            }),
            Change::Leave => come_back(cluster, index, &job),
        };
        cluster.release_all(&[index]);
        healed
    }
}

/// Lets a member that has left join as a new one; one that can't leave stays.
fn come_back(cluster: &mut Cluster, index: usize, job: &str) -> Result<String, Error> {
    let name = cluster.nodes()[index].name().to_owned();
    let deadline = Instant::now() + LEAVE_TIMEOUT;
    loop {
        // First its copies are elsewhere, then its vote is another's, and then it is no member.
        let list = ask(cluster, &["cluster", "nodes"]);
        let others =
            list.as_ref().and_then(members).map(|all| all.iter().all(|member| member["name"] != *name));
        if others == Some(true) {
            break;
        }
        if Instant::now() > deadline {
            let aborted = ask(cluster, &["job", "abort", job, "--yes"]).is_some();
            cluster.node_mut(index).excuse(None);
            let how = if aborted { "broken off" } else { "as it is, since no node took the word" };
            return Ok(format!("{name}: has not left in {} s; its job is {how}", LEAVE_TIMEOUT.as_secs()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    cluster.begin_anew(index)?;
    Ok(format!("{name}: has left, and joins as a new member"))
}

/// Makes a plan and applies it: the job's id; `None` if it is refused or there is nothing to move.
fn apply(cluster: &Cluster, plan: &[&str]) -> Option<String> {
    let mut arguments = vec!["cluster", "plan"];
    arguments.extend_from_slice(plan);
    arguments.extend_from_slice(&["--apply", "--yes"]);
    Some(ask(cluster, &arguments)?["job"]["id"].as_str()?.to_owned())
}

/// What a command answers, asked of all nodes that run in turn.
fn ask(cluster: &Cluster, arguments: &[&str]) -> Option<serde_json::Value> {
    let nodes = cluster.nodes().iter().filter(|node| node.is_running());
    let mut all: Vec<String> = nodes.flat_map(|node| ["--endpoint".to_owned(), node.address()]).collect();
    all.extend(["--output", "json", "--timeout", "5s"].map(str::to_owned));
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let binary = cluster.nodes().first()?.binary().display().to_string();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let said = tokio::task::block_in_place(|| tool::run(&binary, &all)).ok()?;
    serde_json::from_str(&said).ok()
}
