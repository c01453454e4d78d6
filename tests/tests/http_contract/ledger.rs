//! What the tests of this contract really received, compared with what `/openapi.json` says that there is.
//!
//! Each answer that is held to the description is noted: operation, status, code. One test runs all the others in a process
//! of their own, and then asks of every answer that is described whether a client received it. An answer that no test here
//! brings about stands in a table, with its reason; one that stands there and was received is a finding too.
//!
//! Left out: `HEAD`, whose answers have no code.

use super::described::DESCRIPTION;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::Command;

/// Names the file in which a process notes what it received.
const LEDGER: &str = "QUORATE_CONTRACT_LEDGER";

/// What no test here brings about: a code, the operations (none: any), and why.
const ELSEWHERE: &[(&str, &[&str], &str)] = &[
    ("internal", &[], "a bug; tests of the HTTP server have a handler that panics"),
    (
        "catalog-refused",
        &["makePlan", "applyPlan", "drainNode", "undrainNode", "pauseJob", "resumeJob", "abortJob"],
        "a member of an earlier version, or a shard that changed in between; tests of the catalog",
    ),
    (
        "epoch-changed",
        &["drainNode", "undrainNode", "splitShard", "mergeShard", "moveShard"],
        "another change between a look at the catalog and the change; tests of the catalog",
    ),
    ("unavailable", &["moveShard"], "a plan of one shard: as the apply of any plan"),
    ("write-timeout", &["mergeShard", "moveShard"], "written as a split is, by the same function"),
    (
        "write-timeout",
        &["switchAccess", "putUser", "removeUser", "issueToken", "revokeToken", "putRole", "removeRole"],
        "written as tables are, by the same function",
    ),
    ("catalog-refused", &["putRole"], "more grants than one document has; tests of the catalog"),
    ("job-runs", &["applyPlan"], "a job changes what a plan was made from, and that is said first"),
    ("versions-exhausted", &[], "2^64 updates of one key; tests of the node's faults"),
];

/// Notes one answer, if the answers are kept.
pub fn note(operation: &str, status: u16, code: Option<&str>) {
    let Some(ledger) = std::env::var_os(LEDGER) else { return };
    let line = format!("{operation} {status} {}\n", code.unwrap_or("-"));
    // One write of a short line to a file that is only added to: lines of many tests don't mix.
    let file = OpenOptions::new().append(true).create(true).open(ledger);
    file.expect("a file to note it in").write_all(line.as_bytes()).expect("noted");
}

/// Every answer that is described, as it would be noted.
fn described() -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    let operations = DESCRIPTION["paths"].as_object().expect("paths").values();
    for (method, operation) in operations.flat_map(|path| path.as_object().expect("methods")) {
        if method == "head" {
            continue;
        }
        let id = operation["operationId"].as_str().expect("a name");
        for (status, response) in operation["responses"].as_object().expect("answers") {
            let problem = &response["content"]["application/problem+json"];
            let codes = problem.pointer("/schema/allOf/1/properties/code/enum").and_then(Json::as_array);
            match codes {
                Some(codes) => all.extend(codes.iter().map(|code| {
                    let code = code.as_str().expect("a code");
                    (format!("{id} {status} {code}"), code.to_owned())
                })),
                None => drop(all.insert((format!("{id} {status} -"), String::new()))),
            }
        }
    }
    all
}

#[test]
fn the_ledger_of_all_tests_has_every_answer_that_is_described() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = folder.path().join("ledger");
    let all = Command::new(std::env::current_exe().expect("this program"))
        .args(["--skip", "ledger::"])
        .env(LEDGER, &ledger)
        .output()
        .expect("the tests run");
    assert!(all.status.success(), "{}", String::from_utf8_lossy(&all.stdout));
    let noted = std::fs::read_to_string(&ledger).expect("what was noted");
    let noted: BTreeSet<&str> = noted.lines().collect();
    let mut wrong = Vec::new();
    for (answer, code) in described() {
        let operation = answer.split(' ').next().unwrap_or_default();
        let elsewhere = ELSEWHERE.iter().any(|(other, operations, _)| {
            *other == code && (operations.is_empty() || operations.contains(&operation))
        });
        match (noted.contains(answer.as_str()), elsewhere) {
            (true, false) | (false, true) => {}
            (false, false) => wrong.push(format!("{answer}: no test received it")),
            (true, true) => wrong.push(format!("{answer}: received, though the table says that it can't be")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} answers:\n{}", wrong.len(), described().len(), wrong.join("\n"));
}
