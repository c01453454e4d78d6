//! What the tests of several judges share.

pub(crate) mod brute_force;
