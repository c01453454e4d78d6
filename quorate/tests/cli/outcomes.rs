//! Exit codes that only a broken or foreign server can provoke: each server here is a script.

use crate::process::run;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// A server that reads a request and answers with this text, or never if there is none; returns its address.
fn server(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        let mut silent: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            match answer {
                // The client may be gone already.
                Some(answer) => drop(stream.write_all(answer.as_bytes())),
                None => silent.push(stream),
            }
        }
    });
    address
}

#[test]
fn a_write_without_an_answer_is_unknown_and_a_read_is_not() {
    let address = server(None);
    let at = ["--endpoint", &address, "--timeout", "200ms"];
    let unknown = run(&[&at[..], &["put", "demo", "k", "v"]].concat()).expect_code(6);
    assert!(unknown.stderr.contains("--idempotency-key"), "{unknown:?}");
    run(&[&at[..], &["table", "drop", "t", "--accept-data-loss=t"]].concat()).expect_code(5);
    run(&[&at[..], &["get", "demo", "k"]].concat()).expect_code(5);
    let json = run(&[&at[..], &["--output", "json", "delete", "demo", "k"]].concat()).expect_code(6);
    let error: serde_json::Value = serde_json::from_str(&json.stderr).expect("one JSON object");
    assert_eq!(error["outcome"], "unknown");
}

#[test]
fn a_refusal_to_this_client_has_its_own_code() {
    let body =
        r#"{"code":"bad-host","status":421,"title":"t","detail":"not this host","outcome":"not_applied"}"#;
    let head = format!(
        "HTTP/1.1 421 Misdirected Request\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let address = server(Some(Box::leak((head + body).into_boxed_str())));
    run(&["--endpoint", &address, "put", "demo", "k", "v"]).expect_code(7);
}

#[test]
fn another_service_on_that_port_is_recognised() {
    let address = server(Some("HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>"));
    let ended = run(&["--endpoint", &address, "table", "list"]).expect_code(1);
    assert!(ended.stderr.contains("not as Quorate does"), "{ended:?}");
}
