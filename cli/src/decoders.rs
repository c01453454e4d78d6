//! Decoders of what a person types, for the table of all decoders: whether each takes some bytes.

pub use crate::key::takes_key as key;
