//! How a read or a write reaches its quorum: decides, never does.

pub mod answer;
pub mod machine;

pub use answer::{GetAnswer, GetError, PutAnswer, PutError};
pub use machine::{Call, Effect, Failure, Input, Machine};
