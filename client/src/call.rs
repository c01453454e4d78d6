//! One request: what it is, and the loop that finds a node to answer it. The only place that decides whether a
//! second endpoint may be tried.

use crate::answer::Meta;
use crate::endpoint::Endpoint;
use crate::error::{Attempt, Error};
use crate::outcome::{Effect, Outcome};
use quorate_api::Code;
use quorate_api::document::Problem;
use quorate_api::query::Parameter;
use quorate_api::text;
use reqwest::Method;
use reqwest::header::HeaderName;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Largest body this client takes: a value of the hard limit, or a full page of values, with room for JSON.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A request that can be sent to any endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub method: Method,
    /// Percent-encoded already.
    pub path: String,
    pub query: Vec<(Parameter, String)>,
    pub headers: Vec<(HeaderName, String)>,
    pub body: Option<Vec<u8>>,
    pub effect: Effect,
    /// For the whole call, over all endpoints.
    pub timeout: Duration,
    /// For one endpoint of a read, while there are others to ask; `None`: its share of the whole.
    pub patience: Option<Duration>,
}

/// A decoded head and a whole body; any status that is not a problem.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub endpoint: Endpoint,
    pub status: u16,
    pub meta: Meta,
    pub body: Vec<u8>,
}

/// How one endpoint failed.
enum Failure {
    /// No connection: nothing was sent.
    NotSent(Attempt),
    /// Something was sent, or came back.
    Error(Error),
}

impl Call {
    /// Asks the endpoints in this order, each at most once, and returns the first answer that settles it.
    pub async fn send(&self, http: &reqwest::Client, endpoints: &[Endpoint]) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.timeout;
        let mut silent = Vec::new();
        let mut refused = None;
        for (at, endpoint) in endpoints.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            if at > 0 && left.is_zero() {
                break;
            }
            let others = u32::try_from(endpoints.len() - at).unwrap_or(u32::MAX);
            // A read that hangs at one node must leave time for the others; a write is not sent twice.
            let share = match self.effect {
                Effect::Read if others > 1 => self.patience.unwrap_or(left).min(left / others),
                Effect::Read | Effect::Write => left,
            };
            match self.attempt(http, endpoint, share).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::NotSent(attempt)) => silent.push(attempt),
                Err(Failure::Error(Error::Lost { endpoint, cause, .. }))
                    if self.effect == Effect::Read && endpoints.len() > 1 =>
                {
                    silent.push(Attempt { endpoint, cause });
                }
                Err(Failure::Error(error)) if self.may_go_elsewhere(&error) => refused = Some(error),
                Err(Failure::Error(error)) => return Err(error),
            }
        }
        // What a server said tells more than which ones were silent.
        let outcome = if self.is_retry() { Outcome::Unknown } else { Outcome::NotApplied };
        Err(refused.unwrap_or(Error::Unreachable { tried: silent, outcome }))
    }

    /// Whether it says that it is not the first attempt: then its operation id makes one more harmless, and what an
    /// attempt did not do says nothing of those before it.
    pub fn is_retry(&self) -> bool {
        self.query.iter().any(|(name, _)| *name == Parameter::Retry)
    }

    /// Whether another endpoint may do better after this answer, and asking it is safe.
    fn may_go_elsewhere(&self, error: &Error) -> bool {
        match error {
            // A refusal that names this node's state, not the request's fault, and had no effect.
            Error::Problem { problem, outcome, .. } => {
                let is_harmless = *outcome == Outcome::NotApplied || self.is_retry();
                is_harmless
                    && (problem.status == 503 || (self.effect == Effect::Read && problem.status >= 500))
            }
            Error::Unreachable { .. } | Error::Lost { .. } | Error::Unintelligible { .. } => false,
        }
    }

    async fn attempt(
        &self,
        http: &reqwest::Client,
        endpoint: &Endpoint,
        timeout: Duration,
    ) -> Result<Answer, Failure> {
        let url = endpoint.url(&format!("{}{}", self.path, query(&self.query)));
        let mut request = http.request(self.method.clone(), url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &self.body {
            if body.is_empty() {
                // The HTTP library says nothing of a body that is empty, which is then none at all.
                request = request.header(reqwest::header::CONTENT_LENGTH, 0);
            }
            request = request.body(body.clone());
        }
        match tokio::time::timeout(timeout, self.exchange(request, endpoint)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Error(
                self.lost(endpoint, format!("nothing came within {:.1} s", timeout.as_secs_f64())),
            )),
        }
    }

    async fn exchange(
        &self,
        request: reqwest::RequestBuilder,
        endpoint: &Endpoint,
    ) -> Result<Answer, Failure> {
        let mut response = request.send().await.map_err(|error| {
            if error.is_connect() || error.is_builder() {
                not_sent(endpoint, cause(&error))
            } else {
                Failure::Error(self.lost(endpoint, cause(&error)))
            }
        })?;
        let status = response.status().as_u16();
        let meta = Meta::of(response.headers());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_BYTES_MAX => {
                    body.extend_from_slice(&chunk);
                }
                Ok(Some(_)) => {
                    let cause = format!("its answer has more than {ANSWER_BYTES_MAX} bytes");
                    return Err(Failure::Error(self.unintelligible(endpoint, status, cause)));
                }
                Ok(None) => break,
                Err(error) if (200..300).contains(&status) && self.effect == Effect::Write => {
                    let cause = format!("the answer broke off: {}", cause(&error));
                    return Err(Failure::Error(self.unintelligible(endpoint, status, cause)));
                }
                Err(error) => return Err(Failure::Error(self.lost(endpoint, cause(&error)))),
            }
        }
        match status {
            200..=399 => Ok(Answer { endpoint: endpoint.clone(), status, meta, body }),
            _ => Err(Failure::Error(self.refusal(endpoint, status, meta, &body))),
        }
    }

    fn refusal(&self, endpoint: &Endpoint, status: u16, meta: Meta, body: &[u8]) -> Error {
        let Some(mut problem) = Problem::parse(status, body) else {
            return self.unintelligible(endpoint, status, "its error is not problem+json".to_owned());
        };
        if problem.instance.is_none() {
            problem.instance.clone_from(&meta.request);
        }
        let outcome = match Outcome::of_refusal(&problem, self.effect) {
            // A node that could not read the request's head does not know that it was a retry. One with another body is
            // another write.
            Outcome::NotApplied
                if self.is_retry() && problem.known_code() != Some(Code::IdempotencyReused) =>
            {
                Outcome::Unknown
            }
            outcome => outcome,
        };
        Error::Problem {
            endpoint: endpoint.clone(),
            problem: Box::new(problem),
            meta: Box::new(meta),
            outcome,
        }
    }

    fn lost(&self, endpoint: &Endpoint, cause: String) -> Error {
        let outcome = match self.effect {
            Effect::Read => Outcome::NotApplied,
            Effect::Write => Outcome::Unknown,
        };
        Error::Lost { endpoint: endpoint.clone(), cause, outcome }
    }

    /// For answers whose body makes no sense; also used by the decoders.
    pub fn unintelligible(&self, endpoint: &Endpoint, status: u16, cause: String) -> Error {
        let outcome = match self.effect {
            Effect::Read => Outcome::NotApplied,
            Effect::Write => match Outcome::of_write_status(status) {
                Outcome::NotApplied if self.is_retry() => Outcome::Unknown,
                // What answers so need not be a Quorate node: a proxy's 502 proves nothing.
                Outcome::NotApplied if status >= 500 => Outcome::Unknown,
                outcome => outcome,
            },
        };
        Error::Unintelligible { endpoint: endpoint.clone(), status, cause, outcome }
    }
}

/// A query string with its `?`, or nothing.
fn query(pairs: &[(Parameter, String)]) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        let separator = if query.is_empty() { '?' } else { '&' };
        let (name, value) = (name.as_str(), text::encode(value.as_bytes()));
        write!(query, "{separator}{name}={value}").expect("a String takes every write");
    }
    query
}

fn not_sent(endpoint: &Endpoint, cause: String) -> Failure {
    Failure::NotSent(Attempt { endpoint: endpoint.clone(), cause })
}

fn io_cause(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}

/// The innermost cause: the outer ones only repeat that a request failed, and the URL with its key.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    match innermost.downcast_ref::<std::io::Error>() {
        Some(io) => io_cause(io),
        None => innermost.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        assert_eq!(query(&[]), "");
        let pairs = [(Parameter::W, "2".to_owned()), (Parameter::Table, "a&b".to_owned())];
        assert_eq!(query(&pairs), "?w=2&table=a%26b");
    }
}
