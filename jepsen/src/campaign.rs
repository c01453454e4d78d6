//! A run: segments one after another, written down as they end, and one verdict in the end.
//!
//! The run's folder is all its memory. Whoever continues a run that was broken off reads from it what is done, and does
//! the rest: the segments of a run are a function of its seed. The folder stays bounded: of segments that passed, the
//! oldest histories are removed once all of them together pass a limit; what their judges said stays, and so does every
//! file of a segment that did not pass.

use std::time::{Duration, Instant};

use crate::record::{LeftOut, RunRecord, SegmentRecord};
use crate::run::{Report, Verdict};
use crate::segment::{Error, Ground, Segment};
use crate::suite;
use crate::workload::Durability;

/// Histories of segments that passed take no more room than this, in all.
pub const HISTORIES_BYTES_MAX: u64 = 1 << 30;

/// If so many segments in a row find no cluster to test, the run ends: the machine is not fit for it.
const WITHOUT_CLUSTER_MAX: u32 = 3;

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The verdict of each segment that is done, those of earlier sittings too.
    pub verdicts: Vec<Verdict>,
    /// Segments that found no cluster to test, with the reason.
    pub without_cluster: Vec<String>,
}

impl Outcome {
    /// One broken promise is enough, and one segment that proves nothing leaves the run unproved.
    pub fn verdict(&self) -> Verdict {
        let any = |verdict| self.verdicts.contains(&verdict);
        if any(Verdict::Violated) {
            Verdict::Violated
        } else if any(Verdict::Void) || !self.without_cluster.is_empty() || self.verdicts.is_empty() {
            Verdict::Void
        } else if any(Verdict::Undecided) {
            Verdict::Undecided
        } else {
            Verdict::Passed
        }
    }
}

/// Does the segments that are not done yet, until there are none left or the time is up, and tells of each when it ends.
/// The run's record is kept up to date.
pub async fn run(
    ground: &Ground,
    record: &mut RunRecord,
    segments: impl Fn(u32) -> Option<Segment>,
    until: Option<Instant>,
    mut tell: impl FnMut(&SegmentRecord, &Report),
) -> Result<Outcome, Error> {
    ground.folder.write_run(record)?;
    let mut outcome = Outcome::default();
    let mut in_a_row = 0;
    for number in 1.. {
        let Some(mut segment) = segments(number) else { break };
        let done = ground.folder.segment(number);
        if done.is_done() {
            outcome.verdicts.push(done.read()?.verdict);
            continue;
        }
        if until.is_some_and(|until| Instant::now() + segment.settings.time > until) {
            break;
        }
        if !leave_out(ground, record, &mut segment) {
            ground.folder.write_run(record)?;
            continue;
        }
        match segment.run(ground).await {
            Ok((done, report)) => {
                in_a_row = 0;
                outcome.verdicts.push(done.verdict);
                tell(&done, &report);
            }
            Err(Error::Cluster(error)) => {
                in_a_row += 1;
                let why = format!("segment {number} found no cluster to test: {error}");
                eprintln!("{why}");
                outcome.without_cluster.push(why);
                if in_a_row == WITHOUT_CLUSTER_MAX {
                    break;
                }
            }
            Err(error @ Error::Record(_)) => return Err(error),
        }
        bound_histories(ground)?;
    }
    Ok(outcome)
}

/// Takes from a segment what this machine cannot do, says so in the run's record, and says whether anything is left.
fn leave_out(ground: &Ground, record: &mut RunRecord, segment: &mut Segment) -> bool {
    let was_disturbed = !segment.faults.is_empty();
    let forgets = segment.options.durability == Durability::Os;
    if forgets && !ground.knows_boot_ids && segment.faults.iter().any(|fault| fault.name.starts_with("power"))
    {
        let why = "this binary takes no path of the machine's boot id, so a cut of its power cannot be told"
            .to_owned();
        let what = "power with tables of durability os".to_owned();
        if !record.left_out.iter().any(|left| left.what == what) {
            eprintln!("left out: {what}: {why}");
            record.left_out.push(LeftOut { what, why });
        }
        segment.faults.retain(|fault| !fault.name.starts_with("power"));
    }
    let (workload, options) = (segment.workload, segment.options);
    segment.faults.retain(|fault| {
        let is_borne = suite::bears(workload, options, fault);
        if !is_borne {
            let what = format!("{} with {}", fault.name, workload.name);
            let why = "this workload asks every owner, and a damaged one gives no answer".to_owned();
            if !record.left_out.iter().any(|left| left.what == what) {
                record.left_out.push(LeftOut { what, why });
            }
        }
        is_borne
    });
    segment.faults.retain(|fault| match ground.machine.lacks_for(fault) {
        None => true,
        Some(why) => {
            if !record.left_out.iter().any(|left| left.what == fault.name) {
                eprintln!("left out: {}: {why}", fault.name);
                record.left_out.push(LeftOut { what: fault.name.to_owned(), why });
            }
            false
        }
    });
    // A segment that was to break something and cannot would only repeat what happens without faults.
    !(was_disturbed && segment.faults.is_empty())
}

/// Removes the oldest histories of segments that passed, as long as they take more room than they may.
fn bound_histories(ground: &Ground) -> Result<(), Error> {
    let mut kept = Vec::new();
    for (segment, folder) in ground.folder.read_segments()? {
        let path = folder.history_path();
        if segment.verdict == Verdict::Passed
            && let Ok(facts) = std::fs::metadata(&path)
        {
            kept.push((path, facts.len()));
        }
    }
    let mut bytes: u64 = kept.iter().map(|(_, bytes)| bytes).sum();
    for (path, size) in kept {
        if bytes <= HISTORIES_BYTES_MAX {
            break;
        }
        // One that cannot be removed is met again after the next segment.
        let _ = std::fs::remove_file(path);
        bytes -= size;
    }
    Ok(())
}

/// A moment so many minutes from now.
pub fn in_minutes(minutes: u64) -> Instant {
    Instant::now() + Duration::from_secs(minutes * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(verdicts: &[Verdict], without_cluster: usize) -> Verdict {
        let without_cluster = vec![String::new(); without_cluster];
        Outcome { verdicts: verdicts.to_vec(), without_cluster }.verdict()
    }

    #[test]
    fn only_a_run_whose_every_segment_passed_has_passed() {
        use Verdict::{Passed, Undecided, Violated, Void};
        assert_eq!(verdict(&[Passed, Passed], 0), Passed);
        assert_eq!(verdict(&[Passed, Void, Violated], 0), Violated);
        assert_eq!(verdict(&[Passed, Void, Undecided], 0), Void);
        assert_eq!(verdict(&[Passed, Undecided], 0), Undecided);
        assert_eq!(verdict(&[Passed], 1), Void);
        assert_eq!(verdict(&[], 0), Void);
    }
}
