//! Accepting a loss: what is shown before, and what a decision comes to.

use super::ask::{Answer, ask, get, post, put};
use super::rig::{Cluster, key, until};
use quorate_http::Limits;
use quorate_model::Durability;
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
fn an_answer_that_says_less_than_its_level_because_of_an_accepted_loss_says_why() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    let (node, target) = (cluster.at(0), key("lowered"));
    let worth = |answer: &Answer| answer.header("quorate-consistency").to_owned();
    let written = put(&target, "x").of(node).is(200);
    assert!(!worth(&written).contains("reason") && written.json().get("consistency_reason").is_none());
    let doubtful = cluster.restart_in_doubt(2, "cause behind\na test cut it short\n");
    post(TARGET, &json!({"accept_data_loss": "n3"})).of(doubtful).is(200);
    cluster.kill(2);
    cluster.start_again(2);
    let lost = |answer: &Answer| worth(answer).ends_with("; reason=accepted-loss");
    until("the catalog names the loss", || {
        let read = get(&target).of(node);
        (read.status == 200 && lost(&read)).then_some(())
    });

    let read = get(&target).of(node).is(200);
    assert!(worth(&read).starts_with("eventual; r=2; n=3; acks="), "{read:?}");
    let written = put(&target, "y").of(node).is(200);
    assert!(worth(&written).starts_with("eventual; w=2; n=3; acks=") && lost(&written), "{written:?}");
    let document = written.json();
    assert_eq!(
        (&document["consistency"], &document["consistency_reason"]),
        (&json!("eventual"), &json!("accepted-loss"))
    );
    let gone = get(&key("never-written")).of(node).is(404);
    assert!(lost(&gone), "a 404 is an answer too: {gone:?}");
    let page = get("/v1/tables/t/keys").of(node).is(200);
    assert!(worth(&page).starts_with("eventual; r=2; n=3; acks=2") && lost(&page), "{page:?}");
    let count = get("/v1/tables/t/keys?count=true").of(node).is(200);
    assert!(worth(&count).starts_with("eventual; r=2") && lost(&count), "{count:?}");
    let stream = get("/v1/tables/t/keys").header("Accept", "application/jsonl").of(node).is(200);
    let end: serde_json::Value = serde_json::from_str(stream.text().lines().last().unwrap()).unwrap();
    assert_eq!(
        (&end["consistency"], &end["consistency_reason"], &end["next_cursor"]),
        (&json!("eventual"), &json!("accepted-loss"), &json!(null))
    );
    let many = post("/v1/tables/t/mget", &json!({"keys": ["lowered"]})).of(node).is(200).json();
    assert_eq!(many["results"][0]["consistency_reason"], "accepted-loss");
    let batch = json!({"items": [{"put": {"key": "lowered", "value": "z"}}]});
    let batch = post("/v1/tables/t/batch", &batch).of(node).is(200).json();
    assert_eq!(batch["results"][0]["consistency_reason"], "accepted-loss");
    // One owner promises no more than that anyway.
    let one = get(&format!("{target}?consistency=one")).of(node).is(200);
    assert!(worth(&one).starts_with("eventual; r=1") && !worth(&one).contains("reason"), "{one:?}");
}

#[test]
fn a_loss_is_not_accepted_by_a_word_that_can_mean_two_members() {
    // The third one has the second one's id as its name, and the second one has the third one's.
    let cluster = Cluster::called(&["n1", "n3", "n2"], Limits::default());
    cluster.make_table("t", 3, Durability::Os);
    cluster.all_vote();
    let doubtful = cluster.restart_in_doubt(2, "cause behind\na test cut it short\n");
    let path = |node: &str| format!("/v1/cluster/nodes/{node}/accept-loss");
    let decide =
        |node: &str, name: &str| post(&path(node), &json!({ "accept_data_loss": name })).of(doubtful);
    for node in ["n3", "n2"] {
        let refused = get(&path(node)).of(doubtful).refuses(409, "ambiguous-node");
        let said = refused["detail"].as_str().unwrap();
        assert!(said.contains("n2 (its name is n3)") && said.contains("n3 (its name is n2)"), "{said}");
        assert!(said.contains("nothing was changed") && said.contains("id:n2"), "{said}");
        decide(node, node).refuses(409, "ambiguous-node");
        // The path says which, and the decision does not.
        decide("id:n3", node).refuses(409, "ambiguous-node");
    }
    decide("id:n3", "id:n2").refuses(409, "loss-not-accepted");
    decide("id:n2", "id:n2").refuses(409, "loss-not-accepted");
    let shown = get(&path("name:n2")).of(doubtful).is(200).json();
    assert_eq!((&shown["node"], &shown["incarnation"]), (&json!("n3"), &json!(1)));
    let accepted = decide("id:3", "name:n2").is(200).json();
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
