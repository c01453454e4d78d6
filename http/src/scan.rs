//! `GET /v1/tables/{t}/keys`: the keys of a table in their order, in pages or as a stream.
//!
//! ```text
//!   application/json    one page ────────────────> {"items": [..], "next_cursor": ..}
//!   application/jsonl   page after page, as the client takes them: a line for each key, then {"next_cursor": ..},
//!                       or {"error": ..} where a page failed
//! ```
//!
//! A stream makes its next page when the one before is on its way: a client that takes nothing costs two pages.

mod asked;
mod by_key;
mod walk;

use super::admit::expect_range;
use super::answer::{self, timestamp};
use super::app::{App, json_bytes};
use super::head;
use super::problem::Problem;
use crate::metrics::LevelLabel;
use asked::Scan;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Frame;
use quorate_api::OnTable;
use quorate_api::document::{KeyName, KeyPage, ListedKey, StreamEnd, StreamError};
use quorate_api::header::{JSON, JSON_LINES, QUORATE_CONSISTENCY, QUORATE_SCANNED};
use quorate_api::query::Query;
use quorate_coordinator::scan::sum::Summed;
use quorate_coordinator::scan::{Item, Page, Worth};
use quorate_model::{Level, Permission, Table};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use walk::Walk;

/// `GET /v1/tables/{t}/keys`
pub async fn keys(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    let started = Instant::now();
    app.expect_coordinating()?;
    head::refuse_operation(request.headers())?;
    let as_lines = head::prefers_lines(request.headers());
    if !as_lines {
        head::expect_accepted(request.headers(), JSON)?;
    }
    let timeout = app.timeout(&query);
    let table = app.table_of_keys(on.table, timeout).await?;
    let level = query.read_level(&table).map_err(|error| Problem::from(error).on(&table))?;
    let mut walk =
        Walk::begin(&query.scan, &table).map_err(|fault| Problem::from(fault).on(&table).at(level))?;
    let until = started + timeout;
    if query.scan.sum {
        return sum(&app, walk, level, until).await;
    }
    if query.scan.count {
        return count(&app, walk, level, until).await;
    }
    if as_lines {
        walk.as_stream();
    }
    let scan = Scan { app, level, timeout };
    let page = scan.page(&mut walk, until.saturating_duration_since(Instant::now())).await?;
    let headers = headers(&scan.app, &walk);
    let mut response = if as_lines {
        scan.lines(walk, page)?
    } else {
        let items = page.items.iter().map(|item| listed(&table, item)).collect();
        let document = KeyPage { items, next_cursor: walk.cursor(), ..KeyPage::default() };
        json_bytes(StatusCode::OK, scan.held(&document)?)
    };
    response.headers_mut().extend(headers);
    response.extensions_mut().insert(LevelLabel::from(level));
    Ok(response)
}

/// How many keys there are, as far as the time goes: half of it, so that what was counted is answered.
async fn count(app: &App, mut walk: Walk, level: Level, until: Instant) -> Result<Response, Problem> {
    let begun = Instant::now();
    let half = begun + until.saturating_duration_since(begun) / 2;
    let scan = Scan { app: app.clone(), level, timeout: Duration::ZERO };
    let mut all = 0;
    loop {
        let page = scan.page(&mut walk, until.saturating_duration_since(Instant::now())).await?;
        all += walk.counted().unwrap_or(page.items.len() as u64);
        if walk.is_over() || Instant::now() >= half {
            let document = KeyPage { count: Some(all), next_cursor: walk.cursor(), ..KeyPage::default() };
            let mut response = json_bytes(StatusCode::OK, scan.held(&document)?);
            response.headers_mut().extend(headers(app, &walk));
            response.extensions_mut().insert(LevelLabel::from(level));
            return Ok(response);
        }
    }
}

/// What all of it adds up to, as far as owners agree.
async fn sum(app: &App, mut walk: Walk, level: Level, until: Instant) -> Result<Response, Problem> {
    expect_range(app, walk.table(), walk.keys()).map_err(|denied| denied.at(level))?;
    app.expect_room(0).map_err(|full| full.at(level))?;
    let scan = Scan { app: app.clone(), level, timeout: Duration::ZERO };
    let (range, left) = (walk.range(), until.saturating_duration_since(Instant::now()));
    let summed = app.core.sum(walk.table(), range, level, left).await;
    let Summed { sum, worth } = summed.map_err(|error| scan.problem(walk.table(), error))?;
    walk.took(&Page { items: Vec::new(), rest: None, worth, repaired: 0 });
    let document = KeyPage { sum: sum.map(|sum| format!("{sum:016x}")), ..KeyPage::default() };
    let mut response = json_bytes(StatusCode::OK, scan.held(&document)?);
    response.headers_mut().extend(headers(app, &walk));
    response.extensions_mut().insert(LevelLabel::from(level));
    Ok(response)
}

impl Scan {
    /// The next page of a walk.
    async fn page(&self, walk: &mut Walk, timeout: Duration) -> Result<Page, Problem> {
        expect_range(&self.app, walk.table(), walk.keys()).map_err(|denied| denied.at(self.level))?;
        let request = walk.request(&self.app.limits, self.level);
        // Whatever it is to have, a page in the order of keys walks over the whole table.
        let bytes = if walk.is_by_key() { self.app.limits.batch_bytes_max } else { request.bytes };
        self.app.expect_room(bytes).map_err(|full| full.at(self.level))?;
        let page = if walk.is_by_key() {
            let found = by_key::page(self, walk.table(), request, timeout).await?;
            walk.looked(found.scanned, found.count);
            found.page
        } else {
            let scanned = self.app.core.scan(walk.table(), request, timeout).await;
            scanned.map_err(|error| self.problem(walk.table(), error))?
        };
        self.app.metrics.repairs.inc_by(u64::from(page.repaired));
        walk.took(&page);
        Ok(page)
    }

    fn held(&self, page: &KeyPage) -> Result<Bytes, Problem> {
        let body = serde_json::to_vec(page).expect("a document of plain values");
        self.app.metrics.value_bytes_out.inc_by(body.len() as u64);
        self.app.answered(body.into()).map_err(|full| full.at(self.level))
    }

    /// A stream of all pages from this one on.
    fn lines(self, mut walk: Walk, first: Page) -> Result<Response, Problem> {
        let first = self.text(&walk, &first)?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut text = first;
            while sender.send(text).await.is_ok() && !walk.is_over() {
                let page = match self.page(&mut walk, self.timeout).await {
                    Ok(page) => self.text(&walk, &page),
                    Err(problem) => Err(problem),
                };
                text = match page {
                    Ok(text) => text,
                    Err(problem) => {
                        // A client that is gone has no use for it.
                        drop(sender.send(error_line(&problem, &walk)).await);
                        return;
                    }
                };
            }
        });
        let mut response = (StatusCode::OK, Body::new(Lines(receiver))).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON_LINES));
        Ok(response)
    }

    /// The lines of a page; behind the last one, where the stream ended.
    fn text(&self, walk: &Walk, page: &Page) -> Result<Bytes, Problem> {
        let mut out = Vec::new();
        for item in &page.items {
            line(&mut out, &listed(walk.table(), item));
        }
        if walk.is_over() {
            line(&mut out, &end(walk, None));
        }
        self.app.metrics.value_bytes_out.inc_by(out.len() as u64);
        self.app.answered(out.into()).map_err(|full| full.at(self.level))
    }
}

fn line(out: &mut Vec<u8>, document: &impl serde::Serialize) {
    serde_json::to_writer(&mut *out, document).expect("a document of plain values");
    out.push(b'\n');
}

/// What a stream ends with where a page failed: why, and where to go on.
fn error_line(problem: &Problem, walk: &Walk) -> Bytes {
    let mut out = Vec::new();
    let (code, detail, shard) = (problem.code().as_str().to_owned(), problem.detail(), problem.shard());
    let error = StreamError { code, detail, shard };
    line(&mut out, &end(walk, Some(error)));
    out.into()
}

/// The last line of a stream: the headers came before all that may promise less than the first page.
fn end(walk: &Walk, error: Option<StreamError>) -> StreamEnd {
    let worth = walk.worth().map(|(worth, _)| worth);
    StreamEnd {
        error,
        consistency: worth.map(|worth| worth.guarantee.as_str().into()),
        consistency_reason: worth.and_then(|worth| answer::reason(worth.lowered)),
        next_cursor: walk.cursor(),
    }
}

/// A stream of lines that is made as it is taken.
struct Lines(mpsc::Receiver<Bytes>);

impl http_body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|text| text.map(|text| Ok(Frame::data(text))))
    }
}

/// What the pages so far are worth, and how many keys were looked at for the last one, where those are more than it has: that
/// is told to who may read all of them.
fn headers(app: &App, walk: &Walk) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(3);
    let may_know = || app.may(|rights| rights.may_on_table(Permission::Read, walk.table().id));
    if let Some(scanned) = walk.scanned().filter(|_| may_know()) {
        headers.insert(QUORATE_SCANNED, scanned.into());
    }
    if let Some((Worth { guarantee, lowered, required, n }, repaired)) = walk.worth() {
        let counts = format_args!("r={required}; n={n}; acks={required}; repaired={repaired}");
        headers.insert(QUORATE_CONSISTENCY, answer::consistency(guarantee, counts, lowered));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers
}

/// A key of a page.
fn listed(table: &Table, item: &Item) -> ListedKey {
    let KeyName { key, key_b64 } = KeyName::from(walk::key_of(table, &item.sort_key));
    let mut listed = ListedKey {
        key,
        key_b64,
        version: item.version.to_string(),
        size: item.value_bytes,
        expires_at: item.expires_at.map(timestamp),
        ..ListedKey::default()
    };
    if let Some(quorate_model::Body::Value { content_type, payload }) =
        item.record.as_ref().map(|record| &record.body)
    {
        listed.content_type = Some(content_type.clone());
        match std::str::from_utf8(payload) {
            Ok(text) => listed.value = Some(text.to_owned()),
            Err(_) => listed.value_b64 = Some(quorate_api::text::to_base64url(payload)),
        }
    }
    listed
}
