//! The whole HTTP surface, on one screen: a request's first line is read once, and its handler gets what it names.

use super::app::App;
use super::fault::Fault;
use super::problem::Problem;
use super::{
    bulk, cluster, health, jobs, keys, locate, loss, members, moves, plans, recover, root, scan, shards,
    table_stats, tables,
};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::map_response_with_state;
use axum::response::Response;
use http::HeaderValue;
use quorate_api::header::{QUORATE_COORDINATOR, QUORATE_EPOCH};
use quorate_api::text::shown;
use quorate_api::{Asked, Route};
use quorate_ring::Order;

/// Every route of a node.
pub fn routes(app: App) -> Router {
    Router::new().fallback(serve).layer(map_response_with_state(app.clone(), sign)).with_state(app)
}

async fn serve(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (method, uri) = (request.method(), request.uri());
    let Asked { route, query } = Asked::read(method, uri.path(), uri.query(), app.limits.key_bytes_max)?;
    match route {
        Route::Read(on) => keys::read(app, on, query, request).await,
        Route::Put(on) | Route::Post(on) => keys::write(app, on, query, request).await,
        Route::Delete(on) => keys::delete(app, on, query, request).await,
        Route::Scan(on) => scan::keys(app, on, query, request).await,
        Route::Mget(on) => bulk::mget(app, on, query, request).await,
        Route::Batch(on) => bulk::batch(app, on, query, request).await,
        Route::Locate(on) => locate::locate(app, on, query, request).await,
        Route::Explain(on) => locate::explain(app, on, query, request).await,
        Route::ListTables => tables::list(&app, &request),
        Route::CreateTable => tables::create(app, query, request).await,
        Route::DescribeTable(on) => tables::show(app, on, query, request).await,
        Route::AlterTable(on) => tables::alter(app, on, query, request).await,
        Route::DropTable(on) => tables::drop_table(app, on, query, request).await,
        Route::ListShards(on) => tables::shards(app, on, query, request).await,
        Route::SplitShard(on) => shards::split(app, on, query, request).await,
        Route::MergeShard(on) => shards::merge(app, on, query, request).await,
        Route::MoveShard(on) => shards::move_one(app, on, query, request).await,
        Route::TableStats(on) => table_stats::show(app, on, query, request).await,
        Route::ShowCluster => cluster::show(&app, &request),
        Route::ListNodes => members::list(app, request).await,
        Route::ShowNode(on) => members::show(app, on, request).await,
        Route::SafeToStop(on) => cluster::safe_to_stop(&app, &on, &request),
        Route::PreviewLoss(on) => loss::preview(&app, &on, &request),
        Route::AcceptLoss(on) => loss::accept(app, on, query, request).await,
        Route::DrainNode(on) => plans::drain(app, (on, true), query, request).await,
        Route::UndrainNode(on) => plans::drain(app, (on, false), query, request).await,
        Route::ListPlans => plans::list(&app, &request),
        Route::MakePlan => plans::make(app, request).await,
        Route::ShowPlan(on) => plans::show(&app, &on, &request),
        Route::DiscardPlan(on) => plans::discard(&app, &on, &request),
        Route::ApplyPlan(on) => plans::apply(app, on, query, request).await,
        Route::Recover => recover::recover(app, request).await,
        Route::ShowRing => cluster::ring(&app, &query, &request),
        Route::ListJobs => jobs::list(app, request).await,
        Route::OrderJob => jobs::order(app, query, request).await,
        Route::ShowJob(on) => jobs::show(app, on, request).await,
        Route::PauseJob(on) => moves::order(app, (on, Order::Pause), query, request).await,
        Route::ResumeJob(on) => moves::order(app, (on, Order::Resume), query, request).await,
        Route::AbortJob(on) => moves::order(app, (on, Order::Abort), query, request).await,
        Route::ShowSync => jobs::sync(app, request).await,
        Route::ShowLimits => health::limits(&app, &request),
        Route::Live => Ok(health::live(&app.broken)),
        Route::Ready => health::ready(&app),
        Route::Metrics => Ok(health::metrics(&app)),
        Route::OpenApi => health::openapi(&app, &request),
        Route::Root => root::show(&app, &request),
    }
}

/// Every answer says which node gave it, and under which epoch.
async fn sign(State(app): State<App>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(QUORATE_EPOCH, HeaderValue::from(app.core.view().epoch().0));
    let node = HeaderValue::from_str(&app.core.node().to_string()).expect("a letter and digits");
    headers.insert(QUORATE_COORDINATOR, node);
    response
}

/// The router adds `Allow`.
pub(super) async fn method_not_allowed(request: Request) -> Problem {
    Fault::MethodNotAllowed { method: shown(request.method().as_str()) }.into()
}
