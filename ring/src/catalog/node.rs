//! A node of the catalog: who it is, where it is reached, how much of the data it should hold.

use crate::weight::Weight;
use minicbor::{Decode, Encode};
use quorate_model::{Boot, Epoch, NodeId};
use std::fmt;

/// A member of the cluster, as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Node {
    /// Issued by the catalog, never reused.
    #[n(0)]
    pub id: NodeId,
    /// A label for people, `[A-Za-z0-9._-]{1,64}`, unique among the members.
    #[n(1)]
    pub name: String,
    /// The failure domain it says it is in, of the same form as a name.
    #[n(2)]
    pub zone: String,
    /// Its share of the data.
    #[n(3)]
    pub weight: Weight,
    /// `host:port` where clients reach it. Empty: not known, since another member has taken the address and this one has
    /// not said yet where it is.
    #[n(4)]
    pub http_address: String,
    /// `host:port` where peers reach it; empty as above.
    #[n(5)]
    pub peer_address: String,
    /// Whether it votes in consensus on the catalog.
    #[n(6)]
    pub voter: bool,
    /// The run of its process that announced itself last.
    #[n(7)]
    pub boot: Boot,
    /// Which of its replicas counts, from 1: grows when the node returns after having lost data.
    #[n(8)]
    pub incarnation: u32,
    /// The epoch at which it became a member.
    #[n(9)]
    pub joined: Epoch,
    /// The request that made it a member, so that a repeated one finds it.
    #[n(10)]
    pub request: RequestId,
    /// Whether it stays. In snapshots of earlier versions every member does.
    #[n(11)]
    #[cbor(default)]
    pub state: NodeState,
    /// Whether it gets no new copies, since an operator drained it.
    #[n(12)]
    #[cbor(default)]
    pub drained: bool,
}

/// Whether a member stays one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum NodeState {
    /// It stays.
    #[n(0)]
    #[default]
    Member,
    /// It gives away what it owns, and is removed then.
    #[n(1)]
    Leaving,
    /// An operator said that its process never runs again: no node hears it or waits for it, and it is removed once it owns
    /// nothing.
    #[n(2)]
    Banned,
}

impl Node {
    /// What people call it: its name and its id, or one of them where they are the same.
    pub fn called(&self) -> String {
        let id = self.id.to_string();
        if self.name == id { id } else { format!("{} ({id})", self.name) }
    }

    /// Whether an operator has declared it dead: it is neither asked nor waited for.
    pub fn is_gone(&self) -> bool {
        self.state == NodeState::Banned
    }

    /// Whether it may get copies.
    pub fn is_allocatable(&self) -> bool {
        match self.state {
            NodeState::Member => !self.drained,
            NodeState::Leaving | NodeState::Banned => false,
        }
    }
}

/// 128 random bits that name one request for a command, so that its repetition is recognized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u128);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl<C> Encode<C> for RequestId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0.to_be_bytes())?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for RequestId {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes: [u8; 16] = d
            .bytes()?
            .try_into()
            .map_err(|_| minicbor::decode::Error::message("a request id has 16 bytes"))?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

/// Whether a node or a zone may have this name: `[A-Za-z0-9._-]{1,64}`.
pub fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whether this can be the address of a node: `host:port`, without spaces, port from 1, at most 255 bytes.
pub fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    text.len() <= 255
        && !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_graphic())
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Whether this can be what the catalog knows of a node's address: one, or none.
pub(crate) fn is_known_address(text: &str) -> bool {
    text.is_empty() || is_address(text)
}

#[cfg(test)]
impl Node {
    /// A node for tests.
    pub(crate) fn sample(id: NodeId, zone: &str, weight: Weight) -> Self {
        Self {
            id,
            name: id.to_string(),
            zone: zone.to_owned(),
            weight,
            http_address: format!("127.0.0.1:{}", 7400 + id.0 % 1_000),
            peer_address: format!("127.0.0.1:{}", 17_400 + id.0 % 1_000),
            voter: false,
            boot: Boot(id.0),
            incarnation: 1,
            joined: Epoch(id.0),
            request: RequestId(u128::from(id.0)),
            state: NodeState::Member,
            drained: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_out_of_range_is_refused_with_the_range() {
        for weight in [0.0, -1.0, 0.009, 100.1, f64::NAN, f64::INFINITY] {
            let error = Weight::new(weight).expect_err("out of range");
            assert!(error.to_string().contains("0.01 to 100"), "{error}");
        }
        assert_eq!(Weight::new(1.0), Ok(Weight::ONE));
        assert_eq!(Weight::new(0.01), Ok(Weight::MIN));
        assert_eq!(Weight::new(100.0), Ok(Weight::MAX));
    }

    #[test]
    fn labels_and_addresses() {
        assert!(is_label("rack-1.eu_A") && is_label(&"x".repeat(64)));
        assert!(!is_label("") && !is_label("a b") && !is_label("é") && !is_label(&"x".repeat(65)));
        assert!(is_address("127.0.0.1:7400") && is_address("[::1]:7500") && is_address("db-1.example:1"));
        for wrong in ["", "host", ":7400", "host:", "host:0", "host:65536", "ho st:1", "host:+1", "host\n:1"]
        {
            assert!(!is_address(wrong), "{wrong:?}");
        }
    }
}
