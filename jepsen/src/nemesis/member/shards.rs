//! Shards are split and merged, and single copies move. A command that is refused, since a shard moves, is not counted yet
//! or has no neighbour on the same nodes, is nothing to heal.

use rand::Rng as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::operator;
use crate::cluster::{Cluster, Error};
use crate::nemesis::{Fault, Struck};

/// Most shards that are split at a time.
const SPLITS_MAX: usize = 4;

/// So many shards are tried, where commands are refused.
const TRIES: usize = 6;

/// Splits shards.
#[derive(Default)]
pub struct Split {
    /// How many shards there were before the first.
    founded: Option<usize>,
}

/// Moves a copy.
#[derive(Default)]
pub struct Move {
    /// The job that carries it out.
    job: Option<String>,
}

impl Split {
    /// One that has struck nothing yet.
    pub fn new() -> Split {
        Split::default()
    }
}

impl Move {
    /// One that has struck nothing yet.
    pub fn new() -> Move {
        Move::default()
    }
}

impl Fault for Split {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let Some(mut shards) = shards(cluster) else { return Ok(None) };
        self.founded.get_or_insert(shards.len());
        let count = random.random_range(1..=SPLITS_MAX);
        shards.shuffle(random);
        let mut done = 0;
        for shard in shards.iter().take(count) {
            // Where its bytes are halved is not known of a small one.
            let Some(at) = place(cluster, shard, random) else { continue };
            let command = ["shard", "split", cluster.table(), "--at", &at];
            done += usize::from(operator::type_in(cluster, &command).is_some());
        }
        let all: Vec<usize> = (0..cluster.nodes().len()).collect();
        let what = format!("{done} of {} shards of its table are split", shards.len());
        Ok(Some(done).filter(|done| *done > 0).and_then(|_| Struck::of(cluster, &all, &what)))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        let mut merged = 0;
        while let Some(shards) = shards(cluster) {
            if self.founded.is_none_or(|founded| shards.len() <= founded) {
                break;
            }
            let owners = |shard: &Value| {
                let mut owners: Vec<String> =
                    shard["owners"].as_array().into_iter().flatten().map(ToString::to_string).collect();
                owners.sort();
                owners
            };
            let is_pair = |two: &&[Value]| owners(&two[0]) == owners(&two[1]);
            let merge = |two: &[Value]| {
                let command = ["shard", "merge", cluster.table(), &number(&two[0])];
                operator::type_in(cluster, &command).is_some()
            };
            let took = shards.windows(2).filter(is_pair).take(TRIES).any(merge);
            if !took {
                break;
            }
            merged += 1;
        }
        Ok(format!("{merged} pairs of neighbours are merged"))
    }
}

impl Fault for Move {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let Some(shards) = shards(cluster) else { return Ok(None) };
        // One that has a copy already is refused.
        for _ in 0..TRIES {
            let Some(shard) = shards.choose(random) else { return Ok(None) };
            let owners: Vec<&str> =
                shard["owners"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let Some(from) = owners.choose(random) else { return Ok(None) };
            let index = random.random_range(0..cluster.nodes().len());
            let (number, to) = (number(shard), cluster.nodes()[index].called());
            let command = ["shard", "move", cluster.table(), &number, "--from", from, "--to", &to];
            let begun = operator::type_in(cluster, &command);
            if let Some(job) = begun.as_ref().and_then(|job| job["id"].as_str()) {
                self.job = Some(job.to_owned());
                let what = format!("it gets the copy of shard {number} that {from} has");
                return Ok(Struck::of(cluster, &[index], &what));
            }
        }
        Ok(None)
    }

    fn go_on(&mut self, cluster: &mut Cluster) -> Result<bool, Error> {
        Ok(self.job.as_ref().is_none_or(|job| cluster.has_ended(job)))
    }

    fn heal(&mut self, _cluster: &mut Cluster) -> Result<String, Error> {
        self.job = None;
        Ok("the copy stays where it is".to_owned())
    }
}

/// A place in a shard: some token of a hash table, or of a range table one of the first keys.
fn place(cluster: &Cluster, shard: &Value, random: &mut ChaCha8Rng) -> Option<String> {
    let start = &shard["start"];
    if start.is_string() {
        return Some(format!("{:016x}", random.random::<u64>()));
    }
    let start = format!("--start={}", start["key"].as_str().unwrap_or_default());
    let listed = operator::type_in(cluster, &["scan", cluster.table(), "--limit", "64", &start])?;
    Some(listed.as_array()?.choose(random)?["key"].as_str()?.to_owned())
}

fn number(shard: &Value) -> String {
    shard["index"].as_u64().unwrap_or(0).to_string()
}

/// The shards of the workload's table in their order, as any node lists them.
fn shards(cluster: &Cluster) -> Option<Vec<Value>> {
    match operator::type_in(cluster, &["shard", "list", cluster.table()])? {
        Value::Array(shards) => Some(shards),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => None,
    }
}
