//! A member's copies move away, and it is a member no more; its process must end by itself. Then it joins on an empty
//! folder, under its name, as a member that nobody knew before, and asks for its share (`--auto`).

use rand_chacha::ChaCha8Rng;

use super::change::Change;
use super::operator;
use crate::cluster::{Cluster, Error, Excuse};
use crate::nemesis::{Fault, Struck};

/// See the module's essay.
pub struct Leave {
    change: Change,
}

impl Leave {
    /// One that has struck nobody yet.
    pub fn new() -> Leave {
        Leave { change: Change::new() }
    }
}

impl Fault for Leave {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        // Its hints for one that nobody brings back would be kept without end.
        if cluster.misses_one_for_good() {
            return Ok(None);
        }
        let free = cluster.free();
        let Some(index) = self.change.begin(cluster, (&free, random), ("remove", &[])) else {
            return Ok(None);
        };
        cluster.claim(index, "member-leave");
        cluster.node_mut(index).excuse(Some(Excuse::NoMember));
        Ok(Struck::of(cluster, &[index], "leaves").map(|struck| struck.others_serve(cluster)))
    }

    fn go_on(&mut self, cluster: &mut Cluster) -> Result<bool, Error> {
        let Some((index, _)) = self.change.goes_on() else { return Ok(true) };
        Ok(cluster.has_left(index) && cluster.node_mut(index).has_ended())
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        let Some((index, job)) = self.change.end() else {
            return Ok("there was nothing to heal".to_owned());
        };
        let name = cluster.nodes()[index].name().to_owned();
        let (has_left, has_ended) = (cluster.has_left(index), cluster.node_mut(index).has_ended());
        cluster.release_all(&[index]);
        cluster.node_mut(index).excuse(None);
        if has_left && has_ended {
            cluster.begin_anew(index)?;
            return Ok(format!("{name}: has left, and joins as a new member"));
        }
        operator::abort(cluster, &job);
        let what = if has_left { "runs on, although it is no member any more" } else { "does not leave" };
        if !cluster.misses_one_for_good() {
            cluster.note_misdeed(format!("{name} {what}, with nothing broken"));
        }
        Ok(format!("{name}: {what}; its job is broken off"))
    }
}
