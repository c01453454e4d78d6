//! Scans: the keys of a table in their order, page after page.
//!
//! ```text
//!   Scanning::next ──> item ──> item ──> .. ──> the page is over ──> the next page, from the cursor on ──> ..
//! ```
//!
//! A page is asked for when it is wanted, so a caller that takes its time costs one page, here and at the node. A page
//! comes whole or not at all: what was given out always ends at a cursor, at which any node can go on, also after an
//! error. (A stream of lines that breaks off in the middle leaves no such place.)

use crate::answer::Meta;
use crate::call::Call;
use crate::client::{Client, decode, push_level};
use crate::error::Error;
use quorate_api::document::{KeyPage, ListedKey};
use quorate_api::query::{Parameter, Part};
use quorate_api::text::{from_base64url, to_base64url};
use quorate_api::{OnTable, Route};
use quorate_model::Level;
use std::collections::VecDeque;

/// Which keys are wanted, and how; the default is all of them, without values.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// The bytes that each key begins with. With bounds, every page looks at all keys of a hash table.
    pub prefix: Option<Vec<u8>>,
    /// The first key.
    pub start: Option<Vec<u8>>,
    /// The first key behind the last one.
    pub end: Option<Vec<u8>>,
    /// Whether the last key comes first.
    pub reverse: bool,
    /// Whether values are wanted.
    pub values: bool,
    /// `consistency`; `None`: the table's default.
    pub consistency: Option<Level>,
    /// `r`; beside `consistency` only if equal.
    pub r: Option<Level>,
    /// Most keys; `None`: as many as there are.
    pub limit: Option<u64>,
    /// Most bytes of keys and values of a page, at least 1; one key comes in any case. `None`, or more than that: the node's
    /// limit. A count has no pages.
    pub bytes: Option<u64>,
    /// Which part of a hash table; `None`: all of it.
    pub part: Option<Part>,
    /// Where to go on: of a scan with the same prefix, start, end, part and direction.
    pub cursor: Option<String>,
}

/// A key that has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The key.
    pub key: Vec<u8>,
    /// The value, if values were wanted.
    pub value: Option<Vec<u8>>,
    /// All that the server says of it.
    pub listed: ListedKey,
}

/// A scan on its way.
#[derive(Debug)]
pub struct Scanning {
    client: Client,
    call: Call,
    /// Keys of the present page that are not given out yet.
    page: VecDeque<Item>,
    /// Where the present page began, if it did not begin the range.
    begun_at: Option<String>,
    /// Where the page behind the present one begins; `None`: nothing is left.
    next: Option<Begin>,
    /// Keys that are still wanted.
    left: Option<u64>,
    /// What the present page promises.
    guarantee: Option<String>,
}

/// Where a page begins.
#[derive(Clone, Debug)]
enum Begin {
    /// At the beginning of the range.
    Beginning,
    /// Where another ended.
    Cursor(String),
}

impl Begin {
    fn of(cursor: Option<String>) -> Self {
        cursor.map_or(Begin::Beginning, Begin::Cursor)
    }

    fn cursor(&self) -> Option<&str> {
        match self {
            Begin::Beginning => None,
            Begin::Cursor(cursor) => Some(cursor),
        }
    }
}

impl Client {
    /// Begins a scan. Nothing is asked until its first key is.
    pub fn scan(&self, table: &str, scan: &Scan) -> Scanning {
        let mut call = self.scan_call(table, scan);
        call.query.extend(scan.bytes.map(|bytes| (Parameter::Bytes, bytes.to_string())));
        Scanning {
            client: self.clone(),
            call,
            page: VecDeque::new(),
            begun_at: scan.cursor.clone(),
            next: Some(Begin::of(scan.cursor.clone())),
            left: scan.limit,
            guarantee: None,
        }
    }

    /// What all records of the range add up to, or of the part: the same text as long as none of them changes. `None`: owners
    /// differ, or have not counted. Bounds are for range tables.
    pub async fn sum(&self, table: &str, scan: &Scan) -> Result<Option<String>, Error> {
        let mut call = self.scan_call(table, scan);
        call.query.push((Parameter::Sum, "true".to_owned()));
        let (page, _) = self.page(&call, &Begin::Beginning).await?;
        Ok(page.sum)
    }

    /// How many keys there are; no key is sent.
    pub async fn count(&self, table: &str, scan: &Scan) -> Result<u64, Error> {
        let mut call = self.scan_call(table, scan);
        call.query.push((Parameter::Count, "true".to_owned()));
        let (mut all, mut next) = (0, Some(Begin::of(scan.cursor.clone())));
        while let Some(from) = next {
            let (page, _) = self.page(&call, &from).await?;
            all += page.count.unwrap_or_default();
            next = page.next_cursor.map(Begin::Cursor);
        }
        Ok(all)
    }

    fn scan_call(&self, table: &str, scan: &Scan) -> Call {
        let mut call = self.on_keys(&Route::Scan(OnTable::new(table)));
        let keys =
            [(Parameter::Prefix, &scan.prefix), (Parameter::Start, &scan.start), (Parameter::End, &scan.end)];
        if keys.iter().any(|(_, key)| key.is_some()) {
            call.query.push((Parameter::Enc, "b64".to_owned()));
        }
        for (name, key) in keys {
            call.query.extend(key.as_ref().map(|key| (name, to_base64url(key))));
        }
        call.query.extend(scan.part.map(|part| (Parameter::Part, part.to_string())));
        for (name, is_so) in [(Parameter::Reverse, scan.reverse), (Parameter::Values, scan.values)] {
            if is_so {
                call.query.push((name, "true".to_owned()));
            }
        }
        push_level(&mut call, Parameter::Consistency, scan.consistency);
        push_level(&mut call, Parameter::R, scan.r);
        call
    }

    async fn page(&self, call: &Call, from: &Begin) -> Result<(KeyPage, Meta), Error> {
        let mut call = call.clone();
        call.query.extend(from.cursor().map(|cursor| (Parameter::Cursor, cursor.to_owned())));
        let answer = self.send(&call).await?;
        Ok((decode(&call, &answer)?, answer.meta))
    }
}

impl Scanning {
    /// The next key; `None`: there is none, or as many were given out as were wanted. After an error it can be asked
    /// again.
    pub async fn next(&mut self) -> Result<Option<Item>, Error> {
        while self.page.is_empty() && self.turn().await? {}
        Ok(self.page.pop_front())
    }

    /// The keys that are at hand: what is left of the present page.
    pub fn at_hand(&mut self) -> impl Iterator<Item = Item> {
        self.page.drain(..)
    }

    /// Asks for the next page; false: there is none.
    pub async fn turn(&mut self) -> Result<bool, Error> {
        if self.left == Some(0) {
            return Ok(false);
        }
        let Some(from) = self.next.clone() else { return Ok(false) };
        let mut call = self.call.clone();
        call.query.extend(self.left.map(|left| (Parameter::Limit, left.to_string())));
        let (page, meta) = self.client.page(&call, &from).await?;
        self.guarantee = meta.consistency.map(|consistency| consistency.guarantee);
        let items = page.items.into_iter().map(Item::of).collect::<Option<VecDeque<Item>>>();
        self.page = items.ok_or_else(|| {
            let endpoint = &self.client.options().endpoints[0];
            call.unintelligible(endpoint, 200, "a key of a page is no key".to_owned())
        })?;
        self.left = self.left.map(|left| left.saturating_sub(self.page.len() as u64));
        self.begun_at = from.cursor().map(str::to_owned);
        self.next = page.next_cursor.map(Begin::Cursor);
        Ok(true)
    }

    /// What the present page promises: `linearizable`, `regular` or `eventual`; `None`: there was none yet.
    pub fn guarantee(&self) -> Option<&str> {
        self.guarantee.as_deref()
    }

    /// Where to go on, at any node, with what was not given out; `None`: from the beginning, or nothing is left (see
    /// [`Scanning::is_over`]). Keys of the present page that were given out come again.
    pub fn cursor(&self) -> Option<&str> {
        if self.page.is_empty() { self.next.as_ref()?.cursor() } else { self.begun_at.as_deref() }
    }

    /// Whether nothing is left of the range.
    pub fn is_over(&self) -> bool {
        self.page.is_empty() && self.next.is_none()
    }
}

impl Item {
    /// What a page says of a key; `None`: it names none.
    fn of(listed: ListedKey) -> Option<Self> {
        let bytes = |text: &Option<String>, b64: &Option<String>| match (text, b64) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(b64)) => from_base64url(b64.as_bytes()),
            (None, None) => None,
        };
        let value = bytes(&listed.value, &listed.value_b64);
        Some(Self { key: bytes(&listed.key, &listed.key_b64)?, value, listed })
    }
}
