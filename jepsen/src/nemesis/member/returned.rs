//! A member is killed, given up for dead by a plan, and returns with everything that it had: its process must end by itself,
//! and nothing of what it had may come back. Then it joins on an empty folder, as a member that nobody knew before.

use rand_chacha::ChaCha8Rng;

use super::operator;
use crate::cluster::doubt::Expected;
use crate::cluster::{Cluster, Error, Excuse};
use crate::nemesis::aim::{Aim, Extent};
use crate::nemesis::{Fault, Struck};

/// See the module's essay.
pub struct Return {
    aim: Aim,
    /// Who was struck, and how far it is.
    struck: Option<(usize, Step)>,
}

enum Step {
    /// It is killed.
    Killed,
    /// The job that makes its copies anew elsewhere.
    GivenUp(String),
    /// It was started again on the folder that it had.
    Back,
}

impl Return {
    /// One that has struck nobody yet.
    pub fn new() -> Return {
        Return { aim: Aim::new(Extent::One), struck: None }
    }
}

impl Fault for Return {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let limit = if cluster.misses_one_for_good() { 0 } else { cluster.may_make_doubtful() };
        let Some(index) = self.aim.choose(&cluster.free(), cluster, limit, random).first().copied() else {
            return Ok(None);
        };
        let struck = Struck::of(cluster, &[index], "killed, and given up for dead");
        let struck = struck.map(|struck| struck.others_serve(cluster));
        cluster.claim(index, "member-return");
        cluster.expect(index, Expected::ANEW);
        cluster.node_mut(index).kill();
        self.struck = Some((index, Step::Killed));
        Ok(struck)
    }

    fn go_on(&mut self, cluster: &mut Cluster) -> Result<bool, Error> {
        let Some((index, step)) = &mut self.struck else { return Ok(true) };
        let name = cluster.nodes()[*index].member();
        match step {
            Step::Killed => {
                if let Some(job) =
                    operator::apply(cluster, &["remove", &cluster.nodes()[*index].called(), "--dead"])
                {
                    *step = Step::GivenUp(job);
                }
            }
            Step::GivenUp(job) => {
                if cluster.is_member(*index, name) == Some(false) && cluster.has_ended(job) {
                    let node = cluster.node_mut(*index);
                    node.excuse(Some(Excuse::NoMember));
                    node.start_again()?;
                    *step = Step::Back;
                }
            }
            Step::Back => return Ok(cluster.node_mut(*index).has_ended()),
        }
        Ok(false)
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        let is_through = self.go_on(cluster)?;
        let Some((index, step)) = self.struck.take() else {
            return Ok("there was nothing to heal".to_owned());
        };
        let name = cluster.nodes()[index].member().to_owned();
        cluster.release_all(&[index]);
        cluster.node_mut(index).excuse(None);
        let what = match step {
            Step::Back => {
                cluster.begin_anew(index)?;
                if is_through {
                    return Ok(format!(
                        "{name}: its process ended when it came back; it joins as a new member"
                    ));
                }
                "runs on, although it was given up for dead"
            }
            Step::Killed | Step::GivenUp(_) => {
                if let Step::GivenUp(job) = &step {
                    operator::abort(cluster, job);
                }
                cluster.trust(index);
                cluster.node_mut(index).start_again()?;
                "can't be given up for dead"
            }
        };
        if !cluster.misses_one_for_good() {
            cluster.note_misdeed(format!("{name} {what}, with nothing else broken"));
        }
        Ok(format!("{name}: {what}"))
    }
}
