//! Levels: which commands every member understands, and which protocol has them.

use quorate_model::Protocol;

/// The oldest version of the protocol that has every command of a level.
pub(super) fn protocol_of_level(level: u32) -> Protocol {
    match level {
        0 | 1 => Protocol(1),
        2 => Protocol(2),
        3 => Protocol(4),
        4 => Protocol(5),
        5 => Protocol(6),
        6.. => Protocol(7),
    }
}
