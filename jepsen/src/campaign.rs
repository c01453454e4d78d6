//! A run: segments one after another, written down as they end, and one verdict in the end.
//!
//! Whatever is to be proved goes through here: suites, one workload, load, overload, and breakages are agendas of segments.
//! The run's folder is all its memory: a run that was broken off and goes on reads from it what is done, what was
//! left out and how long it has taken, and does the rest: the segments of a run are a function of its seed. The folder
//! stays bounded (see `campaign/bound.rs`). A segment that is void is done once more, and the run says so; one that is violated is
//! never done again.

mod bound;

use std::time::{Duration, Instant};

use crate::nemesis;
use crate::record::{Error as RecordError, LeftOut, RunFolder, RunRecord, SegmentRecord};
use crate::run::{Report, Verdict};
use crate::segment::{Error, Ground, Segment};
use crate::suite;
use crate::workload::Durability;

/// If so many segments in a row find no cluster to test, the run ends: the machine is not fit for it.
const WITHOUT_CLUSTER_MAX: u32 = 3;

/// What came of a run: its record, and that of each segment that is done, those of earlier sittings too.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was asked for, left out, and not done.
    pub run: RunRecord,
    /// The segments, in the order of their numbers.
    pub segments: Vec<SegmentRecord>,
}

impl Outcome {
    /// What a run's folder says.
    pub fn read(folder: &RunFolder) -> Result<Outcome, RecordError> {
        let segments = folder.read_segments()?.into_iter().map(|(segment, _)| segment).collect();
        Ok(Outcome { run: folder.read_run()?, segments })
    }

    /// One broken promise is enough, and one segment that proves nothing leaves the run unproved.
    pub fn verdict(&self) -> Verdict {
        let any = |verdict| self.segments.iter().any(|segment| segment.verdict == verdict);
        if any(Verdict::Violated) {
            Verdict::Violated
        } else if any(Verdict::Void) || self.segments.is_empty() || !self.reasons_to_doubt().is_empty() {
            Verdict::Void
        } else if any(Verdict::Undecided) {
            Verdict::Undecided
        } else {
            Verdict::Passed
        }
    }

    /// Why the run as a whole proves less than was asked for, whatever its segments say. What this machine cannot do
    /// is none of that: it is told beside the verdict.
    pub fn reasons_to_doubt(&self) -> Vec<String> {
        let RunRecord { without_cluster, seconds_max, seconds_spent, .. } = &self.run;
        let mut reasons: Vec<String> = without_cluster
            .iter()
            .map(|(number, why)| format!("segment {number} found no cluster to test: {why}"))
            .collect();
        if let Some(most) = seconds_max.filter(|most| *seconds_spent > *most as f64) {
            reasons.push(format!("it took {seconds_spent:.0} s, and no more than {most} s are allowed"));
        }
        reasons
    }

    /// The faults that were planned and never struck, in the order of the table.
    pub fn never_struck(&self) -> Vec<&'static str> {
        let is_planned =
            |name: &str| self.segments.iter().any(|one| one.faults.iter().any(|fault| fault == name));
        let struck = |name: &str| {
            let all = self.segments.iter().flat_map(|one| &one.by_fault);
            all.filter(|fault| fault.fault == name).any(|fault| fault.strikes > 0)
        };
        nemesis::FAULTS
            .iter()
            .map(|entry| entry.name)
            .filter(|name| is_planned(name) && !struck(name))
            .collect()
    }

    /// The verdict and what stands behind it, in one line.
    pub fn line(&self) -> String {
        let passed = self.segments.iter().filter(|segment| segment.verdict == Verdict::Passed).count();
        let planned = (self.run.segments_planned as usize).max(self.segments.len());
        let completed: u64 = self.segments.iter().map(|segment| segment.completed).sum();
        let worked: f64 = self.segments.iter().map(|segment| segment.seconds).sum();
        let strikes: u32 =
            self.segments.iter().flat_map(|segment| &segment.by_fault).map(|fault| fault.strikes).sum();
        let mut line = format!(
            "{}: {passed} of {planned} segments passed, {completed} operations in {worked:.0} s of load, {strikes} strikes",
            self.verdict().word()
        );
        let never = self.never_struck();
        if !never.is_empty() {
            line += &format!("; never struck: {}", never.join(" "));
        }
        if !self.run.void_at_first.is_empty() {
            let numbers: Vec<String> = self.run.void_at_first.keys().map(u32::to_string).collect();
            line += &format!("; void at first and done once more: segment {}", numbers.join(", "));
        }
        if !self.run.left_out.is_empty() {
            let left: Vec<&str> = self.run.left_out.iter().map(|left| left.what.as_str()).collect();
            line += &format!("; LEFT OUT here: {}", left.join(", "));
        }
        line
    }
}

/// Which segments a run has, one after another.
pub trait Agenda {
    /// The segment of this number, from 1; `None` ends the run.
    fn next(&mut self, number: u32) -> Option<Segment>;

    /// A segment came to its end.
    fn done(&mut self, segment: &SegmentRecord, report: &Report);

    /// A segment found no cluster to test.
    fn found_no_cluster(&mut self, number: u32, why: &str) {
        eprintln!("segment {number} found no cluster to test: {why}");
    }
}

/// Does the segments that are not done yet, until there are none left or the time is up. The run's record is kept up to
/// date.
pub async fn run(
    ground: &Ground,
    mut record: RunRecord,
    agenda: &mut dyn Agenda,
    until: Option<Instant>,
) -> Result<Outcome, Error> {
    ground.folder.write_run(&record)?;
    let mut in_a_row = 0;
    for number in 1.. {
        let Some(mut segment) = agenda.next(number) else { break };
        if ground.folder.segment(number).is_done() {
            continue;
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        let is_left = leave_out(ground, &mut record, &mut segment);
        ground.folder.write_run(&record)?;
        if !is_left {
            continue;
        }
        let begun = Instant::now();
        let mut done = segment.run(ground).await;
        if let Ok((first, _)) = &done
            && first.verdict == Verdict::Void
        {
            // Nothing was proved, for or against: a machine that was busy with something else deserves another look.
            eprintln!("segment {number} is void and is done once more: {}", first.void.join("; "));
            record.void_at_first.insert(number, first.void.join("; "));
            done = segment.run(ground).await;
        }
        record.seconds_spent += begun.elapsed().as_secs_f64();
        match done {
            Ok((done, report)) => {
                in_a_row = 0;
                record.without_cluster.remove(&number);
                agenda.done(&done, &report);
            }
            Err(Error::Cluster(error)) => {
                in_a_row += 1;
                agenda.found_no_cluster(number, &error.to_string());
                record.without_cluster.insert(number, error.to_string());
            }
            Err(error @ Error::Record(_)) => return Err(error),
        }
        ground.folder.write_run(&record)?;
        bound::keep_bounded(&ground.folder)?;
        if in_a_row == WITHOUT_CLUSTER_MAX {
            break;
        }
    }
    Ok(Outcome::read(&ground.folder)?)
}

/// Takes from a segment what this machine cannot do, says so in the run's record, and says whether anything is left.
fn leave_out(ground: &Ground, record: &mut RunRecord, segment: &mut Segment) -> bool {
    let was_disturbed = !segment.faults.is_empty();
    let (workload, durability) = (segment.proof.name, segment.proof.options.durability);
    segment.faults.retain(|fault| {
        let forgets = durability == Durability::Os && fault.name.starts_with("power");
        let left = if forgets && !ground.knows_boot_ids {
            let why =
                "this binary takes no path of the machine's boot id, so a cut of its power cannot be told";
            LeftOut { what: "power with tables of durability os".to_owned(), why: why.to_owned() }
        } else if !suite::bears(workload, durability, fault) {
            let why = if fault.makes_doubtful || forgets {
                "this workload asks every owner, and a damaged one gives no answer"
            } else {
                "this workload counts the owners that it asks, of three"
            };
            let why = why.to_owned();
            LeftOut { what: format!("{} with {workload}", fault.name), why }
        } else if let Some(why) = ground.machine.lacks_for(fault) {
            LeftOut { what: fault.name.to_owned(), why }
        } else {
            return true;
        };
        if !record.left_out.iter().any(|one| one.what == left.what) {
            eprintln!("left out: {}: {}", left.what, left.why);
            record.left_out.push(left);
        }
        false
    });
    // A segment that was to break something and cannot would only repeat what happens without faults.
    !(was_disturbed && segment.faults.is_empty())
}

/// A moment so many seconds from now.
pub fn in_seconds(seconds: f64) -> Instant {
    Instant::now() + Duration::from_secs_f64(seconds.max(0.0))
}

#[cfg(test)]
mod tests;
