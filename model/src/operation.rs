//! Operation ids: how a retry of an acknowledged write is recognised, so that it is never applied again.
//!
//! A client numbers its writes (`Idempotency-Key: <client>:<sequence>`). Each key remembers, for its last
//! [`CLIENTS_MAX`] clients, the highest sequence with the version it became and a digest of its body. Replicas keep
//! the *union* of what they are sent, also from records that lose: an id that went under with its losing record
//! would let the retry in again.
//!
//! # Laws
//!
//! `merge(a, b) = merge(b, a)`, `merge(a, merge(b, c)) = merge(merge(a, b), c)`, `merge(a, a) = a`, where for each
//! client sequences and versions grow together. Round one enforces that for writes at the table's level: a lower
//! sequence than the one found is refused.
//!
//! # Forgetting
//!
//! Past sixteen clients the one whose last write has the lowest version is forgotten. As long as fewer than sixteen
//! are remembered no client was ever forgotten ([`Operations::may_have_forgotten`]), which is what lets a first
//! attempt that never arrived be told from one that was evicted.

use crate::version::Version;
use minicbor::{Decode, Encode};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// How many clients a key remembers.
pub const CLIENTS_MAX: usize = 16;

/// Longest client id, in bytes.
pub const CLIENT_BYTES_MAX: usize = 64;

/// One client's one write: `<client>:<sequence>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct OperationId {
    /// Who: 1 to 64 visible ASCII characters.
    #[n(0)]
    pub client: String,
    /// Which of its writes; grows per client.
    #[n(1)]
    pub sequence: u64,
}

/// What is remembered of a write: its id, what it became, and what it said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Operation {
    /// The id.
    #[n(0)]
    pub id: OperationId,
    /// The version it was given.
    #[n(1)]
    pub version: Version,
    /// Digest of the request's body: another body under the same id is refused.
    #[n(2)]
    pub digest: u64,
}

/// The recent operations of one key, one per client, ordered by client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode)]
#[cbor(transparent)]
pub struct Operations(#[n(0)] Vec<Operation>);

/// From outside: at most [`CLIENTS_MAX`], each a legal id, ordered by client without repetition.
impl<'b, C> Decode<'b, C> for Operations {
    fn decode(d: &mut minicbor::Decoder<'b>, context: &mut C) -> Result<Self, minicbor::decode::Error> {
        let mut all: Vec<Operation> = Vec::new();
        for operation in d.array_iter_with(context)? {
            let operation: Operation = operation?;
            let is_legal = is_client(&operation.id.client) && all.len() < CLIENTS_MAX;
            let is_next = all.last().is_none_or(|last| last.id.client < operation.id.client);
            if !is_legal || !is_next {
                return Err(minicbor::decode::Error::message("operation ids out of bounds or out of order"));
            }
            all.push(operation);
        }
        Ok(Self(all))
    }
}

/// What a key remembers about an operation id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recall<'a> {
    /// Nothing of this client.
    Unknown,
    /// A lower sequence: this is the client's next write.
    Next,
    /// This very write.
    Found(&'a Operation),
    /// A higher sequence: this one was acknowledged, or given up, long ago.
    Passed,
}

/// An idempotency key that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "an idempotency key is <client>:<sequence>: 1 to 64 visible ASCII characters, a colon, a number below 2^64"
)]
pub struct ParseOperationIdError;

impl Operations {
    /// Of one operation alone.
    pub fn of(operation: Operation) -> Self {
        Self(vec![operation])
    }

    /// All of them, ordered by client.
    pub fn as_slice(&self) -> &[Operation] {
        &self.0
    }

    /// Digest of all of them; 0 where there are none.
    pub fn digest(&self) -> u64 {
        if self.0.is_empty() {
            return 0;
        }
        let bytes = minicbor::to_vec(&self.0).expect("encoding into memory cannot fail");
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a client may have been forgotten: only a full list can have lost one.
    pub fn may_have_forgotten(&self) -> bool {
        self.0.len() >= CLIENTS_MAX
    }

    /// What is remembered about this id.
    pub fn recall(&self, id: &OperationId) -> Recall<'_> {
        match self.0.binary_search_by(|known| known.id.client.as_str().cmp(&id.client)) {
            Err(_) => Recall::Unknown,
            Ok(at) => match self.0[at].id.sequence.cmp(&id.sequence) {
                std::cmp::Ordering::Less => Recall::Next,
                std::cmp::Ordering::Equal => Recall::Found(&self.0[at]),
                std::cmp::Ordering::Greater => Recall::Passed,
            },
        }
    }

    /// The union of two: per client the higher sequence, then the sixteen clients with the highest versions.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        if other.0.is_empty() || self == other {
            return self.clone();
        }
        let mut all: Vec<Operation> = self.0.iter().chain(&other.0).cloned().collect();
        // The last of equal clients is the one with the higher sequence, then version.
        all.sort_by(|a, b| (&a.id, a.version, a.digest).cmp(&(&b.id, b.version, b.digest)));
        all.reverse();
        all.dedup_by(|later, kept| later.id.client == kept.id.client);
        if all.len() > CLIENTS_MAX {
            all.sort_by_key(|operation| std::cmp::Reverse(operation.version));
            all.truncate(CLIENTS_MAX);
        }
        all.sort_by(|a, b| a.id.client.cmp(&b.id.client));
        Self(all)
    }

    /// The union of two without the limit: what [`crate::mutant::Mutant::IdsUnbounded`] breaks.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub fn merge_all(&self, other: &Self) -> Self {
        let mut all = self.merge(other).0;
        let is_new = |all: &[Operation], known: &&Operation| {
            all.iter().all(|operation| operation.id.client != known.id.client)
        };
        for known in self.0.iter().chain(&other.0) {
            if is_new(&all, &known) {
                all.push(known.clone());
            }
        }
        all.sort_by(|a, b| a.id.client.cmp(&b.id.client));
        Self(all)
    }
}

#[cfg(feature = "mutants")]
impl Operations {
    /// The clients with the highest versions, so many and no more: what
    /// [`crate::mutant::Mutant::ClientsForgottenEarly`] breaks.
    #[must_use]
    pub fn latest(mut self, clients_max: usize) -> Self {
        self.0.sort_by_key(|operation| std::cmp::Reverse(operation.version));
        self.0.truncate(clients_max);
        self.0.sort_by(|a, b| a.id.client.cmp(&b.id.client));
        self
    }
}

/// Whether a client may call itself so: 1 to [`CLIENT_BYTES_MAX`] visible ASCII characters.
fn is_client(client: &str) -> bool {
    let visible = |byte: u8| byte.is_ascii_graphic();
    !client.is_empty() && client.len() <= CLIENT_BYTES_MAX && client.bytes().all(visible)
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.client, self.sequence)
    }
}

impl FromStr for OperationId {
    type Err = ParseOperationIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (client, sequence) = text.rsplit_once(':').ok_or(ParseOperationIdError)?;
        if !is_client(client) {
            return Err(ParseOperationIdError);
        }
        if sequence.is_empty() || !sequence.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseOperationIdError);
        }
        let sequence = sequence.parse().map_err(|_| ParseOperationIdError)?;
        Ok(Self { client: client.to_owned(), sequence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Boot, NodeId, Stamps};
    use proptest::prelude::*;

    fn version(seq: u64) -> Version {
        let mut stamps = Stamps::new(NodeId(1), Boot(1));
        let mut version = None;
        for _ in 0..seq {
            version = stamps.draw().above(version).ok();
        }
        version.expect("seq counts from 1")
    }

    /// Histories in which each client's sequences and versions grow together: sequence = version.
    fn any_operations() -> impl Strategy<Value = Operations> {
        prop::collection::btree_map(0u8..24, 1u64..60, 0..20).prop_map(|clients| {
            clients.into_iter().fold(Operations::default(), |all, (client, at)| {
                // Distinct clients never share a version.
                let at = at * 24 + u64::from(client);
                let operation = Operation {
                    id: OperationId { client: format!("c{client}"), sequence: at },
                    version: version(at),
                    digest: at,
                };
                all.merge(&Operations::of(operation))
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn merge_is_a_join(a in any_operations(), b in any_operations(), c in any_operations()) {
            prop_assert_eq!(a.merge(&b), b.merge(&a));
            prop_assert_eq!(a.merge(&b.merge(&c)), a.merge(&b).merge(&c));
            prop_assert_eq!(a.merge(&a), a.clone());
            prop_assert!(a.merge(&b).as_slice().len() <= CLIENTS_MAX);
        }
    }

    #[test]
    fn recall_tells_next_found_and_passed() {
        let id = |sequence| OperationId { client: "c".into(), sequence };
        let known = Operations::of(Operation { id: id(5), version: version(1), digest: 9 });
        assert_eq!(known.recall(&id(6)), Recall::Next);
        assert!(matches!(known.recall(&id(5)), Recall::Found(operation) if operation.digest == 9));
        assert_eq!(known.recall(&id(4)), Recall::Passed);
        assert_eq!(known.recall(&OperationId { client: "d".into(), sequence: 5 }), Recall::Unknown);
    }

    #[test]
    fn a_list_from_outside_is_bounded_and_ordered() {
        let operation = |client: String| Operation {
            id: OperationId { client, sequence: 1 },
            version: version(1),
            digest: 0,
        };
        let list = |clients: Vec<String>| {
            let all: Vec<Operation> = clients.into_iter().map(operation).collect();
            minicbor::decode::<Operations>(&minicbor::to_vec(all).expect("into memory"))
        };
        let many = |n: usize| (0..n).map(|at| format!("c{at:02}")).collect::<Vec<_>>();
        assert_eq!(list(many(16)).expect("legal").as_slice().len(), 16);
        assert!(list(many(17)).is_err());
        assert!(list(vec!["b".into(), "a".into()]).is_err());
        assert!(list(vec!["a".into(), "a".into()]).is_err());
        assert!(list(vec!["x".repeat(65)]).is_err());
    }

    #[test]
    fn only_a_full_list_may_have_forgotten() {
        let mut all = Operations::default();
        for n in 1..=20u64 {
            assert_eq!(all.may_have_forgotten(), n > CLIENTS_MAX as u64);
            let id = OperationId { client: format!("c{n:02}"), sequence: 1 };
            all = all.merge(&Operations::of(Operation { id, version: version(n), digest: 0 }));
        }
        let first = OperationId { client: "c01".into(), sequence: 1 };
        let last = OperationId { client: "c20".into(), sequence: 1 };
        assert_eq!(all.recall(&first), Recall::Unknown);
        assert!(matches!(all.recall(&last), Recall::Found(_)));
    }

    #[test]
    fn idempotency_keys_are_parsed_strictly() {
        assert_eq!("a:b:7".parse::<OperationId>().expect("colon in the client").sequence, 7);
        for text in ["", "a", ":1", "a:", "a:-1", "a:+1", "a b:1", "a:18446744073709551616", "a:1 "] {
            assert!(text.parse::<OperationId>().is_err(), "{text}");
        }
    }
}
