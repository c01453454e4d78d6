//! Thin HTTP: one request, and as much as can be known of what became of it.
//!
//! The clients of a proof must not be clever. They follow no redirect, use no proxy, try nothing twice and choose no
//! node: what happened to this one request is what gets written down. Of a request without an answer only one thing
//! matters: can it have reached the node? If no connection was made, it cannot; otherwise it is unknown.

use std::error::Error;
use std::time::Duration;

use reqwest::Method;

/// How long a client waits for a connection on loopback before it counts the node as not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a client waits for an answer: past the server's own default deadline of two seconds, so that usually the
/// server is the one to say what happened.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Does requests.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The node answered.
    Answer(Answer),
    /// No connection was made: the node never saw the request.
    NotSent {
        /// What the operating system said.
        cause: String,
    },
    /// The connection broke, or the time was up, after the request may have been sent.
    Lost {
        /// What happened, in a word: `timeout` or `broken`.
        how: &'static str,
        /// What the client said.
        cause: String,
    },
}

impl Reply {
    /// The answer, or what happened instead.
    pub fn answer(self) -> Result<Answer, String> {
        match self {
            Reply::Answer(answer) => Ok(answer),
            Reply::NotSent { cause } | Reply::Lost { cause, .. } => Err(cause),
        }
    }

    /// The answer if it is one of success, or in a few words what came instead.
    pub fn success(self) -> Result<Answer, String> {
        let answer = self.answer()?;
        if answer.is_success() {
            return Ok(answer);
        }
        Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)))
    }
}

/// An answer with its whole body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What the header `Quorate-Consistency` says; empty if it is not there.
    pub consistency: String,
    /// What the header `Quorate-Version` says; empty if it is not there.
    pub version: String,
    /// Whether there is a header `Retry-After`.
    pub retry_after: bool,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }

    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Http {
    /// A client with its own connections. A rustls provider must have been installed in the process.
    pub fn new() -> Http {
        let client = reqwest::Client::builder()
            // Plain HTTP alone: a system without certificates of authorities is no reason to fail.
            .tls_certs_only([])
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .build()
            .expect("these options need nothing that can be missing once a provider is installed");
        Http { client }
    }

    /// Does one request.
    pub async fn ask(&self, method: Method, url: &str, body: Body) -> Reply {
        self.send(Ask { method, url, body, idempotency_key: None }).await
    }

    /// Does one request that may have an operation id.
    pub async fn send(&self, ask: Ask<'_>) -> Reply {
        let request = self.client.request(ask.method, ask.url);
        let request = match ask.idempotency_key {
            Some(id) => request.header("idempotency-key", id),
            None => request,
        };
        let request = match ask.body {
            Body::Empty => request,
            Body::Text(text) => request.header("content-type", "text/plain").body(text),
            Body::Json(json) => request.json(&json),
        };
        let answered = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            let header = |name: &str| {
                let value = response.headers().get(name).and_then(|value| value.to_str().ok());
                value.unwrap_or_default().to_owned()
            };
            let (consistency, version) = (header("quorate-consistency"), header("quorate-version"));
            let retry_after = response.headers().contains_key("retry-after");
            let body = response.bytes().await?.to_vec();
            Ok::<Answer, reqwest::Error>(Answer { status, consistency, version, retry_after, body })
        };
        match answered.await {
            Ok(answer) => Reply::Answer(answer),
            Err(error) if error.is_connect() => Reply::NotSent { cause: innermost(&error) },
            Err(error) => {
                let how = if error.is_timeout() { "timeout" } else { "broken" };
                Reply::Lost { how, cause: innermost(&error) }
            }
        }
    }

    /// Reads a document.
    pub async fn get(&self, url: &str) -> Reply {
        self.ask(Method::GET, url, Body::Empty).await
    }
}

impl Default for Http {
    fn default() -> Http {
        Http::new()
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: &'a str,
    /// What it carries.
    pub body: Body,
    /// The operation id.
    pub idempotency_key: Option<&'a str>,
}

/// What a request carries.
#[derive(Clone, Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// A value, as text.
    Text(String),
    /// JSON.
    Json(serde_json::Value),
}

/// The cause at the bottom, which says what happened rather than where.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
