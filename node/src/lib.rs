//! Quorate.
pub mod http;
pub mod limits;
pub mod metrics;
