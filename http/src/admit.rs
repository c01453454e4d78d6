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
//! know them.

use super::access::{Caller, Known};
use super::app::App;
use super::ends::Ends;
use super::fault::Fault;
use super::problem::Problem;
use axum::extract::Request;
use quorate_api::{Asked, Needs, Operation};
use quorate_model::{Interval, Key, Permission, Table};
use quorate_ring::catalog::access::Rights;

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
    if let Some(admitted) = admitted(app, asked, &known) {
        return Ok(Some(Caller::Known(admitted)));
    }
    app.core.refresh(app.timeout(&asked.query)).await;
    let Some(access) = app.core.access() else { return Ok(None) };
    let known = known.again(&access, app.core.wall()).ok_or(Fault::Unauthenticated)?;
    match admitted(app, asked, &known) {
        Some(admitted) => Ok(Some(Caller::Known(admitted))),
        None => Err(app.forbidden(&Caller::Known(known), asked.route.operation().needs())),
    }
}

/// The same user, for what the request is about; `None`: it may not.
fn admitted(app: &App, asked: &Asked, known: &Known) -> Option<Known> {
    let Asked { route, query } = asked;
    let (needs, rights) = (route.operation().needs(), known.rights());
    let is_everywhere = match needs {
        Needs::Open | Needs::Known => true,
        Needs::Metrics => app.guard.are_metrics_open() || rights.may_everywhere(Permission::Monitor),
        Needs::See => Permission::ALL.into_iter().any(|permission| rights.may_everywhere(permission)),
        Needs::Everything(permission)
        | Needs::Table(permission)
        | Needs::Key(permission)
        | Needs::Keys(permission) => rights.may_everywhere(permission),
    };
    if is_everywhere {
        return Some(known.clone());
    }
    let name = route.table().or(query.table.as_deref())?;
    let table = app.core.view().table(name)?.id;
    let is_allowed = match needs {
        Needs::See => rights.sees(table),
        Needs::Table(permission) => rights.may_on_table(permission, table),
        Needs::Key(permission) => {
            route.key().is_some_and(|key| rights.may_on_key(permission, table, key.as_bytes()))
        }
        Needs::Keys(permission) => rights.may_on_part(permission, table),
        Needs::Open | Needs::Known | Needs::Metrics | Needs::Everything(_) => false,
    };
    is_allowed.then(|| known.clone().on(table))
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
