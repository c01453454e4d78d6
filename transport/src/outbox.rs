//! What waits to be written on one connection, bounded in bytes, and the one vectored write that empties it.

use crate::frame::{self, Header, Kind};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

/// Most frames of one write (the kernel takes 1,024 pieces at most).
const FRAMES_PER_WRITE: usize = 256;

/// Most bytes of one write, unless a single frame is larger. What is not taken yet can still be withdrawn.
const BYTES_PER_WRITE: usize = 1024 * 1024;

/// Frames that wait to be written on one connection.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    /// Wakes the writer.
    ready: Notify,
    /// Wakes who waits for the queue to shrink.
    room: Notify,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Outgoing>,
    bytes: usize,
    closed: bool,
}

/// One frame on its way out.
#[derive(Debug)]
struct Outgoing {
    /// The call it belongs to; 0 for frames that belong to none.
    id: u64,
    bytes: Vec<u8>,
    /// How much of it the operating system has taken.
    written: usize,
}

/// The frames that a writer has taken and not fully written.
#[derive(Debug, Default)]
pub struct Writing(VecDeque<Outgoing>);

impl Writing {
    /// Ids of those of which the operating system has not taken one byte.
    pub fn untouched(&self) -> Vec<u64> {
        self.0.iter().filter(|outgoing| outgoing.written == 0).map(|outgoing| outgoing.id).collect()
    }
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The connection has ended.
    Closed,
    /// The queue holds as many bytes as it may.
    Full,
}

impl Outbox {
    /// An empty one that holds so many bytes at most.
    pub fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), ready: Notify::new(), room: Notify::new(), bytes_max }
    }

    /// Queues a frame. A frame larger than the whole queue may pass when the queue is empty.
    pub fn push(&self, id: u64, bytes: Vec<u8>) -> Result<(), Rejected> {
        {
            let mut state = self.lock();
            if state.closed {
                return Err(Rejected::Closed);
            }
            if state.bytes > 0 && state.bytes + bytes.len() > self.bytes_max {
                return Err(Rejected::Full);
            }
            state.bytes += bytes.len();
            state.queue.push_back(Outgoing { id, bytes, written: 0 });
        }
        self.ready.notify_one();
        Ok(())
    }

    /// Takes a frame back that the writer has not taken yet; false: it is (partly) gone.
    pub fn withdraw(&self, id: u64) -> bool {
        let mut state = self.lock();
        let Some(at) = state.queue.iter().position(|outgoing| outgoing.id == id) else { return false };
        let outgoing = state.queue.remove(at).expect("found there");
        state.bytes -= outgoing.bytes.len();
        true
    }

    /// Ends it: nothing is queued any more. Returns the ids of what was never taken by the writer.
    pub fn close(&self) -> Vec<u64> {
        let left = {
            let mut state = self.lock();
            state.closed = true;
            state.bytes = 0;
            std::mem::take(&mut state.queue)
        };
        self.ready.notify_one();
        self.room.notify_waiters();
        left.iter().map(|outgoing| outgoing.id).collect()
    }

    /// Bytes that wait, those in the current write included.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// Waits until fewer than `bytes` wait, or the connection has ended.
    pub async fn shrunk_below(&self, bytes: usize) {
        loop {
            let room = self.room.notified();
            {
                let state = self.lock();
                if state.closed || state.bytes < bytes {
                    return;
                }
            }
            room.await;
        }
    }

    /// Writes what is queued, again and again, until the socket fails or the box is closed; returns why. `writing`
    /// belongs to the caller, so that it is there to be looked at when this future is dropped half-way.
    pub async fn write_to<W: AsyncWrite + Unpin>(&self, socket: &mut W, writing: &mut Writing) -> io::Error {
        loop {
            match self.take().await {
                Some(batch) => writing.0 = batch,
                None => return io::Error::new(io::ErrorKind::NotConnected, "closed here"),
            }
            let bytes: usize = writing.0.iter().map(|outgoing| outgoing.bytes.len()).sum();
            if let Err(error) = write_batch(socket, &mut writing.0).await {
                return error;
            }
            {
                let mut state = self.lock();
                state.bytes = state.bytes.saturating_sub(bytes);
            }
            self.room.notify_waiters();
        }
    }

    /// Waits for frames and takes those that are ready; `None`: closed. Where it has waited, all tasks that can run now
    /// run first: what they queue goes with the same write.
    async fn take(&self) -> Option<VecDeque<Outgoing>> {
        loop {
            let ready = self.ready.notified();
            {
                let mut state = self.lock();
                if state.closed {
                    return None;
                }
                if !state.queue.is_empty() {
                    let mut bytes = 0;
                    let fits = state.queue.iter().take(FRAMES_PER_WRITE).take_while(|outgoing| {
                        let first = bytes == 0;
                        bytes += outgoing.bytes.len();
                        first || bytes <= BYTES_PER_WRITE
                    });
                    let count = fits.count();
                    return Some(state.queue.drain(..count).collect());
                }
            }
            ready.await;
            tokio::task::yield_now().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

/// Writes all of a batch; what is fully written leaves it.
async fn write_batch<W: AsyncWrite + Unpin>(
    socket: &mut W,
    batch: &mut VecDeque<Outgoing>,
) -> io::Result<()> {
    while !batch.is_empty() {
        let slices: Vec<IoSlice<'_>> =
            batch.iter().map(|outgoing| IoSlice::new(&outgoing.bytes[outgoing.written..])).collect();
        let mut taken = socket.write_vectored(&slices).await?;
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(first) = batch.front_mut().filter(|_| taken > 0) {
            let step = taken.min(first.bytes.len() - first.written);
            first.written += step;
            taken -= step;
            if first.written == first.bytes.len() {
                batch.pop_front();
            }
        }
    }
    Ok(())
}

/// Answers one request of a peer; may be used from any thread. Dropped unused, it answers nothing, and the peer's
/// call ends with its deadline.
#[derive(Debug)]
pub struct Responder {
    outbox: Arc<Outbox>,
    id: u64,
    working: Arc<Working>,
    bytes: usize,
}

/// Bytes of requests that one connection has at work.
#[derive(Debug, Default)]
pub struct Working {
    bytes: std::sync::atomic::AtomicUsize,
    less: Notify,
}

impl Working {
    /// Waits until at most so many bytes are at work.
    pub async fn at_most(&self, bytes: usize) {
        loop {
            let less = self.less.notified();
            if self.bytes.load(std::sync::atomic::Ordering::Acquire) <= bytes {
                return;
            }
            less.await;
        }
    }
}

impl Responder {
    /// For the request of this id, of so many bytes.
    pub fn new(outbox: Arc<Outbox>, id: u64, working: Arc<Working>, bytes: usize) -> Self {
        working.bytes.fetch_add(bytes, std::sync::atomic::Ordering::AcqRel);
        Self { outbox, id, working, bytes }
    }

    /// Sends the answer. A connection that has ended or a full queue swallows it: the peer finds its call lost.
    pub fn answer(self, fill: impl FnOnce(&mut Vec<u8>)) {
        self.say(Kind::Answer, fill);
    }

    /// Says that this version does not have the request. Nothing may have been done of it.
    pub fn not_understood(self) {
        self.say(Kind::NotUnderstood, |_| ());
    }

    fn say(self, kind: Kind, fill: impl FnOnce(&mut Vec<u8>)) {
        let header = Header { kind, id: self.id, remaining_ms: 0 };
        if let Err(Rejected::Full) = self.outbox.push(0, frame::encode(header, fill)) {
            tracing::warn!("an answer to a peer was dropped: its queue is full");
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.working.bytes.fetch_sub(self.bytes, std::sync::atomic::Ordering::AcqRel);
        self.working.less.notify_one();
    }
}
