//! A suite that cannot fail proves nothing: each rule of the protocol is broken in turn, and the same seeds that the
//! intact protocol survives must show it within a bounded number of histories, in a promise that guards that rule.

use quorate_model::{Mutant, Rules};
use quorate_tests::mutants::{SEEDS_MAX, catch, guards};
use quorate_tests::shrink::shrink;
use quorate_tests::{Telling, run};

#[test]
fn every_mutant_is_caught_by_a_promise_that_guards_its_rule() {
    let mut escaped = Vec::new();
    println!("{:<26} {:>6}  by", "mutant", "seeds");
    for mutant in Mutant::ALL {
        let Some(report) = catch(mutant, SEEDS_MAX) else {
            println!("{:<26} {:>6}", mutant.name(), "never");
            escaped.push(mutant.name());
            continue;
        };
        let by: Vec<String> = guards(mutant)
            .iter()
            .filter(|invariant| report.breaks(&[**invariant]))
            .map(ToString::to_string)
            .collect();
        println!("{:<26} {:>6}  {}", mutant.name(), report.case.seed + 1, by.join(", "));
    }
    println!("{} of {} caught", Mutant::ALL.len() - escaped.len(), Mutant::ALL.len());
    assert!(escaped.is_empty(), "not caught within {SEEDS_MAX} seeds: {escaped:?}");
}

#[test]
fn a_failure_is_shrunk_to_a_short_story_that_fails_in_the_same_promise() {
    let (mutant, rules) = (Mutant::NoReadRepair, Rules::breaking(Mutant::NoReadRepair));
    let report = catch(mutant, SEEDS_MAX).expect("a mutant that every suite catches");
    let shrunk = shrink(&report.case, rules, guards(mutant)).expect("it fails");
    assert!(
        shrunk.operations.1 <= 12,
        "{} operations are no short story: {}",
        shrunk.operations.1,
        shrunk.glance()
    );
    let again = run(&shrunk.report.case.to_string().parse().expect("a case"), rules, Telling::Aloud);
    assert!(again.breaks(&[shrunk.invariant]), "shown again by its name alone");
    assert_eq!(again.story, shrunk.report.story);
    let twice = shrink(&report.case, rules, guards(mutant)).expect("it fails");
    assert_eq!(twice.report.case, shrunk.report.case, "shrinking leaves nothing to chance");
    assert!(
        run(&shrunk.report.case, Rules::INTACT, Telling::Silent).violations.is_empty(),
        "the rule alone is missing"
    );
}
