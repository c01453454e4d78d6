//! A member's share of the data shrinks or grows, and is what it was when it is healed.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::operator;
use crate::cluster::{Cluster, Error};
use crate::nemesis::aim::{Aim, Extent};
use crate::nemesis::{Fault, Struck};

/// See the module's essay.
pub struct Weight {
    aim: Aim,
    /// Who was struck, and the job that carries it out.
    struck: Option<(usize, String)>,
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
        let Some(job) = weigh(cluster, index, weight) else { return Ok(None) };
        self.struck = Some((index, job));
        let what = format!("its weight becomes {weight}");
        Ok(Struck::of(cluster, &[index], &what).map(|struck| struck.others_serve(cluster)))
    }

    fn go_on(&mut self, cluster: &mut Cluster) -> Result<bool, Error> {
        Ok(self.struck.as_ref().is_none_or(|(_, job)| cluster.has_ended(job)))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        let Some((index, _)) = self.struck.take() else { return Ok("there was nothing to heal".to_owned()) };
        let name = cluster.nodes()[index].name();
        Ok(match weigh(cluster, index, "1") {
            Some(_) => format!("{name}: its weight becomes 1"),
            None => {
                format!("{name}: keeps its weight, since that change goes on, or no majority took the word")
            }
        })
    }
}

fn weigh(cluster: &Cluster, index: usize, weight: &str) -> Option<String> {
    operator::apply(cluster, &["weight", &cluster.nodes()[index].called(), weight])
}
