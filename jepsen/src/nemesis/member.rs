//! Shards move, members come and go, while the cluster is used and other faults are in force.
//!
//! What an operator types is what is done: `quorate cluster plan ... --apply`, asked of the nodes that run in turn. A plan
//! that is refused, since another is carried out, too few members would be left or no majority is there, is nothing to
//! heal.
//!
//! | fault | what is done | how it is healed |
//! |---|---|---|
//! | weight | a share shrinks or grows | the share that it was |
//! | leave | a member leaves and its process ends | it joins as a new member on an empty folder |
//! | copies | a table gets one copy more | as many as before, where the program can |
//! | itself | a process is killed, its folder emptied | `--replace-self` at the same address |
//! | other | the same | a new member on that host, and a plan that gives it the place of the dead one |
//! | split | some shards are split, at tokens or keys | neighbours on the same nodes are merged, while there are more than at first |
//! | move | a copy of a shard moves to another node | it stays there |
//! | return | a killed member is removed as dead, and starts again on its folder | it must end; then it joins as a new one |
//!
//! Most take several steps, each of which may have to wait for other faults: [`Fault::go_on`] takes the next one, so that
//! nothing waits in between, and a fault that is not through when its time is over is healed after all others.
//!
//! What becomes of the data is not asked of those who moved them. The workloads' histories say it, and the keys that all
//! owners had acknowledged before (`cluster/kept.rs`).

mod change;
mod copies;
mod leave;
mod operator;
mod replace;
mod restart;
mod returned;
mod shards;
mod weight;

pub use copies::Copies;
pub use leave::Leave;
pub use replace::{Place, Replace};
pub use restart::{Program, Restart};
pub use returned::Return;
pub use shards::{Move, Split};
pub use weight::Weight;
