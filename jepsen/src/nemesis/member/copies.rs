//! The workload's table gets a copy more, and as many as before when it is healed. Where the program can't take copies away
//! it keeps them, and gets another one the next time, as long as there are members for it.

use rand_chacha::ChaCha8Rng;

use super::operator;
use crate::cluster::{COPIES, Cluster, Error};
use crate::nemesis::{Fault, Struck};

/// See the module's essay.
#[derive(Default)]
pub struct Copies {
    /// The job that carries it out.
    job: Option<String>,
}

impl Copies {
    /// One that has struck nothing yet.
    pub fn new() -> Copies {
        Copies::default()
    }
}

impl Fault for Copies {
    fn strike(&mut self, cluster: &mut Cluster, _random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let Some(copies) = cluster.copies().map(|copies| copies + 1) else { return Ok(None) };
        self.job = set(cluster, copies);
        let all: Vec<usize> = (0..cluster.nodes().len()).collect();
        let what = format!("its table gets {copies} copies");
        Ok(self.job.as_ref().and_then(|_| Struck::of(cluster, &all, &what)))
    }

    fn go_on(&mut self, cluster: &mut Cluster) -> Result<bool, Error> {
        Ok(self.job.as_ref().is_none_or(|job| cluster.has_ended(job)))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        self.job = None;
        Ok(match set(cluster, COPIES as u64) {
            Some(_) => format!("the table gets {COPIES} copies again"),
            None => "the table keeps its copies: fewer are refused, or that change goes on".to_owned(),
        })
    }
}

fn set(cluster: &Cluster, copies: u64) -> Option<String> {
    operator::apply(cluster, &["copies", cluster.table(), &copies.to_string()])
}
