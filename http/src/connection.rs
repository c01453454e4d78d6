//! One connection, from its first byte to its end.
//!
//! The HTTP library parses and frames; this file decides how long the client may take (see [`super::timers`]), says
//! why where the library would only hang up, and closes so that the last answer arrives: a socket closed over
//! unread bytes would take the answer with it.

use super::edge::{Edge, Tracked};
use super::ends::Ends;
use super::fault::Fault;
use super::problem::Problem;
use super::scope::Scope;
use super::timers::{Phase, Timers};
use super::wire::{Valve, Wire};
use crate::metrics::Closed;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// Most bytes of a client that still sends after our last answer which are read and thrown away: more than the
/// largest body that a client may have good reasons to send.
const LINGER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long such a client is listened to.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// The same where the client was asking for nothing when this node began to stop.
const LINGER_IDLE_TIMEOUT: Duration = Duration::from_millis(100);

/// Most bytes of a refused request's body that are read so that its connection can go on.
const REST_BYTES_MAX: usize = 64 * 1024;
/// How long they are waited for.
const REST_TIMEOUT: Duration = Duration::from_millis(50);

/// Hands each request of one connection to the edge.
pub(super) struct Requests {
    edge: Arc<Edge>,
    timers: Arc<Timers>,
    ends: Ends,
    scope: Scope,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Tracked<Body>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.timers.serving();
        let (edge, timers) = (Arc::clone(&self.edge), Arc::clone(&self.timers));
        let (ends, scope) = (self.ends, self.scope);
        // Reading on would ask for the body of a client that waits for our word before it sends any.
        let waits = request.headers().contains_key(EXPECT);
        let watched = Arc::clone(&timers);
        let request = request.map(|body| Body::new(Watched { body: Some(body), timers: watched }));
        Box::pin(async move {
            let mut response = edge.answer(request, ends, scope).await;
            if let Some(rest) = timers.rest()
                && (waits || !is_read_out(rest).await)
            {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| Tracked::new(body, timers)))
        })
    }
}

/// A request's body. What its handler leaves of it goes back to the connection: the next request begins behind it.
struct Watched {
    body: Option<Incoming>,
    timers: Arc<Timers>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if frame.is_none() {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            self.timers.leave(body);
        }
    }
}

/// Reads on to the end of a body that no handler wants, if that is near: otherwise the connection ends with the answer, and
/// says so.
async fn is_read_out(mut body: Incoming) -> bool {
    let all = async {
        let mut left = REST_BYTES_MAX;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            let Some(less) = left.checked_sub(bytes) else { return false };
            left = less;
        }
        true
    };
    timeout(REST_TIMEOUT, all).await.unwrap_or(false)
}

type Connection = http1::Connection<TokioIo<Wire<TcpStream>>, Requests>;

/// How serving ended.
enum End {
    Finished(hyper::Result<()>),
    TimedOut { stalled: bool },
}

/// Serves one connection until it ends. `drain` asks it to end after the request at work.
pub async fn serve(edge: Arc<Edge>, socket: TcpStream, mut drain: watch::Receiver<bool>, scope: Scope) {
    let (Ok(local), Ok(remote)) = (socket.local_addr(), socket.peer_addr()) else { return };
    let ends = Ends { local: local.ip(), remote: remote.ip(), is_tls: false };
    let timers = Arc::new(Timers::new(&edge.limits, scope));
    let valve = Arc::new(Valve::default());
    let wire = Wire::new(socket, Arc::clone(&timers), Arc::clone(&valve));
    let requests = Requests { edge: Arc::clone(&edge), timers: Arc::clone(&timers), ends, scope };
    let mut builder = http1::Builder::new();
    // Deadlines are ours (see the timers).
    builder.max_header_size(edge.limits.head_bytes_max).header_read_timeout(None);
    builder.max_buf_size((edge.limits.head_bytes_max * 2).max(64 * 1024));
    let mut connection = builder.serve_connection(TokioIo::new(wire), requests);
    let mut linger = LINGER_TIMEOUT;
    let end = run(&mut connection, &timers, &valve, &mut drain, &mut linger).await;
    let phase = timers.phase();
    let (mut socket, held) = connection.into_parts().io.into_inner().into_parts();
    let (closed, fault) = match end {
        End::TimedOut { stalled: true } => (Closed::Stalled, None),
        End::TimedOut { stalled: false } => match phase {
            Phase::Head => {
                let seconds = edge.limits.head_timeout.as_secs();
                (Closed::HeadTimeout, Some(Fault::HeadTimeout { seconds }))
            }
            Phase::Fresh => (Closed::HeadTimeout, None),
            Phase::Idle | Phase::Serving => (Closed::IdleTimeout, None),
        },
        End::Finished(Ok(())) => (Closed::Done, None),
        End::Finished(Err(_)) if !held.is_empty() => (Closed::Malformed, Some(fault_of(&edge, &held))),
        // Another protocol, such as HTTP/2: the library has no word for it.
        End::Finished(Err(error)) if error.is_parse() && phase == Phase::Head => {
            (Closed::Malformed, Some(Fault::Malformed))
        }
        End::Finished(Err(_)) => (Closed::Broken, None),
    };
    edge.metrics.closed(closed);
    let last = match fault {
        Some(fault) => edge.bare(&Problem::from(fault)),
        None => held,
    };
    if closed != Closed::Stalled && closed != Closed::Broken {
        say_goodbye(&mut socket, &last, linger).await;
    }
}

/// What the library could not read, by the status that it would have sent.
fn fault_of(edge: &Edge, held: &[u8]) -> Fault {
    match held.get(9..12) {
        Some(b"431") => Fault::HeadTooLarge { limit: edge.limits.head_bytes_max },
        Some(b"414") => Fault::PathTooLong,
        Some(_) | None => Fault::Malformed,
    }
}

async fn run(
    connection: &mut Connection,
    timers: &Timers,
    valve: &Valve,
    drain: &mut watch::Receiver<bool>,
    linger: &mut Duration,
) -> End {
    let mut alarm = std::pin::pin!(sleep_until(Instant::now()));
    let mut draining = false;
    loop {
        let mut polled = poll_fn(|cx| poll(connection, timers, valve, alarm.as_mut(), cx));
        let asked = async {
            if draining {
                std::future::pending::<()>().await;
            }
            // An error means that the server is gone, which is a drain too.
            let _ = drain.wait_for(|drain| *drain).await;
        };
        tokio::select! {
            end = &mut polled => return end,
            () = asked => draining = true,
        }
        if matches!(timers.phase(), Phase::Fresh | Phase::Idle) {
            *linger = LINGER_IDLE_TIMEOUT;
        }
        Pin::new(&mut *connection).graceful_shutdown();
    }
}

fn poll(
    connection: &mut Connection,
    timers: &Timers,
    valve: &Valve,
    mut alarm: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<End> {
    if let Poll::Ready(end) = connection.poll_without_shutdown(cx) {
        return Poll::Ready(End::Finished(end));
    }
    if valve.release() {
        // It was not the library's last word: the next poll sends it.
        cx.waker().wake_by_ref();
    }
    loop {
        let Some((deadline, stalled)) = timers.deadline() else { return Poll::Pending };
        // Deadlines move away with every request; the alarm follows only when it rings, or when one comes nearer.
        if deadline < alarm.deadline() || alarm.is_elapsed() {
            if deadline <= Instant::now() {
                return Poll::Ready(End::TimedOut { stalled });
            }
            alarm.as_mut().reset(deadline);
        }
        if alarm.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
    }
}

/// Sends the last bytes, then listens to the client for a while, so that it can read them.
async fn say_goodbye(socket: &mut TcpStream, last: &[u8], linger: Duration) {
    let goodbye = async {
        socket.write_all(last).await?;
        socket.shutdown().await?;
        let mut ignored = vec![0; 16 * 1024];
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            match socket.read(&mut ignored).await? {
                0 => break,
                got => left = left.saturating_sub(got),
            }
        }
        std::io::Result::Ok(())
    };
    // A client that is gone already, or that goes on talking, gets no more of our time.
    let _ = timeout(linger, goodbye).await;
}
