//! A client without manners of its own: it sends the bytes it is given, and reads the answer.

use super::rig::{all_are_guarded, token};
use serde_json::Value as Json;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::time::Duration;

/// No answer takes longer, or the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// One request to one node.
pub struct Ask<'a> {
    method: &'a str,
    target: &'a str,
    headers: String,
    body: Option<Vec<u8>>,
    /// Whether it says who asks, where every request does.
    is_admins: bool,
}

/// What says that an admin asks, a line; nothing where clusters have no access control.
static BY_ADMIN: LazyLock<String> = LazyLock::new(|| {
    if all_are_guarded() { format!("Authorization: Bearer {}\r\n", token()) } else { String::new() }
});

/// The same bytes, in which an admin asks: each line that begins a request has the line behind it that says so.
pub fn by_admin(bytes: &[u8]) -> Vec<u8> {
    if BY_ADMIN.is_empty() {
        return bytes.to_vec();
    }
    let begins =
        |at: usize| [&b" HTTP/1.1\r\n"[..], b" HTTP/1.0\r\n"].iter().any(|end| bytes[..at].ends_with(end));
    let mut whole = Vec::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        if begins(at) {
            whole.extend_from_slice(BY_ADMIN.as_bytes());
        }
        whole.push(*byte);
    }
    whole
}

pub fn ask<'a>(method: &'a str, target: &'a str) -> Ask<'a> {
    Ask { method, target, headers: String::new(), body: None, is_admins: true }
}

pub fn get(target: &str) -> Ask<'_> {
    ask("GET", target)
}

pub fn put(target: &str, body: impl Into<Vec<u8>>) -> Ask<'_> {
    ask("PUT", target).body(body)
}

pub fn post<'a>(target: &'a str, document: &Json) -> Ask<'a> {
    ask("POST", target).header("Content-Type", "application/json").body(document.to_string())
}

/// The methods that write one key.
pub const WRITES: [&str; 3] = ["PUT", "POST", "DELETE"];

/// A write by one of these methods; a delete has no body.
pub fn write<'a>(method: &'a str, target: &'a str, body: impl Into<Vec<u8>>) -> Ask<'a> {
    if method == "DELETE" { ask(method, target) } else { ask(method, target).body(body) }
}

impl Ask<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        for part in [name, ": ", value, "\r\n"] {
            self.headers.push_str(part);
        }
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// By this user, whatever all others are by.
    pub fn by(mut self, token: &str) -> Self {
        self.is_admins = false;
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// By a stranger, whatever all others are by.
    pub fn by_stranger(self) -> Self {
        Self { is_admins: false, ..self }
    }

    /// Sends it to a node, and holds the answer to what is true of all answers.
    pub fn of(self, node: SocketAddr) -> Answer {
        let Ask { method, target, headers, body, is_admins } = self;
        let mut bytes =
            format!("{method} {target} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n{headers}")
                .into_bytes();
        if let Some(body) = &body {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&body.unwrap_or_default());
        let bytes = if is_admins { by_admin(&bytes) } else { bytes };
        let answer = Answer::parse(&exchanged(node, &bytes));
        assert!(answer.has("quorate-request"), "{method} {target}: {answer:?}");
        if method != "HEAD" {
            answer.check();
        }
        super::described::expect_described(method, target, &answer);
        answer
    }
}

/// Sends bytes as they are, and reads one answer until the node closes.
pub fn raw(node: SocketAddr, bytes: &[u8]) -> Answer {
    let answer = Answer::parse(&conversation(node, bytes));
    if let Some((method, target)) = request_line(bytes) {
        super::described::expect_fitting(method, target, &answer);
    }
    answer
}

/// Method and target of bytes that begin as a request does.
fn request_line(bytes: &[u8]) -> Option<(&str, &str)> {
    let line = bytes.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    target.starts_with('/').then_some((method, target))
}

/// Sends bytes as they are, and reads until the node closes.
pub fn conversation(node: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    exchanged(node, &by_admin(bytes))
}

fn exchanged(node: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(node).expect("a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket.write_all(bytes).expect("sent");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("an answer, then the end");
    answer
}

/// What chunks are of.
fn whole(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|window| window == b"\r\n").expect("the length of a chunk");
        let length = std::str::from_utf8(&chunks[..end]).expect("a number");
        let length = usize::from_str_radix(length, 16).expect("a length");
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 2 + length + 2..];
    }
}

impl Answer {
    /// One answer, to its last byte.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..end]).expect("an ASCII head");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Self { status, headers, body: bytes[end + 4..].to_vec() };
        if answer.has("transfer-encoding") && answer.header("transfer-encoding") == "chunked" {
            answer.body = whole(&answer.body);
        }
        answer
    }

    /// What is true of every answer.
    fn check(&self) {
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{self:?}");
        if self.status < 400 {
            return;
        }
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert_eq!(problem["instance"], self.header("quorate-request"), "{problem}");
        let code = problem["code"].as_str().expect("a code");
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        assert!(matches!(problem["outcome"].as_str(), Some("not_applied" | "unknown")), "{problem}");
        assert_eq!(self.has("retry-after"), matches!(self.status, 429 | 503), "{self:?}");
    }

    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known == name)
    }

    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or_else(|| panic!("no {name} in {self:?}"), |(_, value)| value)
    }

    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    /// Holds it to a status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} {:?}", String::from_utf8_lossy(&self.body), self.headers);
        self
    }

    /// Holds it to a refusal of this status and code.
    #[track_caller]
    pub fn refuses(self, status: u16, code: &str) -> Json {
        let problem = self.is(status).json();
        assert_eq!(problem["code"], code, "{problem}");
        problem
    }
}
