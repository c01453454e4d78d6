//! Histories known to be good, histories known to be bad, and a second checker that is too simple to be wrong.

mod against_brute_force;
mod known;
mod large;

use crate::operation::Kind;
use crate::tests::brute_force::operation;

fn wrote(value: &str) -> Kind {
    Kind::Write { value: value.into() }
}

fn saw(value: &str) -> Kind {
    Kind::Read { value: Some(value.into()) }
}

fn saw_nothing() -> Kind {
    Kind::Read { value: None }
}

fn swapped(expect: &str, value: &str) -> Kind {
    Kind::Cas { expect: Some(expect.into()), value: value.into() }
}
