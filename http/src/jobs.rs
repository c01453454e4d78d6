//! Jobs over HTTP: an order to compare what owners hold, what became of it, and when owners were last found equal.
//!
//! What only a member knows, it is asked now. One that does not answer is named, with the reason: a document without it
//! would claim more than is known.

use super::answer::timestamp;
use super::app::{App, json, plain};
use super::body::Kind;
use super::fault::Fault;
use super::moves;
use super::problem::Problem;
use axum::extract::Request;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use quorate_api::OnJob;
use quorate_api::document::{self, Absentee, JobFound, JobPart, JobSpec, Jobs, SyncState, SyncTable};
use quorate_api::form::{JobCause, JobState, JobType, PartState};
use quorate_api::query::Query;
use quorate_api::text::shown;
use quorate_model::{NodeId, TableId, WallTime};
use quorate_node::jobs::{self, Absent, Cause, Found, JobId, LastEqual, Member, Part, Proofs, State, Whole};
use quorate_ring::View;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long members may take. They answer from memory: more would only delay the answer.
const MEMBERS_TIMEOUT: Duration = Duration::from_millis(500);

/// How long they may take to take an order.
const ORDER_TIMEOUT: Duration = Duration::from_secs(2);

/// `GET /v1/jobs`
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    app.expect_catalog()?;
    let (jobs, silent) = app.core.jobs(MEMBERS_TIMEOUT).await;
    let view = app.core.view();
    let jobs = jobs.iter().map(|job| described(&view, job)).collect();
    let moves = app.core.move_jobs().iter().map(|job| moves::described(&view, job)).collect();
    Ok(json(StatusCode::OK, &Jobs { jobs, moves, unanswered: absentees(silent) }))
}

/// `GET /v1/jobs/{id}`
pub async fn show(app: App, on: OnJob, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    app.expect_catalog()?;
    let moved = moves::id(&on.job).and_then(|id| app.core.move_job(id));
    if let Some(moved) = moved {
        return Ok(json(StatusCode::OK, &moves::described(&app.core.view(), &moved)));
    }
    let no_such = || Fault::NoSuchJob { id: shown(&on.job) };
    let id: JobId = on.job.parse().map_err(|_| no_such())?;
    Ok(json(StatusCode::OK, &found(&app, id).await.ok_or_else(no_such)?))
}

/// `POST /v1/jobs`
pub async fn order(app: App, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    app.expect_serving()?;
    let (spec, _room): (JobSpec, _) =
        app.document(request, Kind::Document, app.limits.document_bytes_max).await?;
    app.tell(&spec);
    let kind = match spec.kind.parse() {
        Ok(JobType::Sync) => jobs::Kind::Sync,
        Ok(JobType::Verify) => jobs::Kind::Verify,
        Err(_) => {
            let given = shown(&spec.kind);
            return Err(Fault::Document(format!("type: \"{given}\" is no job; it is sync or verify")).into());
        }
    };
    let table = match spec.table {
        Some(name) if !quorate_model::table::is_table_name(&name) => {
            return Err(Fault::NoSuchTable { name: shown(&name) }.into());
        }
        Some(name) => Some(app.table(name, app.timeout(&query)).await?.id),
        None => None,
    };
    let id = app.core.order(kind, table, ORDER_TIMEOUT).await.map_err(Fault::Jobs)?;
    let job = found(&app, id).await.ok_or_else(|| Fault::NoSuchJob { id: id.to_string() })?;
    let mut response = json(StatusCode::ACCEPTED, &job);
    let location = HeaderValue::from_str(&format!("/v1/jobs/{id}")).expect("letters, digits and dashes");
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// `GET /v1/sync`
pub async fn sync(app: App, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    app.expect_catalog()?;
    let (proofs, (jobs, silent)) =
        tokio::join!(app.core.proofs(MEMBERS_TIMEOUT), app.core.jobs(MEMBERS_TIMEOUT));
    let mut silent: BTreeMap<NodeId, String> = silent.into_iter().collect();
    let mut of_tables: BTreeMap<TableId, Vec<Proofs>> = BTreeMap::new();
    for (node, said) in proofs {
        match said {
            Ok(proofs) => proofs.into_iter().for_each(|of| of_tables.entry(of.table).or_default().push(of)),
            Err(why) => drop(silent.insert(node, why)),
        }
    }
    let view = app.core.view();
    let tables = view.catalog().tables().map(|table| {
        let of = of_tables.get(&table.id).map(Vec::as_slice).unwrap_or_default();
        let oldest = of.iter().filter(|of| of.shards > of.never).map(|of| of.oldest_ms).max();
        let is_of =
            |job: &&Whole| job.order.table.is_none_or(|of| of == table.id) && job.ended_at().is_some();
        SyncTable {
            name: table.name.clone(),
            shards: table.shards().iter().filter(|shard| shard.owners.len() > 1).count() as u64,
            looked_after: of.iter().map(|of| of.shards).sum(),
            never_equal: of.iter().map(|of| of.never).sum(),
            oldest_equal_at: oldest.map(ago),
            differences: of.iter().map(|of| of.differences).sum(),
            last_job: jobs.iter().find(is_of).map(|job| job.order.id.to_string()),
        }
    });
    let document = SyncState { tables: tables.collect(), unanswered: absentees(silent) };
    Ok(json(StatusCode::OK, &document))
}

/// When the owners of a shard were last found equal, for people and programs.
pub fn last_equal(view: &View, last: &LastEqual) -> document::LastEqual {
    let called = |node: &NodeId| view.catalog().called(*node);
    let (run_by, equal_ms, says) = match last {
        LastEqual::Ago(node, ms) => {
            let says =
                format!("{} found all owners of the shard equal {} ago", called(node), whole_seconds(*ms));
            (Some(*node), Some(*ms), says)
        }
        LastEqual::NeverBy(node) => (Some(*node), None, format!("never in this run of {}", called(node))),
        LastEqual::ByNone(silent) => {
            let silent: Vec<String> =
                silent.iter().map(|(node, why)| format!("; {}: {why}", called(node))).collect();
            let says = "no owner that answered has looked after the shard in this run of its process";
            (None, None, format!("{says}{}", silent.concat()))
        }
    };
    document::LastEqual { run_by: run_by.map(|node| node.to_string()), equal_at: equal_ms.map(ago), says }
}

async fn found(app: &App, id: JobId) -> Option<document::Job> {
    let (jobs, _) = app.core.jobs(MEMBERS_TIMEOUT).await;
    jobs.iter().find(|job| job.order.id == id).map(|job| described(&app.core.view(), job))
}

fn absentees(silent: impl IntoIterator<Item = (NodeId, String)>) -> Vec<Absentee> {
    silent.into_iter().map(|(node, error)| Absentee { node: node.to_string(), error }).collect()
}

fn described(view: &View, job: &Whole) -> document::Job {
    let table = |id: TableId| view.table_by_id(id).map_or_else(|| id.to_string(), |table| table.name.clone());
    let state = match job.state() {
        State::Waiting => JobState::Waiting,
        State::Running => JobState::Running,
        State::Done => JobState::Done,
        State::Incomplete => JobState::Incomplete,
    };
    let cause = match job.order.cause {
        Cause::Time => JobCause::Time,
        Cause::Returned => JobCause::Returned,
        Cause::Hints => JobCause::Hints,
        Cause::Order => JobCause::Order,
    };
    let kind = match job.order.kind {
        jobs::Kind::Sync => JobType::Sync,
        jobs::Kind::Verify => JobType::Verify,
    };
    document::Job {
        id: job.order.id.to_string(),
        kind: kind.into(),
        table: job.order.table.map(table),
        cause: cause.into(),
        state: state.into(),
        says: sentence(view, job),
        ordered_at: timestamp(job.order.ordered_at),
        began_at: job.began_at().map(timestamp),
        ended_at: job.ended_at().map(timestamp),
        found: counts(job.found()),
        members: job.members.iter().map(|(node, member)| part(*node, member)).collect(),
    }
}

fn part(node: NodeId, member: &Member) -> JobPart {
    let part = |state: PartState| JobPart {
        node: node.to_string(),
        state: state.into(),
        began_at: None,
        ended_at: None,
        found: JobFound::default(),
        reason: None,
        error: None,
    };
    match member {
        Member::Absent(absent, why) => {
            let state = match absent {
                Absent::NotTaken => PartState::NotTaken,
                Absent::Forgotten => PartState::Forgotten,
                Absent::Silent => PartState::Silent,
            };
            JobPart { error: Some(why.clone()), ..part(state) }
        }
        Member::Part(Part { began_at, ended_at, found, reason, .. }) => {
            let state = match (began_at, ended_at) {
                (None, _) => PartState::Waiting,
                (Some(_), None) => PartState::Running,
                (Some(_), Some(_)) => PartState::Done,
            };
            JobPart {
                began_at: began_at.map(timestamp),
                ended_at: ended_at.map(timestamp),
                found: counts(*found),
                reason: reason.clone(),
                ..part(state)
            }
        }
    }
}

fn counts(found: Found) -> JobFound {
    let Found { shards, equal, brought, differing, not_counted, open, short, .. } = found;
    let Found { differences, pulled, pushed, bytes, .. } = found;
    JobFound {
        shards,
        equal,
        brought,
        differing,
        not_counted,
        open,
        short,
        differences,
        pulled,
        pushed,
        bytes,
    }
}

/// What a job has come to.
fn sentence(view: &View, job: &Whole) -> String {
    let found = job.found();
    let concluded = found.equal + found.brought + found.differing + found.not_counted + found.open;
    let absent: Vec<String> = job
        .members
        .iter()
        .filter_map(|(node, member)| match member {
            Member::Part(_) => None,
            Member::Absent(_, why) => Some(format!("; {}: {why}", view.catalog().called(*node))),
        })
        .collect();
    let waits = job.parts().find_map(|part| part.reason.clone().filter(|_| part.ended_at.is_none()));
    let waits = waits.map_or_else(String::new, |why| format!(", waiting: {why}"));
    let said = match job.state() {
        State::Waiting => "it waits for the jobs before it".to_owned(),
        State::Running => format!("{concluded} of {} shards are compared{waits}", found.shards),
        State::Done | State::Incomplete => {
            outcome(&found, job.parts().find_map(|part| part.reason.as_deref()))
        }
    };
    format!("{said}{}", absent.concat())
}

/// What has come of a job that goes on no more.
fn outcome(found: &Found, why: Option<&str>) -> String {
    let mut said = match (found.differing, found.pulled + found.pushed) {
        (0, 0) => format!("{} of {} shards are equal", found.equal + found.brought, found.shards),
        (0, moved) => {
            let same = found.equal + found.brought;
            format!("{same} of {} shards are equal now, {moved} records were brought", found.shards)
        }
        (differing, _) => {
            format!("{differing} of {} shards differ, in {} records", found.shards, found.differences)
        }
    };
    for (count, what) in [
        (found.not_counted, "are not compared: an owner is still counting what it holds"),
        (found.open, "are not compared: an owner did not answer, or refused"),
        (found.short, "lack an owner, which is away and was not compared"),
    ] {
        if count > 0 {
            said.push_str(&format!("; {count} {what}"));
        }
    }
    if let Some(why) = why.filter(|_| found.not_counted + found.open > 0) {
        said.push_str(&format!(" ({why})"));
    }
    said
}

/// The moment so many milliseconds ago, by this node's clock.
fn ago(ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    timestamp(WallTime(now.saturating_sub(ms)))
}

/// A length of time for a sentence.
fn whole_seconds(ms: u64) -> String {
    humantime::format_duration(Duration::from_secs(ms / 1000)).to_string()
}
