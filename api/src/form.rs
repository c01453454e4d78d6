//! The forms of text in documents, each with its schema: words of a closed list, and texts of a pattern.
//!
//! A document holds such a text as [`Word`] or as `String` and names its form for the schema alone
//! (`#[schema(value_type = ..)]`): a client must be able to read the answer of a newer server, whose list of words may
//! be longer.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A word of ours in a document: on the way out it is a constant, on the way in it may be one that this version does
/// not know.
pub type Word = Cow<'static, str>;

/// A text that is none of the words of its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this version does not know that word")]
pub struct UnknownWord;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every word of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl From<$name> for Word {
            fn from(word: $name) -> Self {
                Cow::Borrowed(word.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or(UnknownWord)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                one_of(Self::ALL.iter().map(|word| word.as_str()))
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

words! {
    /// What happened to the data of a request that failed.
    Outcome {
        /// It had no effect and never will. Reads are always this.
        NotApplied = "not_applied",
        /// It may have taken effect, or may yet, at most once.
        Unknown = "unknown",
    }
    /// What an answer promises.
    Guarantee {
        /// As if there were one copy.
        Linearizable = "linearizable",
        /// A read sees every write that was acknowledged before it began.
        Regular = "regular",
        /// Replicas agree in the end.
        Eventual = "eventual",
    }
    /// Why an answer promises less than its levels say.
    Lowered {
        /// An owner of the shard went on after a loss that was accepted.
        AcceptedLoss = "accepted-loss",
    }
    /// What one owner said.
    Said {
        /// It holds the write durably.
        Ack = "ack",
        /// It answered round one of a write, and acknowledged nothing of it.
        Answered = "answered",
        /// It has not answered yet, and is not late.
        Waiting = "waiting",
        /// It did not answer in time.
        Timeout = "timeout",
        /// It is down.
        Down = "down",
        /// The connection to it ended before its answer.
        Lost = "lost",
        /// It refused.
        Refused = "refused",
    }
    /// How a table's keys are laid out.
    Sharding {
        /// By token.
        Hash = "hash",
        /// By key.
        Range = "range",
    }
    /// What an acknowledgement means.
    Durability {
        /// It is on the disk.
        Sync = "sync",
        /// It is handed to the operating system.
        Os = "os",
    }
    /// The protocol that keeps a table's keys.
    Mode {
        /// Two-round multi-writer quorum register.
        Register = "register",
    }
    /// Whether a member is reached.
    State {
        /// It is.
        Up = "up",
        /// It is not.
        Down = "down",
    }
    /// Why a member doubts its disk.
    DoubtCause {
        /// Something on the disk is not what was written.
        Damaged = "damaged",
        /// The disk failed.
        Failed = "failed",
        /// It holds less than it had acknowledged.
        Behind = "behind",
        /// The machine stopped, and what was not synced may be gone.
        MachineStopped = "machine-stopped",
    }
    /// What a job does.
    JobType {
        /// It brings owners together.
        Sync = "sync",
        /// It counts where they differ, and changes nothing.
        Verify = "verify",
    }
    /// Why a job was begun.
    JobCause {
        /// It was time.
        Time = "time",
        /// An owner returned.
        Returned = "returned",
        /// A hint did not fit.
        Hints = "hints",
        /// A client ordered it.
        Order = "order",
    }
    /// How far a job is.
    JobState {
        /// No member has begun its part.
        Waiting = "waiting",
        /// Some member's part goes on, or waits.
        Running = "running",
        /// Each member has done its part.
        Done = "done",
        /// What is known is done, and some member's part is not known.
        Incomplete = "incomplete",
    }
    /// How far a member is with its part of a job.
    PartState {
        /// It has other jobs before it.
        Waiting = "waiting",
        /// It is at it.
        Running = "running",
        /// It has done it.
        Done = "done",
        /// It did not take the order.
        NotTaken = "not_taken",
        /// It does not remember it.
        Forgotten = "forgotten",
        /// It did not answer just now.
        Silent = "silent",
    }
    /// What shards move for.
    MoveType {
        /// New members get their share.
        Add = "add",
        /// A member leaves.
        Remove = "remove",
        /// One member takes the place of another one.
        Replace = "replace",
        /// A member holds another share.
        Weight = "weight",
        /// A table has another number of copies.
        Copies = "copies",
        /// Copies lay unevenly.
        Balance = "balance",
        /// Single shards move, or a member is drained or no longer.
        Move = "move",
    }
    /// How far a job is that moves shards.
    MoveState {
        /// Parts of its plan are missing; nothing moves before they are there.
        Gathering = "gathering",
        /// Shards move.
        Running = "running",
        /// No shard starts; those at work may still arrive.
        Paused = "paused",
        /// Shards at work are taken back.
        Aborting = "aborting",
        /// Every shard is where it should be.
        Done = "done",
        /// Some shards have moved, the others are where they were.
        Aborted = "aborted",
    }
    /// What a member is to the cluster.
    Membership {
        /// A member like any other.
        Member = "member",
        /// It gives away what it owns, and is gone then.
        Leaving = "leaving",
        /// An operator declared it gone for good: no node talks to it.
        Banned = "banned",
    }
    /// Why a member is down, or asked after the others.
    Why {
        /// There is no connection to it.
        NotConnected = "not-connected",
        /// Nothing is heard of it.
        Silent = "silent",
        /// It does not hear the node that was asked.
        Unheard = "unheard",
        /// It leaves calls unanswered.
        Unanswered = "unanswered",
        /// It is heard again, and not for long enough yet.
        Returning = "returning",
    }
    /// What a user may do.
    Permission {
        /// See the cluster, and no key.
        Monitor = "monitor",
        /// Read keys and values.
        Read = "read",
        /// Store and delete values.
        Write = "write",
        /// Change what it is about; it includes all others there.
        Admin = "admin",
    }
    /// That a process works.
    Liveness {
        /// It does.
        Live = "live",
    }
}

fn one_of(words: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
}

macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident $pattern:literal $says:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $name {
            /// The regular expression that it fits.
            pub const PATTERN: &'static str = $pattern;
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .pattern(Some(Self::PATTERN))
                    .description(Some($says))
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

forms! {
    /// A table's name.
    TableName "^[a-z0-9_-]{1,64}$" "A table's name";
    /// A member's id.
    NodeId "^n[0-9]+$" "A member's id";
    /// A job's id.
    JobId "^n[0-9]+-[0-9a-f]{8}-[0-9]+$" "The member that took the order or began it, the run of its process, a number";
    /// The id of a job that moves shards.
    MoveJobId "^[0-9a-f]{32}$" "Drawn when it began";
    /// The id of a job of either kind.
    AnyJobId "^(n[0-9]+-[0-9a-f]{8}-[0-9]+|[0-9a-f]{32})$" "A job's id";
    /// A name of a user or a role.
    Label "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$" "A label: letters, digits and . _ -, without a dot in front";
    /// The name in a client certificate.
    CommonName "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,64}$" "The common name in a client certificate";
    /// A token's id.
    TokenId "^[0-9a-f]{16}$" "A token's id, drawn when it was made";
    /// A token.
    TokenText "^qrt_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$" "A token: shown this once";
    /// A plan's id.
    PlanId "^p-n[0-9]+-[0-9]+$" "The member that keeps it, and a number";
    /// A cluster's id.
    ClusterId "^[0-9a-f]{32}$" "A cluster's id, drawn when it was founded";
    /// A place on the ring.
    Token "^[0-9a-f]{16}$" "A place on the ring: 64 bits in hexadecimal digits";
    /// What records add up to.
    RecordSum "^[0-9a-f]{16}$" "What records add up to: 64 bits in hexadecimal digits";
    /// A version in text.
    Version "^[0-9]+-[0-9a-zA-Z.]+$" "`<seq>-<writer>`; the number grows with every update of the key";
    /// A version as an entity tag.
    EntityTag "^\"[0-9]+-[0-9a-zA-Z.]+\"$" "The version as a strong validator";
    /// A duration that is valid everywhere: up to the greatest round number of digits within a hundred years.
    Duration "^([1-9][0-9]{0,11}ms|[1-9][0-9]{0,8}s|[1-9][0-9]{0,6}m|[1-9][0-9]{0,4}h|[1-9][0-9]{0,3}d)$"
        "A whole number above zero and ms, s, m, h or d";
    /// How long a value lives, in text.
    TimeToLive
        "^(none|[1-9][0-9]{0,11}ms|[1-9][0-9]{0,8}s|[1-9][0-9]{0,6}m|[1-9][0-9]{0,4}h|[1-9][0-9]{0,3}d)$"
        "A whole number above zero and ms, s, m, h or d; none: until it is deleted";
    /// An operation id.
    OperationId "^[!-~]{1,64}:[0-9]{1,19}$" "`<client>:<sequence>`; the sequence grows with each write of a client";
    /// A level in text: a name, or a number up to 15.
    LevelName "^(one|quorum|all|[1-9]|1[0-5])$" "A consistency level";
    /// A media type.
    MediaType "^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(;[ -~]*)?$" "A media type";
    /// Where a problem's kind is described.
    ProblemType "^/problems/[a-z-]+$" "Names the kind of problem";
}

/// Bytes as base64url in its one canonical form: the bits that are left over are zero; padding may be there.
#[derive(Clone, Copy, Debug)]
pub struct Base64Url;

impl Base64Url {
    /// The regular expression that it fits.
    pub const PATTERN: &'static str =
        "^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw](==)?|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048]=?)?$";
}

impl PartialSchema for Base64Url {
    fn schema() -> RefOr<Schema> {
        encoded(Self::PATTERN, "base64url").min_length(Some(2)).into()
    }
}

impl ToSchema for Base64Url {}

/// Bytes as base64 in either alphabet.
#[derive(Clone, Copy, Debug)]
pub struct Base64;

impl Base64 {
    /// The regular expression that it fits.
    pub const PATTERN: &'static str =
        "^([A-Za-z0-9+/_-]{4})*([A-Za-z0-9+/_-][AQgw](==)?|[A-Za-z0-9+/_-]{2}[AEIMQUYcgkosw048]=?)?$";
}

impl PartialSchema for Base64 {
    fn schema() -> RefOr<Schema> {
        encoded(Self::PATTERN, "base64").into()
    }
}

impl ToSchema for Base64 {}

/// A text that is not empty.
#[derive(Clone, Copy, Debug)]
pub struct SomeText;

impl PartialSchema for SomeText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).into()
    }
}

impl ToSchema for SomeText {}

/// How many owners: 1 to the greatest N there is.
#[derive(Clone, Copy, Debug)]
pub struct OwnerCount;

impl PartialSchema for OwnerCount {
    fn schema() -> RefOr<Schema> {
        let max = quorate_model::level::N_MAX;
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(max)).into()
    }
}

impl ToSchema for OwnerCount {}

/// The schema of what is always `true`.
pub fn always_true() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true]))
}

fn encoded(pattern: &str, encoding: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).content_encoding(encoding)
}
