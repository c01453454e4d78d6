//! The two ends of a connection.

use std::net::IpAddr;

/// Where a connection leads, and whether others can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The address of this node that it came in on.
    pub local: IpAddr,
    /// The client's, or that of a proxy in front of it.
    pub remote: IpAddr,
    /// Whether it is encrypted.
    pub is_tls: bool,
}

impl Ends {
    /// Whether no other can read what is sent over it: it is encrypted, or does not leave this machine.
    pub fn is_protected(&self) -> bool {
        self.is_tls || self.remote.to_canonical().is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_connection_is_protected_by_tls_or_by_staying_here() {
        let from = |remote: &str, is_tls| Ends {
            local: IpAddr::V4(Ipv4Addr::LOCALHOST),
            remote: remote.parse().expect("an address"),
            is_tls,
        };
        for (remote, protected) in
            [("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("::ffff:127.0.0.1", true)]
                .into_iter()
                .chain([("10.0.0.1", false), ("::ffff:10.0.0.1", false), ("fe80::1", false)])
        {
            assert_eq!(from(remote, false).is_protected(), protected, "{remote}");
            assert!(from(remote, true).is_protected(), "{remote}");
        }
    }
}
