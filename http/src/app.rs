//! What every handler shares, and the few things that most of them do first.

use super::body::Kind;
use super::budget::{Budget, Share};
use super::fault::Fault;
use super::head;
use super::problem::Problem;
use crate::access::{Caller, Guard, Known, admitted};
use crate::audit::{About, Audit};
use crate::broken::Broken;
use crate::limits::{InForce, Limits};
use crate::metrics::Metrics;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use quorate_api::header::JSON;
use quorate_api::query::Query;
use quorate_api::text;
use quorate_api::{Asked, Needs};
use quorate_model::{Key, ShardId, Table};
use quorate_node::core::Core;
use quorate_ring::catalog::access::Rights;
use quorate_ring::{Access, Closing};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Most bytes of a document that the audit log takes.
const TOLD_BYTES_MAX: usize = 4 * 1024;

/// What it takes of a longer one.
const TOO_LONG: &str = "\"longer than 4 KiB\"";

/// What every handler shares, and who asks. Cheap to clone.
#[derive(Clone)]
pub struct App {
    shared: Arc<Shared>,
    /// `None`: access control is off.
    caller: Option<Arc<Caller>>,
    /// What it asks, where access control is on.
    asked: Option<Arc<Asked>>,
    /// What the audit log shall say beside the path; `None`: it says nothing of this request.
    about: Option<Arc<About>>,
}

/// See [`App`].
pub struct Shared {
    /// The node.
    pub core: Arc<Core>,
    /// What a client may make this node do.
    pub limits: Arc<Limits>,
    /// Every limit of the node.
    pub in_force: Arc<[InForce]>,
    /// The rule that this build breaks on purpose.
    pub broken: Broken,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The memory that all bodies share.
    pub bodies: Budget,
    /// The memory that all answers with values share.
    pub answers: Budget,
    /// This node, as its answers name it.
    pub coordinator: HeaderValue,
    /// Recognises who asks.
    pub guard: Guard,
    /// What administrative acts are written to.
    pub audit: Audit,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("App").field(&self.coordinator).finish()
    }
}

impl App {
    /// Around a running node.
    pub fn new(
        core: Arc<Core>,
        limits: Arc<Limits>,
        in_force: Arc<[InForce]>,
        broken: Broken,
        metrics: Arc<Metrics>,
        (guard, audit): (Guard, Audit),
    ) -> Self {
        let bodies = Budget::new(limits.bodies_bytes_max);
        let answers = Budget::new(limits.answers_bytes_max);
        let coordinator = HeaderValue::from_str(&core.node().to_string()).expect("a letter and digits");
        let shared =
            Shared { core, limits, in_force, broken, metrics, bodies, answers, coordinator, guard, audit };
        Self { shared: Arc::new(shared), caller: None, asked: None, about: None }
    }

    /// The same for one request, of this caller.
    #[must_use]
    pub fn asked_by(mut self, caller: Option<Caller>, asked: &Asked) -> Self {
        self.asked = caller.as_ref().map(|_| Arc::new(asked.clone()));
        self.caller = caller.map(Arc::new);
        self
    }

    /// The same for an administrative act, and where its handler says what it is about.
    pub fn acting(mut self) -> (Self, Arc<About>) {
        let about = Arc::new(About::default());
        self.about = Some(Arc::clone(&about));
        (self, about)
    }

    /// Says for the audit log which table this act is about, where its path does not.
    pub fn tell_table(&self, table: &str) {
        if let Some(about) = &self.about {
            let _said = about.table.set(table.to_owned());
        }
    }

    /// Says for the audit log what else this act is about: never a key, a value or a token.
    pub fn tell(&self, what: &impl Serialize) {
        if let Some(about) = &self.about {
            let what = serde_json::to_string(what).expect("a document of plain values");
            let what = if what.len() > TOLD_BYTES_MAX {
                TOO_LONG.to_owned()
            } else {
                text::masked(&what).into_owned()
            };
            let _said = about.what.set(serde_json::from_str(&what).expect("it was made of one"));
        }
    }

    /// Who asks; `None`: access control is off.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_deref()
    }

    /// Whether this is allowed to who asks. Where access control is off, everything is.
    pub fn may(&self, is_allowed: impl FnOnce(&Rights) -> bool) -> bool {
        self.caller().is_none_or(|caller| caller.may(is_allowed))
    }

    /// Refuses what is not allowed to who asks, by what is known of it now.
    pub fn expect_allowed(
        &self,
        needs: Needs,
        is_allowed: impl FnOnce(&Rights) -> bool,
    ) -> Result<(), Problem> {
        let Some(access) = self.core.access() else { return Ok(()) };
        let known = self.still_known(&access)?;
        if is_allowed(known.rights()) { Ok(()) } else { Err(self.forbidden(&Caller::Known(known), needs)) }
    }

    /// Refuses a request, once its body has come, of one who may not ask for it any more; also one that began before access
    /// control was switched on.
    pub fn expect_still(&self) -> Result<(), Problem> {
        let Some(access) = self.core.access() else { return Ok(()) };
        let known = self.still_known(&access)?;
        let Some(asked) = &self.asked else { return Err(Fault::Unauthenticated.into()) };
        match self.admitted(asked, &known) {
            Some(_) => Ok(()),
            None => Err(self.forbidden(&Caller::Known(known), asked.route.operation().needs())),
        }
    }

    /// The same user, for what a request is about; `None`: it may not.
    pub fn admitted(&self, asked: &Asked, known: &Known) -> Option<Known> {
        admitted(&self.core.view(), self.guard.are_metrics_open(), asked, known)
    }

    fn still_known(&self, access: &Access) -> Result<Known, Problem> {
        let known = self.caller().and_then(Caller::known);
        let known = known.and_then(|known| known.again(access, self.core.wall()));
        known.ok_or_else(|| Fault::Unauthenticated.into())
    }

    /// Refuses a table that who asks was not let in for: one that was made since under the name of the one that it named.
    pub fn expect_about(&self, table: &Table) -> Result<(), Problem> {
        match self.caller().filter(|caller| !caller.is_about(table)) {
            Some(caller) => Err(self.forbidden(caller, Needs::See)),
            None => Ok(()),
        }
    }

    /// What a caller is told that may not do what it asks for.
    pub fn forbidden(&self, caller: &Caller, needs: Needs) -> Problem {
        let Some(known) = caller.known() else { return Fault::Unauthenticated.into() };
        self.metrics.forbidden.inc();
        Fault::Forbidden { user: known.name().to_owned(), needs: needs.says() }.into()
    }

    /// The table of this name. Waits at most `timeout` for a newer catalog.
    pub async fn table(&self, name: String, timeout: Duration) -> Result<Arc<Table>, Problem> {
        let table = self.core.table(&name, Instant::now() + timeout).await;
        if let Some(table) = &table {
            self.expect_about(table)?;
        }
        table.ok_or_else(|| match self.core.refuses_keys() {
            // What such a node does not find may be what it has lost.
            Some(doubt) => Fault::Doubtful { doubt }.into(),
            None if !self.core.is_named() => Fault::Starting.into(),
            None => Fault::NoSuchTable { name }.into(),
        })
    }

    /// The same for requests for its keys: they are refused while owners may still answer for a dropped table of its name.
    pub async fn table_of_keys(&self, name: String, timeout: Duration) -> Result<Arc<Table>, Problem> {
        let closing = |closing: Arc<Closing>| Fault::Closing { name: closing.name.clone() };
        let table = match self.table(name.clone(), timeout).await {
            Ok(table) => table,
            // That the keys are gone is not certain yet either.
            Err(gone) => return Err(self.core.dropping(&name).map_or(gone, |open| closing(open).into())),
        };
        self.core.expect_answers(&table).map_err(closing)?;
        Ok(table)
    }

    /// How long a client waits: what it asks for, cut to what the server allows.
    pub fn timeout(&self, query: &Query) -> Duration {
        query.timeout(self.limits.request_timeout, self.limits.request_timeout_max)
    }

    /// The same for a change of the catalog, which takes the members' time too.
    pub fn change_timeout(&self, query: &Query) -> Duration {
        query.timeout(self.limits.change_timeout, self.limits.request_timeout_max)
    }

    /// The shard of a key, for people who have to find out what is wrong with it.
    pub fn shard_of(&self, table: &Table, key: &Key) -> Option<ShardId> {
        let view = self.core.view();
        view.table_by_id(table.id).map(|entry| entry.shard_of(key).id)
    }

    /// Refuses what a stopping node does not begin any more, and one that doubts its disk cannot.
    pub fn expect_serving(&self) -> Result<(), Problem> {
        if self.core.is_draining() {
            return Err(Fault::Draining.into());
        }
        self.core.refuses_keys().map_or(Ok(()), |doubt| Err(Fault::Doubtful { doubt }.into()))
    }

    /// The same for requests for keys, which a drained node leaves to others.
    pub fn expect_coordinating(&self) -> Result<(), Problem> {
        self.expect_serving()?;
        if self.core.is_drained() {
            return Err(Fault::Drained { node: self.core.node() }.into());
        }
        Ok(())
    }

    /// Refuses to list what a node has no catalog of, since it doubts its disk or has begun anew: an empty list would be a
    /// lie.
    pub fn expect_catalog(&self) -> Result<(), Problem> {
        if self.core.view().catalog().is_founded() {
            return Ok(());
        }
        Err(self.core.refuses_keys().map_or(Fault::Starting, |doubt| Fault::Doubtful { doubt }).into())
    }

    /// Refuses another operation on a key, with a value of so many bytes, while too many are at work or hold too
    /// much: an operation goes on after its answer, until every owner has been heard or given up.
    pub fn expect_room(&self, value_bytes: usize) -> Result<(), Problem> {
        let load = self.core.operations();
        let limit = self.limits.operations_running_max;
        if load.running >= limit as u64 {
            return Err(Fault::TooManyOperations { limit }.into());
        }
        let limit = self.limits.operations_bytes_max;
        if load.value_bytes + value_bytes as u64 > limit as u64 {
            return Err(Fault::OperationsFull { limit }.into());
        }
        Ok(())
    }

    /// A value on its way to a client, which counts until the client has taken it.
    pub fn answered(&self, value: bytes::Bytes) -> Result<bytes::Bytes, Problem> {
        self.answers.hold(value).map_err(|_| self.answers_full())
    }

    /// Why an answer can't be held for its client.
    pub fn answers_full(&self) -> Problem {
        Fault::AnswersFull { limit: self.limits.answers_bytes_max }.into()
    }

    /// Reads a JSON document of at most `bytes_max` bytes whose every field is known. The permit is its share of the
    /// memory for bodies: to be kept for as long as the document is.
    pub async fn document<T: DeserializeOwned>(
        &self,
        request: Request,
        kind: Kind,
        bytes_max: usize,
    ) -> Result<(T, Option<Share>), Problem> {
        let (parts, body) = request.into_parts();
        head::expect_json(&parts.headers)?;
        head::expect_length(&parts.headers)?;
        let received = self.bodies.receive(&parts.headers, body, kind, bytes_max, &self.limits).await?;
        self.expect_still()?;
        let document = understood(&received.bytes)
            .map_err(|why| Fault::Document(format!("the document can't be used: {why}")))?;
        Ok((document, received.room))
    }
}

/// What a request that is not one write may carry beside its first line: an answer it accepts, and no operation id.
pub fn plain(request: &Request) -> Result<(), Problem> {
    head::refuse_operation(request.headers())?;
    head::expect_accepted(request.headers(), JSON)?;
    Ok(())
}

/// A whole JSON document, or why it was not understood.
pub(super) fn understood<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let document = serde_path_to_error::deserialize(&mut json);
    let document = document.map_err(|error| sentence(&error.path().to_string(), error.inner()))?;
    json.end().map_err(|error| sentence(".", &error))?;
    Ok(document)
}

/// What is wrong, in words of JSON: of a broken document the line, of a whole one the field.
fn sentence(field: &str, error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = match said.rsplit_once(" at line ") {
        Some((what, _)) if error.is_data() && field == "." => what.to_owned(),
        Some((what, _)) if error.is_data() => format!("{field}: {what}"),
        Some(_) | None => said,
    };
    let words = [
        ("unknown variant", "unknown name"),
        ("expected u8", "expected a whole number from 0 to 255"),
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("invalid type: sequence", "invalid type: list"),
        ("expected a sequence", "expected a list"),
        ("invalid type: map", "invalid type: object"),
        ("invalid type: floating point", "invalid type: number"),
        ("expected a string", "expected a text in quotes"),
        ("EOF while parsing", "it ends within"),
    ];
    let plain = words.into_iter().fold(said, |said, (rust, json)| said.replace(rust, json));
    text::sentence(&plain)
}

/// A JSON document as an answer.
pub fn json(status: StatusCode, document: &impl Serialize) -> Response {
    json_bytes(status, serde_json::to_vec(document).expect("a document of plain values").into())
}

/// The bytes of a JSON document as an answer.
pub fn json_bytes(status: StatusCode, body: bytes::Bytes) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}
