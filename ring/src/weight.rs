//! How much of the data a node should hold, compared with others.

use minicbor::{Decode, Encode};
use std::fmt;
use thiserror::Error;

/// A node's share of the data, relative to the others: 0.01 to 100, kept in thousandths so that every node of the
/// cluster computes the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Weight(#[n(0)] u32);

/// A weight that no node may have.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error(
    "a weight is a number from 0.01 to 100, not {0}; 1 is an ordinary node, 2 one that holds twice as much"
)]
pub struct WeightOutOfRange(pub f64);

impl Weight {
    /// An ordinary node.
    pub const ONE: Self = Self(1_000);
    /// The smallest share, 0.01.
    pub const MIN: Self = Self(10);
    /// The largest share, 100.
    pub const MAX: Self = Self(100_000);

    /// A weight from a number, rounded to thousandths.
    pub fn new(weight: f64) -> Result<Self, WeightOutOfRange> {
        if !(0.01..=100.0).contains(&weight) {
            return Err(WeightOutOfRange(weight));
        }
        #[expect(clippy::cast_sign_loss, reason = "checked to lie between 0.01 and 100")]
        let thousandths = (weight * 1_000.0).round() as u32;
        Ok(Self(thousandths))
    }

    /// The weight in thousandths.
    pub fn thousandths(self) -> u32 {
        self.0
    }

    /// The weight as a number.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }

    /// Whether it lies in its range: one that was decoded need not.
    pub fn is_in_range(self) -> bool {
        (Self::MIN..=Self::MAX).contains(&self)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_f64())
    }
}
