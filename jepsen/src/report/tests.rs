use super::*;
use crate::record::{EventKind, LeftOut, by_second, of_faults};
use crate::run::Verdict;
use quorate_checkers::history::History;
use quorate_checkers::judgement::{Finding, Measure};
use quorate_checkers::operation::{Detail, Kind, Operation, Status};

const SECOND: u64 = 1_000_000_000;

fn operation(at: u64, node: u16, status: Status) -> Operation {
    Operation {
        detail: Detail { node: Some(node), ..Detail::default() },
        ..Operation::new(1, "k<1>", Kind::Write { value: "v".into() }, at, Some(at + SECOND / 100), status)
    }
}

fn history() -> History {
    let of_second = |second: u64| {
        let status = if (10..14).contains(&second) { Status::Unknown } else { Status::Ok };
        (0..20).map(move |part| {
            operation(
                second * SECOND + part * SECOND / 20,
                u16::try_from(part % 3).expect("small") + 1,
                status,
            )
        })
    };
    History { operations: (0..30).flat_map(of_second).collect() }
}

fn events() -> Vec<EventRecord> {
    let event = |at: u64, kind, what: &str| EventRecord {
        at: at * SECOND,
        kind,
        fault: "kill".into(),
        nodes: vec!["n1".into()],
        majority: Vec::new(),
        what: what.into(),
    };
    vec![
        event(9, EventKind::Strike, "killed <n1>"),
        event(14, EventKind::Heal, "started n1"),
        event(15, EventKind::Recovered, "all ready"),
    ]
}

fn record(number: u32, verdict: Verdict) -> SegmentRecord {
    let findings = match verdict {
        Verdict::Violated => vec![Finding {
            key: "k<1>".into(),
            what: "has no order".into(),
            operations: vec![operation(5 * SECOND, 1, Status::Unknown), operation(7 * SECOND, 2, Status::Ok)],
        }],
        Verdict::Passed | Verdict::Undecided | Verdict::Void => Vec::new(),
    };
    let void = if verdict == Verdict::Void { vec!["too little".to_owned()] } else { Vec::new() };
    SegmentRecord {
        number,
        seconds: 28.0,
        nodes: vec!["n1".into(), "n2".into(), "n3".into()],
        verdict,
        void,
        findings_count: findings.len() as u64,
        findings,
        measures: vec![Measure::count("things", 12_345)],
        completed: 520,
        per_second: 18.0,
        longest_gap_ms: 4_050.0,
        by_fault: of_faults(&history(), &events()),
        memory_peak_bytes: vec![100 << 20; 3],
        ..SegmentRecord::example()
    }
}

fn report_of(verdicts: &[Verdict]) -> String {
    let place = tempfile::tempdir().expect("a folder for temporary files");
    let folder = RunFolder::new(place.path());
    let run = RunRecord {
        command: "quorate-jepsen --suite quick --seed 3".into(),
        seed: 3,
        suite: Some("quick".into()),
        segments_planned: 4,
        left_out: vec![LeftOut { what: "clock".into(), why: "no <library>".into() }],
        ..RunRecord::default()
    };
    folder.write_run(&run).expect("writable");
    let names = ["n1", "n2", "n3"].map(str::to_owned);
    for (number, verdict) in (1..).zip(verdicts) {
        let seconds = by_second(&history(), &names);
        folder
            .segment(number)
            .write(&record(number, *verdict), &history(), &events(), &seconds)
            .expect("writable");
    }
    let path = write(&folder).expect("readable");
    std::fs::read_to_string(path).expect("written")
}

#[test]
fn the_verdict_comes_first_and_what_is_missing_is_said() {
    let report = report_of(&[Verdict::Passed, Verdict::Void, Verdict::Violated]);
    let place = |text: &str| report.find(text).unwrap_or_else(|| panic!("{text:?} is not in the report"));
    assert!(place("Suite quick: violated") < place("Left out, or void"));
    assert!(place("Left out, or void") < place("id=\"segment-1\""));
    place("<b>clock</b> was left out: no &lt;library&gt;");
    place("1 of 4 planned segments are not done");
    place("is void: too little");
    place("quorate-jepsen --suite quick --seed 3");
    place("12,345");
}

#[test]
fn the_cost_of_a_fault_is_that_of_all_its_strikes() {
    let report = report_of(&[Verdict::Passed, Verdict::Passed]);
    let row = report.lines().find(|line| line.starts_with("<tr><td>kill</td>")).expect("a row of the fault");
    assert!(row.contains(">2<"), "two segments, two strikes: {row}");
    assert!(row.contains(">4.1 s<") || row.contains(">4.0 s<"), "the longest gap: {row}");
    assert!(row.contains("1.0 s &#x2f; 1.0 s"), "the recovery: {row}");
}

#[test]
fn the_report_stands_alone_and_nothing_in_it_is_markup_from_outside() {
    let report = report_of(&[Verdict::Violated]);
    for outside in ["http://", "https://", "<script", "@import", "url(", "src="] {
        assert!(!report.contains(outside), "{outside}");
    }
    assert!(!report.contains("k<1>") && report.contains("k&lt;1&gt;"));
    assert!(!report.contains("<n1>") && report.contains("killed &lt;n1&gt;"));
    let count = |text: &str| report.matches(text).count();
    for element in ["details", "table", "svg", "div", "section", "header", "main", "dl", "ul"] {
        let opened = count(&format!("<{element} ")) + count(&format!("<{element}>"));
        assert_eq!(opened, count(&format!("</{element}>")), "{element}");
    }
}

#[test]
fn a_violation_is_shown_by_its_operations() {
    let report = report_of(&[Verdict::Violated]);
    assert!(report.contains("class=\"intervals\""));
    assert!(report.contains("client 1 at n2: write v"));
    assert!(report.contains("client 1 at n1: write v, unknown"));
}

#[test]
fn a_run_of_nothing_is_void_and_has_a_report() {
    let report = report_of(&[]);
    assert!(report.contains("Suite quick: void"), "{report}");
}
