//! One node after another stops in order and starts again, as in an upgrade: each once another node says that all goes on
//! without it (`safe-to-stop`), and the next once it is ready. Those that another fault has are left out.

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::cluster::{Cluster, Error};
use crate::nemesis::{Fault, Struck};

/// See the module's essay.
#[derive(Default)]
pub struct Restart {
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
    pub fn new() -> Restart {
        Restart::default()
    }

    /// Stops the next one that may be stopped.
    fn begin(&mut self, cluster: &mut Cluster) {
        let free = cluster.free();
        self.left.retain(|index| free.contains(index));
        if let Some(index) = self.left.last().copied()
            && cluster.is_safe_to_stop(index)
        {
            self.left.pop();
            cluster.claim(index, "rolling-restart");
            cluster.node_mut(index).stop();
            self.now = Some(Turn::Stops(index));
        }
    }
}

impl Fault for Restart {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        self.left = cluster.free();
        self.left.shuffle(random);
        self.done.clear();
        Ok(Struck::of(cluster, &self.left, "are stopped and started again, one after another"))
    }

    fn go_on(&mut self, cluster: &mut Cluster) -> Result<bool, Error> {
        match self.now {
            None => self.begin(cluster),
            Some(Turn::Stops(index)) => {
                let node = cluster.node_mut(index);
                if node.has_ended() {
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
        let done = format!("{}: stopped and started again", self.done.join(" "));
        Ok(what.map_or(done.clone(), |what| format!("{done}; {what}")))
    }
}
