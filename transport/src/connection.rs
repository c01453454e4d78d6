//! One outgoing connection at work: writes what is queued, reads answers, says that it is there, and notices when
//! the other end is not.

use crate::contact::{self, Contact};
use crate::frame::{self, FrameError, Header, Kind};
use crate::outbox::{Outbox, Writing};
use crate::pending::Calls;
use crate::{Limits, handshake};
use bytes::BytesMut;
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior};

/// How often calls past their deadline are looked for.
const SWEEP: Duration = Duration::from_millis(50);

/// First size of a read buffer, in bytes.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;

/// Runs a connection until it ends, ends all its calls, and says why it ended.
pub async fn run(
    mut socket: TcpStream,
    calls: &Calls,
    limits: &Limits,
    (contact, every): (&Contact, impl Fn() -> Duration),
) -> String {
    let mut writing = Writing::default();
    let why = {
        let (mut from, mut to) = socket.split();
        tokio::select! {
            error = calls.outbox.write_to(&mut to, &mut writing) => format!("writing failed: {error}"),
            why = read_answers(&mut from, calls, limits, contact) => why,
            never = say_alive(&calls.outbox, contact, every) => match never {},
        }
    };
    calls.close(&writing.untouched());
    why
}

/// Says now and then that this end is there. Each end does so by itself: an answer to a question would stand behind
/// whatever is queued, and a deep queue is no reason to hang up.
pub async fn say_alive(outbox: &Outbox, contact: &Contact, every: impl Fn() -> Duration) -> Infallible {
    loop {
        tokio::time::sleep(every()).await;
        let alive = frame::encode(Header { kind: Kind::Alive, id: 0, remaining_ms: 0 }, |out| {
            minicbor::encode(contact.alive(), out).expect("encoding into memory cannot fail");
        });
        // A full queue says by itself that something is under way; a closed one has nothing to say.
        let _rejected = outbox.push(0, alive);
    }
}

/// Reads answers until the other end fails or falls silent.
async fn read_answers<R: AsyncReadExt + Unpin>(
    from: &mut R,
    calls: &Calls,
    limits: &Limits,
    contact: &Contact,
) -> String {
    let mut buffer = BytesMut::with_capacity(READ_BUFFER_BYTES);
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            read = from.read_buf(&mut buffer) => {
                match read {
                    Ok(0) => return "the other node closed the connection".to_owned(),
                    Ok(_) => {
                        calls.heard();
                        contact.heard();
                    }
                    Err(error) => return format!("reading failed: {error}"),
                }
                loop {
                    match frame::decode(&mut buffer, limits.frame_bytes_max) {
                        Ok(None) => break,
                        Ok(Some((header, payload))) => match header.kind {
                            Kind::Answer => calls.complete(header.id, payload),
                            Kind::Alive => {
                                if let Some(alive) = contact::decode(&payload) {
                                    contact.said(alive);
                                }
                            }
                            Kind::NotUnderstood => calls.not_understood(header.id),
                            Kind::Handshake => {
                                return match handshake::late_refusal(&payload) {
                                    Some(reason) => format!("refused by the other node: {reason}"),
                                    None => "a handshake where an answer was due".to_owned(),
                                };
                            }
                            Kind::Data | Kind::Batch | Kind::Range | Kind::Consensus | Kind::Control => {
                                return "a request where an answer was due".to_owned();
                            }
                        },
                        // What a later version says beside its answers is not for this one.
                        Err(FrameError::Kind { .. }) => {}
                        Err(error) => return error.to_string(),
                    }
                }
                if buffer.is_empty() && buffer.capacity() > 16 * READ_BUFFER_BYTES {
                    // A large answer has passed; its buffer need not stay.
                    buffer = BytesMut::with_capacity(READ_BUFFER_BYTES);
                }
            }
            _ = sweep.tick() => {
                calls.expire(Instant::now());
                if calls.silent_for() >= limits.silence {
                    return format!("the other node has said nothing for {} ms", limits.silence.as_millis());
                }
            }
        }
    }
}
