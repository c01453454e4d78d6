//! Where a node answers clients.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The port of clients and administration when an endpoint names none.
pub const DEFAULT_PORT: u16 = 7400;

/// The HTTP address of one node: host and port, without a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
}

/// Text that names no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{text}' is not an endpoint: write host:port, for example 127.0.0.1:{DEFAULT_PORT}")]
pub struct ParseEndpointError {
    /// What was given.
    pub text: String,
}

impl Endpoint {
    /// A host (name, IPv4 address, or IPv6 address in brackets) and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// The host, IPv6 addresses in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a path, which starts with `/` and is percent-encoded already.
    pub(crate) fn url(&self, path_and_query: &str) -> String {
        format!("http://{self}{path_and_query}")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl From<std::net::SocketAddr> for Endpoint {
    fn from(address: std::net::SocketAddr) -> Self {
        match address {
            std::net::SocketAddr::V4(address) => Self::new(address.ip().to_string(), address.port()),
            std::net::SocketAddr::V6(address) => Self::new(format!("[{}]", address.ip()), address.port()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = ParseEndpointError;

    /// `host`, `host:port`, `[v6]:port`, each also with `http://` before and `/` after.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseEndpointError { text: text.escape_default().to_string() };
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rfind(']') {
            Some(end) => match rest[end + 1..].strip_prefix(':') {
                Some(port) => (&rest[..=end], Some(port)),
                None if end + 1 == rest.len() => (rest, None),
                None => return Err(wrong()),
            },
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                port.parse().map_err(|_| wrong())?
            }
            Some(_) => return Err(wrong()),
        };
        if !is_host(host) || port == 0 {
            return Err(wrong());
        }
        Ok(Self::new(host, port))
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets; nothing that a URL would read otherwise.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_people_write_them() {
        for (text, expected) in [
            ("127.0.0.1:7410", "127.0.0.1:7410"),
            ("node-1.example", "node-1.example:7400"),
            ("http://localhost:80/", "localhost:80"),
            ("[::1]:7400", "[::1]:7400"),
            ("[::1]", "[::1]:7400"),
        ] {
            assert_eq!(text.parse::<Endpoint>().expect(text).to_string(), expected);
        }
    }

    #[test]
    fn what_a_url_would_read_otherwise_is_refused() {
        for text in [
            "",
            ":7400",
            "a:b",
            "a:0",
            "a:70000",
            "a:+1",
            "https://a",
            "a/b",
            "u@h:1",
            "a b",
            "::1:1",
            "[x]:1",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
