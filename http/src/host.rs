//! Whom a request is meant for.
//!
//! A node on loopback is within reach of every web page that its user opens. A page may send requests to
//! `127.0.0.1`, and with a name of its own that resolves there (DNS rebinding) it may even read the answers. So
//! every request must name a host that is ours, and one that comes from a web page must come from one of our own:
//!
//! - `Host` is a loopback name, the address the connection came in on, the advertised address, or a configured name;
//! - `Origin`, where there is one, names the same host and port as `Host`;
//! - `Sec-Fetch-Site`, where there is one, is not `cross-site` or `same-site`.
//!
//! Programs that are no browsers send neither of the last two and notice nothing of them.

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Uri, Version};
use quorate_api::Code;
use quorate_api::text::shown;
use std::collections::BTreeSet;
use std::net::IpAddr;
use thiserror::Error;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The hosts that are ours, beside loopback and the address that a connection came in on.
#[derive(Clone, Debug, Default)]
pub struct Hosts(BTreeSet<String>);

/// Why a request is not meant for us. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HostError {
    /// No `Host`, or more than one.
    #[error("a request names its host exactly once: send one Host header")]
    NotOnce,
    /// A `Host` that can't be read.
    #[error("Host \"{host}\" is not a host")]
    Malformed {
        /// As it came, escaped.
        host: String,
    },
    /// A host that is not ours.
    #[error(
        "the host \"{host}\" is not this node; use its address, or add the name to the node's allowed hosts"
    )]
    Foreign {
        /// As it came, escaped.
        host: String,
    },
    /// The target of the request and its `Host` name different hosts.
    #[error(
        "the request's target names the host \"{target}\" and its Host header \"{host}\": they must be the same"
    )]
    Contradiction {
        /// The target's, escaped.
        target: String,
        /// The header's, escaped.
        host: String,
    },
    /// An origin that is not ours.
    #[error(
        "requests from the web page at \"{origin}\" are refused: only this node's own pages may send any"
    )]
    Origin {
        /// As it came, escaped.
        origin: String,
    },
}

impl HostError {
    /// The code that a program sees.
    pub fn code(&self) -> Code {
        match self {
            HostError::NotOnce | HostError::Malformed { .. } => Code::BadRequest,
            HostError::Foreign { .. } | HostError::Contradiction { .. } | HostError::Origin { .. } => {
                Code::BadHost
            }
        }
    }
}

impl Hosts {
    /// These names or addresses; a port behind one is ignored.
    pub fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let host = |name: &str| match name.parse::<Authority>() {
            Ok(authority) => plain(authority.host()),
            Err(_) => plain(name),
        };
        Self(names.into_iter().map(|name| host(name.as_ref())).collect())
    }

    /// The same for a question on this node's health: one of HTTP/1.0 need not name a host (RFC 9112, 3.2), and load
    /// balancers don't.
    pub fn check_health(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
        local: IpAddr,
    ) -> Result<(), HostError> {
        let is_nameless = version == Version::HTTP_10
            && ![HOST, ORIGIN, SEC_FETCH_SITE].iter().any(|name| headers.contains_key(name))
            && uri.authority().is_none();
        if is_nameless { Ok(()) } else { self.check(uri, headers, local) }
    }

    /// Checks that a request that came in on the address `local` is meant for us.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap, local: IpAddr) -> Result<(), HostError> {
        let authority = authority(uri, headers)?;
        if !self.ours(authority.host(), local) {
            return Err(HostError::Foreign { host: shown(authority.as_str()) });
        }
        for origin in headers.get_all(ORIGIN) {
            let same = origin.to_str().is_ok_and(|origin| is_origin_of(origin, &authority));
            if !same {
                return Err(HostError::Origin { origin: shown(&String::from_utf8_lossy(origin.as_bytes())) });
            }
        }
        for site in headers.get_all(SEC_FETCH_SITE) {
            if !matches!(site.as_bytes(), b"same-origin" | b"none") {
                return Err(HostError::Origin { origin: "another site".to_owned() });
            }
        }
        Ok(())
    }

    fn ours(&self, host: &str, local: IpAddr) -> bool {
        let host = plain(host);
        if host == "localhost" || self.0.contains(&host) {
            return true;
        }
        host.parse::<IpAddr>().is_ok_and(|ip| {
            let ip = ip.to_canonical();
            ip.is_loopback() || ip == local.to_canonical()
        })
    }
}

/// Lower case, without brackets and the root's dot.
fn plain(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Authority, HostError> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(HostError::NotOnce) };
    let malformed = || HostError::Malformed { host: shown(&String::from_utf8_lossy(host.as_bytes())) };
    let named: Authority = host.to_str().ok().and_then(|host| host.parse().ok()).ok_or_else(malformed)?;
    if named.host().is_empty() || !is_host_and_port(&named) {
        return Err(malformed());
    }
    // In the absolute form the path's own authority counts, and Host must say the same.
    match uri.authority() {
        Some(absolute) if *absolute != named => {
            Err(HostError::Contradiction { target: shown(absolute.as_str()), host: shown(named.as_str()) })
        }
        Some(_) | None => Ok(named),
    }
}

/// Whether there is nothing but a host and perhaps a port: the parser lets user names through, and text behind the
/// bracket of an address.
fn is_host_and_port(authority: &Authority) -> bool {
    match authority.as_str().strip_prefix(authority.host()) {
        Some("" | ":") => true,
        Some(port) => port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()),
        None => false,
    }
}

fn is_origin_of(origin: &str, authority: &Authority) -> bool {
    let Some((scheme, rest)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Some(from) = rest.parse::<Authority>().ok().filter(is_host_and_port) else { return false };
    let port = |of: &Authority| of.port_u16().unwrap_or(default_port);
    plain(from.host()) == plain(authority.host()) && port(&from) == port(authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(pairs: &[(&'static str, &str)]) -> Result<(), HostError> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).expect("a header value"));
        }
        let hosts = Hosts::new(["db.example:7400", "Other.Example"]);
        hosts.check(&Uri::from_static("/"), &headers, "10.0.0.7".parse().expect("an address"))
    }

    #[test]
    fn our_own_names_are_ours() {
        let ours = [
            "localhost",
            "LOCALHOST:7400",
            "127.0.0.1:7400",
            "127.9.9.9",
            "[::1]:7400",
            "10.0.0.7:7400",
            "db.example",
            "db.example.:1",
            "other.example:99",
            "[::ffff:127.0.0.1]",
        ];
        for host in ours {
            assert_eq!(check(&[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in
            ["evil.example", "localhost.evil.example", "10.0.0.8", "8.8.8.8:7400", "127.0.0.1.evil.example"]
        {
            assert_eq!(check(&[("host", host)]).expect_err(host).code(), Code::BadHost, "{host}");
        }
        for pairs in
            [&[][..], &[("host", "localhost"), ("host", "localhost")], &[("host", "")], &[("host", "a b")]]
        {
            assert_eq!(check(pairs).expect_err("refused").code(), Code::BadRequest, "{pairs:?}");
        }
        for host in ["evil@localhost", "[::1]evil.example", "localhost:99999", "localhost:a"] {
            assert_eq!(check(&[("host", host)]).expect_err("no host").code(), Code::BadRequest, "{host}");
        }
        assert_eq!(check(&[("host", "localhost:")]), Ok(()), "an empty port is the default one");
    }

    #[test]
    fn web_pages_must_be_our_own() {
        let host = ("host", "localhost:7400");
        assert_eq!(check(&[host, ("origin", "http://localhost:7400")]), Ok(()));
        assert_eq!(check(&[host, ("sec-fetch-site", "same-origin")]), Ok(()));
        for origin in
            ["http://evil.example", "http://localhost:3000", "http://localhost", "null", "file://", ""]
        {
            assert_eq!(
                check(&[host, ("origin", origin)]).expect_err(origin).code(),
                Code::BadHost,
                "{origin}"
            );
        }
        assert_eq!(
            check(&[host, ("sec-fetch-site", "cross-site")]).expect_err("refused").code(),
            Code::BadHost
        );
        assert_eq!(check(&[("host", "127.0.0.1"), ("origin", "http://127.0.0.1")]), Ok(()), "default ports");
    }

    #[test]
    fn an_absolute_target_must_agree() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost"));
        let uri = Uri::from_static("http://evil.example/");
        let local = "127.0.0.1".parse().expect("an address");
        let error = Hosts::default().check(&uri, &headers, local).expect_err("refused");
        assert_eq!(error.code(), Code::BadHost);
        let sentence = error.to_string();
        assert!(sentence.contains("evil.example") && sentence.contains("localhost"), "{sentence}");
    }
}
