//! The HTTP interface in types: what the server, the client and the command line say to each other, written once.
//!
//! ```text
//!                    ┌──────────────────────────── api ─────────────────────────────┐
//!   client, cli ───> │ Route ──path()──> "/v1/tables/t/keys/a?r=2" ──read()──> Asked │ ───> server
//!                <── │ document::* (serde), Code, headers                           │ <───
//!                    └──────────────────────────────┬───────────────────────────────┘
//!                                                   └─> openapi: the same types as schemas
//! ```
//!
//! - [`route`]: one enum of everything that can be asked. Method, path and query are read once, by the server, and built
//!   once, by the client.
//! - [`query`]: the parameters; what could weaken a request is understood or refused, never ignored.
//! - [`document`]: every JSON document; [`form`]: the forms of the texts in them.
//! - [`needs`]: what who asks must be allowed, where access control is on; [`token`]: how it proves who it is.
//! - [`code`]: why a request is refused: word, status and title of each reason.
//! - [`openapi`]: `/openapi.json`, put together from all of these.
//!
//! # Invariants
//!
//! - Nothing here knows a socket, a runtime or a command line.
//! - A document has one type. What is served, what is read and what is described can't differ.
//! - A client reads the answer of a newer server: unknown members are passed over, unknown words kept as text.
//!
//! # What is absent
//!
//! Limits: those in force are the server's, and are given where they matter. Sentences of refusals beyond those on the
//! first line of a request: each belongs to the code that refuses.

pub mod code;
pub mod cursor;
pub mod decoders;
pub mod document;
pub mod form;
pub mod header;
pub mod key;
pub mod needs;
pub mod openapi;
pub mod query;
pub mod route;
pub mod text;
pub mod token;

pub use code::Code;
pub use form::{Outcome, Word};
pub use needs::Needs;
pub use route::{
    Asked, OnFile, OnJob, OnKey, OnNode, OnPlan, OnRole, OnShard, OnTable, OnToken, OnUser, Operation, Route,
    RouteError,
};
