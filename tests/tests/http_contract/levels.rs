//! Levels and parameters: what a request asks for is what it gets, or it is refused.

use super::ask::{get, put};
use super::rig::{key, shared};
use quorate_model::Durability;

#[test]
fn each_answer_says_what_it_was() {
    let cluster = shared();
    let target = key("levels");
    let node = cluster.at(0);
    let consistency = |query: &str| {
        let read = get(&format!("{target}{query}")).of(node).is(200);
        let said = read.header("quorate-consistency").to_owned();
        said.split("; acks").next().unwrap().to_owned()
    };
    // So that a read of one owner finds it too.
    put(&format!("{target}?consistency=all"), "x").of(node).is(200);
    assert_eq!(consistency(""), "linearizable; r=2; n=3");
    assert_eq!(consistency("?consistency=quorum"), "linearizable; r=2; n=3");
    assert_eq!(consistency("?consistency=one"), "eventual; r=1; n=3");
    assert_eq!(consistency("?r=1"), "eventual; r=1; n=3");
    assert_eq!(consistency("?r=all"), "linearizable; r=3; n=3");
    assert_eq!(consistency("?consistency=quorum&r=2"), "linearizable; r=2; n=3");
    let written = |query: &str| {
        let written = put(&format!("{target}{query}"), "x").of(node).is(200);
        let said = written.header("quorate-consistency").to_owned();
        said.split("; acks").next().unwrap().to_owned()
    };
    assert_eq!(written("?w=1"), "eventual; w=1; n=3");
    assert_eq!(written("?consistency=all"), "linearizable; w=3; n=3");
    assert_eq!(written("?durability=sync&timeout=5s&ttl=1h"), "linearizable; w=2; n=3");
}

#[test]
fn a_typo_never_weakens_a_request() {
    let cluster = shared();
    let (target, node) = (key("typos"), cluster.at(0));
    for query in ["consistncy=all", "R=2", "x=", "ttl=1s", "durability=sync", "retry=true", "table=t"] {
        get(&format!("{target}?{query}")).of(node).refuses(400, "unknown-parameter");
    }
    for query in [
        "r=0",
        "r=4",
        "r=two",
        "w=2",
        "r=2&r=2",
        "r=1&r=2",
        "consistency=one&r=2",
        "consistency=any",
        "consistency=local_quorum",
        "consistency=",
        "consistency=each_quorum",
    ] {
        get(&format!("{target}?{query}")).of(node).refuses(400, "invalid-consistency");
    }
    for query in ["w=0", "w=4", "r=2", "consistency=all&w=2", "w=1&w=1"] {
        put(&format!("{target}?{query}"), "x").of(node).refuses(400, "invalid-consistency");
    }
    for query in [
        "timeout=0s",
        "timeout=soon",
        "ttl=0s",
        "ttl=99999999999999999999d",
        "trace=maybe",
        "enc=hex",
        "timeout=1s&timeout=2s",
        "ttl=%zz",
    ] {
        put(&format!("{target}?{query}"), "x").of(node).refuses(400, "invalid-parameter");
    }
    get(&target).of(node).refuses(404, "no-such-key");
}

#[test]
fn durability_may_be_raised_and_never_lowered() {
    let cluster = shared();
    cluster.make_table("synced", 3, Durability::Sync);
    let target = "/v1/tables/synced/keys/a";
    put(&format!("{target}?durability=os"), "x").of(cluster.at(0)).refuses(400, "invalid-parameter");
    put(&format!("{target}?durability=sync"), "x").of(cluster.at(0)).is(200);
    put(&format!("{}?durability=sync", key("raised")), "x").of(cluster.at(0)).is(200);
}
