//! Requests for keys, counted for the other members: what all of them answer is shown by any of them.
//!
//! Prometheus has the same beside this, by level and in buckets that double. Here a bucket is an eighth of its octave wide,
//! so that a quantile is right to an eighth, and all levels are one.

use quorate_node::control::{Answered, Traffic};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets of an octave, as a power of two.
const PARTS_BITS: u32 = 3;

/// The last bucket begins at a minute and takes whatever is longer.
const LONGEST_US: u64 = 60_000_000;

/// What a request asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The value of a key.
    Read,
    /// A change of a key.
    Write,
    /// Keys.
    Scan,
}

/// What is counted since the process began.
#[derive(Debug)]
pub struct Counts {
    reads: Cells,
    writes: Cells,
    scans: Cells,
}

/// The counts of one kind.
#[derive(Debug)]
struct Cells {
    outcomes: Vec<AtomicU64>,
    latencies: Vec<AtomicU64>,
}

impl Counts {
    /// Of so many ways in which a request may end.
    pub fn new(outcomes: usize) -> Self {
        let cells = || Cells { outcomes: zeros(outcomes), latencies: zeros(bucket(LONGEST_US) + 1) };
        Self { reads: cells(), writes: cells(), scans: cells() }
    }

    /// Counts one request that has ended, by the place of its outcome.
    pub fn note(&self, kind: Kind, outcome: usize, took: Duration) {
        let cells = match kind {
            Kind::Read => &self.reads,
            Kind::Write => &self.writes,
            Kind::Scan => &self.scans,
        };
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min(LONGEST_US);
        cells.outcomes[outcome].fetch_add(1, Ordering::Relaxed);
        cells.latencies[bucket(us)].fetch_add(1, Ordering::Relaxed);
    }

    /// All counts, with these words for the outcomes.
    pub fn told(&self, words: &[&str]) -> Traffic {
        let of = |cells: &Cells| Answered {
            outcomes: words
                .iter()
                .map(|word| (*word).to_owned())
                .zip(seen(&cells.outcomes))
                .filter(some)
                .collect(),
            latencies: (0..).map(bound).zip(seen(&cells.latencies)).filter(some).collect(),
        };
        Traffic { reads: of(&self.reads), writes: of(&self.writes), scans: of(&self.scans) }
    }
}

fn zeros(count: usize) -> Vec<AtomicU64> {
    std::iter::repeat_with(AtomicU64::default).take(count).collect()
}

fn seen(cells: &[AtomicU64]) -> impl Iterator<Item = u64> + '_ {
    cells.iter().map(|cell| cell.load(Ordering::Relaxed))
}

fn some<T>((_, count): &(T, u64)) -> bool {
    *count > 0
}

/// The bucket of so many microseconds: below two octaves' parts one each, then its octave and its part of it.
fn bucket(us: u64) -> usize {
    let octave = us.max(1).ilog2().saturating_sub(PARTS_BITS);
    ((u64::from(octave) << PARTS_BITS) + (us >> octave)) as usize
}

/// The most microseconds of a bucket.
fn bound(bucket: u64) -> u64 {
    let octave = (bucket >> PARTS_BITS).saturating_sub(1);
    ((bucket - (octave << PARTS_BITS) + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_ends_where_the_next_begins_and_is_an_eighth_wide() {
        for us in (0..5_000).chain([59_999_999, LONGEST_US]) {
            let at = bucket(us);
            let most = bound(at as u64);
            assert!(us <= most && (at == 0 || bound(at as u64 - 1) < us), "{us} in {at}, to {most}");
            assert!(most - us <= us / 8, "{us} is told as {most}");
        }
    }

    #[test]
    fn counts_are_told_by_kind_and_those_of_none_are_left_out() {
        let counts = Counts::new(2);
        let us = Duration::from_micros;
        counts.note(Kind::Read, 0, us(5));
        counts.note(Kind::Read, 0, us(5));
        counts.note(Kind::Read, 1, us(1_000));
        counts.note(Kind::Write, 1, Duration::from_secs(3_600));
        let Traffic { reads, writes, scans } = counts.told(&["ok", "bug"]);
        assert_eq!(reads.outcomes, [("ok".to_owned(), 2), ("bug".to_owned(), 1)]);
        assert_eq!(reads.latencies, [(5, 2), (1_023, 1)]);
        assert_eq!(writes.outcomes, [("bug".to_owned(), 1)]);
        assert_eq!(writes.latencies.len(), 1);
        assert_eq!(scans, Answered::default());
    }
}
