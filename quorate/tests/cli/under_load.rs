//! Members come, go and are replaced while clients work: not one request fails at the nodes that stay, nothing is lost, and
//! no more is copied than the plans said.

use crate::load::{self, Load, TABLE, Written};
use crate::nodes::{Nodes, name};
use quorate_client::Client;
use quorate_client::document::TableSpec;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};

/// Bytes copied over the least that a plan needs.
const OVER_MINIMUM: f64 = 1.05;

/// How long anything of the long forms may take.
const LONG: Duration = Duration::from_secs(600);

async fn make_table(client: &Client) {
    let table = TableSpec { name: TABLE.to_owned(), n: Some(3), ..TableSpec::default() };
    client.create_table(&table).await.expect("made");
}

/// Bytes that each node has taken in as an owner that lacks something, since it was started.
fn taken_in(nodes: &Nodes) -> Vec<Option<u64>> {
    let taken_in = |at: usize| {
        // One that leaves may have ended meanwhile.
        let page = nodes.running[at].as_ref().map(|_| metrics(&nodes.address(at)))?;
        let line = page.lines().find_map(|line| line.strip_prefix("quorate_heal_bytes_total "))?;
        Some(line.trim().parse().expect("a number"))
    };
    (0..nodes.running.len()).map(taken_in).collect()
}

fn metrics(address: &str) -> String {
    let url = format!("http://{address}/metrics");
    let output = std::process::Command::new("curl").args(["-s", &url]).output().expect("curl runs");
    String::from_utf8(output.stdout).expect("text")
}

/// Makes a plan, carries it out, and holds what was copied against what it said.
fn carry_out(nodes: &Nodes, wish: &[&str]) {
    let before = taken_in(nodes);
    let plan = [&["cluster", "plan"], wish, &["--output", "json"]].concat();
    let plan = nodes.until(&plan, |plan| !plan["warnings"].to_string().contains("being counted"));
    let id = plan["id"].as_str().expect("an id");
    let (moves, least) =
        (plan["moves"].as_u64().expect("moves"), plan["minimum_moves"].as_u64().expect("moves"));
    assert!(moves as f64 <= least as f64 * 1.02, "{plan}");
    let done = nodes.run(0, &["cluster", "plan", "apply", id, "--wait", "--output", "json"]).expect_code(0);
    assert_eq!(done.json()["job"]["state"], "done", "{wish:?}: {done:?}");
    let after = taken_in(nodes);
    let copied: u64 = before.iter().zip(&after).filter_map(|(was, is)| Some((*is)? - (*was)?)).sum();
    let minimum = plan["minimum_bytes"].as_u64().expect("a number");
    println!("{wish:?}: {copied} B copied, {minimum} B are the least, {moves} moves");
    assert!(minimum > 0, "{plan}");
    assert!(
        copied as f64 <= minimum as f64 * OVER_MINIMUM,
        "{wish:?}: {copied} B copied, {minimum} B needed"
    );
    // What clients write to a receiver meanwhile is not copied to it.
    assert!(copied as f64 >= minimum as f64 * 0.75, "{wish:?}: only {copied} B of {minimum} B are counted");
}

/// Every shard is with three owners, and these hold the same.
async fn owners_agree(nodes: &Nodes) {
    let client = nodes.client(&[0]);
    let shards = client.shards(TABLE).await.expect("a list").json;
    for shard in shards["shards"].as_array().expect("shards") {
        assert_eq!(
            (shard["owners"].as_array().map(Vec::len), &shard["next"]),
            (Some(3), &Json::Null),
            "{shard}"
        );
    }
    let order = json!({ "type": "verify" });
    let path = "/v1/jobs".to_owned();
    let job = client.change(quorate_client::Method::POST, path, Some(&order)).await.expect("begun");
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
    let deadline = Instant::now() + LONG;
    let ended = loop {
        let job = client.ask(path.clone()).await.expect("a job");
        if job["state"] != "running" && job["state"] != "waiting" {
            break job;
        }
        assert!(Instant::now() < deadline, "{job}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((&ended["state"], &ended["differing"]), (&"done".into(), &0.into()), "{ended}");
}

/// From three nodes to six and back, so many times.
async fn grow_and_shrink(keys: u64, times: usize) {
    quorate_client::install_crypto_provider();
    let mut nodes = Nodes::start(3, &[]);
    let stay: Vec<Client> = (0..3).map(|at| nodes.client(&[at])).collect();
    make_table(&stay[0]).await;
    let mut written = Written::new();
    load::fill(&stay[0], keys, &mut written).await;
    for _ in 0..times {
        let load = Load::start(&written, &stay);
        for at in 3..6 {
            nodes.join(at);
        }
        nodes.until_members(6);
        carry_out(&nodes, &["add"]);
        for at in (3..6).rev() {
            carry_out(&nodes, &["remove", &name(at)]);
            // Its process ends by itself, with a code of its own.
            nodes.take(at).ended().expect_code(7);
            std::fs::remove_dir_all(nodes.data(at)).expect("removed");
        }
        nodes.until_members(3);
        let requests = load.end(&mut written).await;
        println!("{requests} requests at the nodes that stay, none failed");
        load::hold(&stay[2], &written).await;
        owners_agree(&nodes).await;
    }
}

/// One of three loses its disk and takes its own place at the same address, so many times, each node in turn.
async fn replace_by_itself(keys: u64, rounds: usize) {
    quorate_client::install_crypto_provider();
    let mut nodes = Nodes::start(3, &[]);
    make_table(&nodes.client(&[0])).await;
    let mut written = Written::new();
    load::fill(&nodes.client(&[0]), keys, &mut written).await;
    for round in 0..rounds {
        let lost = 2 - round % 3;
        let others: Vec<usize> = (0..3).filter(|at| *at != lost).collect();
        let stay: Vec<Client> = others.iter().map(|at| nodes.client(&[*at])).collect();
        let load = Load::start(&written, &stay);
        drop(nodes.take(lost));
        std::fs::remove_dir_all(nodes.data(lost)).expect("emptied");
        let (first, second) = (nodes.address(others[0]), nodes.address(others[1]));
        let itself = name(lost);
        nodes.serve(lost, &["--join", &first, "--join", &second, "--replace-self", &itself]);
        let own = nodes.client(&[lost]);
        let begun = Instant::now();
        while own.ready().await.is_err() {
            assert!(begun.elapsed() < LONG, "{itself} never holds everything again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let requests = load.end(&mut written).await;
        println!(
            "round {}: {itself} is whole again, {requests} requests at the others, none failed",
            round + 1
        );
        load::hold(&own, &written).await;
        owners_agree(&nodes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_become_six_and_three_again_and_no_request_fails() {
    grow_and_shrink(3_000, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: cargo test --release -p quorate --test cli under_load -- --ignored --nocapture --test-threads 1"]
async fn with_many_keys_three_nodes_become_six_and_three_again_three_times() {
    grow_and_shrink(200_000, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_disk_takes_its_own_place_twice() {
    replace_by_itself(1_000, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: cargo test --release -p quorate --test cli under_load -- --ignored --nocapture --test-threads 1"]
async fn each_node_loses_its_disk_in_turn_and_takes_its_own_place_ten_times() {
    replace_by_itself(100_000, 10).await;
}
