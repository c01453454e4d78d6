//! Other protocols, and no protocol at all.

use super::{Guard, send, send_all};
use crate::rig::{key, shared};

#[test]
fn other_protocols_are_told_that_this_is_http() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "protocols"));
    let client_hello = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03quorate-quorate-quorate-quorate-\x20";
    for (what, bytes) in [
        ("HTTP/0.9", &b"GET /\r\n"[..]),
        ("HTTP/0.9 with a space", b"GET / \r\n\r\n"),
        ("HTTP/2 with prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
        ("HTTP/2 in the request line", b"GET / HTTP/2\r\nHost: localhost\r\n\r\n"),
        ("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: localhost\r\n\r\n"),
        ("HTTP/9.9", b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n"),
        ("TLS", client_hello),
        ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n"),
        ("SOCKS", b"\x05\x01\x00"),
        ("Redis", b"*1\r\n$4\r\nPING\r\n"),
        ("a frame of a peer", b"\x00\x00\x00\x0e\x01\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"),
        ("zeros", &[0; 4096]),
        ("ones", &[0xff; 4096]),
        ("line ends", b"\r\n\r\n\r\n\r\n"),
        ("one byte", b"G"),
        ("nothing", b""),
    ] {
        send_all(node, bytes).is_refused(what);
    }
    guard.holds();
}

#[test]
fn http_1_0_is_spoken() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "old"));
    let ended = send(node, &[format!("GET {} HTTP/1.0\r\nHost: {node}\r\n\r\n", key("old")).as_bytes()]);
    assert!(ended.said.contains(" 200 ") && ended.said.ends_with("guarded"), "{}", ended.said);
    let ended = send(node, &[format!("GET {} HTTP/1.0\r\n\r\n", key("old")).as_bytes()]);
    assert!(ended.said.contains(" 400 "), "{}", ended.said);
    let chunks =
        format!("PUT {} HTTP/1.0\r\nHost: {node}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", key("old"));
    assert!(!send_all(node, chunks.as_bytes()).said.contains(" 200 "), "HTTP/1.0 has no chunks");
    guard.holds();
}

#[test]
fn an_upgrade_that_is_not_offered_is_not_made() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "upgrade"));
    for to in ["h2c", "websocket", "TLS/1.2"] {
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {node}\r\nConnection: Upgrade, close\r\nUpgrade: {to}\r\n\r\n",
            key("upgrade")
        );
        let ended = send(node, &[head.as_bytes()]);
        assert!(matches!(ended.statuses()[..], [200 | 400]), "{to}: {}", ended.said);
    }
    guard.holds();
}

#[test]
fn a_pipeline_of_hundreds_is_answered_in_order() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "pipeline"));
    let found = format!("GET {} HTTP/1.1\r\nHost: {node}\r\n\r\n", key("pipeline"));
    let lost = format!("GET /nowhere HTTP/1.1\r\nHost: {node}\r\n\r\n");
    let last = format!("GET /nowhere HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n\r\n");
    let all = format!("{}{last}", format!("{found}{lost}").repeat(300));
    let statuses = send(node, &[all.as_bytes()]).statuses();
    let wanted: Vec<u16> = [200, 404].into_iter().cycle().take(600).chain([404]).collect();
    assert_eq!(statuses, wanted);
    guard.holds();
}
