//! One node after another stops in order and starts again: each once another node says that all goes on without it
//! (`safe-to-stop`), and the next once it is ready. Those that another fault has are left out.
//!
//! In an upgrade each was of the version before, and is of the current one then. A strike is some of those that are left,
//! so that other faults meet a cluster of two versions.

use rand::Rng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::cluster::{Cluster, Error};
use crate::nemesis::{Fault, Struck};

/// What nodes are started with again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The one that they ran.
    Same,
    /// The current one, in the place of that of the version before.
    Current,
}

/// See the module's essay.
pub struct Restart {
    program: Program,
    /// Those whose turn comes, the next one last.
    left: Vec<usize>,
    now: Option<Turn>,
    done: Vec<String>,
}

/// How far the one is whose turn it is.
#[derive(Clone, Copy)]
enum Turn {
    Stops(usize),
    Starts(usize),
}

impl Restart {
    /// One that has struck nobody yet.
    pub fn new(program: Program) -> Restart {
        Restart { program, left: Vec::new(), now: None, done: Vec::new() }
    }

    /// Stops the next one that may be stopped.
    fn begin(&mut self, cluster: &mut Cluster) {
        let free = cluster.free();
        self.left.retain(|index| free.contains(index));
        if let Some(index) = self.left.last().copied()
            && cluster.is_safe_to_stop(index)
        {
            self.left.pop();
            cluster.claim(index, "rolling");
            cluster.node_mut(index).stop();
            self.now = Some(Turn::Stops(index));
        }
    }
}

impl Fault for Restart {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        self.left = cluster.free();
        self.left.shuffle(random);
        let what = match self.program {
            Program::Same => "are stopped and started again, one after another",
            Program::Current => {
                self.left.retain(|index| cluster.nodes()[*index].is_to_be_upgraded());
                self.left.truncate(random.random_range(1..=self.left.len().max(1)));
                "are upgraded, one after another"
            }
        };
        self.done.clear();
        Ok(Struck::of(cluster, &self.left, what))
    }

    fn go_on(&mut self, cluster: &mut Cluster) -> Result<bool, Error> {
        match self.now {
            None => self.begin(cluster),
            Some(Turn::Stops(index)) => {
                let node = cluster.node_mut(index);
                if node.has_ended() {
                    if self.program == Program::Current {
                        node.upgrade();
                    }
                    node.start_again()?;
                    self.now = Some(Turn::Starts(index));
                }
            }
            Some(Turn::Starts(index)) => {
                if cluster.says_ready(index) {
                    cluster.release_all(&[index]);
                    self.done.push(cluster.nodes()[index].name().to_owned());
                    self.now = None;
                }
            }
        }
        Ok(self.now.is_none() && self.left.is_empty())
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        let missing = std::mem::take(&mut self.left);
        if let Some(Turn::Stops(index) | Turn::Starts(index)) = self.now {
            cluster.release_all(&[index]);
        }
        let name = |index: usize| cluster.nodes()[index].name().to_owned();
        let what = match self.now.take() {
            Some(Turn::Stops(index)) => Some(format!("{} does not stop", name(index))),
            Some(Turn::Starts(index)) => Some(format!("{} does not become ready", name(index))),
            None => missing.last().map(|index| format!("{} is never safe to stop", name(*index))),
        };
        if let Some(what) = &what
            && !cluster.misses_one_for_good()
        {
            cluster.note_misdeed(format!("{what}, with nothing else broken"));
        }
        let done = match self.program {
            Program::Same => "stopped and started again",
            Program::Current => "upgraded",
        };
        let done = format!("{}: {done}", self.done.join(" "));
        Ok(what.map_or(done.clone(), |what| format!("{done}; {what}")))
    }
}
