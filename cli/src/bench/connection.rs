//! One kept-alive connection over which a benchmark asks: no retries, no second endpoint for one request, so that what a server
//! does is what is measured.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method, Request as HttpRequest, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use quorate_api::document::Problem;
use quorate_api::{Code, OnKey, Route};
use quorate_client::Endpoint;
use quorate_load::{Answer, Connection, Request};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// What every key begins with.
const PREFIX: &str = "bench/";

/// Digits of a key's number.
const DIGITS: usize = 12;

/// Before another endpoint is tried.
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes that values are parts of, beside those of one value.
const NOISE_BYTES: usize = 4 << 20;

/// A prime, so that values that follow each other are other parts of them.
const NOISE_STEP: usize = 1_000_003;

/// How the cause of a refusal begins.
const STATUS: &str = "status ";

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
    /// The value of `Authorization`, if there is a token.
    token: Option<HeaderValue>,
    /// Bytes that hardly compress; a value is some of them.
    noise: Bytes,
    value_bytes: usize,
}

/// See the module's sentence.
pub struct Http {
    asked: Arc<Asked>,
    /// The endpoint that it begins with, and comes back to.
    home: usize,
    /// The one that is tried next.
    at: usize,
    open: Option<SendRequest<Full<Bytes>>>,
    host: HeaderValue,
    writes: usize,
}

/// The key of a number.
pub(super) fn key(number: u64) -> String {
    format!("{PREFIX}{number:0DIGITS$}")
}

impl Asked {
    /// Of a table, with nothing in its queries; after so long without an answer a request has failed.
    pub fn of(table: &str, endpoints: Vec<Endpoint>, timeout: Duration, value_bytes: usize) -> Self {
        let mut path = Route::Read(OnKey::new(table, key(0).as_bytes())).path().0;
        path.truncate(path.len() - DIGITS);
        let mut noise = vec![0; value_bytes + NOISE_BYTES];
        // Without randomness all values are alike; that is no reason not to measure.
        let _zeros = getrandom::fill(&mut noise);
        Self {
            endpoints,
            path,
            read_query: String::new(),
            write_query: String::new(),
            timeout,
            token: None,
            noise: noise.into(),
            value_bytes,
        }
    }

    /// The same with a token.
    #[must_use]
    pub fn with_token(self, token: Option<HeaderValue>) -> Self {
        Self { token, ..self }
    }

    fn value(&self, number: usize) -> Bytes {
        let from = number.wrapping_mul(NOISE_STEP) % NOISE_BYTES;
        self.noise.slice(from..from + self.value_bytes)
    }
}

impl Http {
    /// The connection of this number; each begins at another endpoint.
    pub fn new(asked: &Arc<Asked>, number: usize) -> Self {
        let home = number % asked.endpoints.len();
        let host = host(&asked.endpoints[home]);
        Self { asked: Arc::clone(asked), home, at: home, open: None, host, writes: number }
    }

    /// A connection that is open.
    async fn opened(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, String> {
        let is_ready = match &mut self.open {
            // What ends before anything was sent is no failure of a request.
            Some(open) => open.ready().await.is_ok(),
            None => false,
        };
        if !is_ready {
            self.connect().await?;
        }
        Ok(self.open.as_mut().expect("it is there, or was just opened"))
    }

    async fn connect(&mut self) -> Result<(), String> {
        let endpoint = self.asked.endpoints[self.at].clone();
        let address = (endpoint.host().trim_matches(['[', ']']), endpoint.port());
        let connected = async {
            let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())
        };
        // The next one is another, unless this one is had.
        self.at = (self.at + 1) % self.asked.endpoints.len();
        match connected.await {
            Ok((sender, connection)) => {
                tokio::spawn(connection);
                (self.host, self.open, self.at) = (host(&endpoint), Some(sender), self.home);
                Ok(())
            }
            Err(cause) => {
                tokio::time::sleep(PAUSE).await;
                Err(format!("no connection to {endpoint}: {cause}"))
            }
        }
    }

    async fn ask(&mut self, request: Request) -> Result<Answer, String> {
        self.opened().await?;
        let asked = Arc::clone(&self.asked);
        let (method, key, query, body) = match request {
            Request::Read { key } => (Method::GET, key, &asked.read_query, Bytes::new()),
            Request::Write { key } => {
                self.writes = self.writes.wrapping_add(1);
                (Method::PUT, key, &asked.write_query, asked.value(self.writes))
            }
        };
        let length = body.len();
        let mut request = HttpRequest::builder()
            .method(method)
            .uri(format!("{}{key:0DIGITS$}{query}", asked.path))
            .header(HOST, self.host.clone())
            .header(CONTENT_LENGTH, length)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        if let Some(token) = &asked.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let open = self.open.as_mut().expect("it was just opened");
        let answer = open.send_request(request).await.map_err(|error| lost(&error))?;
        let (status, mut body) = (answer.status(), answer.into_body());
        if !status.is_success() {
            return refused(status, body).await;
        }
        // What a value is does not matter, but it is taken whole.
        while let Some(frame) = body.frame().await {
            frame.map_err(|error| lost(&error))?;
        }
        Ok(Answer::Done)
    }
}

impl Connection for Http {
    async fn call(&mut self, request: Request) -> Result<Answer, String> {
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

fn host(endpoint: &Endpoint) -> HeaderValue {
    HeaderValue::from_str(&endpoint.to_string()).expect("an endpoint is ASCII")
}

fn lost(error: &hyper::Error) -> String {
    format!("the connection was lost: {error}")
}

/// A key without a value is an answer too; all else is counted as what the server calls it.
async fn refused(status: StatusCode, body: Incoming) -> Result<Answer, String> {
    let body = body.collect().await.map_err(|error| lost(&error))?.to_bytes();
    let problem: Option<Problem> = serde_json::from_slice(&body).ok();
    if problem.as_ref().and_then(Problem::known_code) == Some(Code::NoSuchKey) {
        return Ok(Answer::Absent);
    }
    let code = problem.map_or_else(String::new, |problem| format!(" {}", problem.code));
    Err(format!("{STATUS}{}{code}", status.as_u16()))
}
