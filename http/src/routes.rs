//! The whole HTTP surface, on one screen.

use super::app::App;
use super::fault::Fault;
use super::problem::Problem;
use super::text::shown;
use super::{bulk, cluster, health, keys, loss, members, tables};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::map_response_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderName, HeaderValue};

const QUORATE_EPOCH: HeaderName = HeaderName::from_static("quorate-epoch");
const QUORATE_COORDINATOR: HeaderName = HeaderName::from_static("quorate-coordinator");

/// Every route of a node.
pub fn routes(app: App) -> Router {
    Router::new()
        .route("/v1/tables", get(tables::list).post(tables::create))
        .route("/v1/tables/{table}", get(tables::show).patch(tables::alter).delete(tables::drop_table))
        .route("/v1/tables/{table}/shards", get(tables::shards))
        .route("/v1/tables/{table}/keys/", one_key())
        .route("/v1/tables/{table}/keys/{*key}", one_key())
        .route("/v1/tables/{table}/mget", post(bulk::mget))
        .route("/v1/tables/{table}/batch", post(bulk::batch))
        .route("/v1/tables/{table}/locate/", get(cluster::locate))
        .route("/v1/tables/{table}/locate/{*key}", get(cluster::locate))
        .route("/v1/tables/{table}/explain/", get(cluster::explain))
        .route("/v1/tables/{table}/explain/{*key}", get(cluster::explain))
        .route("/v1/cluster", get(cluster::show))
        .route("/v1/cluster/nodes", get(members::list))
        .route("/v1/cluster/nodes/{node}", get(members::show))
        .route("/v1/cluster/nodes/{node}/safe-to-stop", get(cluster::safe_to_stop))
        .route("/v1/cluster/nodes/{node}/accept-loss", get(loss::preview).post(loss::accept))
        .route("/v1/cluster/ring", get(cluster::ring))
        .route("/v1/limits", get(health::limits))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(health::openapi))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_such_route)
        .layer(map_response_with_state(app.clone(), sign))
        .with_state(app)
}

fn one_key() -> axum::routing::MethodRouter<App> {
    get(keys::read).put(keys::write).post(keys::write).delete(keys::delete)
}

/// Every answer says which node gave it, and under which epoch.
async fn sign(State(app): State<App>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(QUORATE_EPOCH, HeaderValue::from(app.core.view().epoch().0));
    let node = HeaderValue::from_str(&app.core.node().to_string()).expect("a letter and digits");
    headers.insert(QUORATE_COORDINATOR, node);
    response
}

async fn no_such_route() -> Problem {
    Fault::NoSuchRoute.into()
}

/// The router adds `Allow`.
pub(super) async fn method_not_allowed(request: Request) -> Problem {
    Fault::MethodNotAllowed { method: shown(request.method().as_str()) }.into()
}
