//! Scans: every key exactly once, in order, in pages and as a stream, and each can be asked for as it is listed.

use super::ask::{Answer, ask, get, post, put};
use super::rig::{Cluster, shared};
use serde_json::{Value as Json, json};

/// A range table of this name, split at these keys.
pub fn range_table(cluster: &Cluster, name: &str, split_at: &Json) {
    let spec = json!({"name": name, "sharding": "range", "durability": "os", "split_at": split_at});
    post("/v1/tables", &spec).of(cluster.at(0)).is(201);
}

/// Every byte percent-encoded.
fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
}

/// The bytes of base64url without padding.
fn from_base64url(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = |byte| LETTERS.iter().position(|letter| *letter == byte).expect("base64url") as u32;
    let whole = |four: &[u8]| {
        let bits = four.iter().fold(0, |bits, byte| bits << 6 | value(*byte)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    text.as_bytes().chunks(4).flat_map(whole).collect()
}

fn listed(item: &Json) -> Vec<u8> {
    match (item["key"].as_str(), item["key_b64"].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(text)) => from_base64url(text),
        _ => panic!("no key: {item}"),
    }
}

fn keys(page: &Json) -> Vec<Vec<u8>> {
    page["items"].as_array().expect("items").iter().map(listed).collect()
}

/// All keys of a scan, page after page, each page at another node.
fn all(cluster: &Cluster, table: &str, query: &str) -> Vec<Vec<u8>> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for page in 0..100 {
        let target = format!("/v1/tables/{table}/keys?{query}{cursor}");
        let answer = get(&target).of(cluster.at(page % 3)).is(200).json();
        found.extend(keys(&answer));
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
    panic!("the scan does not end");
}

pub fn lines(answer: &Answer) -> Vec<Json> {
    answer.text().lines().map(|line| serde_json::from_str(line).expect("a document a line")).collect()
}

#[test]
fn a_range_table_lists_its_keys_in_order_and_each_can_be_asked_for() {
    let cluster = shared();
    range_table(&cluster, "odd", &json!(["a", {"key_b64": "gA"}]));
    let mut odd: Vec<Vec<u8>> = [
        &b"\0"[..],
        b"\0\0",
        b".",
        b"..",
        b"/",
        b"//",
        b"a",
        b"a/",
        b"a//b",
        b"a%2Fb",
        b"a/../b",
        b"a b",
        b"\xff",
        b"\x80",
        b"line\r\n",
        b"zz",
        "ü".as_bytes(),
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    for key in &odd {
        let target = format!("/v1/tables/odd/keys/{}", encode(key));
        put(&target, key.clone()).of(cluster.at(0)).is(200);
    }
    put("/v1/tables/odd/keys/gone", "x").of(cluster.at(0)).is(200);
    ask("DELETE", "/v1/tables/odd/keys/gone").of(cluster.at(1)).is(200);
    odd.sort();
    assert_eq!(all(&cluster, "odd", ""), odd);
    assert_eq!(all(&cluster, "odd", "limit=1"), odd);
    assert_eq!(all(&cluster, "odd", "limit=3&consistency=one"), odd);
    let backwards: Vec<_> = odd.iter().rev().cloned().collect();
    assert_eq!(all(&cluster, "odd", "limit=2&reverse=true"), backwards);
    for key in all(&cluster, "odd", "") {
        let target = format!("/v1/tables/odd/keys/{}", encode(&key));
        assert_eq!(get(&target).of(cluster.at(2)).is(200).body, key);
    }
    let with = |query: String| all(&cluster, "odd", &query);
    let between = |from: &[u8], to: &[u8]| {
        odd.iter().filter(|key| (from..to).contains(&key.as_slice())).cloned().collect::<Vec<_>>()
    };
    assert_eq!(with(format!("prefix={}", encode(b"a/"))), between(b"a/", b"a0"));
    assert_eq!(with(format!("start={}&end={}", encode(b"."), encode(b"a/"))), between(b".", b"a/"));
    assert_eq!(with("start=gA&enc=b64".to_owned()), between(b"\x80", b"\xff\xff"));
    assert_eq!(with("start=b&end=a".to_owned()), Vec::<Vec<u8>>::new());
    assert_eq!(with("prefix=nothing".to_owned()), Vec::<Vec<u8>>::new());
}

#[test]
fn values_counts_and_levels_are_told() {
    let cluster = shared();
    range_table(&cluster, "told", &json!(["k5"]));
    let large = "x".repeat(5_000);
    for number in 0..10 {
        let value = if number == 7 { large.clone() } else { format!("v{number}") };
        put(&format!("/v1/tables/told/keys/k{number}"), value).of(cluster.at(0)).is(200);
    }
    let answer = get("/v1/tables/told/keys?values=true").of(cluster.at(1)).is(200);
    assert!(answer.header("quorate-consistency").starts_with("linearizable; r=2; n=3; acks=2; repaired="));
    assert_eq!(answer.header("cache-control"), "no-cache");
    let page = answer.json();
    let values: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|item| item["value"].as_str()).collect();
    assert_eq!((values[0], values[7], values[9]), (Some("v0"), Some(large.as_str()), Some("v9")));
    assert_eq!(page["items"][7]["size"], 5_000);
    let read = get("/v1/tables/told/keys/k3").of(cluster.at(2)).is(200);
    assert_eq!(page["items"][3]["version"], read.header("quorate-version"));
    let one = get("/v1/tables/told/keys?consistency=one").of(cluster.at(1)).is(200);
    assert!(one.header("quorate-consistency").starts_with("eventual; r=1; n=3; acks=1; repaired=0"));
    assert!(one.json()["items"][0].get("value").is_none());
    let counted = get("/v1/tables/told/keys?count=true&prefix=k").of(cluster.at(0)).is(200).json();
    assert_eq!(counted, json!({"items": [], "count": 10, "next_cursor": null}));
    let counted = get("/v1/tables/told/keys?count=true&end=k3").of(cluster.at(0)).is(200).json();
    assert_eq!(counted["count"], 3);
}

/// Values of 100 bytes under keys of 2: with values a key is 102 bytes, without 2.
#[test]
fn a_page_has_a_limit_in_bytes_and_brings_one_key_at_least() {
    let cluster = shared();
    range_table(&cluster, "sized", &json!(["k4"]));
    post("/v1/tables", &json!({"name": "hashed-sized", "shards": 4, "durability": "os"}))
        .of(cluster.at(0))
        .is(201);
    let names: Vec<Vec<u8>> = (0..9).map(|number| format!("k{number}").into_bytes()).collect();
    for (table, name) in
        ["sized", "hashed-sized"].iter().flat_map(|table| names.iter().map(move |name| (table, name)))
    {
        put(&format!("/v1/tables/{table}/keys/{}", encode(name)), "x".repeat(100)).of(cluster.at(0)).is(200);
    }
    let page = |query: &str| get(&format!("/v1/tables/{query}")).of(cluster.at(1)).is(200).json();
    let of_page = |query: &str| keys(&page(query)).len();
    assert_eq!(of_page("sized/keys?values=true&bytes=306"), 3);
    assert_eq!(of_page("sized/keys?values=true&bytes=305"), 2, "a third would be more");
    assert_eq!(of_page("sized/keys?values=true&bytes=306&limit=2"), 2, "whichever is reached first");
    assert_eq!(of_page("sized/keys?values=true&bytes=1&reverse=true"), 1, "one comes in any case");
    assert_eq!(of_page("sized/keys?bytes=10"), 5, "of keys alone");
    assert_eq!(of_page("sized/keys?values=true&bytes=99999999999"), 9, "cut to the server's limit");
    assert_eq!(of_page("hashed-sized/keys?start=&values=true&bytes=330"), 3, "8 more for each token");
    for query in ["values=true&bytes=1", "values=true&bytes=250", "bytes=5&reverse=true", "bytes=7"] {
        for table in ["sized", "hashed-sized"] {
            let mut found = all(&cluster, table, query);
            found.sort();
            assert_eq!(found, names, "{table}: {query}");
        }
    }
    assert_eq!(all(&cluster, "hashed-sized", "prefix=k&values=true&bytes=1"), names);
    let lines = get("/v1/tables/sized/keys?values=true&bytes=200")
        .header("Accept", "application/jsonl")
        .of(cluster.at(2))
        .is(200);
    assert_eq!(lines.text().lines().count(), 10, "a stream goes on, a page at a time");
    get("/v1/tables/sized/keys?count=true&bytes=5").of(cluster.at(0)).refuses(400, "unknown-parameter");
    for query in ["bytes=0", "bytes=1KiB", "bytes=-1"] {
        get(&format!("/v1/tables/sized/keys?{query}")).of(cluster.at(0)).refuses(400, "invalid-parameter");
    }
    get("/v1/tables/sized/keys/k1?bytes=5").of(cluster.at(0)).refuses(400, "unknown-parameter");
}

#[test]
fn a_stream_has_a_line_for_each_key_and_says_where_it_ended() {
    let cluster = shared();
    range_table(&cluster, "lines", &json!(["k05", "k10"]));
    for number in 0..15 {
        put(&format!("/v1/tables/lines/keys/k{number:02}"), "v").of(cluster.at(0)).is(200);
    }
    let stream = |query: &str| {
        let target = format!("/v1/tables/lines/keys{query}");
        let answer = get(&target).header("Accept", "application/jsonl").of(cluster.at(1)).is(200);
        assert_eq!(answer.header("content-type"), "application/jsonl");
        lines(&answer)
    };
    let whole = stream("");
    assert_eq!((whole.len(), &whole[15]), (16, &json!({"consistency": "linearizable", "next_cursor": null})));
    assert_eq!((listed(&whole[0]), listed(&whole[14])), (b"k00".to_vec(), b"k14".to_vec()));
    let part = stream("?limit=4&reverse=true");
    assert_eq!((part.len(), listed(&part[3])), (5, b"k11".to_vec()));
    let cursor = part[4]["next_cursor"].as_str().expect("more").to_owned();
    let rest = stream(&format!("?reverse=true&cursor={cursor}"));
    assert_eq!((rest.len(), listed(&rest[0])), (12, b"k10".to_vec()));
}

#[test]
fn a_hash_table_lists_every_key_once_and_those_between_bounds_in_their_order() {
    let cluster = shared();
    post("/v1/tables", &json!({"name": "hashed", "shards": 4, "durability": "os"})).of(cluster.at(0)).is(201);
    let mut names: Vec<Vec<u8>> = (0..40).map(|number| format!("k{number}").into_bytes()).collect();
    for name in &names {
        put(&format!("/v1/tables/hashed/keys/{}", encode(name)), "v").of(cluster.at(0)).is(200);
    }
    let found = all(&cluster, "hashed", "limit=7");
    let backwards: Vec<_> = all(&cluster, "hashed", "limit=7&reverse=true").into_iter().rev().collect();
    assert_eq!(found, backwards);
    let mut sorted = found;
    sorted.sort();
    names.sort();
    assert_eq!(sorted, names);
    // Bounds ask for the order of keys, in pages as well, of values or none.
    for query in ["start=&limit=7", "prefix=k&limit=100&values=true", "end=l&limit=1"] {
        assert_eq!(all(&cluster, "hashed", query), names, "{query}");
        let backwards = all(&cluster, "hashed", &format!("{query}&reverse=true"));
        assert_eq!(backwards.into_iter().rev().collect::<Vec<_>>(), names, "{query}");
    }
    let some: Vec<_> = names.iter().filter(|name| name.starts_with(b"k1")).cloned().collect();
    assert_eq!(all(&cluster, "hashed", "prefix=k1&limit=3"), some);
    let answer = get("/v1/tables/hashed/keys?start=k20&end=k3&values=true").of(cluster.at(0)).is(200);
    assert_eq!(answer.header("quorate-scanned"), "40");
    let page = answer.json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(10), "k20 to k29: k3 is the end");
    assert!(page["items"].as_array().unwrap().iter().all(|item| item["value"] == "v"), "{page}");
    assert_eq!(page["next_cursor"], Json::Null);
    let counted = get("/v1/tables/hashed/keys?count=true&prefix=k1").of(cluster.at(0)).is(200).json();
    assert_eq!((&counted["count"], &counted["next_cursor"]), (&json!(11), &Json::Null));
    // A cursor of one order is none of the other.
    let page = get("/v1/tables/hashed/keys?prefix=k&limit=1").of(cluster.at(0)).is(200).json();
    let target = format!("/v1/tables/hashed/keys?cursor={}", page["next_cursor"].as_str().unwrap());
    get(&target).of(cluster.at(0)).refuses(400, "invalid-cursor");
}

#[test]
fn parts_of_a_hash_table_are_all_of_it() {
    let cluster = shared();
    let table = json!({"name": "parted", "shards": 4, "durability": "os"});
    post("/v1/tables", &table).of(cluster.at(0)).is(201);
    let mut names: Vec<Vec<u8>> = (0..40).map(|number| format!("k{number}").into_bytes()).collect();
    for name in &names {
        put(&format!("/v1/tables/parted/keys/{}", encode(name)), "v").of(cluster.at(0)).is(200);
    }
    let part = |part: u32| all(&cluster, "parted", &format!("limit=3&part={part}/3"));
    let mut found: Vec<_> = (1..=3).flat_map(part).collect();
    found.sort();
    names.sort();
    assert_eq!(found, names);
    for query in ["part=0/3", "part=4/3", "part=1", "part=1/2&prefix=k"] {
        let target = format!("/v1/tables/parted/keys?{query}");
        get(&target).of(cluster.at(0)).refuses(400, "invalid-parameter");
    }
}

#[test]
fn a_sum_is_the_same_until_something_changes() {
    let cluster = shared();
    range_table(&cluster, "summed", &json!(["k5"]));
    let write = |key: &str, value: &str| {
        let target = format!("/v1/tables/summed/keys/{key}?consistency=all");
        put(&target, value).of(cluster.at(0)).is(200);
    };
    for number in 0..10 {
        write(&format!("k{number}"), "v");
    }
    let sum = |query: &str| {
        let answer = get(&format!("/v1/tables/summed/keys?sum=true{query}")).of(cluster.at(1)).is(200);
        assert!(answer.header("quorate-consistency").starts_with("linearizable; r=2; n=3;"));
        let page = answer.json();
        let text = page["sum"].as_str().unwrap_or_else(|| panic!("all owners hold the same: {page}"));
        u64::from_str_radix(text, 16).expect("a sum")
    };
    let whole = sum("");
    let parts = ["&end=k3", "&start=k3&end=k7", "&start=k7"].map(sum);
    assert_eq!(whole, parts.into_iter().fold(0, u64::wrapping_add), "also across the end of a shard");
    assert_eq!(sum("&start=k3&end=k3"), 0);
    assert_eq!(sum("&consistency=one"), whole, "a quorum says so in any case");
    write("k4", "v");
    assert_ne!((sum(""), sum("&start=k3&end=k7")), (whole, parts[1]), "the same value, and another version");
    assert_eq!([sum("&end=k3"), sum("&start=k7")], [parts[0], parts[2]]);
    post("/v1/tables", &json!({"name": "sums", "shards": 4, "durability": "os"})).of(cluster.at(0)).is(201);
    let whole = get("/v1/tables/sums/keys?sum=true").of(cluster.at(2)).is(200).json();
    assert_eq!(whole, json!({"items": [], "sum": "0000000000000000", "next_cursor": null}));
    get("/v1/tables/sums/keys?sum=true&part=3/7").of(cluster.at(2)).is(200);
    for query in [
        "sums/keys?sum=true&prefix=k",
        "sums/keys?sum=true&limit=1",
        "summed/keys?sum=true&reverse=true",
        "summed/keys?sum=true&values=true",
        "summed/keys?sum=true&count=true",
        "summed/keys?sum=true&part=1/2",
    ] {
        get(&format!("/v1/tables/{query}")).of(cluster.at(1)).refuses(400, "invalid-parameter");
    }
}

#[test]
fn a_cursor_is_of_its_scan_alone() {
    let cluster = shared();
    range_table(&cluster, "cursed", &json!([]));
    range_table(&cluster, "other", &json!([]));
    for key in ["a1", "a2", "a3"] {
        put(&format!("/v1/tables/cursed/keys/{key}"), "v").of(cluster.at(0)).is(200);
    }
    let page = get("/v1/tables/cursed/keys?prefix=a&limit=1").of(cluster.at(0)).is(200).json();
    let cursor = page["next_cursor"].as_str().expect("more").to_owned();
    let target = format!("/v1/tables/cursed/keys?prefix=a&cursor={cursor}");
    assert_eq!(keys(&get(&target).of(cluster.at(2)).is(200).json()), [b"a2".to_vec(), b"a3".to_vec()]);
    let damaged =
        if cursor.starts_with('B') { cursor.replacen('B', "A", 1) } else { format!("B{}", &cursor[1..]) };
    for query in [
        format!("cursed/keys?cursor={cursor}"),
        format!("cursed/keys?prefix=b&cursor={cursor}"),
        format!("cursed/keys?prefix=a&end=z&cursor={cursor}"),
        format!("cursed/keys?prefix=a&reverse=true&cursor={cursor}"),
        format!("other/keys?prefix=a&cursor={cursor}"),
        format!("cursed/keys?prefix=a&cursor={damaged}"),
        "cursed/keys?prefix=a&cursor=".to_owned(),
        "cursed/keys?cursor=nonsense".to_owned(),
    ] {
        get(&format!("/v1/tables/{query}")).of(cluster.at(1)).refuses(400, "invalid-cursor");
    }
    for query in ["limit=0", "limit=x", "reverse=yes", "enc=b64&prefix=%25"] {
        get(&format!("/v1/tables/cursed/keys?{query}")).of(cluster.at(1)).refuses(400, "invalid-parameter");
    }
}

#[test]
fn bad_range_tables_are_refused() {
    let cluster = shared();
    for (spec, words) in [
        (json!({"name": "bad", "sharding": "range", "shards": 4}), "split_at"),
        (json!({"name": "bad", "split_at": ["a"]}), "range tables"),
        (json!({"name": "bad", "sharding": "range", "split_at": ["b", "a"]}), "ascending"),
        (json!({"name": "bad", "sharding": "range", "split_at": [{"key_b64": "!"}]}), "base64"),
    ] {
        let problem = post("/v1/tables", &spec).of(cluster.at(0)).refuses(400, "invalid-body");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
}
