//! `bench`: load on a cluster that runs, and on one that does not.

use crate::process::{Dev, run};

#[test]
fn a_benchmark_fills_its_table_and_says_how_long_requests_took() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 3);
    let bench = |more: &[&str]| {
        let mut arguments = vec![
            "--output",
            "json",
            "bench",
            "load",
            "--keys",
            "300",
            "--connections",
            "4",
            "--warm-up",
            "100ms",
            "--time",
            "1s",
            "--value-size",
            "200B",
        ];
        arguments.extend(more);
        dev.run(0, &arguments).expect_code(0)
    };
    let closed = bench(&["--reads", "50"]);
    assert!(
        closed.stderr.contains("table load is made") && closed.stderr.contains("300 keys written"),
        "{closed:?}"
    );
    let closed = closed.json();
    for kind in ["reads", "writes"] {
        let of = &closed[kind];
        let times = ["p50_us", "p90_us", "p99_us", "p99_9_us", "longest_us"].map(|name| of[name].as_u64());
        assert!(times.is_sorted() && times[0] > Some(0), "{closed}");
        assert!(of["answered"].as_u64() > Some(20), "{closed}");
    }
    assert_eq!(
        (&closed["failed"], &closed["unsent"], &closed["value_bytes"]),
        (&0.into(), &0.into(), &200.into())
    );
    let count = dev.run(0, &["scan", "load", "--count"]).expect_code(0);
    assert_eq!(count.text().trim(), "300");
    // The keys are there: none is written anew.
    let open = bench(&["--rate", "200", "--reads", "100", "--skew", "0.99", "--consistency", "one"]);
    assert!(!open.stderr.contains("written"), "{open:?}");
    let open = open.json();
    let answered = open["reads"]["answered"].as_u64().expect("a number");
    assert!((100..300).contains(&answered) && open["writes"]["answered"] == 0, "{open}");
    let table = dev.run(0, &["bench", "load", "--keys", "300", "--time", "200ms", "--warm-up", "1ms"]);
    let table = table.expect_code(0);
    assert!(table.text().starts_with("REQUESTS") && table.text().contains("P99.9"), "{table:?}");
}

#[test]
fn a_benchmark_that_no_node_answers_fails_and_says_why() {
    let silent = run(&["--endpoint", "127.0.0.1:1", "bench", "--time", "200ms"]).expect_code(5);
    assert!(silent.stderr.contains("no node answers"), "{silent:?}");
    for wrong in [&["--rate", "0"][..], &["--skew", "-1"], &["--reads", "101"], &["--value-size", "17MiB"]] {
        let arguments: Vec<&str> = ["bench"].iter().chain(wrong).copied().collect();
        run(&arguments).expect_code(2);
    }
}
