//! One kept-alive connection over which a benchmark asks: no retries, no second endpoint for one request, so that what a server
//! does is what is measured.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method, Request as HttpRequest, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use quorate_api::document::Problem;
use quorate_api::{Code, OnKey, Route};
use quorate_client::Endpoint;
use quorate_load::{Connection, Request};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// What every key begins with.
pub const PREFIX: &str = "bench/";

/// Digits of a key's number.
const DIGITS: usize = 12;

/// Before another endpoint is tried.
const PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
pub struct Asked {
    endpoints: Vec<Endpoint>,
    /// The path of a key without the digits of its number.
    path: String,
    /// The query of reads, with its `?`, or nothing.
    pub read_query: String,
    /// That of writes.
    pub write_query: String,
    timeout: Duration,
    /// Bytes that hardly compress; a value is some of them.
    noise: Bytes,
    value_bytes: usize,
}

/// See the module's sentence.
pub struct Http {
    asked: Arc<Asked>,
    /// Which endpoint.
    at: usize,
    open: Option<SendRequest<Full<Bytes>>>,
    host: HeaderValue,
    writes: usize,
}

impl Asked {
    /// Of a table, with nothing in its queries; after so long without an answer a request has failed.
    pub fn of(table: &str, endpoints: Vec<Endpoint>, timeout: Duration, value_bytes: usize) -> Self {
        let key = format!("{PREFIX}{:0DIGITS$}", 0);
        let mut path = Route::Read(OnKey::new(table, key.as_bytes())).path().0;
        path.truncate(path.len() - DIGITS);
        let mut noise = vec![0; value_bytes + 1_024];
        // Without randomness all values are alike; that is no reason not to measure.
        let _zeros = getrandom::fill(&mut noise);
        Self {
            endpoints,
            path,
            read_query: String::new(),
            write_query: String::new(),
            timeout,
            noise: noise.into(),
            value_bytes,
        }
    }

    fn value(&self, number: usize) -> Bytes {
        let from = number % (self.noise.len() - self.value_bytes);
        self.noise.slice(from..from + self.value_bytes)
    }
}

impl Http {
    /// The connection of this number; each begins at another endpoint.
    pub fn new(asked: &Arc<Asked>, number: usize) -> Self {
        let at = number % asked.endpoints.len();
        let host = host(&asked.endpoints[at]);
        Self { asked: Arc::clone(asked), at, open: None, host, writes: number }
    }

    async fn connect(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, String> {
        let endpoint = &self.asked.endpoints[self.at];
        let address = (endpoint.host().trim_matches(['[', ']']), endpoint.port());
        let connected = async {
            let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())
        };
        match connected.await {
            Ok((sender, connection)) => {
                tokio::spawn(connection);
                self.host = host(endpoint);
                Ok(self.open.insert(sender))
            }
            Err(cause) => {
                let cause = format!("no connection to {endpoint}: {cause}");
                self.at = (self.at + 1) % self.asked.endpoints.len();
                tokio::time::sleep(PAUSE).await;
                Err(cause)
            }
        }
    }

    async fn ask(&mut self, request: Request) -> Result<(), String> {
        let asked = Arc::clone(&self.asked);
        let (method, key, query, body) = match request {
            Request::Read { key } => (Method::GET, key, &asked.read_query, Bytes::new()),
            Request::Write { key } => {
                self.writes = self.writes.wrapping_add(1);
                (Method::PUT, key, &asked.write_query, asked.value(self.writes))
            }
        };
        if self.open.as_ref().is_none_or(SendRequest::is_closed) {
            self.connect().await?;
        }
        let sender = self.open.as_mut().expect("it was just opened");
        let length = body.len();
        let request = HttpRequest::builder()
            .method(method)
            .uri(format!("{}{key:0DIGITS$}{query}", asked.path))
            .header(HOST, self.host.clone())
            .header(CONTENT_LENGTH, length)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let ready = sender.ready().await;
        let answer = match ready {
            Ok(()) => sender.send_request(request).await,
            Err(error) => Err(error),
        };
        let answer = answer.map_err(|error| format!("the connection was lost: {error}"))?;
        let status = answer.status();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|error| format!("the connection was lost: {error}"))?.to_bytes();
        if status.is_success() { Ok(()) } else { refused(status, &body) }
    }
}

impl Connection for Http {
    async fn call(&mut self, request: Request) -> Result<(), String> {
        let patience = self.asked.timeout;
        let answered = tokio::time::timeout(patience, self.ask(request)).await;
        let answered =
            answered.unwrap_or_else(|_| Err(format!("no answer within {} ms", patience.as_millis())));
        // A connection on which an answer is still to come can't be used again.
        if answered.as_ref().is_err_and(|cause| !cause.starts_with(STATUS)) {
            self.open = None;
        }
        answered
    }
}

/// How the cause of a refusal begins.
const STATUS: &str = "status ";

fn host(endpoint: &Endpoint) -> HeaderValue {
    HeaderValue::from_str(&endpoint.to_string()).expect("an endpoint is ASCII")
}

/// A key without a value is an answer too; all else is counted as what the server calls it.
fn refused(status: StatusCode, body: &[u8]) -> Result<(), String> {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    if problem.as_ref().and_then(Problem::known_code) == Some(Code::NoSuchKey) {
        return Ok(());
    }
    let code = problem.map_or_else(String::new, |problem| format!(" {}", problem.code));
    Err(format!("{STATUS}{}{code}", status.as_u16()))
}
