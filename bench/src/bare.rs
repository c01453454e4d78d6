//! A bare HTTP server on hyper: the least that a request over HTTP costs. It answers each with some bytes of a value.

use crate::Outcome;
use crate::case::Case;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// What it is called in results.
pub const NAME: &str = "bare hyper";

/// It knows no levels and no tables.
pub const CASE: Case = Case { name: NAME, table: "bare", reads_percent: 100, level: "one", durability: "os" };

/// Serves on the threads of a runtime like a node's, until it is killed.
pub async fn serve(address: SocketAddr) -> Outcome<()> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
        runtime.block_on(accept(address)).expect("it serves until it is killed");
    });
    std::future::pending().await
}

async fn accept(address: SocketAddr) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A client that hangs up ends its connection alone.
        tokio::spawn(async {
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await)
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // What a client sends is read, as a server that kept it would.
    drop(request.into_body().collect().await);
    Ok(Response::new(Full::new(Bytes::from_static(&[b'v'; 100]))))
}
