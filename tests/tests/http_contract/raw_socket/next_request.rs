//! The request behind a refused one, on the same connection: it is answered, or the refusal has said that the connection
//! ends with it.

use super::*;
use std::io::{BufRead as _, BufReader};

/// One answer of a connection that may go on: its status, and whether it says that it ends.
fn answer(from: &mut BufReader<TcpStream>) -> (u16, bool) {
    let mut line = String::new();
    from.read_line(&mut line).expect("a status line");
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status in {line:?}"));
    let (mut length, mut closes) = (0, false);
    loop {
        let mut line = String::new();
        from.read_line(&mut line).expect("a header");
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().expect("a length"),
            Some(("connection", value)) => closes = value == "close",
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).expect("the whole body");
    (status, closes)
}

#[test]
fn after_a_refusal_the_next_request_is_answered_or_was_told_not_to_come() {
    let cluster = super::super::rig::shared();
    let node = cluster.at(0);
    let json = "Content-Type: application/json\r\n";
    let refusals: [(&str, &str, &str, u16); 13] = [
        ("PUT", "/v1/tables/none/keys/a", "", 404),
        ("PUT", "/v1/tables/t/keys/", "", 400),
        ("PUT", "/v1/tables/t/keys/a?colour=red", "", 400),
        ("PUT", "/v1/tables/t/keys/a?w=9", "", 400),
        ("PUT", "/v1/tables/t/keys/a", "If-Match: \"x\"\r\n", 400),
        ("PUT", "/v1/tables/t/keys/a", "Content-Encoding: gzip\r\n", 415),
        ("PUT", "/v1/tables/t/keys/a", "Accept: text/html\r\n", 406),
        ("PUT", "/v1/tables/t/keys/a", "Origin: http://evil.example\r\n", 421),
        ("PATCH", "/v1/tables/t/keys/a", "", 405),
        ("POST", "/v1/nothing", "", 404),
        ("POST", "/v1/tables/t/mget", "", 415),
        ("POST", "/v1/tables/t/batch", json, 400),
        ("POST", "/v1/tables", json, 400),
    ];
    for (method, target, headers, expected) in refusals {
        for bytes in [10, 40_000, 900_000] {
            let mut socket = TcpStream::connect(node).expect("a connection");
            socket.set_read_timeout(Some(END)).expect("a timeout");
            socket.set_nodelay(true).expect("an option");
            let head = format!(
                "{method} {target} HTTP/1.1\r\nHost: {node}\r\n{headers}Content-Length: {bytes}\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).expect("the head");
            let mut from = BufReader::new(socket.try_clone().expect("a second handle"));
            // A node that has said so may close before it has all.
            let _ = socket.write_all(&vec![b'x'; bytes]);
            let (status, closes) = answer(&mut from);
            let what = format!("{method} {target} {headers:?} {bytes}");
            assert!(status == expected || status == 413, "{what}: {status}");
            if !closes {
                let next = format!("GET /health/live HTTP/1.1\r\nHost: {node}\r\n\r\n");
                socket.write_all(next.as_bytes()).expect(&what);
                assert_eq!(answer(&mut from).0, 200, "{what}");
            }
        }
    }
}

#[test]
fn a_load_balancer_that_names_no_host_hears_how_the_node_is() {
    let cluster = super::super::rig::shared();
    let node = cluster.at(0);
    let said = |text: &str| send(node, &[text.as_bytes()]).said;
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert!(said(&format!("GET {path} HTTP/1.0\r\n\r\n")).contains(" 200 OK\r\n"), "{path}");
        let named = said(&format!("GET {path} HTTP/1.0\r\nHost: evil.example\r\n\r\n"));
        assert!(named.contains(" 421 "), "{path}: {named}");
        let later = said(&format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n"));
        assert!(later.contains(" 400 "), "HTTP/1.1 must name one: {later}");
    }
    assert!(said("GET /v1/tables HTTP/1.0\r\n\r\n").contains(" 400 "));
}

#[test]
fn health_has_no_form_to_agree_on() {
    let cluster = super::super::rig::shared();
    for accept in ["text/plain", "", "*/*;q=0", "image/png"] {
        for path in ["/health/live", "/health/ready", "/metrics"] {
            get(path).header("Accept", accept).of(cluster.at(0)).is(200);
        }
    }
}
