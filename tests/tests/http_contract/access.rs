//! Access control: who is let in, who is not, and that neither is told more than it may know.

use super::ask::{Answer, Ask, ask, get, post, put};
use super::refusals::{Operation, plain, refused};
use super::rig::{Cluster, key, token, until};
use quorate_api::cursor::Cursor;
use quorate_http::{Limits, Setup};
use serde_json::{Value as Json, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Keys of the table that is streamed: more than the sockets between a client and a node hold.
const KEYS: usize = 40;

/// A token that no catalog knows.
pub const UNKNOWN: &str = "qrt_00000000000000a8_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

pub fn with_document<'a>(method: &'a str, target: &'a str, document: &Json) -> Ask<'a> {
    ask(method, target).header("Content-Type", "application/json").body(document.to_string())
}

/// A change that the admin makes.
#[track_caller]
pub fn change(node: SocketAddr, method: &str, target: &str, document: &Json) -> Answer {
    with_document(method, target, document).by(&token()).of(node)
}

/// A role with these grants, and a user who has it and no other; that user's token.
#[track_caller]
pub fn user_with(node: SocketAddr, name: &str, grants: &Json) -> String {
    change(node, "PUT", &format!("/v1/access/roles/{name}"), &json!({ "grants": grants })).is(200);
    change(node, "PUT", &format!("/v1/access/users/{name}"), &json!({ "roles": [name] })).is(200);
    issued(node, name)["token"].as_str().expect("a token").to_owned()
}

#[track_caller]
pub fn issued(node: SocketAddr, user: &str) -> Json {
    change(node, "POST", &format!("/v1/access/users/{user}/tokens"), &json!({})).is(201).json()
}

/// What an answer says, but for what is the request's own.
fn words(answer: &Answer) -> (u16, Json) {
    let mut problem = answer.json();
    problem["instance"] = Json::Null;
    (answer.status, problem)
}

#[test]
fn who_is_not_known_is_told_the_same_by_every_operation() {
    let cluster = Cluster::guarded();
    let node = cluster.at(0);
    let by = |one: &Operation, said: Option<&str>| {
        let target = plain(one);
        let asked = one.ask(&one.method, &target).by_stranger();
        match said {
            Some(said) => asked.header("Authorization", said).of(node),
            None => asked.of(node),
        }
    };
    refused(401, "unauthenticated", |one| by(one, None));
    let right = format!("Bearer {}", token());
    let other = right.replace("Bw", "Bg");
    let unknown_id = format!("Bearer {UNKNOWN}");
    let cut = &right[..right.len() - 1];
    let wrong = ["", "Bearer", "Bearer x", "Basic YWRtaW46YWRtaW4=", cut, &other, &unknown_id];
    let one = Operation::all_with("unauthenticated").remove(0);
    let unknown = words(&by(&one, None));
    for said in wrong {
        let answer = by(&one, Some(said));
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert_eq!(words(&answer), unknown, "{said}");
    }
    let strict = cluster.second_server(0, Limits { auth_failures_max: 0, ..Limits::default() });
    refused(429, "rate-limited", |one| {
        let target = plain(one);
        one.ask(&one.method, &target).by(UNKNOWN).of(strict.address())
    });
    get("/v1/tables").by(&token()).of(strict.address()).is(200);
    get("/v1/tables").by_stranger().of(strict.address()).refuses(401, "unauthenticated");
    let nothing = user_with(node, "nothing", &json!([]));
    refused(403, "forbidden", |one| {
        let target = plain(one);
        one.ask(&one.method, &target).by(&nothing).of(node)
    });
    assert_eq!(get("/v1/tables").by(&nothing).of(node).is(200).json()["tables"], json!([]));
    let access = get("/v1/access").by(&nothing).of(node).is(200).json();
    assert_eq!((&access["user"], &access["grants"]), (&json!("nothing"), &json!([])));
    assert!(access["users"].is_null() && access["roles"].is_null(), "{access}");
    let metrics = get("/metrics").by(&token()).of(node).is(200).text();
    for cause in ["missing", "malformed", "token"] {
        let line = format!("quorate_auth_failures_total{{cause=\"{cause}\"}} ");
        let count = metrics.lines().find_map(|found| found.strip_prefix(&line)?.parse::<u64>().ok());
        assert!(count.is_some_and(|count| count > 0), "{cause}: {metrics}");
    }
}

#[test]
fn what_a_stranger_may_know_is_told_to_whoever_asks() {
    let cluster = Cluster::guarded();
    let node = cluster.at(1);
    for target in ["/health/live", "/health/ready", "/v1/peer-address"] {
        get(target).by_stranger().of(node).is(200);
        get(target).by(UNKNOWN).of(node).is(200);
    }
    let open = Setup {
        access: quorate_http::AccessSetup { metrics_open: true, ..Default::default() },
        ..Setup::default()
    };
    let open = cluster.server_with(1, open);
    get("/metrics").by_stranger().of(open.address()).is(200);
    get("/v1/tables").by_stranger().of(open.address()).refuses(401, "unauthenticated");
    cluster.with(1, |instance| instance.node().core().drain());
    let told = get("/health/ready").by(&token()).of(node).refuses(503, "draining");
    let untold = get("/health/ready").by_stranger().of(node).refuses(503, "draining");
    assert_ne!(told["reasons"], untold["reasons"]);
    assert!(untold["reasons"].to_string().contains("is told why"), "{untold}");
    let secret = token();
    let in_url = format!("/v1/tables?token={secret}");
    let refused = get(&in_url).by_stranger().of(cluster.at(0)).refuses(400, "unknown-parameter").to_string();
    assert!(refused.contains("Authorization: Bearer") && !refused.contains(&secret), "{refused}");
    let in_path = format!("/v1/access/tokens/{secret}");
    let refused =
        ask("DELETE", &in_path).by(&secret).of(cluster.at(0)).refuses(404, "no-such-token").to_string();
    assert!(!refused.contains(&secret), "{refused}");
}

#[test]
fn a_grant_on_a_prefix_is_for_its_keys_and_no_others() {
    let cluster = Cluster::guarded();
    let node = cluster.at(0);
    for name in ["eu/a", "eu/b", "us/a"] {
        put(&key(name), name).by(&token()).of(node).is(200);
    }
    change(node, "POST", "/v1/tables", &json!({"name": "ordered", "sharding": "range", "durability": "os"}))
        .is(201);
    for name in ["eu/a", "us/a"] {
        put(&format!("/v1/tables/ordered/keys/{name}"), name).by(&token()).of(node).is(200);
    }
    let grant =
        |permission: &str, table: &str| json!({"permission": permission, "table": table, "prefix": "eu/"});
    let grants = json!([grant("read", "t"), grant("write", "t"), grant("read", "ordered")]);
    let eu = user_with(node, "eu", &grants);
    let by = |asked: Ask<'_>| asked.by(&eu).of(node);
    assert_eq!(by(get(&key("eu/a"))).is(200).text(), "eu/a");
    by(get(&key("eu/none"))).refuses(404, "no-such-key");
    by(put(&key("eu/c"), "new")).is(200);
    for outside in ["us/a", "eu", "eu%2e/a", "e"] {
        by(get(&key(outside))).refuses(403, "forbidden");
        by(put(&key(outside), "no")).refuses(403, "forbidden");
        by(ask("DELETE", &key(outside))).refuses(403, "forbidden");
    }
    by(put("/v1/tables/ordered/keys/eu/a", "no")).refuses(403, "forbidden");
    for target in
        ["/v1/tables/t/locate/eu/a", "/v1/tables/t/explain/eu/a", "/v1/tables/t/stats", "/v1/tables/t/shards"]
    {
        by(get(target)).refuses(403, "forbidden");
    }
    by(get("/v1/tables/t")).is(200);

    for table in ["t", "ordered"] {
        let of = |query: &str| format!("/v1/tables/{table}/keys{query}");
        let page = by(get(&of("?prefix=eu/"))).is(200);
        assert!(!page.has("quorate-scanned"), "it tells of keys outside: {page:?}");
        let items = page.json()["items"].to_string();
        assert!(items.contains("eu/a") && !items.contains("us/"), "{items}");
        by(get(&of("?prefix=eu/a&count=true"))).is(200);
        by(get(&of("?start=eu/a&end=eu/z"))).is(200);
        for query in
            ["", "?prefix=e", "?prefix=us/", "?start=eu/", "?end=eu/z", "?start=eu/&end=us/", "?count=true"]
        {
            by(get(&of(query))).refuses(403, "forbidden");
            by(get(&of(query)).header("Accept", "application/jsonl")).refuses(403, "forbidden");
        }
        // A cursor says where to go on, and a client can write one.
        let first = by(get(&of("?prefix=eu/&limit=1"))).is(200).json();
        let cursor = first["next_cursor"].as_str().and_then(Cursor::decode);
        let Some(cursor) = cursor else { continue };
        let forged = Cursor { position: b"a".to_vec(), ..cursor }.encode();
        by(get(&of(&format!("?prefix=eu/&cursor={forged}")))).refuses(403, "forbidden");
    }
    by(get("/v1/tables/t/keys?part=1/2")).refuses(403, "forbidden");

    let mget = |keys: Json| by(post("/v1/tables/t/mget", &json!({ "keys": keys })));
    assert_eq!(mget(json!(["eu/a", "eu/none"])).is(200).json()["results"][0]["value"], "eu/a");
    mget(json!(["eu/a", "us/a"])).refuses(403, "forbidden");
    let batch = json!({"items": [{"put": {"key": "eu/batch", "value": "x"}}, {"delete": {"key": "us/a"}}]});
    by(post("/v1/tables/t/batch", &batch)).refuses(403, "forbidden");
    by(get(&key("eu/batch"))).refuses(404, "no-such-key");
    assert_eq!(get(&key("us/a")).by(&token()).of(node).is(200).text(), "us/a");
    let listed = by(get("/v1/tables")).is(200).json();
    let listed = listed["tables"].as_array().unwrap();
    let mut names: Vec<&str> = listed.iter().filter_map(|table| table["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ordered", "t"]);
}

#[test]
fn a_table_that_one_may_not_see_looks_like_one_that_is_not_there() {
    let cluster = Cluster::guarded();
    let node = cluster.at(0);
    change(node, "POST", "/v1/tables", &json!({"name": "hidden", "shards": 8, "durability": "os"})).is(201);
    let grants = json!([{"permission": "read", "table": "t"}, {"permission": "admin", "table": "t"}]);
    let someone = user_with(node, "someone", &grants);
    for (method, rest) in [
        ("GET", ""),
        ("GET", "/keys/a"),
        ("PUT", "/keys/a"),
        ("GET", "/keys"),
        ("GET", "/stats"),
        ("DELETE", ""),
        ("POST", "/mget"),
    ] {
        let of = |table: &str| {
            let target = format!("/v1/tables/{table}{rest}");
            let asked = match method {
                "POST" => post(&target, &json!({"keys": ["a"]})),
                "PUT" => put(&target, "x"),
                _ => ask(method, &target),
            };
            asked.by(&someone).of(node)
        };
        let (hidden, absent) = (of("hidden"), of("absent"));
        assert_eq!(words(&hidden), words(&absent), "{method} {rest}");
        hidden.refuses(403, "forbidden");
    }
    get("/v1/tables/hidden").by(&token()).of(node).is(200);
    get("/v1/tables/absent").by(&token()).of(node).refuses(404, "no-such-table");
    get("/v1/cluster/ring?table=hidden").by(&someone).of(node).refuses(403, "forbidden");
    get("/v1/cluster/ring?table=t").by(&someone).of(node).is(200);
    ask("DELETE", "/v1/tables/t").by(&someone).of(node).is(200);
}

#[test]
fn a_table_that_is_made_again_under_its_name_is_another_one() {
    let cluster = Cluster::guarded();
    let node = cluster.at(0);
    let table = json!({"name": "again", "shards": 8, "durability": "os"});
    change(node, "POST", "/v1/tables", &table).is(201);
    let reader = user_with(node, "reader", &json!([{"permission": "read", "table": "again"}]));
    let (of_table, of_key) = ("/v1/tables/again", "/v1/tables/again/keys/a");
    get(of_key).by(&reader).of(node).refuses(404, "no-such-key");
    ask("DELETE", of_table).by(&token()).of(node).is(200);
    until("the name is free", || (change(node, "POST", "/v1/tables", &table).status == 201).then_some(()));
    put(of_key, "secret").by(&token()).of(node).is(200);
    for other in 0..3 {
        get(of_key).by(&reader).of(cluster.at(other)).refuses(403, "forbidden");
    }
    let known = get("/v1/access").by(&token()).of(node).is(200).json();
    let role = known["roles"].as_array().unwrap().iter().find(|role| role["name"] == "reader").unwrap();
    assert_eq!(role["grants"], json!([]));
}

/// A stream of pages that is being read when its reader loses the right to read: it ends with that, and with no further key.
#[test]
fn a_stream_ends_where_its_reader_may_read_no_more() {
    let cluster = Cluster::guarded();
    let node = cluster.at(0);
    let small = cluster.second_server(0, Limits { batch_items_max: 2, ..Limits::default() });
    for number in 0..KEYS {
        put(&key(&format!("stream-{number}")), vec![b'x'; 512 * 1024]).by(&token()).of(node).is(200);
    }
    let grants = json!([{"permission": "read", "table": "t"}]);
    for ends_it in ["role", "token"] {
        let reader = user_with(node, ends_it, &grants);
        let mut socket = TcpStream::connect(small.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "GET /v1/tables/t/keys?values=true HTTP/1.1\r\nHost: {}\r\nAccept: application/jsonl\r\nConnection: close\r\n\
             Authorization: Bearer {reader}\r\n\r\n",
            small.address()
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut said = vec![0; 1024];
        socket.read_exact(&mut said).expect("it has begun");
        if ends_it == "role" {
            change(node, "PUT", "/v1/access/roles/role", &json!({"grants": []})).is(200);
        } else {
            let id = reader.split('_').nth(1).unwrap();
            ask("DELETE", &format!("/v1/access/tokens/{id}")).by(&token()).of(node).is(200);
        }
        socket.read_to_end(&mut said).expect("the rest");
        let text = String::from_utf8_lossy(&said);
        let code = if ends_it == "role" { "forbidden" } else { "unauthenticated" };
        assert!(
            text.contains(&format!("\"code\":\"{code}\"")),
            "{}",
            &text[text.len().saturating_sub(400)..]
        );
        let keys = text.matches("\"key\":\"stream-").count();
        assert!((1..KEYS).contains(&keys), "{keys} keys came");
    }
}
