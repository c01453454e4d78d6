//! The HTTP contract, over a real cluster: three nodes in this process, on ports of their own, spoken to over raw
//! sockets, so that nothing between the test and the node tidies anything up.
//!
//! With `QUORATE_CONTRACT_ACCESS=1` every cluster has access control on, and every request is an admin's: all that holds
//! without it holds then, too.
//!
//! Every answer that [`ask`] receives is held to what is true of all of them (request id, problem documents,
//! `Retry-After`); the tests then say what is true of theirs.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod access;
mod ask;
mod bulk;
mod cluster;
mod conditions;
mod dashboard;
mod described;
mod edge;
mod failures;
mod jobs;
mod keys;
mod ledger;
mod levels;
mod listed;
mod loss;
mod plans;
mod raw_socket;
mod refusals;
mod rig;
mod scan;
mod shards;
mod streams;
mod tables;
mod users;
