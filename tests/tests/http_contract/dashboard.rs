//! The dashboard's files, with the headers that keep its page apart from everything else; and what it needs of the members.

use super::ask::{get, put};
use super::rig::{key, shared, until};
use serde_json::json;
use std::collections::BTreeSet;

/// The names of files that a file of the dashboard loads.
fn loaded(text: &str) -> Vec<&str> {
    let quoted = text.split('"').skip(1).step_by(2);
    let is_file = |name: &&str| [".js", ".css", ".svg"].iter().any(|end| name.ends_with(end));
    quoted.filter(is_file).map(|name| name.trim_start_matches("./")).collect()
}

#[test]
fn its_files_are_served_under_a_strict_policy_and_not_sent_twice() {
    let cluster = shared();
    let node = cluster.at(0);
    assert_eq!(get("/ui").of(node).is(308).header("location"), "ui/");
    let mut open = vec!["/ui/".to_owned()];
    let mut seen: BTreeSet<String> = BTreeSet::new();
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let file = get(&path).of(node).is(200);
        let kind = match path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(file.header("content-type"), kind, "{path}");
        assert_eq!(
            file.header("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        assert_eq!(
            (file.header("referrer-policy"), file.header("cache-control")),
            ("no-referrer", "no-cache")
        );
        let again = get(&path).header("If-None-Match", file.header("etag")).of(node).is(304);
        assert_eq!((again.header("etag"), again.body.len()), (file.header("etag"), 0));
        get(&path).header("If-None-Match", "\"1-0\"").of(node).is(200);
        open.extend(loaded(&file.text()).into_iter().map(|name| format!("/ui/{name}")));
    }
    assert!(seen.len() > 20 && seen.contains("/ui/icon.svg"), "{seen:?}");
    for nowhere in ["/ui/none.js", "/ui/index.html", "/ui/%2e%2e%2fCargo.toml", "/ui/%00"] {
        get(nowhere).of(node).refuses(404, "no-such-route");
    }
}

#[test]
fn what_a_member_answers_and_where_it_stands_is_told_by_another() {
    let cluster = shared();
    put(&key("counted"), "x").of(cluster.at(1)).is(200);
    get(&key("counted")).of(cluster.at(1)).is(200);
    get("/v1/tables/t/keys?limit=1").of(cluster.at(1)).is(200);
    let told = until("n1 has heard what n2 answered", || {
        let nodes = get("/v1/cluster/nodes").of(cluster.at(0)).is(200).json();
        let told = nodes["nodes"][1]["traffic"].clone();
        ["reads", "writes", "scans"]
            .iter()
            .all(|kind| told[kind]["outcomes"]["ok"].as_u64() >= Some(1))
            .then_some(told)
    });
    for kind in ["reads", "writes", "scans"] {
        let counts = told[kind]["latencies"].as_array().expect("a list");
        let bounds: Vec<u64> = counts.iter().map(|one| one["up_to_us"].as_u64().expect("a number")).collect();
        assert!(!bounds.is_empty() && bounds.is_sorted_by(|a, b| a < b), "{kind}: {told}");
    }
    let node = get("/v1/cluster/nodes/n2").of(cluster.at(0)).is(200).json();
    let tokens = node["tokens"].as_array().expect("a list");
    assert_eq!((tokens.len(), tokens.is_sorted_by_key(|token| token.as_str())), (256, true));
    assert!(node["load"].is_u64() && node["hints_kept"].is_object(), "{node}");
    assert_eq!(node["hints_overflow"], json!(0));
}
