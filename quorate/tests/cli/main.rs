//! The real binary, end to end: what it prints, the codes it ends with, what it refuses and how it says so.
//!
//! No port is fixed: nodes and clusters draw free ones and say which, or have a block of ports to themselves.

mod access;
mod backup;
mod bench;
mod browser;
mod bulk;
mod clone;
mod cluster;
mod cost;
mod dashboard;
mod dev;
mod fewer;
mod growth;
mod joining;
mod load;
mod loss;
mod nodes;
mod offline;
mod outcomes;
mod process;
mod purge;
mod recover;
mod refusals;
mod scan;
mod scan_cost;
mod serve;
mod service;
mod session;
mod shards;
mod splitting;
mod sync;
mod under_load;
