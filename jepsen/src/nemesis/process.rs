//! A process dies and returns on the same folder, or stands still and goes on as if nothing had been.
//!
//! *Kill* (SIGKILL): it gets no chance to say goodbye, but what it handed to the operating system stays: this is a crash of
//! a process, not of a machine. *Pause* (SIGSTOP): no code of it runs, its connections stay open, the kernel goes on
//! accepting for it. Clients that asked it as coordinator have long given up when it wakes, with requests and answers in its
//! hands from another time: a stop of the world by a garbage collector, a migration of a virtual machine, a laptop's lid. The
//! long kind outlasts every timeout.

use rand_chacha::ChaCha8Rng;

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::{Cluster, Error};

/// What is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// SIGKILL, and another process on the same folder.
    Kill,
    /// SIGSTOP, and SIGCONT.
    Pause,
}

/// The fault, and whom it struck.
#[derive(Debug)]
pub struct Process {
    manner: Manner,
    aim: Aim,
    struck: Vec<usize>,
}

impl Process {
    /// Strikes so many at once.
    pub fn new(manner: Manner, extent: Extent) -> Process {
        Process { manner, aim: Aim::new(extent), struck: Vec::new() }
    }
}

impl Fault for Process {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let (name, what) = match self.manner {
            Manner::Kill => ("kill", "killed"),
            Manner::Pause => ("pause", "stopped"),
        };
        self.struck = self.aim.choose(&cluster.free(), cluster, usize::MAX, random);
        for index in &self.struck {
            cluster.claim(*index, name);
            match self.manner {
                Manner::Kill => cluster.node_mut(*index).kill(),
                Manner::Pause => cluster.node_mut(*index).pause(),
            }
        }
        Ok(Struck::of(cluster, &self.struck, what).map(|struck| struck.others_serve(cluster)))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        cluster.release_all(&self.struck);
        for index in self.struck.drain(..) {
            match self.manner {
                Manner::Kill => cluster.node_mut(index).start_again()?,
                Manner::Pause => cluster.node_mut(index).go_on(),
            }
        }
        let said = match self.manner {
            Manner::Kill => "started again",
            Manner::Pause => "goes on",
        };
        Ok(said.to_owned())
    }
}
