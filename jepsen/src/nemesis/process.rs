//! A process dies and returns on the same folder, or stands still and goes on as if nothing had been.
//!
//! *Kill* (SIGKILL): it gets no chance to say goodbye, but what it handed to the operating system stays: this is a crash of
//! a process, not of a machine. *Pause* (SIGSTOP): no code of it runs, its connections stay open, the kernel goes on
//! accepting for it. Clients that asked it as coordinator have long given up when it wakes, with requests and answers in its
//! hands from another time: a stop of the world by a garbage collector, a migration of a virtual machine, a laptop's lid. The
//! long kind outlasts every timeout.

use rand_chacha::ChaCha8Rng;

use super::aim::{Effect, Told};
use crate::cluster::Cluster;

/// What is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// SIGKILL, and another process on the same folder.
    Kill,
    /// SIGSTOP, and SIGCONT.
    Pause,
}

impl Effect for Process {
    fn claims(&self) -> Option<&'static str> {
        Some("process")
    }

    fn spares_others(&self) -> bool {
        true
    }

    fn strike(&mut self, cluster: &mut Cluster, nodes: &[usize], _random: &mut ChaCha8Rng) -> Told {
        for index in nodes {
            match self {
                Process::Kill => cluster.node_mut(*index).kill(),
                Process::Pause => cluster.node_mut(*index).pause(),
            }
        }
        let what = match self {
            Process::Kill => "killed",
            Process::Pause => "stopped",
        };
        Ok(what.to_owned())
    }

    fn heal(&mut self, cluster: &mut Cluster, nodes: &[usize]) -> Told {
        for index in nodes {
            match self {
                Process::Kill => cluster.node_mut(*index).start_again()?,
                Process::Pause => cluster.node_mut(*index).go_on(),
            }
        }
        let what = match self {
            Process::Kill => "started again",
            Process::Pause => "goes on",
        };
        Ok(what.to_owned())
    }
}
