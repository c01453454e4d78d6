//! The decoders of this crate: a request's first line, and the token beside it.

use crate::cursor::Cursor;
use crate::query::{self, Query, TimeToLive};
use crate::route::{Asked, Route};
use crate::text;
use crate::token::Token;
use http::Method;
use std::time::Duration;

quorate_model::decoders! {
    "path" => path,
    "query" => query,
    "cursor" => cursor,
    "duration" => duration,
    "token" => token,
}

/// A path with a key in it. What the client's way to write one makes of that key must name it again.
fn path(bytes: &[u8]) -> bool {
    const KEY_BYTES_MAX: usize = 64;
    let Ok(path) = std::str::from_utf8(bytes) else { return false };
    let mut is_key = false;
    for query in [None, Some("enc=b64")] {
        let Ok(Asked { route, .. }) = Asked::read(&Method::GET, path, query, KEY_BYTES_MAX) else { continue };
        let (path, base64) = route.path();
        let again = Asked::read(&Method::GET, &path, base64.then_some("enc=b64"), KEY_BYTES_MAX);
        assert_eq!(again.as_ref().map(|again| &again.route), Ok(&route));
        if let Route::Read(on) | Route::Locate(on) | Route::Explain(on) = route {
            assert!((1..=KEY_BYTES_MAX).contains(&on.key.as_bytes().len()));
            is_key = true;
        }
    }
    is_key
}

/// A query, as each kind of request takes it.
fn query(bytes: &[u8]) -> bool {
    const TIMEOUT_MAX: Duration = Duration::from_mins(1);
    let Ok(raw) = std::str::from_utf8(bytes) else { return false };
    let kinds = [
        query::READ,
        query::WRITE,
        query::DELETE,
        query::MGET,
        query::BATCH,
        query::SCAN,
        query::RING,
        query::NONE,
    ];
    let read: Vec<Query> =
        kinds.into_iter().filter_map(|takes| Query::parse(Some(raw), takes).ok()).collect();
    for query in &read {
        assert!(query.timeout(Duration::from_secs(2), TIMEOUT_MAX) <= TIMEOUT_MAX);
        assert!(query.ttl.is_none_or(|ttl| match ttl {
            TimeToLive::Unlimited => true,
            TimeToLive::Millis(millis) => (1..=query::TTL_MS_MAX).contains(&millis),
        }));
    }
    !read.is_empty()
}

/// Where a scan goes on: what was taken is written as it came, but for padding.
fn cursor(bytes: &[u8]) -> bool {
    let Some(cursor) = std::str::from_utf8(bytes).ok().and_then(Cursor::decode) else { return false };
    assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    true
}

/// A length of time.
fn duration(bytes: &[u8]) -> bool {
    let Some(millis) = std::str::from_utf8(bytes).ok().and_then(text::duration_ms) else { return false };
    assert_eq!(text::duration_ms(&text::duration(millis)), Some(millis));
    true
}

/// A token.
fn token(bytes: &[u8]) -> bool {
    let Some(token) = std::str::from_utf8(bytes).ok().and_then(Token::parse) else { return false };
    assert_eq!(token.reveal().as_bytes(), bytes);
    true
}
