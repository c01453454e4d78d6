//! Whether a request may go on: who asks, and whether it has what the request needs. Before any body is read.
//!
//! ```text
//!   recognise ──> has it what the request needs? ── yes ──> its handler, with the Caller
//!                      └── no ──> asks once for a newer catalog ──> and now? ── no ──> 403
//! ```
//!
//! A table that there is not and one that who asks may not know of are answered alike, after the same work. Who was let in
//! for one table was let in for that one alone: `App::table` refuses another one under its name.
//!
//! Keys in bodies and the bounds of scans are judged by their handlers ([`expect_keys`], [`expect_range`]), since only they
//! know them. A body may take its time: once it is there the request is judged again ([`App::expect_still`]), so that no
//! client holds one back until the right to it is gone.

use super::access::Caller;
use super::app::App;
use super::ends::Ends;
use super::fault::Fault;
use super::problem::Problem;
use axum::extract::Request;
use quorate_api::{Asked, Needs, Operation};
use quorate_model::{Interval, Key, Permission, Table};
use quorate_ring::catalog::access::Rights;
use std::time::Duration;

/// How long a newer catalog is waited for before a request is refused.
const NEWER: Duration = Duration::from_secs(1);

/// Who asks; `None`: access control is off.
pub fn recognise(
    app: &App,
    operation: Operation,
    request: &Request,
    ends: Ends,
) -> Result<Option<Caller>, Problem> {
    let Some(access) = app.core.access() else { return Ok(None) };
    let needs = operation.needs();
    let is_open = needs == Needs::Open || (needs == Needs::Metrics && app.guard.are_metrics_open());
    let said = (request.headers(), request.extensions());
    match app.guard.recognise(&access, said, ends, app.core.wall()) {
        Ok(known) => Ok(Some(Caller::Known(known))),
        Err(_) if is_open => Ok(Some(Caller::Stranger)),
        Err(why) => Err(app.guard.failed(why, ends).into()),
    }
}

/// The caller, if it has what the request needs. One that has not asks the others for a newer catalog first: a grant, or
/// the table, may have come since.
pub async fn allow(app: &App, asked: &Asked, caller: Option<Caller>) -> Result<Option<Caller>, Problem> {
    let known = match caller {
        None => return Ok(None),
        Some(Caller::Stranger) => return Ok(Some(Caller::Stranger)),
        Some(Caller::Known(known)) => known,
    };
    if let Some(admitted) = app.admitted(asked, &known) {
        return Ok(Some(Caller::Known(admitted)));
    }
    app.core.refresh(app.timeout(&asked.query).min(NEWER)).await;
    let Some(access) = app.core.access() else { return Ok(None) };
    let known = known.again(&access, app.core.wall()).ok_or(Fault::Unauthenticated)?;
    match app.admitted(asked, &known) {
        Some(admitted) => Ok(Some(Caller::Known(admitted))),
        None => Err(app.forbidden(&Caller::Known(known), asked.route.operation().needs())),
    }
}

/// Refuses a request one of whose keys is not allowed to who asks: all of it, before any is begun.
pub fn expect_keys<'a>(
    app: &App,
    permission: Permission,
    table: &Table,
    mut keys: impl Iterator<Item = &'a Key>,
) -> Result<(), Problem> {
    let is_allowed = |rights: &Rights| {
        rights.may_on_table(permission, table.id)
            || keys.all(|key| rights.may_on_key(permission, table.id, key.as_bytes()))
    };
    app.expect_allowed(Needs::Keys(permission), is_allowed).map_err(|problem| problem.on(table))
}

/// Refuses a walk over keys that are not all allowed to who asks, as it is now: its grants may have changed since the page
/// before. `None`: all keys of the table.
pub fn expect_range(app: &App, table: &Table, keys: Option<&Interval>) -> Result<(), Problem> {
    let needs = Needs::Keys(Permission::Read);
    let Some(access) = app.core.access() else { return Ok(()) };
    let known = app.caller().and_then(Caller::known);
    let known =
        known.and_then(|known| known.again(&access, app.core.wall())).ok_or(Fault::Unauthenticated)?;
    let is_allowed = match keys {
        Some(keys) => known.rights().may_on_range(Permission::Read, table.id, keys),
        None => known.rights().may_on_table(Permission::Read, table.id),
    };
    if is_allowed {
        return Ok(());
    }
    Err(app.forbidden(&Caller::Known(known), needs).on(table))
}
