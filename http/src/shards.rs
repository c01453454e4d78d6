//! Shards over HTTP: split, merged and moved by hand.

use super::app::{App, json, plain};
use super::body::Kind;
use super::budget::Share;
use super::fault::Fault;
use super::members::named;
use super::moves::described;
use super::problem::Problem;
use super::tables::{self, expect_closed, shards_of};
use axum::extract::Request;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use quorate_api::document::{self, KeyArgument, NamedKey, ShardMerge, ShardMove, ShardSplit};
use quorate_api::query::Query;
use quorate_api::{OnNode, OnShard, key, text};
use quorate_model::{Epoch, Sharding, SortKey, Table, Token};
use quorate_ring::Shard;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// `POST /v1/tables/{t}/shards/{id}/split`
pub async fn split(app: App, on: OnShard, query: Query, request: Request) -> Result<Response, Problem> {
    let (table, wanted, _held): (_, ShardSplit, _) = asked(&app, &on, &query, request).await?;
    let at = wanted.at.map(|at| place(&table, at, app.limits.key_bytes_max)).transpose()?;
    let before = app.core.view();
    let timeout = app.change_timeout(&query);
    let proposed = app.core.split_shard((table.id, on.shard), at, timeout).await.map_err(Fault::from)?;
    expect_closed(&proposed.open)?;
    let entry = before.table_by_id(table.id);
    let whole = entry.and_then(|entry| entry.shards().iter().find(|shard| shard.id.index == on.shard));
    let is_of_it = |shard: &Shard| whole.is_some_and(|whole| whole.interval.covers(&shard.interval));
    answer(&app, &table, proposed.receipt.epoch, is_of_it)
}

/// `POST /v1/tables/{t}/shards/{id}/merge`
pub async fn merge(app: App, on: OnShard, query: Query, request: Request) -> Result<Response, Problem> {
    let (table, wanted, _held): (_, ShardMerge, _) = asked(&app, &on, &query, request).await?;
    let timeout = app.change_timeout(&query);
    let merged = app.core.merge_shards((table.id, on.shard), wanted.with, timeout).await;
    let proposed = merged.map_err(Fault::from)?;
    expect_closed(&proposed.open)?;
    // The left one's number stays.
    let is_of_it = |shard: &Shard| shard.id.index == on.shard || Some(shard.id.index) == wanted.with;
    answer(&app, &table, proposed.receipt.epoch, is_of_it)
}

/// `POST /v1/tables/{t}/shards/{id}/move`
pub async fn move_one(app: App, on: OnShard, query: Query, request: Request) -> Result<Response, Problem> {
    let (table, wanted, _held): (_, ShardMove, _) = asked(&app, &on, &query, request).await?;
    app.tell(&wanted);
    let view = app.core.view();
    let member = |node: &str| named(&view, &OnNode::new(node)).map(|node| node.id);
    let way = (member(&wanted.from)?, member(&wanted.to)?);
    let timeout = app.change_timeout(&query);
    let job = app.core.move_shard((table.id, on.shard), way, timeout).await.map_err(Fault::from)?;
    let gone = || Fault::NoSuchMoveJob { id: job.to_string() };
    let progress = app.core.move_job(job).ok_or_else(gone)?;
    let mut response = json(StatusCode::ACCEPTED, &described(&app.core.view(), &progress));
    let location = HeaderValue::from_str(&format!("/v1/jobs/{job}")).expect("digits");
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// The table whose shard is to be changed, the document that says how, and the share of memory that it has until the answer.
async fn asked<T: DeserializeOwned>(
    app: &App,
    on: &OnShard,
    query: &Query,
    request: Request,
) -> Result<(Arc<Table>, T, Option<Share>), Problem> {
    plain(&request)?;
    app.expect_serving()?;
    let table = app.table(on.table.clone(), app.timeout(query)).await?;
    let (wanted, held) = app.document(request, Kind::Document, app.limits.document_bytes_max).await?;
    Ok((table, wanted, held))
}

/// The shards that a change has made, of those that there are now.
fn answer(
    app: &App,
    table: &Table,
    epoch: Epoch,
    is_of_it: impl Fn(&Shard) -> bool,
) -> Result<Response, Problem> {
    let view = app.core.view();
    let entry = view.table_by_id(table.id).ok_or_else(|| tables::gone(&table.name))?;
    let shown = entry.shards().iter().zip(shards_of(entry)).filter(|(shard, _)| is_of_it(shard));
    let shards = shown.map(|(_, document)| document).collect();
    let document = document::Shards { table: table.name.clone(), epoch: epoch.0, shards };
    Ok(json(StatusCode::OK, &document))
}

/// The place that a document names: a key, or of a hash table a token.
fn place(table: &Table, at: KeyArgument, key_bytes_max: usize) -> Result<SortKey, Problem> {
    match (table.sharding, at) {
        (Sharding::Range, at) => {
            let key = match at {
                KeyArgument::Text(text) | KeyArgument::Named(NamedKey { key: Some(text), key_b64: None }) => {
                    Some(text.into_bytes())
                }
                KeyArgument::Named(NamedKey { key: None, key_b64: Some(text) }) => text::from_base64(&text),
                KeyArgument::Named(_) => None,
            };
            let key = key
                .ok_or_else(|| invalid("a key is text, or an object with `key` or `key_b64` (base64url)"))?;
            let key = key::checked(key, key_bytes_max).map_err(|error| invalid(&error.to_string()))?;
            Ok(SortKey::ranged(&key))
        }
        (Sharding::Hash, KeyArgument::Text(text)) => {
            let digits = Some(text.as_str()).filter(|text| text.len() == 16);
            let token = digits.and_then(|text| u64::from_str_radix(text, 16).ok());
            token.map(|token| SortKey::at_token(Token(token))).ok_or_else(no_token)
        }
        (Sharding::Hash, KeyArgument::Named(_)) => Err(no_token()),
    }
}

fn no_token() -> Problem {
    invalid("a hash table is split between tokens: name a token, 16 hexadecimal digits")
}

fn invalid(why: &str) -> Problem {
    Fault::Document(format!("at: {why}")).into()
}
