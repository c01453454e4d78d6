//! The whole HTTP surface, on one screen: a request's first line is read once, and its handler gets what it names.

use super::app::App;
use super::ends::Ends;
use super::fault::Fault;
use super::problem::Problem;
use super::{
    acts, admit, bulk, cluster, health, jobs, keys, locate, loss, members, moves, plans, recover, roles,
    root, scan, shards, table_stats, tables, ui, users,
};
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method};
use http_body::Body as _;
use quorate_api::header::{QUORATE_COORDINATOR, QUORATE_EPOCH};
use quorate_api::text::shown;
use quorate_api::{Asked, Route};
use quorate_ring::Order;

/// A node's answer to one request; it says which node gave it, and under which epoch.
pub async fn serve(app: &App, request: Request, ends: Ends) -> Response {
    let is_head = request.method() == Method::HEAD;
    let mut response = answer(app.clone(), request, ends).await.into_response();
    if is_head {
        leave_out_body(&mut response);
    }
    let headers = response.headers_mut();
    headers.insert(QUORATE_EPOCH, HeaderValue::from(app.core.view().epoch().0));
    headers.insert(QUORATE_COORDINATOR, app.coordinator.clone());
    response
}

/// Where access control is off, the catalog is asked for that, and nothing else is done for it.
async fn answer(app: App, request: Request, ends: Ends) -> Result<Response, Problem> {
    let (method, uri) = (request.method(), request.uri());
    let asked = Asked::read(method, uri.path(), uri.query(), app.limits.key_bytes_max)?;
    let operation = asked.route.operation();
    if operation.is_act() {
        return Box::pin(act(app, asked, request, ends)).await;
    }
    let caller = admit::recognise(&app, operation, &request, ends)?;
    let app = if caller.is_none() {
        app
    } else {
        let allowed = Box::pin(admit::allow(&app, &asked, caller)).await?;
        app.asked_by(allowed, &asked)
    };
    handle(app, asked, request).await
}

async fn act(app: App, asked: Asked, request: Request, ends: Ends) -> Result<Response, Problem> {
    let (app, act, request) = acts::begin(app, &asked, request, ends).await?;
    acts::carry_out(app, act, |app| handle(app, asked, request)).await
}

/// Handlers of one key stand here as they are; all others are larger than they, and rarer.
async fn handle(app: App, asked: Asked, request: Request) -> Result<Response, Problem> {
    let Asked { route, query } = asked;
    match route {
        Route::Read(on) => keys::read(app, on, query, request).await,
        Route::Put(on) | Route::Post(on) => keys::write(app, on, query, request).await,
        Route::Delete(on) => keys::delete(app, on, query, request).await,
        Route::Scan(on) => Box::pin(scan::keys(app, on, query, request)).await,
        Route::Mget(on) => Box::pin(bulk::mget(app, on, query, request)).await,
        Route::Batch(on) => Box::pin(bulk::batch(app, on, query, request)).await,
        Route::Locate(on) => Box::pin(locate::locate(app, on, query, request)).await,
        Route::Explain(on) => Box::pin(locate::explain(app, on, query, request)).await,
        Route::ListTables => tables::list(&app, &request),
        Route::CreateTable => Box::pin(tables::create(app, query, request)).await,
        Route::DescribeTable(on) => Box::pin(tables::show(app, on, query, request)).await,
        Route::AlterTable(on) => Box::pin(tables::alter(app, on, query, request)).await,
        Route::DropTable(on) => Box::pin(tables::drop_table(app, on, query, request)).await,
        Route::ListShards(on) => Box::pin(tables::shards(app, on, query, request)).await,
        Route::SplitShard(on) => Box::pin(shards::split(app, on, query, request)).await,
        Route::MergeShard(on) => Box::pin(shards::merge(app, on, query, request)).await,
        Route::MoveShard(on) => Box::pin(shards::move_one(app, on, query, request)).await,
        Route::TableStats(on) => Box::pin(table_stats::show(app, on, query, request)).await,
        Route::ShowCluster => cluster::show(&app, &request),
        Route::ListNodes => Box::pin(members::list(app, request)).await,
        Route::ShowNode(on) => Box::pin(members::show(app, on, request)).await,
        Route::SafeToStop(on) => cluster::safe_to_stop(&app, &on, &request),
        Route::PreviewLoss(on) => loss::preview(&app, &on, &request),
        Route::AcceptLoss(on) => Box::pin(loss::accept(app, on, query, request)).await,
        Route::DrainNode(on) => Box::pin(plans::drain(app, (on, true), query, request)).await,
        Route::UndrainNode(on) => Box::pin(plans::drain(app, (on, false), query, request)).await,
        Route::ListPlans => plans::list(&app, &request),
        Route::MakePlan => Box::pin(plans::make(app, request)).await,
        Route::ShowPlan(on) => plans::show(&app, &on, &request),
        Route::DiscardPlan(on) => plans::discard(&app, &on, &request),
        Route::ApplyPlan(on) => Box::pin(plans::apply(app, on, query, request)).await,
        Route::Recover => Box::pin(recover::recover(app, request)).await,
        Route::ShowRing => cluster::ring(&app, &query, &request),
        Route::ListJobs => Box::pin(jobs::list(app, request)).await,
        Route::OrderJob => Box::pin(jobs::order(app, query, request)).await,
        Route::ShowJob(on) => Box::pin(jobs::show(app, on, request)).await,
        Route::PauseJob(on) => Box::pin(moves::order(app, (on, Order::Pause), query, request)).await,
        Route::ResumeJob(on) => Box::pin(moves::order(app, (on, Order::Resume), query, request)).await,
        Route::AbortJob(on) => Box::pin(moves::order(app, (on, Order::Abort), query, request)).await,
        Route::ShowSync => Box::pin(jobs::sync(app, request)).await,
        Route::ShowAccess => users::show(&app, &request),
        Route::SwitchAccess => Box::pin(users::switch(app, query, request)).await,
        Route::PutUser(on) => Box::pin(users::put(app, on, query, request)).await,
        Route::RemoveUser(on) => Box::pin(users::remove(app, on, query, request)).await,
        Route::IssueToken(on) => Box::pin(users::issue(app, on, query, request)).await,
        Route::RevokeToken(on) => Box::pin(users::revoke(app, on, query, request)).await,
        Route::PutRole(on) => Box::pin(roles::put(app, on, query, request)).await,
        Route::RemoveRole(on) => Box::pin(roles::remove(app, on, query, request)).await,
        Route::ShowPeerAddress => cluster::peer_address(&app, &request),
        Route::ShowLimits => health::limits(&app, &request),
        Route::Live => Ok(health::live(&app.broken)),
        Route::Ready => health::ready(&app),
        Route::Metrics => Ok(health::metrics(&app, &request)),
        Route::OpenApi => health::openapi(&app, &request),
        Route::Root => root::show(&app, &request),
        Route::FindDashboard => ui::find(&request),
        Route::Dashboard => ui::page(&request),
        Route::DashboardFile(on) => ui::file(&on, &request),
    }
}

/// To `HEAD` the length of what `GET` would bring is all that is said of it.
fn leave_out_body(response: &mut Response) {
    if let (false, Some(bytes)) =
        (response.headers().contains_key(CONTENT_LENGTH), response.body().size_hint().exact())
    {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    *response.body_mut() = Body::empty();
}

/// The router adds `Allow`.
pub(super) async fn method_not_allowed(request: Request) -> Problem {
    Fault::MethodNotAllowed { method: shown(request.method().as_str()) }.into()
}
