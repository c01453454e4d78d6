//! Quorate seen from outside: real nodes, real faults, and judges that believe nothing but what was answered.
//!
//! **The problem.** A replicated database can pass every test that its authors thought of and still lose a write
//! when a node dies at the wrong moment. So here nothing knows how Quorate works. Clients do operations over HTTP
//! and write down what they asked, when, and what came of it; meanwhile a nemesis breaks things; afterwards a checker
//! decides from the written history alone whether the promises were kept.
//!
//! ```text
//!   workload (what clients do)   nemesis (what breaks)      checkers (what was promised)
//!        |        HTTP               | kill, restart ...        ^
//!        v                           v                          |
//!   +---------------- real `quorate serve` processes ---+       |
//!   +---------------------------------------------------+       |
//!        |  answers: ok, fail, unknown                          |
//!        +--------------------> history (JSON lines) -----------+
//! ```
//!
//! **The parts.** The judges are a crate of their own, `quorate_checkers`, which the seeded simulator uses as well;
//! [`rejudge`] judges a file again. [`http`] and [`outcome`] turn requests into outcomes, [`recorder`] writes them down,
//! [`tally`] counts them, [`record`] keeps all of it, and [`report`] shows it. [`cluster`] makes real processes, on hosts of
//! their own where there is root, and [`tool`] runs what the system has for that. [`workload`] and [`nemesis`] are tables of
//! what clients do and what breaks; the [`generator`] lets clients do it, at their own pace or at a given rate. [`run`] brings
//! them together, a [`segment`] is one such run on a cluster of its own, and a [`campaign`] does any list of segments: those
//! of a [`suite`], of one workload, or of [`breakage`], which shows that all this would notice: each line breaks one rule of
//! a build made for it. Two workloads have a course of their own: in [`load`] nodes die and come back, and no request at the
//! others may fail; [`overload`] asks for more than a cluster can serve.
//!
//! **Invariants.**
//! - A checker reads histories and nothing else: no clock, no cluster, no memory of the run.
//! - An outcome that is not certain is `unknown`. What a client calls `fail` never took effect.
//! - There are three verdicts, and undecided is not a pass; a run that did too little is void, which is not one
//!   either.
//!
//! **Left out**: nodes that go back to the version before; an upgrade goes one way here.

pub mod agreement;
pub mod breakage;
pub mod campaign;
pub mod cluster;
pub mod generator;
pub mod http;
pub mod load;
pub mod majority;
pub mod nemesis;
pub mod outcome;
pub mod overload;
pub mod record;
pub mod recorder;
pub mod rejudge;
pub mod relay;
pub mod report;
pub mod run;
pub mod segment;
pub mod suite;
pub mod tally;
pub mod tool;
pub mod workload;
