//! The rounds of the load: a node dies, stays away, comes back, and gets what it missed.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::Load;
use crate::agreement::{self, Emptiness};
use crate::cluster::{Cluster, Error};
use crate::generator::Shift;
use crate::record::{EventKind, EventRecord};
use crate::workload::{Course, Driven, Driving, Run, Workload};

/// The fault of a round, as it is called elsewhere too.
const FAULT: &str = "kill-one";

/// How long a node that came back may take to get what it missed, and to be ready.
const CONVERGENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Of the keys written while a node is away, so many are looked at before it comes back.
const SAMPLE_KEYS: usize = 30;

/// What came of one round. Moments are nanoseconds of the history.
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// The node that was killed.
    pub node: String,
    /// When it was killed.
    pub killed: u64,
    /// When it was started again.
    pub back: u64,
    /// From when on clients asked it again; the end of time if it was not ready in time.
    pub welcome: u64,
    /// The keys that were written while it was away.
    pub missed: BTreeSet<String>,
    /// Of a sample of them, how many differed between their owners just before it came back. If none did, then that
    /// they are equal afterwards proves nothing.
    pub differed_before: usize,
    /// How long it took, from its start, to be ready; `None` if it was not in time.
    pub ready: Option<Duration>,
    /// How long it took, from its start, until every owner of every key had the same version; if that did not come
    /// in time, the keys that still differed, each with what `explain` said.
    pub converged: Result<Duration, Vec<String>>,
}

impl Course for Load {
    fn drive<'a>(
        &'a self,
        workload: &'a Arc<dyn Workload>,
        run: &'a Arc<Run>,
        cluster: &'a mut Cluster,
    ) -> Driving<'a> {
        Box::pin(async move {
            let mut driven = Driven::default();
            let shift = Shift::open(workload, run, f64::from(self.settings.rate), Duration::MAX);
            let first = ChaCha8Rng::seed_from_u64(run.seed()).random_range(0..cluster.nodes().len());
            for number in 0..self.settings.rounds {
                self.begin_phase(format!("quiet-{number}"));
                tokio::time::sleep(self.settings.quiet).await;
                let index = (first + number as usize) % cluster.nodes().len();
                match self.one_round(run, cluster, index, number, &mut driven.events).await {
                    Ok(round) => {
                        eprintln!("round {}: {round}", number + 1);
                        self.rounds.lock().unwrap_or_else(PoisonError::into_inner).push(round);
                    }
                    Err(error) => {
                        driven.void.push(format!("round {} broke off: {error}", number + 1));
                        break;
                    }
                }
                cluster.sample_memory();
            }
            driven.until = run.recorder.now();
            driven.void.extend(shift.end().await.broken);
            driven
        })
    }
}

impl Load {
    async fn one_round(
        &self,
        run: &Arc<Run>,
        cluster: &mut Cluster,
        index: usize,
        number: u32,
        events: &mut Vec<EventRecord>,
    ) -> Result<Round, Error> {
        let name = cluster.nodes()[index].name().to_owned();
        let others = cluster.majority_without(&[index]);
        let majority: Vec<String> =
            others.iter().map(|other| cluster.nodes()[*other].name().to_owned()).collect();
        let mut note = |kind, what: String, majority: &[String]| {
            let (at, fault) = (run.recorder.now(), FAULT.to_owned());
            let (nodes, majority) = (vec![name.clone()], majority.to_vec());
            events.push(EventRecord { at, kind, fault, nodes, majority, what });
            at
        };
        // No client may choose the node any more when it dies.
        run.avoid(index);
        let killed = note(EventKind::Strike, format!("{name}: killed"), &majority);
        cluster.node_mut(index).kill();
        self.begin_phase(format!("down-{number}"));
        tokio::time::sleep(self.settings.down).await;
        let missed = self.begin_phase(format!("back-{number}"));
        let differed_before = agreement::count_different(run, missed.iter().take(SAMPLE_KEYS)).await;
        let started = Instant::now();
        let back = note(EventKind::Heal, "started again".to_owned(), &[]);
        cluster.node_mut(index).start_again()?;
        let (ready, welcome) = match cluster.wait_node_ready(index, CONVERGENCE_TIMEOUT).await {
            Ok(()) => {
                run.welcome(index);
                let took = started.elapsed();
                (
                    Some(took),
                    note(EventKind::Recovered, format!("ready after {:.3} s", took.as_secs_f64()), &[]),
                )
            }
            Err(error @ Error::TooLate { .. }) => {
                note(EventKind::Trouble, error.to_string(), &[]);
                (None, u64::MAX)
            }
            Err(
                error @ (Error::Host { .. }
                | Error::NoFreePorts
                | Error::NotRoot
                | Error::NoFreeSlot
                | Error::Tool(_)
                | Error::Exited { .. }),
            ) => return Err(error),
        };
        let keys = missed.iter().cloned().collect();
        let converged = agreement::wait(run, keys, started, CONVERGENCE_TIMEOUT, Emptiness::Differs).await;
        let converged =
            converged.map_err(|open| open.into_iter().map(|(key, seen)| format!("{key}: {seen}")).collect());
        Ok(Round { node: name, killed, back, welcome, missed, differed_before, ready, converged })
    }
}

impl fmt::Display for Round {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = self
            .ready
            .map_or("not ready in time".to_owned(), |ready| format!("ready {:.3} s", ready.as_secs_f64()));
        let (node, keys) = (&self.node, self.missed.len());
        write!(
            formatter,
            "{node} killed; {} of a sample differed; {ready} after its return; ",
            self.differed_before
        )?;
        match &self.converged {
            Ok(after) => {
                write!(formatter, "all owners of {keys} keys equal after {:.3} s", after.as_secs_f64())
            }
            Err(different) => write!(formatter, "owners of {} of {keys} keys still differ", different.len()),
        }
    }
}
