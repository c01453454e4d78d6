//! A plan about one member, and the job that carries it out.

use rand_chacha::ChaCha8Rng;

use super::operator;
use crate::cluster::Cluster;
use crate::nemesis::aim::{Aim, Extent};

/// Changes one member after another, those first that were changed least often.
pub struct Change {
    aim: Aim,
    /// Who is changed, and the job that does it.
    goes_on: Option<(usize, String)>,
}

impl Change {
    /// One that has changed nothing yet.
    pub fn new() -> Change {
        Change { aim: Aim::new(Extent::One), goes_on: None }
    }

    /// Applies a plan, `weight NODE 3` say, to one of these nodes; to which one, unless it is refused.
    pub fn begin(
        &mut self,
        cluster: &Cluster,
        (among, random): (&[usize], &mut ChaCha8Rng),
        (verb, more): (&str, &[&str]),
    ) -> Option<usize> {
        let index = self.aim.choose(among, cluster, 1, random).first().copied()?;
        let job = operator::apply(cluster, &[&[verb, &cluster.nodes()[index].called()], more].concat())?;
        self.goes_on = Some((index, job));
        Some(index)
    }

    /// Who is changed, and the job that does it.
    pub fn goes_on(&self) -> Option<(usize, &str)> {
        self.goes_on.as_ref().map(|(index, job)| (*index, job.as_str()))
    }

    /// The same, for the last time.
    pub fn end(&mut self) -> Option<(usize, String)> {
        self.goes_on.take()
    }
}
