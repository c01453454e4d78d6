//! One question over a connection of its own: how a node that is no member yet asks to become one.

use crate::handshake::{self, HandshakeError, Identity, Secret, Whereabouts};
use crate::pending::Calls;
use crate::{Asked, CallError, Contacts, Forgetful, Lane, Limits, connection};
use bytes::Bytes;
use quorate_model::NodeId;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum OnceError {
    /// No connection.
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
    /// A connection, and no answer.
    #[error("{0}")]
    Call(#[from] CallError),
    /// Not in time.
    #[error("no connection in time")]
    TooLate,
}

/// Dials the process at `address`, asks one question, and hangs up.
pub async fn ask_once(
    address: &str,
    secret: &Secret,
    identity: Identity,
    asked: Asked,
    payload: &[u8],
    deadline: Instant,
) -> Result<Bytes, OnceError> {
    let limits = Limits::default();
    let dial = async {
        let mut socket = TcpStream::connect(address).await.map_err(HandshakeError::from)?;
        socket.set_nodelay(true).map_err(HandshakeError::from)?;
        let (nowhere, whom) = (Whereabouts::default(), (NodeId(0), Lane::Urgent));
        let proven = handshake::dial(&mut socket, secret, identity, &nowhere, whom, &Forgetful).await?;
        Ok::<_, HandshakeError>((socket, proven.protocol))
    };
    let by = deadline.min(Instant::now() + limits.handshake);
    let (socket, protocol) = tokio::time::timeout_at(by, dial).await.map_err(|_| OnceError::TooLate)??;
    let calls = Calls::new(limits.queued_bytes_max, protocol);
    let (tell, hear) = oneshot::channel();
    let sink = Box::new(move |answered| drop(tell.send(answered)));
    calls.send(asked, deadline, |out| out.extend_from_slice(payload), sink);
    let (contacts, every) = (Contacts::default(), || limits.keepalive);
    let contact = contacts.of(NodeId(0));
    tokio::select! {
        answered = hear => Ok(answered.unwrap_or(Err(CallError::Lost("the connection was torn down")))?),
        why = connection::run(socket, &calls, &limits, (&contact, every)) => {
            tracing::debug!("the connection ended before the answer: {why}");
            Err(CallError::Lost("the connection ended before the answer").into())
        }
    }
}
