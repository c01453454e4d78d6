//! Servers that are scripts: each accepts connections, reads one request from each, and then says what it was told to.

#![allow(dead_code, reason = "each test file uses a part of it")]

use quorate_client::Endpoint;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const STORED: &str = r#"{"version":"1-n1.0.0","etag":"\"x\"","acks":2,"required":2,"n":3,"consistency":"linearizable","replayed":false}"#;

/// A server, and the heads of the requests that it has read.
pub struct Script {
    pub endpoint: Endpoint,
    heads: Arc<Mutex<Vec<String>>>,
}

/// What a server does once it has read a request.
#[derive(Clone)]
pub enum Say {
    Answer(u16, &'static str, String),
    /// A whole answer, by the request's head.
    By(Arc<dyn Fn(&str) -> String + Send + Sync>),
    HangUp,
    Nothing,
}

impl Script {
    /// A server with one behaviour.
    pub async fn start(say: Say) -> Self {
        Self::follow(vec![say]).await
    }

    /// One that does one thing after the other, and the last one from then on.
    pub async fn follow(says: Vec<Say>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let endpoint = Endpoint::from(listener.local_addr().expect("bound"));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, says.clone(), Arc::clone(&seen)));
            }
        });
        Self { endpoint, heads }
    }

    pub fn requests(&self) -> usize {
        self.heads().len()
    }

    /// The requests' heads, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no test panics while it holds it").clone()
    }
}

async fn serve(mut stream: TcpStream, says: Vec<Say>, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_err() {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("an ASCII head").to_ascii_lowercase();
    // Bytes that are not read when a connection ends may take the answer with them.
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let at = {
        let mut seen = seen.lock().expect("no test panics while it holds it");
        seen.push(head.clone());
        seen.len() - 1
    };
    let answer = match says.get(at).or(says.last()).cloned().expect("something to say") {
        Say::Answer(status, kind, body) => answer(status, kind, "", &body),
        Say::By(by) => by(&head),
        Say::HangUp => return,
        Say::Nothing => std::future::pending().await,
    };
    // The client may be gone already: it has lost interest.
    let _sent = stream.write_all(answer.as_bytes()).await;
}

/// An answer; `more` are headers, each with the end of its line.
pub fn answer(status: u16, kind: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

pub fn problem(status: u16, code: &str, outcome: Option<&str>) -> Say {
    let outcome = outcome.map(|outcome| format!(r#","outcome":"{outcome}""#)).unwrap_or_default();
    let body = format!(r#"{{"code":"{code}","status":{status},"title":"t","detail":"d"{outcome}}}"#);
    Say::Answer(status, "application/problem+json", body)
}

pub fn stored() -> Say {
    Say::Answer(200, "application/json", STORED.to_owned())
}
