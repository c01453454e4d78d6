use super::*;
use crate::record::FaultRecord;

fn outcome(verdicts: &[Verdict]) -> Outcome {
    let segment = |(number, verdict): (u32, &Verdict)| SegmentRecord {
        number,
        verdict: *verdict,
        faults: vec!["kill-one".into(), "packet-loss".into()],
        by_fault: vec![FaultRecord { fault: "kill-one".into(), strikes: 2, ..FaultRecord::default() }],
        completed: 100,
        seconds: 10.0,
        ..SegmentRecord::example()
    };
    Outcome { run: RunRecord::default(), segments: (1..).zip(verdicts).map(segment).collect() }
}

#[test]
fn only_a_run_whose_every_segment_passed_has_passed() {
    use Verdict::{Passed, Undecided, Violated, Void};
    assert_eq!(outcome(&[Passed, Passed]).verdict(), Passed);
    assert_eq!(outcome(&[Passed, Void, Violated]).verdict(), Violated);
    assert_eq!(outcome(&[Passed, Void, Undecided]).verdict(), Void);
    assert_eq!(outcome(&[Passed, Undecided]).verdict(), Undecided);
    assert_eq!(outcome(&[]).verdict(), Void);
}

#[test]
fn a_run_that_found_no_cluster_or_took_too_long_proves_nothing() {
    let mut one = outcome(&[Verdict::Passed]);
    one.run.without_cluster.insert(2, "no ports".into());
    assert_eq!(one.verdict(), Verdict::Void);
    let mut slow = outcome(&[Verdict::Passed]);
    (slow.run.seconds_max, slow.run.seconds_spent) = (Some(600), 600.0);
    assert_eq!(slow.verdict(), Verdict::Passed);
    slow.run.seconds_spent = 601.0;
    assert_eq!(slow.verdict(), Verdict::Void);
}

#[test]
fn the_line_says_what_was_planned_and_never_struck() {
    let mut one = outcome(&[Verdict::Passed, Verdict::Passed]);
    one.run.left_out.push(LeftOut { what: "clock-step".into(), why: "none".into() });
    one.run.void_at_first.insert(2, "too little".into());
    let line = one.line();
    assert_eq!(
        line,
        "PASS: 2 of 2 segments passed, 200 operations in 20 s of load, 4 strikes; never struck: packet-loss; \
         void at first and done once more: segment 2; LEFT OUT here: clock-step"
    );
}
