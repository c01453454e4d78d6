//! Accepting a loss: what may be lost, and the decision.

use crate::form::{self, Word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptLoss {
    /// The id or the name of the member that may have lost something.
    pub accept_data_loss: String,
}

/// What a member that doubts its disk may have lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Loss {
    /// Which member.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Its name, if it has a catalog that says it.
    #[schema(required)]
    pub name: Option<String>,
    /// Its incarnation.
    pub incarnation: u64,
    /// Why it doubts its disk, in one word.
    #[schema(value_type = form::DoubtCause)]
    pub cause: Word,
    /// The same as a sentence.
    pub doubt: String,
    /// Whether the loss can be accepted.
    pub acceptable: bool,
    /// Why not, if not.
    #[schema(required)]
    pub refusal: Option<String>,
    /// What may be lost of each table.
    pub tables: Vec<TableLoss>,
}

/// What may be lost of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableLoss {
    /// Which.
    #[schema(value_type = form::TableName)]
    pub table: String,
    /// Its copies.
    #[schema(minimum = 1, maximum = 15)]
    pub n: u8,
    /// Its write promise, in owners.
    #[schema(minimum = 1, maximum = 15)]
    pub w: u8,
    /// What its acknowledgements mean.
    #[schema(value_type = form::Durability)]
    pub durability: Word,
    /// Its shards that this member owns.
    pub shards: u64,
    /// Those of which the other owners confirmed what they hold.
    pub shards_confirmed: u64,
    /// What that comes down to, as a sentence.
    pub loss: String,
}

/// A loss that has been accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LossAccepted {
    /// The member.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Its new incarnation.
    pub incarnation: u64,
    /// Records that it still has.
    pub records: u64,
    /// What happens next.
    pub next: String,
}

/// That an owner went on with what was left of its data, after a loss that its operator accepted. What had been
/// acknowledged before may be missing, until the table is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcceptedLoss {
    /// Whose loss it was.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Its name; `null`: it is no member any more.
    #[schema(required)]
    pub name: Option<String>,
    /// The catalog's epoch since which answers say so.
    pub since_epoch: u64,
    /// When the node went on, by its clock; `null`: it did not say.
    #[schema(required, format = DateTime)]
    pub at: Option<String>,
}
