//! A client's socket, as the HTTP library sees it: it tells the connection's timers what it sees, and it holds back
//! the one thing that the library says on its own.
//!
//! To a head that it can't read the library answers 400, 414 or 431 without a body. Our answers always say why, so
//! such a head is kept here instead of being sent. If the connection then ends with an error the driver answers
//! in full; otherwise it was a client's value that happens to look the same, and it is sent as it is.

use super::timers::{Phase, Timers};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Nothing is held back.
const FREE: u8 = 0;
/// Something is held back.
const HELD: u8 = 1;
/// What is held back shall be sent.
const RELEASED: u8 = 2;

/// Longest answer that the library makes on its own.
const BARE_BYTES_MAX: usize = 256;

/// A socket with head, idle and stall timers.
#[derive(Debug)]
pub struct Wire<S> {
    socket: S,
    timers: Arc<Timers>,
    valve: Arc<Valve>,
    held: Vec<u8>,
}

/// What the driver says about bytes that are held back.
#[derive(Debug, Default)]
pub struct Valve(AtomicU8);

impl Valve {
    /// Lets go what is held back; whether there was anything.
    pub fn release(&self) -> bool {
        self.0.compare_exchange(HELD, RELEASED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl<S> Wire<S> {
    /// Around a socket.
    pub fn new(socket: S, timers: Arc<Timers>, valve: Arc<Valve>) -> Self {
        Self { socket, timers, valve, held: Vec::new() }
    }

    /// The socket, and what was held back.
    pub fn into_parts(self) -> (S, Vec<u8>) {
        (self.socket, self.held)
    }

    /// Whether the library wrote this on its own (or a client's value looks exactly like it).
    fn is_bare_error(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(b"HTTP/1.1 4")
            && bytes.len() <= BARE_BYTES_MAX
            && bytes.ends_with(b"\r\n\r\n")
            && self.timers.phase() != Phase::Serving
            && !bytes.windows(10).any(|window| window.eq_ignore_ascii_case(b"\r\nquorate-"))
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.held))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.drain(..sent);
        }
        self.valve.0.store(FREE, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn note<T>(&self, sent: &Poll<io::Result<T>>) {
        match sent {
            Poll::Ready(_) => self.timers.sent(),
            Poll::Pending => self.timers.stalled(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.timers.received();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_held(cx))?;
        if self.is_bare_error(bytes) {
            self.held.extend_from_slice(bytes);
            self.valve.0.store(HELD, Ordering::Relaxed);
            return Poll::Ready(Ok(bytes.len()));
        }
        let outcome = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.note(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next()) {
            return self.poll_write(cx, only);
        }
        ready!(self.poll_held(cx))?;
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.note(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.valve.0.load(Ordering::Relaxed) == RELEASED {
            ready!(self.poll_held(cx))?;
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
