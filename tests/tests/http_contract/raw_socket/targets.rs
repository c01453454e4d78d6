//! Targets: what a path may be, and what is never made of one.

use super::{Guard, send};
use crate::ask::{get, put};
use crate::rig::{key, shared};
use std::net::SocketAddr;

fn request(node: SocketAddr, method: &str, target: &[u8]) -> Vec<u8> {
    let line = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"].concat();
    [&line[..], format!("Host: {node}\r\nConnection: close\r\n\r\n").as_bytes()].concat()
}

#[test]
fn a_key_in_a_path_is_exactly_its_bytes() {
    let cluster = shared();
    let node = cluster.at(0);
    // Each way to write a key, and its bytes as base64url.
    for (written, bytes) in [
        ("%2F", "Lw"),
        ("%2e%2e%2f%2e%2e%2fetc%2fpasswd", "Li4vLi4vZXRjL3Bhc3N3ZA"),
        ("../../etc/passwd", "Li4vLi4vZXRjL3Bhc3N3ZA"),
        ("a/./b/../c", "YS8uL2IvLi4vYw"),
        ("%00", "AA"),
        ("%0d%0aSet-Cookie:x", "DQpTZXQtQ29va2llOng"),
        ("%c3%28", "wyg"),
        ("%ff%fe", "__4"),
        ("%252e", "JTJl"),
        ("//", "Ly8"),
        ("a;b=c", "YTtiPWM"),
        ("%e2%80%ae", "4oCu"),
    ] {
        let value = format!("{written} as {bytes}");
        put(&key(written), value.clone()).of(node).is(200);
        assert_eq!(
            get(&key(&format!("{bytes}?enc=b64"))).of(cluster.at(1)).is(200).text(),
            value,
            "{written}"
        );
    }
}

#[test]
fn what_is_no_path_of_ours_is_refused() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "paths"));
    for target in [
        &b"/v1/tables/t/keys/%"[..],
        b"/v1/tables/t/keys/%2",
        b"/v1/tables/t/keys/%zz",
        b"/v1/tables/t/keys/%u0041",
        b"/v1/tables/t/keys/",
        b"/v1/tables/..%2ft/keys/paths",
        b"/v1/tables/t%00/keys/paths",
        b"/v1/tables/T/keys/paths",
        b"/v1/tables//keys/paths",
        b"//v1/tables/t/keys/paths",
        b"/v1/../v1/tables/t/keys/paths",
        b"/V1/tables/t/keys/paths",
        b"/v1%2ftables/t/keys/paths",
        b"",
        b"?",
        b"/v1/tables/t/keys/a b",
        b"/v1/tables/t/keys/a\tb",
        b"/v1/tables/t/keys/a\0b",
        b"/v1/tables/t/keys/paths?r=1&%72=2",
        b"/v1/tables/t/keys/paths?r",
        b"/v1/tables/t/keys/paths?r=1&r=1",
        b"/v1/tables/t/keys/paths?consistency=one;r=2",
        b"/v1/tables/t/keys/paths?w=1%00",
        b"/v1/tables/t/keys/paths?%ff=1",
        b"/v1/tables/t/keys/paths?timeout=1s%0d%0aX:%20y",
        b"*",
        b"http://evil.example/v1/tables/t/keys/paths",
        b"https://localhost/v1/tables/t/keys/paths",
        b"ftp://localhost/v1/tables/t/keys/paths",
        b"localhost:7400",
        b"file:///etc/passwd",
    ] {
        for method in ["DELETE", "GET"] {
            let ended = send(node, &[&request(node, method, target)]);
            let shown = String::from_utf8_lossy(target).into_owned();
            assert!(matches!(ended.statuses()[..], [400..=499]), "{method} {shown}: {}", ended.said);
        }
    }
    guard.holds();
}

#[test]
fn methods_that_do_not_exist_are_refused() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "methods"));
    let target = key("methods");
    for method in ["CONNECT", "TRACE", "PROPFIND", "delete", "X", "GET\0", "\u{ff}", &"M".repeat(40_000)] {
        send(node, &[&request(node, method, target.as_bytes())]).is_refused(method);
    }
    send(node, &[&request(node, "CONNECT", b"localhost:7400")]).is_refused("CONNECT");
    send(node, &[&request(node, "OPTIONS", b"*")]).is_refused("OPTIONS *");
    guard.holds();
}

#[test]
fn the_absolute_form_is_the_same_request() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "absolute"));
    let target = format!("http://{node}{}", key("absolute"));
    let ended = send(node, &[&request(node, "GET", target.as_bytes())]);
    assert!(ended.statuses() == [200] && ended.said.ends_with("guarded"), "{}", ended.said);
    guard.holds();
}

/// As docs/http.md says: a raw `#` ends a path, as a raw `?` does.
#[test]
fn a_fragment_is_no_part_of_a_key() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "fragment"));
    let ended = send(node, &[&request(node, "GET", format!("{}#rest", key("fragment")).as_bytes())]);
    assert!(ended.statuses() == [200] && ended.said.ends_with("guarded"), "{}", ended.said);
    get(&key("fragment%23rest")).of(node).refuses(404, "no-such-key");
    guard.holds();
}
