//! The rules of the protocol that the catalog's leader keeps, each a function with its sentence, its number and its mutants.

pub mod moves;
