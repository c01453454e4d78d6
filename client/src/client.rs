//! The client: endpoints, and the operations on keys. Those on tables and members are in `cluster`.

use crate::answer::{Answered, Found, MgetItem, Value};
use crate::bearer::Bearer;
use crate::call::{Answer, Call};
use crate::endpoint::{DEFAULT_PORT, Endpoint};
use crate::error::Error;
use crate::outcome::Effect;
use quorate_api::document::{Batch, BatchItem, KeyArgument, KeyResult, Mget, Results, Written};
use quorate_api::query::{Parameter, TimeToLive};
use quorate_api::{Code, OnKey, OnTable, Route, header};
use quorate_model::{Durability, Level, OperationId};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use thiserror::Error as ThisError;

/// Longest wait for a connection. A node that is there accepts at once.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(2);

/// How much longer than the server this client waits: the server's own timeout says more than silence does.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// How long an endpoint may be silent before the next one is asked what any node knows from memory.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to ask, in order of preference; never empty. Default: 127.0.0.1:7400.
    pub endpoints: Vec<Endpoint>,
    /// How long an operation on keys may take, as the server is told too (which caps it); the client itself waits
    /// half a second longer. Default: 5 s.
    pub timeout: Duration,
    /// How long a change or a question about tables and members may take. Default: 30 s, since a change is answered
    /// once every reachable member has applied it.
    pub admin_timeout: Duration,
    /// By what the cluster recognises this client, where access control is on. Default: nothing.
    pub token: Option<Bearer>,
}

/// Why there is no client.
#[derive(Debug, ThisError)]
pub enum ConfigError {
    /// The list of endpoints is empty.
    #[error("a client needs at least one endpoint: give host:port")]
    NoEndpoint,
    /// The token can't be sent.
    #[error("the token has characters that none has: give it alone, in one line")]
    Token,
    /// The HTTP library would not start.
    #[error("the HTTP client cannot start: {0}")]
    Http(String),
}

/// A client of one cluster. Cloning is cheap; clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    options: Arc<Options>,
    /// The endpoint that answered last is asked first.
    preferred: Arc<AtomicUsize>,
}

/// How to read: `None` means the table's default.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// `consistency`.
    pub consistency: Option<Level>,
    /// `r`; beside `consistency` only if equal.
    pub r: Option<Level>,
    /// Ask for `Server-Timing` and for what each replica said.
    pub trace: bool,
}

/// How to write: `None` means the table's default.
#[derive(Clone, Debug, Default)]
pub struct Write {
    /// `consistency`.
    pub consistency: Option<Level>,
    /// `w`; beside `consistency` only if equal.
    pub w: Option<Level>,
    /// May raise the table's durability, never lower it.
    pub durability: Option<Durability>,
    /// When the value expires, from the moment its coordinator takes it.
    pub ttl: Option<TimeToLive>,
    /// Media type of the value.
    pub content_type: Option<String>,
    /// The number of this write among its client's, so that a retry is recognised.
    pub operation: Option<OperationId>,
    /// This is not the first attempt of `operation`.
    pub retry: bool,
    /// Ask for `Server-Timing` and for what each replica said.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoints: vec![Endpoint::new("127.0.0.1", DEFAULT_PORT)],
            timeout: Duration::from_secs(5),
            admin_timeout: Duration::from_secs(30),
            token: None,
        }
    }
}

impl Client {
    /// A client that has not connected to anything yet.
    pub fn new(options: Options) -> Result<Self, ConfigError> {
        if options.endpoints.is_empty() {
            return Err(ConfigError::NoEndpoint);
        }
        crate::install_crypto_provider();
        let mut headers = HeaderMap::new();
        if let Some(token) = &options.token {
            headers.insert(AUTHORIZATION, token.header().ok_or(ConfigError::Token)?);
        }
        let http = reqwest::Client::builder()
            .no_proxy()
            .default_headers(headers)
            // Plain HTTP alone, so far: a system without certificates of authorities is no reason to fail.
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            // Whether something may be sent again is decided in `call`, and nowhere else.
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT_MAX.min(options.timeout / 2))
            .tcp_nodelay(true)
            .build()
            .map_err(|error| ConfigError::Http(error.to_string()))?;
        Ok(Self { http, options: Arc::new(options), preferred: Arc::default() })
    }

    /// How it behaves.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Reads one key.
    pub async fn get(&self, table: &str, key: &[u8], read: &Read) -> Result<Answered<Found>, Error> {
        Self::found(self.send(&self.get_call(table, key, read)).await)
    }

    pub(crate) fn get_call(&self, table: &str, key: &[u8], read: &Read) -> Call {
        let mut call = self.on_keys(&Route::Read(OnKey::new(table, key)));
        push_level(&mut call, Parameter::Consistency, read.consistency);
        push_level(&mut call, Parameter::R, read.r);
        push_trace(&mut call, read.trace);
        call
    }

    /// What a read of one key found: that there is no such key is an answer too.
    pub(crate) fn found(asked: Result<Answer, Error>) -> Result<Answered<Found>, Error> {
        match asked {
            Ok(answer) => {
                let content_type = answer.meta.content_type.clone();
                let value = Value { bytes: answer.body, content_type };
                Ok(Answered { answer: Found::Value(value), meta: answer.meta })
            }
            Err(Error::Problem { problem, meta, .. }) if problem.known_code() == Some(Code::NoSuchKey) => {
                Ok(Answered { answer: Found::Absent { reason: problem.detail }, meta: *meta })
            }
            Err(error) => Err(error),
        }
    }

    /// Stores a value.
    pub async fn put(
        &self,
        table: &str,
        key: &[u8],
        value: Vec<u8>,
        write: &Write,
    ) -> Result<Answered<Written>, Error> {
        self.write(self.put_call(table, key, value, write)).await
    }

    pub(crate) fn put_call(&self, table: &str, key: &[u8], value: Vec<u8>, write: &Write) -> Call {
        let mut call = self.on_keys(&Route::Put(OnKey::new(table, key)));
        call.body = Some(value);
        if let Some(ttl) = write.ttl {
            call.query.push((Parameter::Ttl, ttl.to_string()));
        }
        if let Some(content_type) = &write.content_type {
            call.headers.push((CONTENT_TYPE, content_type.clone()));
        }
        push_write(&mut call, write);
        call
    }

    /// Deletes a key (writes a tombstone). `ttl` and `content_type` do not apply.
    pub async fn delete(&self, table: &str, key: &[u8], write: &Write) -> Result<Answered<Written>, Error> {
        self.write(self.delete_call(table, key, write)).await
    }

    pub(crate) fn delete_call(&self, table: &str, key: &[u8], write: &Write) -> Call {
        let mut call = self.on_keys(&Route::Delete(OnKey::new(table, key)));
        push_write(&mut call, write);
        call
    }

    /// Reads many keys; the results come in their order, each with its own status.
    pub async fn mget(&self, table: &str, keys: &[Vec<u8>], read: &Read) -> Result<Vec<MgetItem>, Error> {
        let call = self.mget_call(table, keys, read);
        mget_items(&call, &self.send(&call).await?, keys)
    }

    pub(crate) fn mget_call(&self, table: &str, keys: &[Vec<u8>], read: &Read) -> Call {
        let keys_asked = keys.iter().map(|key| KeyArgument::from(key.as_slice())).collect();
        let mut call = self.on_keys(&Route::Mget(OnTable::new(table)));
        push_document(&mut call, &Mget { keys: keys_asked });
        push_level(&mut call, Parameter::Consistency, read.consistency);
        push_level(&mut call, Parameter::R, read.r);
        push_trace(&mut call, read.trace);
        call
    }

    /// Writes many keys, each at most once; the results come in their order, each with its own status. It is not atomic: a
    /// write that failed says nothing of the others.
    pub async fn batch(
        &self,
        table: &str,
        items: Vec<BatchItem>,
        write: &Write,
    ) -> Result<Vec<KeyResult>, Error> {
        let count = items.len();
        let call = self.batch_call(table, items, write);
        batch_results(&call, &self.send(&call).await?, count)
    }

    pub(crate) fn batch_call(&self, table: &str, items: Vec<BatchItem>, write: &Write) -> Call {
        let mut call = self.on_keys(&Route::Batch(OnTable::new(table)));
        push_document(&mut call, &Batch { items });
        push_promise(&mut call, write);
        call
    }

    /// Where a key lives: token, shard, owners in preference order, epoch.
    pub async fn locate(&self, table: &str, key: &[u8]) -> Result<Json, Error> {
        self.about_key(&Route::Locate(OnKey::new(table, key))).await
    }

    /// The same, and what each owner holds of it.
    pub async fn explain(&self, table: &str, key: &[u8]) -> Result<Json, Error> {
        self.about_key(&Route::Explain(OnKey::new(table, key))).await
    }

    async fn about_key(&self, route: &Route) -> Result<Json, Error> {
        let mut call = self.on_route(route);
        call.patience = None;
        call.timeout = self.options.timeout + GRACE;
        let answer = self.send(&call).await?;
        decode(&call, &answer)
    }

    async fn write(&self, call: Call) -> Result<Answered<Written>, Error> {
        let answer = self.send(&call).await?;
        written(&call, answer)
    }

    /// An operation on keys: the server is told how long it may take.
    pub(crate) fn on_keys(&self, route: &Route) -> Call {
        let mut call = self.on_route(route);
        call.patience = None;
        call.query.push((Parameter::Timeout, millis(self.options.timeout)));
        call.timeout = self.options.timeout + GRACE;
        call
    }

    /// A call with the timeout of administration.
    pub(crate) fn on_route(&self, route: &Route) -> Call {
        let (path, base64) = route.path();
        let operation = route.operation();
        let mut call = self.call(operation.method(), path, Effect::of(operation));
        if base64 {
            call.query.push((Parameter::Enc, "b64".to_owned()));
        }
        call
    }

    /// The same, on a path that is no route of a node.
    pub(crate) fn call(&self, method: Method, path: String, effect: Effect) -> Call {
        Call {
            method,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            effect,
            timeout: self.options.admin_timeout,
            patience: Some(PATIENCE),
        }
    }

    /// Sends a call to this endpoint, and to no other one.
    pub(crate) async fn send_to(&self, call: &Call, endpoint: &Endpoint) -> Result<Answer, Error> {
        call.send(&self.http, std::slice::from_ref(endpoint)).await
    }

    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, Error> {
        let endpoints = &self.options.endpoints;
        let first = self.preferred.load(Ordering::Relaxed) % endpoints.len();
        let mut order = endpoints.clone();
        order.rotate_left(first);
        let answer = call.send(&self.http, &order).await?;
        if let Some(at) = endpoints.iter().position(|endpoint| *endpoint == answer.endpoint) {
            self.preferred.store(at, Ordering::Relaxed);
        }
        Ok(answer)
    }
}

/// The JSON body of an answer, as the type that is expected.
pub(crate) fn decode<T: DeserializeOwned>(call: &Call, answer: &Answer) -> Result<T, Error> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        call.unintelligible(
            &answer.endpoint,
            answer.status,
            format!("its body is not what was asked: {error}"),
        )
    })
}

/// What an acknowledged write says.
pub(crate) fn written(call: &Call, answer: Answer) -> Result<Answered<Written>, Error> {
    let written = decode(call, &answer)?;
    Ok(Answered { answer: written, meta: answer.meta })
}

/// What an mget of these keys says.
pub(crate) fn mget_items(call: &Call, answer: &Answer, keys: &[Vec<u8>]) -> Result<Vec<MgetItem>, Error> {
    let decoded: Json = decode(call, answer)?;
    MgetItem::all(keys, &decoded).ok_or_else(|| incomplete(call, answer))
}

/// What a batch of so many items says.
pub(crate) fn batch_results(call: &Call, answer: &Answer, count: usize) -> Result<Vec<KeyResult>, Error> {
    let Results { results } = decode(call, answer)?;
    if results.len() == count { Ok(results) } else { Err(incomplete(call, answer)) }
}

fn incomplete(call: &Call, answer: &Answer) -> Error {
    let cause = "there is not one result for each key".to_owned();
    call.unintelligible(&answer.endpoint, answer.status, cause)
}

pub(crate) fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// Gives a call a JSON document to send.
pub(crate) fn push_document<T: Serialize>(call: &mut Call, document: &T) {
    call.headers.push((CONTENT_TYPE, header::JSON.to_owned()));
    call.body = Some(serde_json::to_vec(document).expect("a struct of plain members is JSON"));
}

pub(crate) fn push_level(call: &mut Call, name: Parameter, level: Option<Level>) {
    if let Some(level) = level {
        call.query.push((name, level.to_string()));
    }
}

/// All that a single write says of itself.
fn push_write(call: &mut Call, write: &Write) {
    push_promise(call, write);
    push_trace(call, write.trace);
    if let Some(operation) = &write.operation {
        call.headers.push((header::IDEMPOTENCY_KEY, operation.to_string()));
    }
}

/// How many owners a write is for, how durable, and whether it is the first attempt.
fn push_promise(call: &mut Call, write: &Write) {
    push_level(call, Parameter::Consistency, write.consistency);
    push_level(call, Parameter::W, write.w);
    call.query.extend(write.durability.map(|durability| (Parameter::Durability, durability.to_string())));
    call.query.extend(write.retry.then(|| (Parameter::Retry, "true".to_owned())));
}

fn push_trace(call: &mut Call, trace: bool) {
    if trace {
        call.query.push((Parameter::Trace, "true".to_owned()));
    }
}
