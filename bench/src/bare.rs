//! A bare HTTP server on hyper: the least that a request over HTTP costs. It answers each with some bytes of a value.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Serves on the threads of a runtime like a node's, until it is killed.
pub fn serve(address: SocketAddr) -> io::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(accept(address))
}

async fn accept(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async {
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            // A client that hangs up ends its connection alone.
            drop(served.await);
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // What a client sends is read, as a server that kept it would.
    drop(request.into_body().collect().await);
    Ok(Response::new(Full::new(Bytes::from_static(&[b'v'; 100]))))
}
