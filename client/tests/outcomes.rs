//! What the client concludes from each way in which a server can fail, and where it goes next.

mod script;

use quorate_client::{Client, Endpoint, Error, Found, Options, Outcome, Read, Write};
use quorate_ports::Block;
use script::{STORED, Say, Script, problem, stored};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// An endpoint without a server.
fn no_server() -> Endpoint {
    static FREE: LazyLock<Block> = LazyLock::new(|| Block::take().expect("free ports"));
    Endpoint::new("127.0.0.1", FREE.port(0))
}

fn client(endpoints: &[&Endpoint]) -> Client {
    let endpoints = endpoints.iter().map(|endpoint| (*endpoint).clone()).collect();
    Client::new(Options { endpoints, timeout: Duration::from_millis(300), ..Options::default() })
        .expect("a client")
}

async fn put(client: &Client) -> Result<(), Error> {
    client.put("t", b"k", b"v".to_vec(), &Write::default()).await.map(|_| ())
}

#[tokio::test]
async fn a_write_that_could_not_be_sent_goes_to_the_next_endpoint() {
    let good = Script::start(stored()).await;
    let client = client(&[&no_server(), &good.endpoint]);
    put(&client).await.expect("the second endpoint stores it");
    put(&client).await.expect("and is asked first from then on");
    assert_eq!(good.requests(), 2);
}

#[tokio::test]
async fn a_write_that_was_refused_without_effect_goes_to_the_next_endpoint() {
    let draining = Script::start(problem(503, "draining", Some("not_applied"))).await;
    let good = Script::start(stored()).await;
    put(&client(&[&draining.endpoint, &good.endpoint])).await.expect("stored");
}

#[tokio::test]
async fn a_write_of_unknown_outcome_is_never_sent_again() {
    for say in
        [Say::HangUp, Say::Nothing, problem(504, "write-timeout", Some("unknown")), problem(500, "bug", None)]
    {
        let first = Script::start(say).await;
        let second = Script::start(stored()).await;
        let error = put(&client(&[&first.endpoint, &second.endpoint])).await.expect_err("no acknowledgement");
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
        assert_eq!(second.requests(), 0, "{error}");
    }
}

#[tokio::test]
async fn a_read_that_gets_no_answer_goes_to_the_next_endpoint() {
    for say in [Say::HangUp, Say::Nothing, problem(504, "read-timeout", None), problem(503, "starting", None)]
    {
        let first = Script::start(say).await;
        let second = Script::start(Say::Answer(200, "text/plain", "hello".to_owned())).await;
        let answered = client(&[&first.endpoint, &second.endpoint])
            .get("t", b"k", &Read::default())
            .await
            .expect("the second answers");
        match answered.answer {
            Found::Value(value) => assert_eq!(value.bytes, b"hello"),
            Found::Absent { reason } => panic!("the second endpoint has the key: {reason}"),
        }
    }
}

#[tokio::test]
async fn a_refusal_that_is_the_requests_own_fault_is_final() {
    let first = Script::start(problem(400, "unknown-parameter", None)).await;
    let second = Script::start(stored()).await;
    let error = put(&client(&[&first.endpoint, &second.endpoint])).await.expect_err("a bad request");
    assert_eq!((error.code(), error.outcome()), ("unknown-parameter", Outcome::NotApplied));
    assert_eq!(second.requests(), 0);
}

#[tokio::test]
async fn an_absent_key_is_an_answer_and_an_absent_table_is_not() {
    let absent = Script::start(problem(404, "no-such-key", None)).await;
    let answered = client(&[&absent.endpoint]).get("t", b"k", &Read::default()).await.expect("an answer");
    assert_eq!(answered.answer, Found::Absent { reason: "d".to_owned() });
    let no_table = Script::start(problem(404, "no-such-table", None)).await;
    let error = client(&[&no_table.endpoint]).get("t", b"k", &Read::default()).await.expect_err("no table");
    assert_eq!(error.code(), "no-such-table");
}

#[tokio::test]
async fn an_acknowledgement_that_cannot_be_read_is_still_one() {
    let odd = Script::start(Say::Answer(200, "application/json", "{".to_owned())).await;
    let error = put(&client(&[&odd.endpoint])).await.expect_err("not an answer");
    assert_eq!(error.outcome(), Outcome::Applied);
}

#[tokio::test]
async fn a_proxys_error_page_proves_nothing() {
    let proxy = Script::start(Say::Answer(503, "text/html", "<html>".to_owned())).await;
    let error = put(&client(&[&proxy.endpoint])).await.expect_err("not an answer");
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[tokio::test]
async fn when_nobody_listens_nothing_was_applied() {
    let error = put(&client(&[&no_server()])).await.expect_err("no server is there");
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert!(error.to_string().contains("connection refused"), "{error}");
}

/// What a retry did not do says nothing of the attempts before it; and its operation id makes one more harmless.
#[tokio::test]
async fn of_a_retry_nothing_is_called_not_applied_and_another_endpoint_is_asked() {
    let retry = Write { operation: "me:1".parse().ok(), retry: true, ..Write::default() };
    assert!(retry.operation.is_some());
    let put = async |endpoints: &[&Endpoint]| {
        client(endpoints).put("t", b"k", b"v".to_vec(), &retry).await.map(|_| ())
    };
    let error = put(&[&no_server()]).await.expect_err("no server is there");
    assert_eq!(error.outcome(), Outcome::Unknown);
    for (status, code, said) in [
        (503, "draining", "not_applied"),
        (503, "overloaded", "unknown"),
        (431, "headers-too-large", "not_applied"),
    ] {
        let refusing = Script::start(problem(status, code, Some(said))).await;
        let error = put(&[&refusing.endpoint]).await.expect_err("refused");
        assert_eq!((error.code(), error.outcome()), (code, Outcome::Unknown));
        let good = Script::start(stored()).await;
        let elsewhere = put(&[&refusing.endpoint, &good.endpoint]).await;
        assert_eq!(elsewhere.is_ok(), status == 503, "{code}: {elsewhere:?}");
    }
    let reused = Script::start(problem(409, "idempotency-reused", Some("not_applied"))).await;
    let error = put(&[&reused.endpoint]).await.expect_err("another write");
    assert_eq!(error.outcome(), Outcome::NotApplied);
}

#[tokio::test]
async fn a_silent_endpoint_is_soon_left_for_the_next_and_remembered() {
    let silent = Script::start(Say::Nothing).await;
    let second = Script::start(Say::Answer(200, "application/json", "{}".to_owned())).await;
    let options = Options {
        endpoints: vec![silent.endpoint.clone(), second.endpoint.clone()],
        timeout: Duration::from_secs(30),
        admin_timeout: Duration::from_mins(1),
        token: None,
    };
    let client = Client::new(options).expect("a client");
    let begun = std::time::Instant::now();
    for _ in 0..3 {
        client.tables().await.expect("the second answers");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!((silent.requests(), second.requests()), (1, 3));
}

#[tokio::test]
async fn an_empty_value_is_a_body_of_no_bytes_and_not_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let endpoint = Endpoint::from(listener.local_addr().expect("bound"));
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a whole head"));
        }
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{STORED}", STORED.len());
        stream.write_all(answer.as_bytes()).await.expect("sent");
        String::from_utf8(head).expect("an ASCII head").to_ascii_lowercase()
    });
    let client = Client::new(Options { endpoints: vec![endpoint], ..Options::default() }).expect("a client");
    client.put("t", b"k", Vec::new(), &Write::default()).await.expect("stored");
    let head = asked.await.expect("no panic");
    assert_eq!(head.matches("content-length: 0\r\n").count(), 1, "{head}");
}
