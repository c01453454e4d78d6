//! Jobs that move shards, over HTTP: how far each is, and what becomes of it.

use super::app::{App, json, plain};
use super::fault::Fault;
use super::problem::Problem;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use quorate_api::OnJob;
use quorate_api::document::{MoveJob, MovingShard};
use quorate_api::form::{MoveState, MoveType};
use quorate_api::query::Query;
use quorate_api::text::{sentence as one_line, shown};
use quorate_model::NodeId;
use quorate_node::core::{MoveProgress, WaitingShard};
use quorate_ring::{JobId, JobKind, JobState, Order, RequestId, View};

/// `POST /v1/jobs/{id}/pause|resume|abort`
pub async fn order(
    app: App,
    (on, to): (OnJob, Order),
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    plain(&request)?;
    app.expect_serving()?;
    let id = id(&on.job).ok_or_else(|| Fault::NoSuchMoveJob { id: shown(&on.job) })?;
    let progress = app.core.order_moves(id, to, app.change_timeout(&query)).await.map_err(Fault::from)?;
    Ok(json(StatusCode::OK, &described(&app.core.view(), &progress)))
}

/// The id of a job that moves shards, from its text.
pub fn id(text: &str) -> Option<JobId> {
    let id = RequestId(u128::from_str_radix(text, 16).ok()?);
    // One job has one text.
    (id.to_string() == text).then_some(id)
}

/// How far a job is, for people and programs.
pub fn described(view: &View, progress: &MoveProgress) -> MoveJob {
    let job = &progress.job;
    MoveJob {
        id: job.id.to_string(),
        kind: kind(job.kind).into(),
        state: state(&job.state).into(),
        says: sentence(view, progress),
        shards: job.total.into(),
        shards_done: job.done.into(),
        shards_active: job.active.into(),
        shards_pending: u64::from(job.total.saturating_sub(job.done + job.active)),
        bytes: job.bytes_total,
        bytes_done: progress.bytes_done,
        leftover_bytes: progress.leftover_bytes,
        leaving: names(&job.leaving),
        dead: names(&job.dead),
        accepted_loss: names(&job.accepted),
        began_epoch: job.began.0,
        ended_epoch: job.ended.map(|epoch| epoch.0),
        waiting: progress.waiting.iter().map(|waiting| moving(view, waiting)).collect(),
    }
}

/// What shards move for, in a word.
pub fn kind(kind: JobKind) -> MoveType {
    match kind {
        JobKind::Add => MoveType::Add,
        JobKind::Remove => MoveType::Remove,
        JobKind::Replace => MoveType::Replace,
        JobKind::Weight => MoveType::Weight,
        JobKind::Copies => MoveType::Copies,
        JobKind::Balance => MoveType::Balance,
        JobKind::Move => MoveType::Move,
    }
}

fn state(state: &JobState) -> MoveState {
    match state {
        JobState::Gathering { .. } => MoveState::Gathering,
        JobState::Running => MoveState::Running,
        JobState::Paused => MoveState::Paused,
        JobState::Aborting => MoveState::Aborting,
        JobState::Done => MoveState::Done,
        JobState::Aborted => MoveState::Aborted,
    }
}

fn names(nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(ToString::to_string).collect()
}

fn moving(view: &View, waiting: &WaitingShard) -> MovingShard {
    let WaitingShard { shard, next, waits_for } = waiting;
    MovingShard {
        shard: view.catalog().shard_called(shard.id),
        owners: shard.owner_nodes().map(|node| node.to_string()).collect(),
        next: next.iter().map(ToString::to_string).collect(),
        // A part of it may be a member's own words.
        waits_for: waits_for.as_deref().map(one_line),
    }
}

/// How far a job is, in words.
fn sentence(view: &View, progress: &MoveProgress) -> String {
    let job = &progress.job;
    let (done, total, active) = (job.done, job.total, job.active);
    match &job.state {
        JobState::Gathering { parts_missing, parts } => format!(
            "{} of {parts} parts of its plan are missing: apply the plan again, or abort the job",
            parts_missing.len()
        ),
        JobState::Running => {
            let waits = progress.waiting.iter().find_map(|waiting| {
                let (shard, why) =
                    (view.catalog().shard_called(waiting.shard.id), waiting.waits_for.as_deref()?);
                Some(format!("; shard {shard} {}", one_line(why)))
            });
            format!("{done} of {total} shards have moved, {active} are at work{}", waits.unwrap_or_default())
        }
        JobState::Paused => format!(
            "paused: {done} of {total} shards have moved, {active} stand still in the middle, no other starts"
        ),
        JobState::Aborting => format!("{done} of {total} shards have moved, {active} go back"),
        JobState::Done if total == 0 => "done: no shard had to move".to_owned(),
        JobState::Done => format!("done: {done} of {total} shards have moved"),
        JobState::Aborted => {
            let copies = job.former.and_then(|former| {
                let table = view.table_by_id(former.table)?;
                Some(format!("; table {} has n = {} as before", table.name, former.n))
            });
            format!(
                "aborted: {done} of {total} shards have moved and stay there, the others are where they were{}",
                copies.unwrap_or_default()
            )
        }
    }
}
