//! One run: clients work, the nemesis disturbs them, everything is healed, and the history is judged.
//!
//! ```text
//!   clients   |=========================================|
//!   nemesis   |--x---h----x-h------x-----h|                 x strike, h heal
//!   closing                                              |=====| reads of every key
//!                                          ^ calm: what was healed must work again
//! ```
//!
//! A run can end in four ways. *Violated*: the history, or an answer or a process by itself, broke a promise.
//! *Void*: it did too little to prove anything. *Undecided*: the judge gave up. Only *passed* is a pass.

use std::fmt;
use std::ops::Add as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::generator::Shift;
use crate::majority;
use crate::nemesis;
use crate::nemesis::schedule::Schedule;
use crate::record::{EventKind, EventRecord};
use crate::tally::Counts;
use crate::workload::{Closed, Driven, Run, Workload};
use quorate_checkers::history::History;
use quorate_checkers::judgement::{self, Judgement, Measure};
use quorate_checkers::throughput::{self, Throughput};

/// Below so many completed operations a second a run is void.
pub const PER_SECOND_MIN: f64 = 50.0;

/// If nothing completes within this time after a healing, the run is void.
pub const PROGRESS_WITHIN: Duration = Duration::from_secs(10);

/// How long clients go on after the last healing, at most; a short run gives a quarter of itself.
const CALM_MAX: Duration = Duration::from_secs(10);

/// How a run is done.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many clients work at once, from 1 to 10: more on one key are too much for the checker.
    pub clients: u32,
    /// How long they work.
    pub time: Duration,
    /// Decides what they do, and what is broken.
    pub seed: u64,
}

/// The faults, and the cluster that they strike.
pub struct Nemesis<'a> {
    /// The faults; with none of them, the cluster is only looked at.
    pub faults: Vec<&'static nemesis::Entry>,
    /// No fault holds longer than this.
    pub hold_max: Duration,
    /// The cluster.
    pub cluster: &'a mut Cluster,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All promises were kept, under enough load.
    Passed,
    /// A promise was broken.
    Violated,
    /// The judge could not decide.
    Undecided,
    /// It did too little to prove anything.
    Void,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The history.
    pub history: History,
    /// What the workload's checker says.
    pub judgement: Judgement,
    /// How much was done while the clients worked.
    pub throughput: Throughput,
    /// For how long they worked, from the beginning of the history.
    pub worked: Duration,
    /// The outcomes of all requests.
    pub counts: Counts,
    /// What was broken and healed.
    pub events: Vec<EventRecord>,
    /// What processes did wrong: a majority side that did not serve, and what the owner of the processes adds.
    pub misdeeds: Vec<String>,
    /// Why the run proves nothing, if it does not.
    pub void: Vec<String>,
}

/// Does a run against these nodes, and judges it.
pub async fn run(
    workload: Arc<dyn Workload>,
    endpoints: Vec<String>,
    nemesis: Option<Nemesis<'_>>,
    settings: Settings,
) -> Report {
    let table = workload.table()["name"].as_str().unwrap_or_default().to_owned();
    let run = Arc::new(Run::start(endpoints, table, settings.seed));
    let is_disturbed = nemesis.as_ref().is_some_and(|nemesis| !nemesis.faults.is_empty());
    let driven = match (workload.course(), nemesis) {
        (Some(course), Some(nemesis)) => course.drive(&workload, &run, nemesis.cluster).await,
        (Some(_) | None, nemesis) => under_faults(&workload, &run, nemesis, settings).await,
    };
    let Driven { events, until: worked_until, mut void } = driven;
    let closed = {
        let (workload, run) = (Arc::clone(&workload), Arc::clone(&run));
        tokio::spawn(async move { workload.close(&run).await }).await
    };
    let closed = closed.unwrap_or_else(|error| Closed {
        void: vec![format!("the closing reads broke off: {error}")],
        ..Closed::default()
    });
    let history = run.recorder.history();
    let throughput = throughput::measure(&history, 0, worked_until);
    if is_disturbed || !events.is_empty() {
        void.extend(void_by_events(&events, &history));
    }
    if throughput.per_second < PER_SECOND_MIN {
        void.push(format!("{:.1} operations a second are below {PER_SECOND_MIN}", throughput.per_second));
    }
    let mut judgement = workload.judge(&history);
    closed.add_to(&mut judgement);
    let mut judgement = judgement.bounded();
    let served =
        if workload.is_served_by_a_majority() { majority::judge(&history, &events) } else { Vec::new() };
    judgement.measures.extend(served.iter().flat_map(|served| {
        let name = format!("majority side under {}", served.fault);
        let share = Measure { name: name.clone(), value: served.percent(), unit: "%".to_owned() };
        [
            share,
            Measure { name: format!("{name}: requests"), value: served.requests as f64, unit: String::new() },
        ]
    }));
    void.extend(judgement.void.iter().cloned());
    Report {
        judgement,
        throughput,
        counts: run.tally.counts(),
        events,
        worked: Duration::from_nanos(worked_until),
        misdeeds: served.iter().filter_map(majority::Served::misdeed).collect(),
        void,
        history,
    }
}

/// The ordinary course: clients at their own pace, disturbed until it is time to be calm.
async fn under_faults(
    workload: &Arc<dyn Workload>,
    run: &Arc<Run>,
    nemesis: Option<Nemesis<'_>>,
    settings: Settings,
) -> Driven {
    let begun = Instant::now();
    let shift = Shift::closed(workload, run, settings.clients);
    let calm = CALM_MAX.min(settings.time / 4);
    let disturbed_until = begun + settings.time.saturating_sub(calm);
    let events = match nemesis {
        Some(Nemesis { faults, hold_max, cluster }) => {
            let schedule = Schedule::new(&faults, cluster, &run.recorder, settings.seed, hold_max);
            let events = schedule.disturb(disturbed_until).await;
            // A node that must not serve any more is not asked for the last word.
            cluster.damaged().for_each(|index| run.excuse(index, cluster.nodes()[index].member()));
            events
        }
        None => Vec::new(),
    };
    tokio::time::sleep_until(disturbed_until.max(Instant::now()).add(calm).into()).await;
    shift.stop();
    let until = run.recorder.now();
    Driven { events, until, void: shift.end().await.broken }
}

/// Why faults, or what came after them, leave nothing proved.
fn void_by_events(events: &[EventRecord], history: &History) -> Vec<String> {
    let mut void = Vec::new();
    if !events.iter().any(|event| event.kind == EventKind::Strike) {
        void.push("nothing was broken in this run".to_owned());
    }
    let within = u64::try_from(PROGRESS_WITHIN.as_nanos()).expect("seconds fit");
    let mut in_force = 0_u32;
    for event in events {
        match event.kind {
            EventKind::Recovered | EventKind::Whole => {}
            EventKind::Strike => in_force += 1,
            EventKind::Heal => {
                in_force = in_force.saturating_sub(1);
                // While something else is still broken, nothing is expected.
                if in_force == 0 && !throughput::progressed(history, event.at, within) {
                    let within = PROGRESS_WITHIN.as_secs();
                    void.push(format!("no progress within {within} s after a healing: {}", line(event)));
                }
            }
            EventKind::Trouble => void.push(line(event)),
        }
    }
    void
}

/// An event as a line of a timeline.
fn line(event: &EventRecord) -> String {
    format!("{:>9.3} s  {}: {}", event.at as f64 / 1e9, event.fault, event.what)
}

impl Report {
    /// How the run ended. A broken promise counts even where too little was done to prove that all are kept.
    pub fn verdict(&self) -> Verdict {
        let is_broken = self.judgement.verdict == judgement::Verdict::Violation
            || !self.misdeeds.is_empty()
            || self.counts.breaches_count > 0;
        match self.judgement.verdict {
            _ if is_broken => Verdict::Violated,
            _ if !self.void.is_empty() => Verdict::Void,
            judgement::Verdict::Undecided => Verdict::Undecided,
            judgement::Verdict::Passed | judgement::Verdict::Violation => Verdict::Passed,
        }
    }
}

impl Verdict {
    /// The verdict in capitals, for the first line of a report.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Passed => "PASS",
            Verdict::Violated => "VIOLATED",
            Verdict::Undecided => "UNDECIDED, which is not a pass",
            Verdict::Void => "VOID, which is not a pass",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.verdict().word())?;
        writeln!(formatter, "{}", self.judgement.text)?;
        for line in self.void.iter().chain(&self.misdeeds) {
            writeln!(formatter, "  {line}")?;
        }
        writeln!(
            formatter,
            "load: {} completed, {:.1} a second, longest gap {:.3} s",
            self.throughput.completed,
            self.throughput.per_second,
            self.throughput.longest_gap as f64 / 1e9,
        )?;
        write!(formatter, "outcomes:\n{}", self.counts)?;
        if !self.events.is_empty() {
            writeln!(formatter, "faults:")?;
        }
        for event in &self.events {
            writeln!(formatter, "  {}", line(event))?;
        }
        Ok(())
    }
}
