//! Purge: removals go once it is proved that no owner can ever meet anything older.
//!
//! A tombstone stands in the way of writes that it is later than, and those may come at any time: a message that was held
//! back, a hint, an owner that was away. So age proves nothing. What proves it is a cut of versions that every owner has
//! closed, and that all of them were brought together below:
//!
//! ```text
//!   choose    F': the highest removal of any owner that is old enough
//!   close     every owner: no new write up to F' where nothing or a removal is held         synced
//!   pull      what any owner has comes here
//!   list      removals up to F' that any owner holds, and exactly what is held
//!   push      what is here and not at another owner goes there
//!   confirm   every owner: which of them do you hold exactly so, or have dropped? The others are not listed any more
//!   seal      every owner: what is absent was removed, up to F'                              synced
//!   seal      again: an owner that has lost its disk since is another one, and does not answer
//!   drop      every owner: those on the list, where exactly that is held
//! ```
//!
//! A [`Run`] does this for one shard, for all of whose owners it must be true that they are up, hold everything and answer at
//! the shard's epoch. The first answer that fails ends it, wherever it is.
//!
//! # Why it holds
//!
//! After *close* no round one yields a version up to F', so a record up to F' comes to an owner that holds nothing, or a
//! removal, only from another owner that had it before. Every such record is here after *pull* and everywhere after *push*:
//! no owner holds nothing of a key of which another holds a value up to F'. So from *seal* on, who holds nothing has it
//! right, and may refuse every value up to F' for ever.
//!
//! A late write may still land on a *value* that an owner holds, and spread from there. So a removal goes only if every owner
//! has confirmed, after it closed, to hold exactly that removal: then there is no such value, and nothing that could land.
//!
//! # Invariants
//!
//! - Half a run is harmless: what is closed only refuses, and a removal that one owner dropped and another kept is a
//!   removal to both.
//! - Nothing is dropped by its age or by its version.
//! - What is remembered of a shard is bounded; what does not fit on the list goes with the next run.

mod limits;
mod run;
mod turns;
mod wanted;

pub use limits::PurgeLimits;
pub use run::Run;
pub use turns::{HeldBack, held_back, turns};
pub use wanted::{Action, Outcome, Terms};

#[cfg(test)]
mod tests;
