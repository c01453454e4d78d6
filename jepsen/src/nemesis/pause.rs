//! A process stands still, and goes on as if nothing had been.
//!
//! SIGSTOP: no code of it runs, its connections stay open, the kernel goes on accepting for it. Clients that asked it as
//! coordinator have long given up when it wakes, with requests and answers in its hands from another time: a stop of
//! the world by a garbage collector, a migration of a virtual machine, a laptop's lid. The long kind outlasts every
//! timeout.

use rand_chacha::ChaCha8Rng;

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::{Cluster, Error};

const NAME: &str = "pause";

/// The fault, and whom it struck.
#[derive(Debug)]
pub struct Pause {
    aim: Aim,
    paused: Vec<usize>,
}

impl Pause {
    /// Stops so many at once.
    pub fn new(extent: Extent) -> Pause {
        Pause { aim: Aim::new(extent), paused: Vec::new() }
    }
}

impl Fault for Pause {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        self.paused = self.aim.choose(&cluster.free(), cluster, usize::MAX, random);
        for index in &self.paused {
            cluster.claim(*index, NAME);
            cluster.node_mut(*index).pause();
        }
        Ok(Struck::of(cluster, &self.paused, "stopped").map(|struck| struck.others_serve(cluster)))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        cluster.release_all(&self.paused);
        for index in self.paused.drain(..) {
            cluster.node_mut(index).go_on();
        }
        Ok("goes on".to_owned())
    }
}
