//! What a repository's errors mean to a script and to a person.

use crate::exit::{Exit, Failure};
use crate::output::printable;
use quorate_backup::{Error, Fault};

/// A failure of a command.
pub fn failed(error: Error) -> Failure {
    let (exit, next) = match &error {
        Error::NoRepository { .. } => {
            (Exit::NotFound, Some("`quorate backup create` makes one; check the path or the prefix"))
        }
        Error::Missing { name, .. } if name.starts_with("snapshots/") => {
            (Exit::NotFound, Some("`quorate backup list` shows the snapshots"))
        }
        Error::Occupied { .. } => (Exit::Conflict, Some("name a folder or a prefix that is empty, or new")),
        Error::NoName { .. } => (Exit::Usage, Some("`quorate backup list` shows the snapshots")),
        Error::Missing { .. } => (Exit::Other, Some(ANOTHER)),
        Error::Bad { fault, .. } => (Exit::Other, of_fault(fault)),
        Error::Unreadable { .. } | Error::Unwritable { .. } => (Exit::Other, None),
    };
    let failure = Failure::new(exit, printable(&error.to_string()));
    match next {
        Some(next) => failure.next(next),
        None => failure,
    }
}

/// The same of something that goes on from where it was ended: `how`, unless there is something else to do first.
pub fn resumable(failure: Failure, how: &str) -> Failure {
    let is_passing = matches!(failure.exit, Exit::Unavailable | Exit::Unknown | Exit::Interrupted);
    if is_passing || failure.next.is_none() { failure.next(how) } else { failure }
}

/// What to do without what is damaged.
const ANOTHER: &str =
    "use another snapshot, or a copy of the repository: `quorate backup verify` says what is whole";

fn of_fault(fault: &Fault) -> Option<&'static str> {
    match fault {
        Fault::CutOff
        | Fault::Damaged { .. }
        | Fault::Exchanged
        | Fault::Foreign { .. }
        | Fault::TooLarge { .. }
        | Fault::Impossible(_) => Some(ANOTHER),
        // It says so itself.
        Fault::OtherVersion { .. } => None,
    }
}
