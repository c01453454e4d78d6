//! A member's share of the data shrinks or grows, and is what it was when it is healed.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::change::Change;
use super::operator;
use crate::cluster::{Cluster, Error};
use crate::nemesis::{Fault, Struck};

/// See the module's essay.
pub struct Weight {
    change: Change,
}

impl Weight {
    /// One that has struck nothing yet.
    pub fn new() -> Weight {
        Weight { change: Change::new() }
    }
}

impl Fault for Weight {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let all: Vec<usize> = (0..cluster.nodes().len()).collect();
        let weight = if random.random() { "0.25" } else { "3" };
        let begun = self.change.begin(cluster, (&all, random), ("weight", &[weight]));
        let Some(index) = begun else { return Ok(None) };
        let what = format!("its weight becomes {weight}");
        Ok(Struck::of(cluster, &[index], &what).map(|struck| struck.others_serve(cluster)))
    }

    fn go_on(&mut self, cluster: &mut Cluster) -> Result<bool, Error> {
        Ok(self.change.goes_on().is_none_or(|(_, job)| cluster.has_ended(job)))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        let Some((index, _)) = self.change.end() else { return Ok("there was nothing to heal".to_owned()) };
        let (name, called) = (cluster.nodes()[index].name(), cluster.nodes()[index].called());
        Ok(match operator::apply(cluster, &["weight", &called, "1"]) {
            Some(_) => format!("{name}: its weight becomes 1"),
            None => {
                format!("{name}: keeps its weight, since that change goes on, or no majority took the word")
            }
        })
    }
}
