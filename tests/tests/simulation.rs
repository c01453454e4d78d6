//! Thousands of seeded histories, none of which may break a promise. `QUORATE_SIM_SEEDS` says how many, and
//! `QUORATE_SIM_FIRST` from which seed on. A seed that fails is shrunk, and told.

use quorate_model::Rules;
use quorate_tests::coverage::Happening;
use quorate_tests::run::{SEEDS, run_many};
use quorate_tests::shrink::shrink;
use quorate_tests::{Case, Telling, run};

/// How often a default batch must meet everything that can happen.
const MET_MIN: u64 = 15;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn no_history_breaks_a_promise() {
    let first = number("QUORATE_SIM_FIRST", 0);
    let seeds = number("QUORATE_SIM_SEEDS", SEEDS);
    let figures = run_many(first..first + seeds, Rules::INTACT, 5);
    println!("{}", figures.sentence());
    if let Some(report) = figures.failed.first() {
        for failed in &figures.failed {
            println!("{}", failed.sentence());
        }
        let shrunk = shrink(&report.case, Rules::INTACT, &[]).expect("it has just failed");
        panic!("{}\n{}", shrunk.report.story, shrunk.glance());
    }
    assert!(figures.succeeded * 3 > figures.operations, "too little succeeded: this run proves nothing");
    for line in figures.coverage.lines() {
        println!("{line}");
    }
    let seldom = Happening::ALL.iter().filter(|happening| figures.coverage.of(**happening) < MET_MIN);
    let seldom: Vec<&str> = seldom.map(|happening| happening.words()).collect();
    assert!(seeds < SEEDS || seldom.is_empty(), "met fewer than {MET_MIN} times: {seldom:?}");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..24 {
        let case = Case::of_seed(seed);
        let once = run(&case, Rules::INTACT, Telling::Aloud).story;
        let again = run(&case, Rules::INTACT, Telling::Aloud).story;
        assert!(once.len() > 1_000, "seed {seed} has a story");
        assert!(once == again, "seed {seed} tells two stories");
    }
}

#[test]
fn telling_changes_nothing() {
    for seed in 0..24 {
        let case = Case::of_seed(seed);
        let told = run(&case, Rules::INTACT, Telling::Aloud);
        let silent = run(&case, Rules::INTACT, Telling::Silent);
        assert_eq!((told.operations, told.simulated), (silent.operations, silent.simulated), "seed {seed}");
    }
}
