//! `quorate job`: jobs of the whole cluster, and waiting for one.

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{Output, printable};
use crate::progress::Progress;
use crate::quantity::{count, counted};
use crate::{document, quantity};
use clap::{Args, Subcommand};
use quorate_api::document::{AnyJob, Job, JobPart, MoveJob};
use quorate_api::form::{JobState, JobType, MoveState, PartState};
use quorate_client::{Client, Document};
use serde_json::Value as Json;
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
    /// Show jobs: those that move shards, as the catalog keeps them, and those that compare, as members remember them.
    #[command(after_help = "Example:\n  quorate job list")]
    List,
    /// Show one job, with what each member did of it.
    #[command(after_help = "Example:\n  quorate job show n1-6b983c0c-3")]
    Show {
        /// Its id.
        job: String,
    },
    /// Wait until a job is done, and end with what came of it: 0 if every shard is where it should be, or all owners are
    /// equal; 4 if it was aborted; 8 if a verify found owners that differ; 5 if not all could be compared.
    #[command(after_help = "Example:\n  quorate job wait n1-6b983c0c-3")]
    Wait {
        /// Its id.
        job: String,
    },
    /// Let no further shard of a job start to move; those at work may still arrive.
    #[command(after_help = "Example:\n  quorate job pause 3f9c0b6e58a14d2790c1e4b7a6d85f23")]
    Pause {
        /// Its id.
        job: String,
    },
    /// Let the shards of a paused job move again.
    #[command(after_help = "Example:\n  quorate job resume 3f9c0b6e58a14d2790c1e4b7a6d85f23")]
    Resume {
        /// Its id.
        job: String,
    },
    /// End a job: shards at work go back, those that have moved stay where they are.
    #[command(after_help = "Example:\n  quorate job abort 3f9c0b6e58a14d2790c1e4b7a6d85f23")]
    Abort {
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
                let moves = document::elements(jobs.json.clone(), "moves");
                let compared = document::elements(jobs.json, "jobs");
                list(&context.output, moves, compared)
            }
            Action::Show { job } => {
                let found = context.told("asking the members", client.job(&job)).await?;
                document::show(&context.output, &found.json)
            }
            Action::Wait { job } => wait(context, &client, &job).await,
            Action::Pause { job } => {
                let paused = context.told("pausing the job", client.pause_job(&job)).await?;
                let next = format!("`quorate job resume {}` lets it go on", printable(&job));
                changed(context, &paused, "no further shard starts to move", &next)
            }
            Action::Resume { job } => {
                let resumed = context.told("resuming the job", client.resume_job(&job)).await?;
                let next = format!("`quorate job wait {}` shows how far it is", printable(&job));
                changed(context, &resumed, "its shards move again", &next)
            }
            Action::Abort { job } => {
                let aborted = context.told("aborting the job", client.abort_job(&job)).await?;
                let what = "shards at work go back, those that have moved stay where they are";
                let next = format!("`quorate job wait {}` ends once none is at work", printable(&job));
                changed(context, &aborted, what, &next)
            }
        }
    }
}

/// What was done to a job, and how it is now.
fn changed(context: &Context, job: &Document<MoveJob>, what: &str, next: &str) -> Result<(), Failure> {
    context.output.note(&format!("{what}\n  next: {next}"));
    document::show(&context.output, &job.json)
}

/// Jobs of both kinds, those that move shards first.
fn list(output: &Output, moves: Vec<Json>, compared: Vec<Json>) -> Result<(), Failure> {
    if output.is_json() || moves.is_empty() || compared.is_empty() {
        let view = if moves.is_empty() { document::JOBS } else { document::MOVES };
        let all: Vec<Json> = moves.into_iter().chain(compared).collect();
        return document::show_list(output, view, &all, "there is no job, and none is remembered");
    }
    output.line(&document::table(output, Some(document::MOVES), &moves))?;
    output.line("")?;
    output.line(&document::table(output, Some(document::JOBS), &compared))
}

/// Waits until a job is done, says meanwhile how far it is, shows it, and ends with what came of it.
pub async fn wait(context: &Context, client: &Client, id: &str) -> Result<(), Failure> {
    let ended = until_ended(context, client, id).await?;
    document::show(&context.output, &ended.json)?;
    verdict(&ended.read)
}

/// Waits until a job is done, and says meanwhile how far it is. Ctrl-C ends the waiting alone.
pub async fn until_ended(context: &Context, client: &Client, id: &str) -> Result<Document<AnyJob>, Failure> {
    let mut progress = Progress::new(&context.output);
    let mut silent_since: Option<Instant> = None;
    let ended = loop {
        match client.job(id).await {
            Ok(job) => {
                progress.say(&job.read);
                match stage(&job.read) {
                    Stage::GoesOn => silent_since = None,
                    Stage::Unsure => {
                        let since = *silent_since.get_or_insert_with(Instant::now);
                        if since.elapsed() >= PATIENCE {
                            break job;
                        }
                    }
                    Stage::Ended => break job,
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
        tokio::time::sleep(LOOK).await;
    };
    progress.clear();
    Ok(ended)
}

/// Whether there is something to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    GoesOn,
    /// All is done that is known, and some member's part is not known just now.
    Unsure,
    Ended,
}

fn stage(job: &AnyJob) -> Stage {
    match job {
        AnyJob::Move(job) if job.ended_epoch.is_some() => Stage::Ended,
        AnyJob::Move(_) => Stage::GoesOn,
        AnyJob::Compare(job) => match job.state.parse() {
            Ok(JobState::Waiting | JobState::Running) => Stage::GoesOn,
            Ok(JobState::Incomplete) if is_unsure(job) => Stage::Unsure,
            Ok(JobState::Done | JobState::Incomplete) | Err(_) => Stage::Ended,
        },
    }
}

/// A job that has ended, in one line.
pub fn say_end(output: &Output, job: &AnyJob) -> Result<(), Failure> {
    output.line(&match job {
        AnyJob::Compare(job) => printable(&job.says),
        AnyJob::Move(job) if job.state.parse() == Ok(MoveState::Done) => {
            let (shards, bytes) = (counted(job.shards_done, "shard"), quantity::bytes(job.bytes_done));
            format!("done: {shards} where they should be, {bytes} copied")
        }
        AnyJob::Move(job) => printable(&job.says),
    })
}

/// What came of a job, as an end of a command.
pub fn verdict(job: &AnyJob) -> Result<(), Failure> {
    match job {
        AnyJob::Compare(job) => verdict_of_comparing(job),
        AnyJob::Move(job) if job.state.parse() == Ok(MoveState::Aborted) => {
            let (done, all) = (count(job.shards_done), count(job.shards));
            let sentence = format!(
                "the job was aborted: {done} of {all} shards have moved and stay, the others are where they were"
            );
            Err(Failure::new(Exit::Conflict, sentence)
                .next("see what a new plan would move: `quorate cluster plan balance`"))
        }
        AnyJob::Move(_) => Ok(()),
    }
}

/// Whether a member that took the order may still be at it.
fn is_unsure(job: &Job) -> bool {
    job.members.iter().any(|part| part.state.parse() == Ok(PartState::Silent))
}

/// The same of one that compares what owners hold.
fn verdict_of_comparing(job: &Job) -> Result<(), Failure> {
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
        assert_eq!(verdict_of_comparing(&job(JobType::Sync, none, &done)), Ok(()));
        let ends = |kind, found, states: &[PartState]| {
            let failure = verdict_of_comparing(&job(kind, found, states)).expect_err("not well");
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
