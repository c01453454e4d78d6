//! Accepting a loss: what is shown before, and what a decision comes to.

use super::ask::{ask, get, post};
use super::rig::Cluster;
use serde_json::json;

const TARGET: &str = "/v1/cluster/nodes/n3/accept-loss";

#[test]
fn a_loss_is_shown_and_accepted_by_name_alone() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    let doubtful = cluster.restart_in_doubt(2, "cause behind\na test cut it short\n");
    let shown = get(TARGET).of(doubtful).is(200).json();
    assert_eq!((&shown["node"], &shown["name"]), (&json!("n3"), &json!("n3")));
    assert_eq!((&shown["cause"], &shown["doubt"]), (&json!("behind"), &json!("a test cut it short")));
    assert_eq!((&shown["acceptable"], &shown["refusal"]), (&json!(true), &json!(null)));
    assert_eq!((&shown["tables"][0]["table"], &shown["tables"][0]["n"]), (&json!("t"), &json!(3)));
    let decide = |name: &str| post(TARGET, &json!({ "accept_data_loss": name }));
    decide("n2").of(doubtful).refuses(409, "loss-not-accepted");
    decide("n3").of(cluster.at(0)).refuses(409, "loss-not-accepted");
    post(TARGET, &json!({})).of(doubtful).refuses(400, "invalid-body");
    post(TARGET, &json!({"accept_data_loss": "n3", "force": true})).of(doubtful).refuses(400, "invalid-body");
    ask("POST", TARGET)
        .body("n3")
        .header("Content-Type", "text/plain")
        .of(doubtful)
        .refuses(415, "unsupported-media-type");
    get(TARGET).of(doubtful).is(200);
    let accepted = decide("n3").of(doubtful).is(200).json();
    assert_eq!((&accepted["node"], &accepted["incarnation"]), (&json!("n3"), &json!(2)));
}

#[test]
fn damage_is_shown_and_not_accepted() {
    let cluster = Cluster::of_three();
    let doubtful = cluster.restart_in_doubt(2, "cause damaged\na test flipped a bit\n");
    let shown = get(TARGET).of(doubtful).is(200).json();
    assert_eq!((&shown["cause"], &shown["acceptable"]), (&json!("damaged"), &json!(false)));
    assert!(shown["refusal"].as_str().unwrap().contains("a test flipped a bit"), "{shown}");
    post(TARGET, &json!({"accept_data_loss": "n3"})).of(doubtful).refuses(409, "loss-not-accepted");
}

#[test]
fn without_a_majority_of_the_others_nothing_is_accepted() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    cluster.kill(0);
    cluster.kill(1);
    let doubtful = cluster.restart_in_doubt(2, "cause behind\na test cut it short\n");
    let decision = json!({"accept_data_loss": "n3"});
    let refused = post(&format!("{TARGET}?timeout=1s"), &decision).of(doubtful).refuses(503, "unavailable");
    assert_eq!(refused["outcome"], "not_applied");
}
