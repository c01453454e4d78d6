//! Administrative acts: let in by the newest catalog, carried out to their end, and told to the audit log.
//!
//! An act goes on when its client has gone away, so that the log knows how it ended. Who may do it is judged after the
//! others were asked for a newer catalog: a node that lags behind does not let an admin in who is none any more.

use super::access::Caller;
use super::admit;
use super::app::App;
use super::audit::{About, Act, Ended};
use super::ends::Ends;
use super::fault::Fault;
use super::observe::RequestName;
use super::problem::Problem;
use axum::extract::Request;
use axum::response::Response;
use quorate_api::{Asked, Code, Operation, openapi, text};
use quorate_coordinator::answer::Outcome;
use quorate_node::control::ProposeError;
use std::panic::resume_unwind;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument as _;

/// How long a newer catalog is waited for. A cluster without a majority can be administered, too.
const FRESH: Duration = Duration::from_millis(500);

/// How long that is tried, where an act changes the catalog and access control is on.
const FRESH_MAX: Duration = Duration::from_secs(5);

/// Most characters of a path that the audit log takes.
const PATH_MAX: usize = 256;

/// Lets an act in; what is to be written down of it. What is denied is written down here.
pub async fn begin(
    app: App,
    asked: &Asked,
    request: Request,
    ends: Ends,
) -> Result<(App, Act, Request), Problem> {
    let operation = asked.route.operation();
    let name = request.extensions().get::<RequestName>();
    let mut act = Act {
        request: name.map(|RequestName(name)| name.to_string()).unwrap_or_default(),
        user: None,
        source: ends.remote.to_canonical(),
        act: openapi::id(operation),
        path: text::masked(&asked.route.path().0).chars().take(PATH_MAX).collect(),
        table: asked.route.table().map(str::to_owned),
    };
    let mut caller = admit::recognise(&app, operation, &request, ends);
    if caller.is_ok() {
        let is_fresh = freshened(&app, asked).await;
        caller = admit::recognise(&app, operation, &request, ends);
        if !is_fresh && !is_local(operation) && matches!(caller, Ok(Some(_))) {
            // Where it refuses for a reason of its own, that says more.
            caller = Err(app.expect_serving().err().unwrap_or_else(unconfirmed));
        }
    }
    let caller = match caller {
        Ok(caller) => {
            let known = caller.as_ref().and_then(Caller::known);
            act.user = known.map(|known| known.name().to_owned());
            admit::allow(&app, asked, caller).await
        }
        Err(problem) => Err(problem),
    };
    match caller {
        Ok(caller) => Ok((app.asked_by(caller, asked), act, request)),
        Err(problem) => {
            let about = About::default();
            let answered = (problem.code().status().as_u16(), Some(problem.code().as_str()));
            app.audit.tell((&act, &about), Ended::Denied, answered, app.core.wall()).await;
            Err(problem)
        }
    }
}

/// Asks for the newest catalog, again and again for as long as the act may take; false: its leader did not answer.
async fn freshened(app: &App, asked: &Asked) -> bool {
    let until = Instant::now() + app.change_timeout(&asked.query).min(FRESH_MAX);
    loop {
        let is_fresh = app.core.refresh(FRESH).await;
        let is_wanted = app.core.access().is_some() && !is_local(asked.route.operation());
        if is_fresh || !is_wanted || app.expect_serving().is_err() || Instant::now() >= until {
            return is_fresh;
        }
        tokio::time::sleep(FRESH / 5).await;
    }
}

fn unconfirmed() -> Problem {
    let reason = "this node can't learn who may do that now: the leader of the catalog does not answer it";
    ProposeError::Unavailable { reason: reason.to_owned() }.into()
}

/// Whether an act changes this node alone, and no catalog: it goes on where the catalog has lost its majority.
fn is_local(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Recover
            | Operation::AcceptLoss
            | Operation::MakePlan
            | Operation::DiscardPlan
            | Operation::OrderJob
    )
}

/// Carries an act out, whether or not its client waits, and writes down how it ended.
pub async fn carry_out<F>(app: App, mut act: Act, doing: impl FnOnce(App) -> F) -> Result<Response, Problem>
where
    F: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    let begun = app.audit.begin(&act, app.core.wall()).await;
    begun.map_err(|why| Fault::AuditUnavailable { why })?;
    let (app, about) = app.acting();
    let doing = tokio::spawn(doing(app.clone()).in_current_span());
    let told = async move {
        let result = doing.await;
        let (ended, answered) = match &result {
            Ok(Ok(response)) => (Ended::Done, (response.status().as_u16(), None)),
            Ok(Err(problem)) => {
                let code = problem.code();
                (how(problem), (code.status().as_u16(), Some(code.as_str())))
            }
            Err(_) => (Ended::Unknown, (500, Some(Code::Internal.as_str()))),
        };
        act.table = act.table.or_else(|| about.table.get().cloned());
        app.audit.tell((&act, &about), ended, answered, app.core.wall()).await;
        result
    };
    match tokio::spawn(told.in_current_span()).await {
        Ok(Ok(result)) => result,
        Ok(Err(failed)) | Err(failed) if failed.is_panic() => resume_unwind(failed.into_panic()),
        // The runtime ends, and with it the node.
        Ok(Err(_)) | Err(_) => Err(Fault::Panicked.into()),
    }
}

fn how(problem: &Problem) -> Ended {
    if matches!(problem.code(), Code::Unauthenticated | Code::Forbidden | Code::RateLimited) {
        return Ended::Denied;
    }
    match problem.outcome() {
        Outcome::Unknown => Ended::Unknown,
        Outcome::NotApplied => Ended::Refused,
    }
}
