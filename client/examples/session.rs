//! A session: keys are stored and read while nodes come and go, and of each write it is known what became of it.
//!
//! `cargo run -p quorate-client --example session -- 127.0.0.1:7400 127.0.0.1:7410` beside `scripts/dev`.

use quorate_client::{
    Client, Endpoint, Failed, Found, Hedge, Meta, Options, Outcome, Read, Session, SessionOptions, Write,
};
use quorate_model::Level;
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoints =
        std::env::args().skip(1).map(|text| text.parse::<Endpoint>()).collect::<Result<Vec<_>, _>>()?;
    run(endpoints).await
}

/// Stores, reads and deletes a key of the table `demo`.
pub async fn run(endpoints: Vec<Endpoint>) -> Result<(), Box<dyn Error>> {
    let options =
        if endpoints.is_empty() { Options::default() } else { Options { endpoints, ..Options::default() } };
    // A read that is slower than 19 of 20 others is sent to a second node too.
    let how = SessionOptions { hedge: Hedge::P95, ..SessionOptions::default() };
    let session = Session::new(Client::new(options)?, &how);

    let version = pay(&session, b"order/17", b"paid by card").await?;
    println!("stored as version {version}");

    let read = session.get("demo", b"order/17", &Read::default()).await?;
    let Found::Value(value) = &read.answer else { return Err("it was stored, and is not there".into()) };
    println!("{} ({})", String::from_utf8_lossy(&value.bytes), promise(&read.meta));

    // One owner is enough where an old value does no harm; the answer says what that is worth.
    let quick = Read { consistency: Some(Level::One), ..Read::default() };
    let read = session.get("demo", b"order/17", &quick).await?;
    println!("with one owner: {}", promise(&read.meta));

    session.delete("demo", b"order/17", &Write::default()).await?;
    Ok(())
}

fn promise(meta: &Meta) -> &str {
    meta.consistency.as_ref().map_or("nothing", |consistency| &consistency.guarantee)
}

/// Stores a payment, and does not give up while it is unknown whether it is stored.
async fn pay(session: &Session, order: &[u8], how: &[u8]) -> Result<String, Failed> {
    let mut write = Write::default();
    loop {
        match session.put("demo", order, how.to_vec(), &write).await {
            Ok(answered) => return Ok(answered.answer.version),
            // The session has repeated it until its deadline. The same write goes on under its own id: it may be kept,
            // and repeated from another process too.
            Err(Failed { error, operation: Some(operation), .. }) if error.outcome() == Outcome::Unknown => {
                write = Write { operation: Some(operation), retry: true, ..write };
            }
            // It was certainly not stored.
            Err(failed) => return Err(failed),
        }
    }
}
