//! A suite that cannot fail proves nothing: each rule of the protocol is broken in turn, and the same seeds that the
//! intact protocol survives must show it within a bounded number of histories.

use quorate_model::{Mutant, Rules};
use quorate_tests::run::run_many;
use std::collections::BTreeMap;

/// Seeds within which every mutant must be caught.
const SEEDS_MAX: u64 = 1_000;

#[test]
fn every_mutant_is_caught() {
    let mut escaped = Vec::new();
    println!("{:<28} {:>6}  by", "mutant", "seeds");
    for mutant in Mutant::ALL {
        let figures = run_many(0..SEEDS_MAX, Rules::breaking(mutant), 1);
        match figures.failed.first() {
            Some(report) => {
                let mut judges: BTreeMap<&str, usize> = BTreeMap::new();
                for violation in &report.violations {
                    *judges.entry(violation.invariant).or_default() += 1;
                }
                let judges: Vec<&str> = judges.into_keys().collect();
                println!("{:<28} {:>6}  {}", format!("{mutant:?}"), report.seed + 1, judges.join(", "));
            }
            None => {
                println!("{:<28} {:>6}", format!("{mutant:?}"), "never");
                escaped.push(mutant);
            }
        }
    }
    println!("{} of {} caught", Mutant::ALL.len() - escaped.len(), Mutant::ALL.len());
    assert!(escaped.is_empty(), "not caught within {SEEDS_MAX} seeds: {escaped:?}");
}
