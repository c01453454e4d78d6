//! Tables: what the catalog says about them, and changes of it.

use super::app::{App, json, plain};
use super::body::Kind;
use super::bulk::documents::key_argument;
use super::fault::Fault;
use super::loss;
use super::problem::Problem;
use axum::extract::Request;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use quorate_api::OnTable;
use quorate_api::document::{self, Bound, Dropped, KeyName, TableSpec};
use quorate_api::query::{self, Query};
use quorate_api::text;
use quorate_model::{Durability, Level, Mode, NodeId, Sharding, SortKey, TableId, Token};
use quorate_node::control::ProposeError;
use quorate_ring::{
    Command, NewRange, NewTable, Rejection, RequestId, Shard, TableChange, TableEntry, TtlChange, View,
};

/// A table, as the catalog has it.
fn described(view: &View, table: &TableEntry) -> document::Table {
    document::Table {
        name: table.name.clone(),
        id: table.id.to_string(),
        sharding: table.sharding.as_str().into(),
        n: table.n,
        r: table.r.into(),
        w: table.w.into(),
        mode: table.mode.as_str().into(),
        shards: table.shards().len() as u64,
        durability: table.durability.as_str().into(),
        ttl: table.ttl_ms.map(text::duration),
        shard_bytes_max: table.shard_bytes_max,
        epoch: table.epoch().0,
        accepted_losses: loss::accepted(view, table.losses()),
    }
}

/// `GET /v1/tables`: those that who asks may know of.
pub fn list(app: &App, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    app.expect_catalog()?;
    let view = app.core.view();
    let seen = view.catalog().tables().filter(|table| app.may(|rights| rights.sees(table.id)));
    let tables = seen.map(|table| described(&view, table)).collect();
    Ok(json(StatusCode::OK, &document::Tables { epoch: view.epoch().0, tables }))
}

/// `GET /v1/tables/{t}`
pub async fn show(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let table = app.table(on.table, app.timeout(&query)).await?;
    let view = app.core.view();
    let entry = view.table_by_id(table.id).ok_or_else(|| gone(&table.name))?;
    Ok(json(StatusCode::OK, &described(&view, entry)))
}

/// `GET /v1/tables/{t}/shards`
pub async fn shards(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let table = app.table(on.table, app.timeout(&query)).await?;
    let view = app.core.view();
    let entry = view.table_by_id(table.id).ok_or_else(|| gone(&table.name))?;
    let shards = shards_of(entry).collect();
    let document = document::Shards { table: table.name.clone(), epoch: view.epoch().0, shards };
    Ok(json(StatusCode::OK, &document))
}

/// Every shard of a table: its interval, its epoch, its owners.
pub fn shards_of(table: &TableEntry) -> impl Iterator<Item = document::Shard> + '_ {
    table.shards().iter().map(|shard| document::Shard {
        id: format!("{}/{}", table.name, shard.id.index),
        index: shard.id.index,
        start: bound(table, &shard.interval.start),
        end: shard.interval.end.as_ref().map(|end| bound(table, end)),
        position: shard.position(table.sharding).to_string(),
        epoch: shard.epoch.0,
        owners: shard.owner_nodes().map(|node| node.to_string()).collect(),
        next: next_owners(shard).map(|node| node.to_string()).collect(),
    })
}

/// The new owners of a shard while it moves, in ring order.
pub fn next_owners(shard: &Shard) -> impl Iterator<Item = NodeId> + '_ {
    shard.joint.iter().flat_map(|joint| joint.next.iter().map(|owner| owner.node))
}

/// A bound of a shard: a token in a hash table, a key in a range table.
pub fn bound(table: &TableEntry, bound: &SortKey) -> Bound {
    match table.sharding {
        Sharding::Hash => {
            let mut token = [0; 8];
            let bytes = bound.as_bytes();
            let length = bytes.len().min(8);
            token[..length].copy_from_slice(&bytes[..length]);
            Bound::Token(Token(u64::from_be_bytes(token)).to_string())
        }
        Sharding::Range => Bound::Key(KeyName::from(bound.as_bytes())),
    }
}

/// `POST /v1/tables`
pub async fn create(app: App, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let (wanted, _held): (TableSpec, _) =
        app.document(request, Kind::Document, app.limits.document_bytes_max).await?;
    let name = wanted.name.clone();
    app.tell_table(&name);
    let epoch = propose(&app, new_table(wanted, app.limits.key_bytes_max)?, &query).await?;
    let view = app.core.view();
    let entry = view.table(&name).ok_or_else(|| gone(&name))?;
    let mut response = json(StatusCode::CREATED, &document::Table { epoch, ..described(&view, entry) });
    let location = HeaderValue::from_str(&format!("/v1/tables/{name}")).expect("a table's name is plain");
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// `PATCH /v1/tables/{t}`
pub async fn alter(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let table = app.table(on.table, app.timeout(&query)).await?;
    let (wanted, _held): (document::TableChange, _) =
        app.document(request, Kind::Document, app.limits.document_bytes_max).await?;
    expect_any(&wanted)?;
    app.tell(&wanted);
    let mut change = TableChange::of(table.id);
    change.n = wanted.n;
    change.r = wanted.r.as_ref().map(|r| level("r", r)).transpose()?;
    change.w = wanted.w.as_ref().map(|w| level("w", w)).transpose()?;
    change.durability = wanted.durability.as_deref().map(durability).transpose()?;
    change.ttl = match wanted.ttl {
        None => None,
        Some(None) => Some(TtlChange::Never),
        Some(Some(ttl)) => Some(TtlChange::After(ttl_ms(&ttl)?)),
    };
    // For a command 0 is none; a document says so with null.
    if wanted.shard_bytes_max == Some(Some(0)) {
        return Err(Fault::from(ProposeError::Rejected(Rejection::ShardBytesOutOfRange { bytes: 0 })).into());
    }
    change.shard_bytes_max = wanted.shard_bytes_max.map(Option::unwrap_or_default);
    propose(&app, Command::AlterTable(change), &query).await?;
    let view = app.core.view();
    let entry = view.table_by_id(table.id).ok_or_else(|| gone(&table.name))?;
    Ok(json(StatusCode::OK, &described(&view, entry)))
}

/// `DELETE /v1/tables/{t}`
pub async fn drop_table(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let name = on.table.clone();
    let found = app.table(on.table, app.timeout(&query)).await;
    // Whether it was dropped before, and that is not closed yet.
    let open = app.core.dropping(&name);
    let is_meant = |table: TableId| query.id.as_ref().is_none_or(|id| *id == table.to_string());
    let table = match (found, open) {
        (Ok(table), Some(open)) if query.id.is_none() => {
            return Err(Fault::TwoOfOneName { name, dropped: open.table, table: table.id }.into());
        }
        (Ok(table), _) if is_meant(table.id) => table,
        (found, open) => {
            // One that is open: this request waits for the same.
            let closing = open.filter(|open| is_meant(open.table));
            let closing = closing.ok_or_else(|| found.err().unwrap_or_else(|| gone(&name)))?;
            expect_closed(&app.core.closed(&closing, app.change_timeout(&query)).await)?;
            return Ok(json(StatusCode::OK, &Dropped { dropped: name, epoch: closing.since.0 }));
        }
    };
    let epoch = propose(&app, Command::DropTable { table: table.id }, &query).await?;
    Ok(json(StatusCode::OK, &Dropped { dropped: table.name.clone(), epoch }))
}

/// Changes the catalog; the epoch since.
pub(super) async fn propose(app: &App, command: Command, query: &Query) -> Result<u64, Problem> {
    app.expect_serving()?;
    let proposed = app.core.propose(command, app.change_timeout(query)).await?;
    if !proposed.lagging.is_empty() {
        tracing::warn!(epoch = %proposed.receipt.epoch, lagging = ?proposed.lagging, "members have not applied a change yet");
    }
    expect_closed(&proposed.open)?;
    Ok(proposed.receipt.epoch.0)
}

/// A change counts as made once no owner that is needed may act as before it.
pub(super) fn expect_closed(awaited: &[NodeId]) -> Result<(), Fault> {
    if awaited.is_empty() {
        return Ok(());
    }
    Err(Fault::Open { awaited: awaited.iter().map(ToString::to_string).collect() })
}

pub(super) fn gone(name: &str) -> Problem {
    Fault::NoSuchTable { name: name.to_owned() }.into()
}

fn invalid(why: impl Into<String>) -> Problem {
    Fault::Document(why.into()).into()
}

fn durability(text: &str) -> Result<Durability, Problem> {
    match text {
        "sync" => Ok(Durability::Sync),
        "os" => Ok(Durability::Os),
        other => Err(invalid(format!("durability \"{}\" is not known: use sync or os", text::shown(other)))),
    }
}

fn ttl_ms(text: &str) -> Result<u64, Problem> {
    query::ttl_ms(text).map_err(|error| invalid(error.to_string()))
}

pub(super) fn level(name: &'static str, level: &document::Level) -> Result<Level, Problem> {
    level.try_into().map_err(|_| {
        let value = match level {
            document::Level::Count(count) => count.to_string(),
            document::Level::Name(text) => text::shown(text),
        };
        query::QueryError::Level { name, value }.into()
    })
}

/// Refuses a document that names nothing to change.
pub(super) fn expect_any(wanted: &document::TableChange) -> Result<(), Problem> {
    if *wanted == document::TableChange::default() {
        return Err(invalid(
            "the document names nothing to change: use r, durability, ttl or shard_bytes_max",
        ));
    }
    Ok(())
}

/// The command that makes the table which a document asks for.
pub(super) fn new_table(wanted: TableSpec, key_bytes_max: usize) -> Result<Command, Problem> {
    let mut request = [0; 16];
    getrandom::fill(&mut request).map_err(|_| Fault::NoRandomness)?;
    let mut table = NewTable::hash(wanted.name, RequestId(u128::from_be_bytes(request)));
    table.sharding = match wanted.sharding.as_deref() {
        None | Some("hash") => Sharding::Hash,
        Some("range") => Sharding::Range,
        Some(other) => {
            let other = text::shown(other);
            return Err(invalid(format!("sharding \"{other}\" is not known: use hash or range")));
        }
    };
    table.mode = match wanted.mode.as_deref() {
        None | Some("register") => Mode::Register,
        Some(other) => {
            let other = text::shown(other);
            return Err(invalid(format!("mode \"{other}\" is not built yet, or not known: use register")));
        }
    };
    table.n = wanted.n.unwrap_or(table.n);
    if let Some(r) = wanted.r {
        table.r = level("r", &r)?;
    }
    if let Some(w) = wanted.w {
        table.w = level("w", &w)?;
    }
    if let Some(text) = wanted.durability {
        table.durability = durability(&text)?;
    }
    table.ttl_ms = wanted.ttl.as_deref().map(ttl_ms).transpose()?;
    table.shard_bytes_max = wanted.shard_bytes_max;
    match (table.sharding, wanted.shards, wanted.split_at) {
        (Sharding::Hash, shards, None) => {
            table.shards = shards.unwrap_or(table.shards);
            Ok(Command::CreateTable(table))
        }
        (Sharding::Hash, _, Some(_)) => {
            Err(invalid("split_at is for range tables: a hash table starts with equal shards"))
        }
        (Sharding::Range, None, split_at) => {
            let split_at = split_at.unwrap_or_default().into_iter().enumerate();
            let split_at: Vec<_> =
                split_at.map(|(at, key)| key_argument(at, key, key_bytes_max)).collect::<Result<_, _>>()?;
            table.shards = u32::try_from(split_at.len() + 1).unwrap_or(u32::MAX);
            Ok(Command::CreateRange(NewRange { table, split_at }))
        }
        (Sharding::Range, Some(_), _) => Err(invalid(
            "shards is for hash tables: a range table starts with one shard, or with those that begin at the keys of \
             split_at",
        )),
    }
}
