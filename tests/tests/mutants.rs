//! A suite that cannot fail proves nothing: each rule of the protocol is broken in turn, and the same seeds that the
//! intact protocol survives must show it within a bounded number of histories.

use quorate_model::{Mutant, Rules};
use quorate_tests::run::run_many;
use std::collections::BTreeSet;

/// Seeds within which every mutant must be caught.
const SEEDS_MAX: u64 = 1_000;

#[test]
fn every_mutant_is_caught() {
    let mut escaped = Vec::new();
    println!("{:<28} {:>6}  by", "mutant", "seeds");
    for mutant in Mutant::ALL {
        let figures = run_many(0..SEEDS_MAX, Rules::breaking(mutant), 1);
        let Some(report) = figures.failed.first() else {
            println!("{:<28} {:>6}", format!("{mutant:?}"), "never");
            escaped.push(mutant);
            continue;
        };
        let judges: BTreeSet<&str> = report.violations.iter().map(|violation| violation.invariant).collect();
        let judges: Vec<&str> = judges.into_iter().collect();
        println!("{:<28} {:>6}  {}", format!("{mutant:?}"), report.seed + 1, judges.join(", "));
    }
    println!("{} of {} caught", Mutant::ALL.len() - escaped.len(), Mutant::ALL.len());
    assert!(escaped.is_empty(), "not caught within {SEEDS_MAX} seeds: {escaped:?}");
}
