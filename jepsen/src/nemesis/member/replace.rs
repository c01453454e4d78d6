//! A process is killed, its folder emptied, and its place is taken: by itself at the same address, or by a new member on the
//! same host, under another name, by a plan that calls the old one dead.
//!
//! A member that comes back must be ready and hold everything that all owners had acknowledged before (`cluster/doubt.rs`).

use rand_chacha::ChaCha8Rng;

use super::operator;
use crate::cluster::doubt::Expected;
use crate::cluster::{Cluster, Error};
use crate::nemesis::aim::{Aim, Extent};
use crate::nemesis::{Fault, Struck};

/// Who takes the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The same member, as its next incarnation.
    ByItself,
    /// A member that nobody knew before.
    ByAnother,
}

/// See the module's essay.
pub struct Replace {
    place: Place,
    aim: Aim,
    gone: Option<Gone>,
}

/// Who was struck, and how far its replacement by another is.
struct Gone {
    index: usize,
    /// The name of the member that is gone.
    old: String,
    step: Step,
}

enum Step {
    /// Nothing was begun.
    Empty,
    /// Another process runs, and may be no member yet.
    Joins,
    /// The job that gives it the place of the old one.
    Moves(String),
}

impl Replace {
    /// One that has struck nobody yet.
    pub fn new(place: Place) -> Replace {
        Replace { place, aim: Aim::new(Extent::One), gone: None }
    }
}

impl Fault for Replace {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        // Who is gone for good is heard by nobody: no plan may wait for it.
        let limit = if cluster.misses_one_for_good() { 0 } else { cluster.may_make_doubtful() };
        let Some(index) = self.aim.choose(&cluster.free(), cluster, limit, random).first().copied() else {
            return Ok(None);
        };
        let struck = Struck::of(cluster, &[index], "killed, and its folder emptied");
        let struck = struck.map(|struck| struck.others_serve(cluster));
        cluster.claim(index, "member-replace");
        cluster.expect(index, Expected::ANEW);
        let old = cluster.nodes()[index].member().to_owned();
        self.gone = Some(Gone { index, old, step: Step::Empty });
        cluster.node_mut(index).lose_all()?;
        Ok(struck)
    }

    fn go_on(&mut self, cluster: &mut Cluster) -> Result<bool, Error> {
        let (Place::ByAnother, Some(gone)) = (self.place, &mut self.gone) else { return Ok(true) };
        let index = gone.index;
        match &gone.step {
            Step::Empty => {
                cluster.join_as_another(index)?;
                gone.step = Step::Joins;
            }
            Step::Joins => {
                let (old, new) = (format!("name:{}", gone.old), &cluster.nodes()[index]);
                if cluster.is_member(index, new.member()) == Some(true)
                    && let Some(job) = operator::apply(cluster, &["replace", &old, &new.called(), "--dead"])
                {
                    gone.step = Step::Moves(job);
                }
            }
            Step::Moves(job) => {
                return Ok(cluster.is_member(index, &gone.old) == Some(false) && cluster.has_ended(job));
            }
        }
        Ok(false)
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        let is_through = self.go_on(cluster)?;
        let Some(Gone { index, old, step }) = self.gone.take() else {
            return Ok("there was nothing to heal".to_owned());
        };
        cluster.release_all(&[index]);
        let name = cluster.nodes()[index].member().to_owned();
        if self.place == Place::ByItself {
            cluster.node_mut(index).replace_itself()?;
            return Ok(format!("{old}: takes its own place"));
        }
        if is_through {
            return Ok(format!("{old}: {name} has its place"));
        }
        let what = match step {
            Step::Empty | Step::Joins => format!("{name} gets no plan that gives it the place of {old}"),
            Step::Moves(_) => format!("{name} does not get the place of {old}"),
        };
        if !cluster.misses_one_for_good() {
            cluster.note_misdeed(format!("{what}, with nothing else broken"));
        }
        Ok(what)
    }
}
