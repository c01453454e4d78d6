//! Shards move while they are used: a member's share of the data shrinks or grows, and is what it was when it is healed.
//!
//! What an operator types is what is done: `quorate cluster plan weight ... --apply`, asked of some node that runs. A plan
//! that is refused, since another is carried out or a majority is away, is nothing to heal. What becomes of the data is not
//! asked of those who moved them: the workloads' histories say it. That members leave and join again is not here yet.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::{Cluster, Error};
use crate::tool;

/// See the module's essay.
pub struct Weight {
    aim: Aim,
    struck: Option<usize>,
}

impl Weight {
    /// One that has struck nothing yet.
    pub fn new() -> Weight {
        Weight { aim: Aim::new(Extent::One), struck: None }
    }
}

impl Fault for Weight {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let all: Vec<usize> = (0..cluster.nodes().len()).collect();
        let Some(index) = self.aim.choose(&all, cluster, 1, random).first().copied() else { return Ok(None) };
        let weight = if random.random() { "0.25" } else { "3" };
        if !weigh(cluster, index, weight) {
            return Ok(None);
        }
        self.struck = Some(index);
        let what = format!("its weight becomes {weight}");
        Ok(Struck::of(cluster, &[index], &what).map(|struck| struck.others_serve(cluster)))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        let Some(index) = self.struck.take() else { return Ok("there was nothing to heal".to_owned()) };
        let name = cluster.nodes()[index].name();
        Ok(if weigh(cluster, index, "1") {
            format!("{name}: its weight becomes 1")
        } else {
            format!("{name}: keeps its weight, since that change goes on, or no majority took the word")
        })
    }
}

/// Makes a plan and applies it, asked of all nodes that run in turn; whether it was taken.
fn weigh(cluster: &Cluster, index: usize, weight: &str) -> bool {
    let nodes = cluster.nodes().iter().filter(|node| node.is_running());
    let mut all: Vec<String> = nodes.flat_map(|node| ["--endpoint".to_owned(), node.address()]).collect();
    let plan = ["cluster", "plan", "weight", cluster.nodes()[index].name(), weight, "--apply", "--yes"];
    all.extend(["--output", "json", "--timeout", "5s"].into_iter().chain(plan).map(str::to_owned));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let binary = cluster.nodes()[index].binary().display().to_string();
    tokio::task::block_in_place(|| tool::run(&binary, &all)).is_ok()
}
