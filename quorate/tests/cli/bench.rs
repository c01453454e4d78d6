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
        ];
        arguments.extend(more);
        dev.run(0, &arguments).expect_code(0)
    };
    let closed = bench(&["--reads", "50", "--value-size", "200B"]);
    let said = &closed.stderr;
    assert!(said.contains("table load is made") && said.contains("300 keys written"), "{closed:?}");
    let closed = closed.json();
    for kind in ["reads", "writes"] {
        let of = &closed[kind];
        let times = ["p50_us", "p90_us", "p99_us", "p99_9_us", "longest_us"].map(|name| of[name].as_u64());
        assert!(times.is_sorted() && times[0] > Some(0) && of["count"].as_u64() > Some(0), "{closed}");
    }
    let none = [&closed["failed"], &closed["unsent"], &closed["absent"]];
    assert!(none.iter().all(|count| **count == 0) && closed["answered"].as_u64() > Some(0), "{closed}");
    let count = dev.run(0, &["scan", "load", "--count"]).expect_code(0);
    assert_eq!(count.text().trim(), "300");
    // The keys are there: none is written anew.
    let rate =
        ["--rate", "200", "--reads", "100", "--skew", "0.99", "--consistency", "one", "--value-size", "200B"];
    let open = bench(&rate);
    assert!(!open.stderr.contains("written"), "{open:?}");
    let open = open.json();
    let figure = |name: &str| open[name].as_u64().expect("a number");
    let due = open["reads"]["count"].as_u64().expect("a number") + figure("failed") + figure("unsent");
    assert!((100..300).contains(&due) && open["writes"]["count"] == 0, "{open}");
    // Values of another size are.
    let table = ["bench", "load", "--keys", "300", "--time", "200ms", "--warm-up", "1ms"];
    let table = dev.run(0, &table).expect_code(0);
    assert!(table.stderr.contains("300 keys written"), "{table:?}");
    assert!(table.text().starts_with("REQUESTS") && table.text().contains("a second"), "{table:?}");
}

#[test]
fn a_benchmark_that_no_node_answers_fails_and_says_why() {
    let silent = run(&["--endpoint", "127.0.0.1:1", "bench", "--time", "200ms"]).expect_code(5);
    assert!(silent.stderr.contains("no node answers"), "{silent:?}");
    let wrong: [&[&str]; 5] = [
        &["--rate", "0"],
        &["--skew", "-1"],
        &["--reads", "101"],
        &["--value-size", "17MiB"],
        &["--time", "31days"],
    ];
    for wrong in wrong {
        let arguments: Vec<&str> = ["bench"].iter().chain(wrong).copied().collect();
        run(&arguments).expect_code(2);
    }
}
