//! `quorate job`: jobs of the whole cluster, and waiting for one.

use crate::context::Context;
use crate::document;
use crate::exit::{Exit, Failure};
use crate::output::{Output, printable};
use clap::{Args, Subcommand};
use quorate_api::document::{AnyJob, Job, JobPart, MoveJob};
use quorate_api::form::{JobState, JobType, MoveState, PartState};
use quorate_client::{Client, Document};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::time::Duration;
use tokio::time::Instant;

/// How often a job is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long members that do not answer are waited for, once all others are done.
const PATIENCE: Duration = Duration::from_secs(10);

/// `quorate job`.
#[derive(Args, Debug)]
pub struct JobCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the jobs that members remember: each the last 16 that were ordered, and the last 16 that were not.
    #[command(after_help = "Example:\n  quorate job list")]
    List,
    /// Show one job, with what each member did of it.
    #[command(after_help = "Example:\n  quorate job show n1-6b983c0c-3")]
    Show {
        /// Its id.
        job: String,
    },
    /// Wait until a job is done, and end with what came of it: 0 if all owners are equal, 8 if a verify found some that
    /// differ, 5 if not all could be compared.
    #[command(after_help = "Example:\n  quorate job wait n1-6b983c0c-3")]
    Wait {
        /// Its id.
        job: String,
    },
}

impl JobCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self.action {
            Action::List => {
                let jobs = context.told("asking the members", client.jobs()).await?;
                for absent in &jobs.read.unanswered {
                    let line = format!(
                        "{} did not answer ({}): what only it knows is missing",
                        absent.node, absent.error
                    );
                    context.output.note(&printable(&line));
                }
                let jobs = document::elements(jobs.json, "jobs");
                document::show_list(&context.output, document::JOBS, &jobs, "no member remembers a job")
            }
            Action::Show { job } => {
                let found = context.told("asking the members", client.job(&job)).await?;
                document::show(&context.output, &found.json)
            }
            Action::Wait { job } => wait(context, &client, &job).await,
        }
    }
}

/// Waits until a job is done, says meanwhile how far it is, shows it, and ends with what came of it.
pub async fn wait(context: &Context, client: &Client, id: &str) -> Result<(), Failure> {
    let mut progress = Progress::new(&context.output);
    let mut ended = None;
    let mut silent_since: Option<Instant> = None;
    while ended.is_none() {
        // Ctrl-C ends the waiting alone.
        match client.job(id).await {
            Ok(Document { read: AnyJob::Compare(job), json }) => {
                silent_since = silent_since.filter(|_| is_unsure(&job));
                progress.say(&job);
                match job.state.parse() {
                    Ok(JobState::Waiting | JobState::Running) => silent_since = None,
                    Ok(JobState::Incomplete) if is_unsure(&job) => {
                        let since = *silent_since.get_or_insert_with(Instant::now);
                        let is_over = since.elapsed() >= PATIENCE;
                        ended = is_over.then_some((AnyJob::Compare(job), json));
                    }
                    Ok(JobState::Done | JobState::Incomplete) | Err(_) => {
                        ended = Some((AnyJob::Compare(job), json));
                    }
                }
            }
            Ok(Document { read: AnyJob::Move(job), json }) => {
                silent_since = None;
                progress.say_moved(&job);
                if job.ended_epoch.is_some() {
                    ended = Some((AnyJob::Move(job), json));
                }
            }
            // The node may be starting again; another one knows the job too.
            Err(error) if error.problem().is_none() => {
                let since = *silent_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= PATIENCE {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        if ended.is_none() {
            tokio::time::sleep(LOOK).await;
        }
    }
    progress.clear();
    let Some((job, json)) = ended else { return Ok(()) };
    document::show(&context.output, &json)?;
    match job {
        AnyJob::Compare(job) => verdict(&job),
        AnyJob::Move(job) if job.state.parse() == Ok(MoveState::Done) => Ok(()),
        AnyJob::Move(job) => {
            let next = "make a new plan for what is left: `quorate cluster plan`";
            Err(Failure::new(Exit::Unavailable, printable(&job.says)).next(next.to_owned()))
        }
    }
}

/// Whether a member that took the order may still be at it.
fn is_unsure(job: &Job) -> bool {
    job.members.iter().any(|part| part.state.parse() == Ok(PartState::Silent))
}

/// What came of a job, as an end of a command.
fn verdict(job: &Job) -> Result<(), Failure> {
    let again = || {
        let only = if job.kind.parse() == Ok(JobType::Verify) { " --verify-only" } else { "" };
        let table =
            job.table.as_ref().map_or_else(String::new, |table| format!(" --table {}", printable(table)));
        format!("`quorate sync start{table}{only} --wait`")
    };
    let failure = |exit, next: String| Err(Failure::new(exit, printable(&job.says)).next(next));
    let is_absent = |part: &&JobPart| part.state.parse() != Ok(PartState::Done);
    let absent: Vec<String> =
        job.members.iter().filter(is_absent).map(|part| printable(&part.node)).collect();
    if job.found.differing > 0 {
        let bring = again().replace(" --verify-only", "");
        let next = format!(
            "bring the owners together with {bring}; by itself that happens every `sync.every` (10 min). While writes go \
             on, some of what differs is only on its way: verify again"
        );
        failure(Exit::Unhealthy, next)
    } else if !absent.is_empty() {
        let who = crate::quantity::listed(&absent);
        failure(
            Exit::Unavailable,
            format!("see how {who} is with `quorate status`, then order it again: {}", again()),
        )
    } else if job.found.open + job.found.not_counted > 0 {
        failure(Exit::Unavailable, format!("order it again in a moment: {}", again()))
    } else if job.found.short > 0 {
        let next = "start the members that are down: `quorate status` names them; they are compared by themselves once \
                    they are back";
        failure(Exit::Unavailable, next.to_owned())
    } else {
        Ok(())
    }
}

/// How far a job is, on standard error: one line that changes on a terminal, else a JSON object a line.
struct Progress<'a> {
    output: &'a Output,
    is_terminal: bool,
    said: String,
}

impl<'a> Progress<'a> {
    fn new(output: &'a Output) -> Self {
        Self { output, is_terminal: std::io::stderr().is_terminal(), said: String::new() }
    }

    fn say(&mut self, job: &Job) {
        if self.output.quiet || job.says == self.said {
            return;
        }
        self.said.clone_from(&job.says);
        let found = &job.found;
        let compared = found.equal + found.brought + found.differing + found.not_counted + found.open;
        let mut stderr = std::io::stderr().lock();
        // A standard error that can't be written can't be told so.
        let _unread = if self.is_terminal {
            write!(stderr, "\r\x1b[K{}", printable(&job.says)).and_then(|()| stderr.flush())
        } else {
            let line = json!({
                "job": job.id, "state": job.state, "shards": found.shards, "compared": compared, "says": job.says,
            });
            writeln!(stderr, "{line}")
        };
    }

    fn say_moved(&mut self, job: &MoveJob) {
        if self.output.quiet || job.says == self.said {
            return;
        }
        self.said.clone_from(&job.says);
        let mut stderr = std::io::stderr().lock();
        // A standard error that can't be written can't be told so.
        let _unread = if self.is_terminal {
            write!(stderr, "\r\x1b[K{}", printable(&job.says)).and_then(|()| stderr.flush())
        } else {
            let line = json!({
                "job": job.id, "state": job.state, "shards": job.shards, "moved": job.shards_done, "says": job.says,
            });
            writeln!(stderr, "{line}")
        };
    }

    fn clear(&self) {
        if self.is_terminal && !self.said.is_empty() {
            let _unread = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_api::document::JobFound;

    fn job(kind: JobType, found: JobFound, states: &[PartState]) -> Job {
        let part = |(at, state): (usize, &PartState)| JobPart {
            node: format!("n{}", at + 1),
            state: (*state).into(),
            began_at: None,
            ended_at: None,
            found: JobFound::default(),
            reason: None,
            error: None,
        };
        Job {
            id: "n1-00000001-1".to_owned(),
            kind: kind.into(),
            table: Some("demo".to_owned()),
            cause: "order".into(),
            state: "done".into(),
            says: "so it is".to_owned(),
            ordered_at: String::new(),
            began_at: None,
            ended_at: None,
            found,
            members: states.iter().enumerate().map(part).collect(),
        }
    }

    #[test]
    fn a_job_ends_with_what_came_of_it() {
        let (done, none) = ([PartState::Done; 2], JobFound::default());
        assert_eq!(verdict(&job(JobType::Sync, none, &done)), Ok(()));
        let ends = |kind, found, states: &[PartState]| {
            let failure = verdict(&job(kind, found, states)).expect_err("not well");
            (failure.exit, failure.next.expect("a way out"))
        };
        let (exit, next) = ends(JobType::Verify, JobFound { differing: 1, ..none }, &done);
        assert!(
            exit == Exit::Unhealthy && next.contains("`quorate sync start --table demo --wait`"),
            "{next}"
        );
        let (exit, next) = ends(JobType::Verify, none, &[PartState::Done, PartState::NotTaken]);
        assert!(exit == Exit::Unavailable && next.contains("n2") && next.contains("--verify-only"), "{next}");
        let (exit, next) = ends(JobType::Sync, JobFound { not_counted: 1, ..none }, &done);
        assert!(exit == Exit::Unavailable && next.contains("in a moment"), "{next}");
        let (exit, next) = ends(JobType::Sync, JobFound { short: 3, ..none }, &done);
        assert!(exit == Exit::Unavailable && next.contains("`quorate status`"), "{next}");
    }
}
