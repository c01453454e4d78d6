//! Tables: what the catalog says about them, and changes of it.

use super::answer::KeyText;
use super::app::{App, json, plain};
use super::body::Kind;
use super::fault::Fault;
use super::problem::Problem;
use axum::extract::Request;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use quorate_api::OnTable;
use quorate_api::query::{self, Query};
use quorate_api::text;
use quorate_model::{Durability, Key, Level, Mode, Sharding, SortKey};
use quorate_ring::{Command, NewTable, RequestId, TableChange, TableEntry, TtlChange};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value as Json, json as document};

/// A level in JSON: a name or a number.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a level is `one`, `quorum`, `all` or a number from 1 to n")]
enum LevelDocument {
    Number(u8),
    Name(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object that describes a table")]
pub(super) struct NewTableDocument {
    name: String,
    sharding: Option<String>,
    n: Option<u8>,
    r: Option<LevelDocument>,
    w: Option<LevelDocument>,
    mode: Option<String>,
    shards: Option<u32>,
    durability: Option<String>,
    ttl: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the fields to change")]
pub(super) struct TableChangeDocument {
    #[serde(default, deserialize_with = "named")]
    n: Option<u8>,
    #[serde(default, deserialize_with = "named")]
    r: Option<LevelDocument>,
    #[serde(default, deserialize_with = "named")]
    w: Option<LevelDocument>,
    #[serde(default, deserialize_with = "named")]
    durability: Option<String>,
    #[serde(default)]
    ttl: TtlDocument,
}

/// A field that is either absent or has a value: `null` is none.
fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Another default expiry in JSON.
#[derive(Debug, Default)]
enum TtlDocument {
    /// Absent: it stays.
    #[default]
    Absent,
    /// `null`: none.
    Null,
    /// `"60s"`
    After(String),
}

impl<'de> Deserialize<'de> for TtlDocument {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(from)?.map_or(TtlDocument::Null, TtlDocument::After))
    }
}

/// A table in JSON.
#[derive(Debug, Serialize)]
pub struct TableDocument {
    name: String,
    id: String,
    sharding: &'static str,
    n: u8,
    r: Json,
    w: Json,
    mode: &'static str,
    shards: usize,
    durability: &'static str,
    ttl: Option<String>,
    epoch: u64,
}

impl From<&TableEntry> for TableDocument {
    fn from(table: &TableEntry) -> Self {
        Self {
            name: table.name.clone(),
            id: table.id.to_string(),
            sharding: table.sharding.as_str(),
            n: table.n,
            r: level_json(table.r),
            w: level_json(table.w),
            mode: table.mode.as_str(),
            shards: table.shards().len(),
            durability: table.durability.as_str(),
            ttl: table.ttl_ms.map(text::duration),
            epoch: table.epoch().0,
        }
    }
}

fn level_json(level: Level) -> Json {
    match level {
        Level::Count(count) => count.into(),
        Level::One | Level::Quorum | Level::All => level.to_string().into(),
    }
}

/// `GET /v1/tables`
pub fn list(app: &App, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    app.expect_catalog()?;
    let view = app.core.view();
    let tables: Vec<TableDocument> =
        view.catalog().tables().map(|table| TableDocument::from(&**table)).collect();
    Ok(json(StatusCode::OK, &document!({ "epoch": view.epoch().0, "tables": tables })))
}

/// `GET /v1/tables/{t}`
pub async fn show(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let table = app.table(on.table, app.timeout(&query)).await?;
    let view = app.core.view();
    let entry = view.table_by_id(table.id).ok_or_else(|| gone(&table.name))?;
    Ok(json(StatusCode::OK, &TableDocument::from(entry)))
}

/// `GET /v1/tables/{t}/shards`
pub async fn shards(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let table = app.table(on.table, app.timeout(&query)).await?;
    let view = app.core.view();
    let entry = view.table_by_id(table.id).ok_or_else(|| gone(&table.name))?;
    let shards: Vec<Json> = shard_documents(entry).collect();
    Ok(json(StatusCode::OK, &document!({ "table": table.name, "epoch": view.epoch().0, "shards": shards })))
}

/// Every shard of a table: its interval, its epoch, its owners.
pub fn shard_documents(table: &TableEntry) -> impl Iterator<Item = Json> + '_ {
    table.shards().iter().map(|shard| {
        let owners: Vec<String> = shard.owners.iter().map(ToString::to_string).collect();
        document!({
            "id": format!("{}/{}", table.name, shard.id.index),
            "index": shard.id.index,
            "start": sort_key(table, &shard.interval.start),
            "end": shard.interval.end.as_ref().map(|end| sort_key(table, end)),
            "position": shard.position(table.sharding).to_string(),
            "epoch": shard.epoch.0,
            "owners": owners,
        })
    })
}

/// A bound of a shard: a token (16 hexadecimal digits) in a hash table, a key in a range table.
pub fn sort_key(table: &TableEntry, bound: &SortKey) -> Json {
    match table.sharding {
        Sharding::Hash => {
            let mut token = [0; 8];
            let bytes = bound.as_bytes();
            let length = bytes.len().min(8);
            token[..length].copy_from_slice(&bytes[..length]);
            format!("{:016x}", u64::from_be_bytes(token)).into()
        }
        Sharding::Range => serde_json::to_value(KeyText::from(&Key::new(bound.as_bytes().to_vec())))
            .expect("a document of plain values"),
    }
}

/// `POST /v1/tables`
pub async fn create(app: App, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let (wanted, _held): (NewTableDocument, _) =
        app.document(request, Kind::Document, app.limits.document_bytes_max).await?;
    let name = wanted.name.clone();
    let epoch = propose(&app, Command::CreateTable(wanted.read()?), &query).await?;
    let view = app.core.view();
    let entry = view.table(&name).ok_or_else(|| gone(&name))?;
    let mut answer = serde_json::to_value(TableDocument::from(entry)).expect("a document of plain values");
    answer["epoch"] = epoch;
    let mut response = json(StatusCode::CREATED, &answer);
    let location = HeaderValue::from_str(&format!("/v1/tables/{name}")).expect("a table's name is plain");
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// `PATCH /v1/tables/{t}`
pub async fn alter(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let table = app.table(on.table, app.timeout(&query)).await?;
    let (wanted, _held): (TableChangeDocument, _) =
        app.document(request, Kind::Document, app.limits.document_bytes_max).await?;
    wanted.expect_any()?;
    let mut change = TableChange::of(table.id);
    change.n = wanted.n;
    change.r = wanted.r.map(|level| level.read("r")).transpose()?;
    change.w = wanted.w.map(|level| level.read("w")).transpose()?;
    change.durability = wanted.durability.as_deref().map(durability).transpose()?;
    change.ttl = match wanted.ttl {
        TtlDocument::Absent => None,
        TtlDocument::Null => Some(TtlChange::Never),
        TtlDocument::After(ttl) => Some(TtlChange::After(ttl_ms(&ttl)?)),
    };
    propose(&app, Command::AlterTable(change), &query).await?;
    let view = app.core.view();
    let entry = view.table_by_id(table.id).ok_or_else(|| gone(&table.name))?;
    Ok(json(StatusCode::OK, &TableDocument::from(entry)))
}

/// `DELETE /v1/tables/{t}`
pub async fn drop_table(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let table = app.table(on.table, app.timeout(&query)).await?;
    let epoch = propose(&app, Command::DropTable { table: table.id }, &query).await?;
    Ok(json(StatusCode::OK, &document!({ "dropped": table.name, "epoch": epoch })))
}

/// Changes the catalog; the epoch since.
async fn propose(app: &App, command: Command, query: &Query) -> Result<Json, Problem> {
    app.expect_serving()?;
    let proposed = app.core.propose(command, app.change_timeout(query)).await?;
    if !proposed.lagging.is_empty() {
        tracing::warn!(epoch = %proposed.receipt.epoch, lagging = ?proposed.lagging, "members have not applied a change yet");
    }
    Ok(proposed.receipt.epoch.0.into())
}

fn gone(name: &str) -> Problem {
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

impl LevelDocument {
    fn read(self, name: &'static str) -> Result<Level, Problem> {
        match self {
            LevelDocument::Number(count) => Ok(Level::Count(count)),
            LevelDocument::Name(text) => {
                text.parse().map_err(|_| query::QueryError::Level { name, value: text::shown(&text) }.into())
            }
        }
    }
}

impl TableChangeDocument {
    pub(super) fn expect_any(&self) -> Result<(), Problem> {
        match self {
            Self { n: None, r: None, w: None, durability: None, ttl: TtlDocument::Absent } => {
                Err(invalid("the document names nothing to change: use r, durability or ttl"))
            }
            Self { .. } => Ok(()),
        }
    }
}

impl NewTableDocument {
    pub(super) fn read(self) -> Result<NewTable, Problem> {
        let mut request = [0; 16];
        getrandom::fill(&mut request).map_err(|_| Fault::NoRandomness)?;
        let mut table = NewTable::hash(self.name, RequestId(u128::from_be_bytes(request)));
        table.sharding = match self.sharding.as_deref() {
            None | Some("hash") => Sharding::Hash,
            Some("range") => Sharding::Range,
            Some(other) => {
                return Err(invalid(format!(
                    "sharding \"{}\" is not known: use hash or range",
                    text::shown(other)
                )));
            }
        };
        table.mode = match self.mode.as_deref() {
            None | Some("register") => Mode::Register,
            Some(other) => {
                let other = text::shown(other);
                return Err(invalid(format!(
                    "mode \"{other}\" is not built yet, or not known: use register"
                )));
            }
        };
        if table.sharding == Sharding::Range {
            table.shards = 1;
        }
        table.n = self.n.unwrap_or(table.n);
        table.shards = self.shards.unwrap_or(table.shards);
        if let Some(level) = self.r {
            table.r = level.read("r")?;
        }
        if let Some(level) = self.w {
            table.w = level.read("w")?;
        }
        if let Some(text) = self.durability {
            table.durability = durability(&text)?;
        }
        table.ttl_ms = self.ttl.as_deref().map(ttl_ms).transpose()?;
        Ok(table)
    }
}
