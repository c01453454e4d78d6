//! How far a job is, on standard error: one line that changes on a terminal, else a JSON object a line.

use crate::line::{Line, bar};
use crate::output::Output;
use crate::quantity::{bytes, count, span};
use quorate_api::document::{AnyJob, Job, MoveJob, MovingShard};
use quorate_api::form::MoveState;
use serde_json::{Value as Json, json};
use std::time::Duration;
use tokio::time::Instant;

/// So often at most a line is written for a program, where something has changed.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// So often it is written that nothing has.
const SAME_INTERVAL: Duration = Duration::from_secs(10);

/// A job that has made no progress for so long is said to wait.
const STILL: Duration = Duration::from_secs(3);

/// A rate is said once it was watched for so long.
const RATE_TIME: Duration = Duration::from_secs(2);

/// How far a job is.
pub struct Progress<'a> {
    line: Line<'a>,
    said: String,
    /// The last line for a program, and when it was written.
    last: Option<(Json, Instant)>,
    moving: Option<Moving>,
}

/// What was seen of a job that moves shards.
struct Moving {
    began: Instant,
    bytes_then: u64,
    /// How far it was when that changed last.
    last: (u64, u64),
    changed_at: Instant,
}

impl<'a> Progress<'a> {
    /// Of a job of which nothing is known yet.
    pub fn new(output: &'a Output) -> Self {
        Self { line: Line::new(output), said: String::new(), last: None, moving: None }
    }

    /// Says how far it is now.
    pub fn say(&mut self, job: &AnyJob) {
        match job {
            AnyJob::Compare(job) => self.say_compared(job),
            AnyJob::Move(job) => self.say_moved(job),
        }
    }

    /// Leaves the line of the terminal empty.
    pub fn clear(&self) {
        self.line.clear();
    }

    fn say_compared(&mut self, job: &Job) {
        if job.says == self.said {
            return;
        }
        let found = &job.found;
        let compared = found.equal + found.brought + found.differing + found.not_counted + found.open;
        let line = json!({
            "job": job.id, "state": job.state, "shards": found.shards, "compared": compared, "says": job.says,
        });
        self.line.write(&job.says, &line);
        self.said.clone_from(&job.says);
    }

    fn say_moved(&mut self, job: &MoveJob) {
        let now = Instant::now();
        let far = (job.shards_done, job.bytes_done);
        let moving = self.moving.get_or_insert(Moving {
            began: now,
            bytes_then: job.bytes_done,
            last: far,
            changed_at: now,
        });
        if moving.last != far {
            (moving.last, moving.changed_at) = (far, now);
        }
        let (watched, is_still) = (now - moving.began, now - moving.changed_at >= STILL);
        let copied = job.bytes_done.saturating_sub(moving.bytes_then);
        let rate = (watched >= RATE_TIME).then(|| per_second(copied, watched)).filter(|rate| *rate > 0);
        let document = document(job);
        let last = self.last.as_ref().map(|(last, at)| (*last == document, now - *at));
        if self.line.is_drawn() || is_due(last, job.ended_epoch.is_some()) {
            self.said = line(job, rate, is_still);
            self.line.write(&self.said, &document);
            self.last = Some((document, now));
        }
    }
}

/// Whether a line is written for a program. `last`: whether the last one said the same, and how long ago it was written.
fn is_due(last: Option<(bool, Duration)>, has_ended: bool) -> bool {
    match last {
        None => true,
        Some((true, ago)) => ago >= SAME_INTERVAL,
        Some((false, ago)) => has_ended || ago >= LINE_INTERVAL,
    }
}

/// A job that moves shards, as a line for a program.
fn document(job: &MoveJob) -> Json {
    let waiting: Vec<String> = waits(job).collect();
    json!({
        "job": job.id, "state": job.state, "shards": job.shards, "shards_done": job.shards_done,
        "shards_active": job.shards_active, "bytes": job.bytes, "bytes_done": job.bytes_done, "says": job.says,
        "waiting": waiting,
    })
}

/// The same as a line for a person.
fn line(job: &MoveJob, rate: Option<u64>, is_still: bool) -> String {
    let mut parts = vec![format!("{} of {} shards", count(job.shards_done), count(job.shards))];
    if job.bytes > 0 {
        parts.push(format!("{} of {}", bytes(job.bytes_done), bytes(job.bytes)));
    }
    if let Some(rate) = rate {
        parts.push(format!("{}/s", bytes(rate)));
        let left = job.bytes.saturating_sub(job.bytes_done) / rate.max(1);
        parts.extend((left >= 1).then(|| format!("{} left", span(Duration::from_secs(left)))));
    }
    let state = match job.state.parse() {
        Ok(MoveState::Running | MoveState::Done) => String::new(),
        Ok(MoveState::Gathering | MoveState::Paused | MoveState::Aborting | MoveState::Aborted) | Err(_) => {
            format!("{}: ", job.state)
        }
    };
    let waits = waits(job).next().filter(|_| is_still).map_or_else(String::new, |what| format!("; {what}"));
    format!("{}  {state}{}{waits}", bar_of(job), parts.join(", "))
}

/// Shards that wait, in a sentence each.
fn waits(job: &MoveJob) -> impl Iterator<Item = String> {
    let says = |MovingShard { shard, waits_for, .. }: &MovingShard| {
        waits_for.as_ref().map(|what| format!("{shard} {what}"))
    };
    job.waiting.iter().filter_map(says)
}

/// How many in a second.
pub fn per_second(bytes: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(bytes) * 1000 / time.as_millis().max(1)).unwrap_or(u64::MAX)
}

/// Full only once every shard is where it should be: the last bytes are not the last step.
fn bar_of(job: &MoveJob) -> String {
    let (done, all) = if job.bytes > 0 { (job.bytes_done, job.bytes) } else { (job.shards_done, job.shards) };
    bar(done, all, job.shards_done >= job.shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> MoveJob {
        MoveJob {
            id: "3f9c0b6e58a14d2790c1e4b7a6d85f23".to_owned(),
            kind: "add".into(),
            state: "running".into(),
            says: "37 of 64 shards have moved".to_owned(),
            shards: 64,
            shards_done: 37,
            shards_active: 2,
            shards_pending: 25,
            bytes: 2 << 30,
            bytes_done: 1 << 30,
            leftover_bytes: None,
            leaving: Vec::new(),
            dead: Vec::new(),
            accepted_loss: Vec::new(),
            began_epoch: 7,
            ended_epoch: None,
            waiting: vec![MovingShard {
                shard: "demo/7".to_owned(),
                owners: Vec::new(),
                next: Vec::new(),
                waits_for: Some("waits until n4 holds everything".to_owned()),
            }],
        }
    }

    #[test]
    fn a_person_sees_a_bar_the_rate_and_what_is_left() {
        assert_eq!(
            line(&job(), Some(64 << 20), false),
            "[============            ]  37 of 64 shards, 1.0 GiB of 2.0 GiB, 64.0 MiB/s, 16 s left"
        );
    }

    #[test]
    fn a_job_that_stands_still_says_what_it_waits_for() {
        let mut job = job();
        job.state = "paused".into();
        let said = line(&job, None, true);
        assert!(
            said.contains("paused: 37 of 64 shards")
                && said.ends_with("; demo/7 waits until n4 holds everything"),
            "{said}"
        );
        assert!(!line(&job, None, false).contains("waits until"));
    }

    #[test]
    fn the_bar_is_full_only_at_the_end() {
        let mut job = job();
        job.bytes_done = 3 << 30;
        assert!(bar_of(&job).ends_with("= ]"), "{}", bar_of(&job));
        job.shards_done = 64;
        assert!(bar_of(&job).ends_with("==]"));
        (job.bytes, job.shards) = (0, 0);
        assert!(bar_of(&job).ends_with("==]"), "nothing was to move");
    }

    #[test]
    fn a_line_is_written_when_something_has_changed_and_else_seldom() {
        let seconds = Duration::from_secs;
        assert!(is_due(None, false), "the first one");
        assert!(!is_due(Some((true, seconds(9))), false) && is_due(Some((true, seconds(10))), false));
        assert!(!is_due(Some((false, Duration::from_millis(999))), false));
        assert!(is_due(Some((false, seconds(1))), false));
        assert!(is_due(Some((false, Duration::ZERO)), true), "the end is said at once");
        assert!(!is_due(Some((true, Duration::ZERO)), true), "and once");
    }

    #[test]
    fn a_program_reads_the_same() {
        let document = document(&job());
        assert_eq!(document["shards_done"], 37);
        assert_eq!(document["waiting"], json!(["demo/7 waits until n4 holds everything"]));
    }
}
