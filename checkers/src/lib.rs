//! Judges of histories: were the promises kept?
//!
//! **The problem.** What a replicated database did can only be told from outside, by what its clients asked, when, and
//! what they were answered. Real clients of real nodes under real faults collect that, and so does the seeded simulator. Both
//! need the same judges, and those must be beyond doubt themselves.
//!
//! **The idea.** A judge is a function from a written history to a verdict. It reads histories and nothing else: no
//! clock, no network, no file, no memory of the run. So a file can be judged again, and each judge is compared in its own
//! tests with one that tries all orders of small histories.
//!
//! ```text
//!   clients --> operations: client, key, what, call, return, status --> history --> judges --> judgement
//! ```
//!
//! | module | asks |
//! |---|---|
//! | [`linearizable`] | is there an order of the operations on each key that explains every answer? |
//! | [`set_full`] | is everything that was added still there? |
//! | [`no_return`] | does nothing that is over come back? |
//! | [`ttl`] | the same as `linearizable`, where a value may expire once at any time |
//! | [`retries`] | is an acknowledged operation id never applied again, and answered alike? |
//! | [`below_quorum`] | what is promised of levels below the quorum, and of mixtures |
//! | [`throughput`] | was enough done to prove anything? |
//! | [`panics`] | does a log or a page of metrics tell of a panic? |
//!
//! [`operation`], [`level`] and [`history`] are what is written down, [`judgement`] is what comes of it.
//!
//! **Invariants.**
//! - The same history gets the same verdict, on any machine.
//! - There are three verdicts, and undecided is not a pass.
//! - A violation comes with the few operations that show it.
//!
//! **Left out**: operations on several keys at once, and any model of what clients do: that is the workloads' matter.

pub mod below_quorum;
pub mod history;
pub mod judgement;
pub mod level;
pub mod linearizable;
pub mod no_return;
pub mod operation;
pub mod panics;
pub mod retries;
pub mod set_full;
#[cfg(test)]
mod tests;
pub mod throughput;
pub mod ttl;
