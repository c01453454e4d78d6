//! Users, their tokens and roles, how they are changed, and what is written down of it.

use super::access::{UNKNOWN, change, issued, user_with, with_document};
use super::ask::{ask, get, put};
use super::refusals::{Operation, plain, refused};
use super::rig::{Cluster, key, token, until};
use quorate_http::{AuditSetup, Setup};
use serde_json::{Value as Json, json};

#[test]
fn tokens_expire_and_are_revoked_at_once() {
    let cluster = Cluster::guarded();
    let node = cluster.at(0);
    let reader = user_with(node, "reader", &json!([{"permission": "read"}]));
    let short =
        change(node, "POST", "/v1/access/users/reader/tokens", &json!({"expires_in": "1ms"})).is(201).json();
    let short = short["token"].as_str().unwrap().to_owned();
    until("it expires", || (get("/v1/tables").by(&short).of(node).status == 401).then_some(()));
    change(node, "POST", "/v1/access/users/reader/tokens", &json!({"expires_in": "soon"}))
        .refuses(400, "invalid-body");
    for other in 0..3 {
        get(&key("none")).by(&reader).of(cluster.at(other)).refuses(404, "no-such-key");
    }
    let id = reader.split('_').nth(1).unwrap();
    let revoked = ask("DELETE", &format!("/v1/access/tokens/{id}")).by(&token()).of(node).is(200).json();
    assert_eq!(revoked["removed"], id);
    for other in 0..3 {
        get(&key("none")).by(&reader).of(cluster.at(other)).refuses(401, "unauthenticated");
    }
    let second = issued(node, "reader");
    ask("DELETE", "/v1/access/users/reader").by(&token()).of(cluster.at(2)).is(200);
    get(&key("none")).by(second["token"].as_str().unwrap()).of(node).refuses(401, "unauthenticated");
}

#[test]
fn changes_that_would_lock_out_or_overwrite_are_refused() {
    let open = Cluster::open();
    with_document("PATCH", "/v1/access", &json!({"enabled": true}))
        .of(open.at(0))
        .refuses(409, "catalog-refused");
    let shown = get("/v1/access").of(open.at(0)).is(200).json();
    assert_eq!(
        (&shown["enabled"], &shown["user"], &shown["users"]),
        (&json!(false), &Json::Null, &json!([]))
    );
    let cluster = Cluster::guarded();
    let node = cluster.at(0);
    let of = |method: &str, target: &str, document: &Json| {
        change(node, method, &format!("/v1/access{target}"), document)
    };
    of("DELETE", "/users/admin", &json!({})).refuses(409, "catalog-refused");
    let own = token();
    let own = own.split('_').nth(1).unwrap();
    of("DELETE", &format!("/tokens/{own}"), &json!({})).refuses(409, "catalog-refused");
    of("DELETE", "/roles/admin", &json!({})).refuses(409, "catalog-refused");
    of("PUT", "/roles/readers", &json!({"grants": [{"permission": "read"}], "epoch": 0})).is(200);
    of("PUT", "/roles/readers", &json!({"grants": [], "epoch": 0})).refuses(409, "epoch-changed");
    let made = of("PUT", "/users/ann", &json!({"roles": ["readers"], "certificate": "ann", "epoch": 0}))
        .is(200)
        .json();
    of("PUT", "/users/ann", &json!({"roles": [], "epoch": 0})).refuses(409, "epoch-changed");
    of("PUT", "/users/ann", &json!({"roles": [], "certificate": "ann", "epoch": made["epoch"]})).is(200);
    of("PUT", "/users/bob", &json!({"roles": [], "certificate": "ann"})).refuses(409, "catalog-refused");
    for _ in 0..16 {
        issued(node, "ann");
    }
    of("POST", "/users/ann/tokens", &json!({})).refuses(409, "catalog-refused");
    of("DELETE", "/roles/readers", &json!({})).is(200);
    for document in [
        json!({"grants": [{"permission": "own"}]}),
        json!({"grants": [{"permission": "read", "prefix": "a"}]}),
        json!({"grants": [{"permission": "read", "table": "t", "prefix": "a", "prefix_b64": "YQ"}]}),
        json!({"grants": [{"permission": "read", "table": "t", "prefix_b64": "%"}]}),
        json!({"grants": [{"permission": "admin", "table": "t", "prefix": "a"}]}),
        json!({"grants": [{"permission": "monitor", "table": "t"}]}),
        json!({"grants": [{"permission": "read", "tabel": "t"}]}),
    ] {
        of("PUT", "/roles/wrong", &document).refuses(400, "invalid-body");
    }
    of("PUT", "/roles/..", &json!({"grants": []})).refuses(400, "invalid-body");
    of("PATCH", "", &json!({"enabled": false})).is(200);
    for other in 0..3 {
        get("/v1/cluster").by_stranger().of(cluster.at(other)).is(200);
        get("/v1/cluster").by(UNKNOWN).of(cluster.at(other)).is(200);
    }
    let switched = of("PATCH", "", &json!({"enabled": true, "user": "second"})).is(200);
    assert_eq!(switched.header("cache-control"), "no-store");
    let second = switched.json()["token"]["token"].as_str().unwrap().to_owned();
    get("/v1/cluster").by(&second).of(cluster.at(2)).is(200);
    get("/v1/cluster").by_stranger().of(cluster.at(2)).refuses(401, "unauthenticated");
    of("DELETE", "/users/admin", &json!({})).is(200);
    get("/v1/cluster").by(&token()).of(node).refuses(401, "unauthenticated");
}

#[test]
fn acts_are_written_down_without_keys_values_and_tokens() {
    let cluster = Cluster::guarded();
    let node = cluster.at(0);
    change(node, "POST", "/v1/tables", &json!({"name": "told", "shards": 8, "durability": "os"})).is(201);
    let grants = json!([{"permission": "write", "table": "told", "prefix": "very-secret-prefix"}]);
    let writer = user_with(node, "writer", &grants);
    put("/v1/tables/told/keys/very-secret-prefix/a", "very-secret-value").by(&writer).of(node).is(200);
    ask("DELETE", "/v1/tables/told").by(&writer).of(node).refuses(403, "forbidden");
    ask("DELETE", "/v1/tables/told").by_stranger().of(node).refuses(401, "unauthenticated");
    ask("DELETE", "/v1/tables/none").by(&token()).of(node).refuses(404, "no-such-table");
    let lines = cluster.audit(0);
    let found = |act: &str, result: &str| {
        lines
            .iter()
            .find(|line| line["act"] == act && line["result"] == result)
            .unwrap_or_else(|| panic!("no {act} that is {result} in {lines:#?}"))
    };
    let made = lines.iter().find(|line| line["act"] == "createTable" && line["table"] == "told");
    let made = made.expect("the table was made");
    assert_eq!(
        (&made["user"], &made["table"], &made["source"]),
        (&json!("admin"), &json!("told"), &json!("127.0.0.1"))
    );
    assert_eq!((&made["status"], &made["path"]), (&json!(201), &json!("/v1/tables")));
    assert!(made["request"].as_str().is_some_and(|id| id.contains('-')), "{made}");
    assert!(made["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{made}");
    assert_eq!(found("putRole", "done")["what"][0]["on_prefix"], true);
    assert_eq!(found("issueToken", "done")["path"], "/v1/access/users/writer/tokens");
    let denied: Vec<&Json> =
        lines.iter().filter(|line| line["act"] == "dropTable" && line["result"] == "denied").collect();
    let users: Vec<&Json> = denied.iter().map(|line| &line["user"]).collect();
    assert_eq!(users, [&json!("writer"), &Json::Null]);
    assert_eq!(found("dropTable", "refused")["code"], "no-such-table");
    let all = serde_json::to_string(&lines).unwrap();
    for secret in ["very-secret-prefix", "very-secret-value", "qrt_", &writer[21..]] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert!(!lines.iter().any(|line| line["act"] == "put"), "{all}");
}

#[test]
fn where_it_is_required_nothing_is_done_that_cannot_be_written_down() {
    let cluster = Cluster::guarded();
    let audit = AuditSetup { file: Some("/proc/none/audit.log".into()), required: true };
    let server = cluster.server_with(0, Setup { audit, ..Setup::default() });
    refused(503, "audit-unavailable", |one| {
        let target = plain(one);
        one.ask(&one.method, &target).by(&token()).of(server.address())
    });
    put(&key("written"), "x").by(&token()).of(server.address()).is(200);
    let metrics = get("/metrics").by(&token()).of(server.address()).is(200).text();
    assert!(!metrics.contains("quorate_audit_failures_total 0\n"), "{metrics}");
}

#[test]
fn a_node_that_lost_its_catalog_lets_no_stranger_in() {
    let cluster = Cluster::guarded();
    cluster.all_vote();
    let address = cluster.restart_without_database(2);
    get("/v1/cluster").by_stranger().of(address).refuses(401, "unauthenticated");
    get("/v1/cluster").by(&token()).of(address).is(200);
    get("/health/live").by_stranger().of(address).is(200);
}

#[test]
fn without_a_majority_users_are_let_in_and_nothing_of_them_changes() {
    let cluster = Cluster::guarded();
    cluster.all_vote();
    let node = cluster.at(0);
    let reader = user_with(node, "reader", &json!([{"permission": "read"}]));
    put(&format!("{}?consistency=all", key("kept")), "x").by(&token()).of(node).is(200);
    cluster.kill(2);
    cluster.kill(1);
    assert_eq!(get(&format!("{}?r=1", key("kept"))).by(&reader).of(node).is(200).text(), "x");
    put(&key("kept"), "y").by(&reader).of(node).refuses(403, "forbidden");
    for id in ["switchAccess", "putUser", "removeUser", "issueToken", "revokeToken", "putRole", "removeRole"]
    {
        let one = Operation::all_with("unavailable").into_iter().find(|one| one.id == id).expect(id);
        let target = format!("{}?timeout=200ms", plain(&one));
        let refused = until("it has no leader any more", || {
            let answer = one.ask(&one.method, &target).by(&token()).of(node);
            assert!(matches!(answer.status, 503 | 504), "no majority of voters: {answer:?}");
            (answer.status == 503).then(|| answer.refuses(503, "unavailable"))
        });
        assert_eq!(refused["outcome"], "not_applied", "{refused}");
    }
}
