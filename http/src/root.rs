//! `GET /`: where to go on from here, as a small page for a person and as JSON for a program.

use super::app::{App, json};
use super::cluster;
use super::head;
use super::problem::Problem;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http::{HeaderValue, StatusCode};
use quorate_api::document::{Cluster, Link, Links};
use quorate_api::header::{HTML, JSON};

/// Paths and what is there.
const LINKS: &[(&str, &str)] = &[
    ("/ui/", "The dashboard: all of this as a page"),
    ("/v1/cluster", "The cluster's health, in a sentence and in counts"),
    ("/v1/cluster/nodes", "Every member, and how it is"),
    ("/v1/cluster/ring", "Shards and their owners"),
    ("/v1/tables", "Every table"),
    ("/v1/jobs", "Jobs: comparing what owners hold"),
    ("/v1/sync", "When owners were last found equal"),
    ("/v1/limits", "Every limit in force"),
    ("/health/ready", "Whether this node can serve"),
    ("/metrics", "Metrics for Prometheus"),
    ("/openapi.json", "The whole interface, for programs (OpenAPI 3.1)"),
];

/// The page's one style sheet stands in it; nothing else is loaded.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
);

const STYLE: &str = "\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } p { margin: .25rem 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.5rem; margin: 1rem 0 2rem } dd { margin: 0; min-width: 0 }
a, code { font-family: ui-monospace, monospace; overflow-wrap: anywhere }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr } dd { margin-bottom: .6rem } }";

/// `GET /`
pub fn show(app: &App, request: &Request) -> Result<Response, Problem> {
    head::refuse_operation(request.headers())?;
    if head::prefers_html(request.headers()) {
        let mut response = page(app).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
        return Ok(guarded(response));
    }
    head::expect_accepted(request.headers(), JSON)?;
    let links = LINKS.iter().map(|(href, title)| Link { href: (*href).into(), title: (*title).into() });
    let document = Links {
        name: "quorate".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        node: app.core.node().to_string(),
        cluster: app.core.cluster().name.clone(),
        links: links.collect(),
    };
    Ok(guarded(json(StatusCode::OK, &document)))
}

/// The headers of both forms.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(VARY, ACCEPT.into());
    response
}

fn page(app: &App) -> String {
    let Cluster { name, node, health, .. } = cluster::seen(app);
    let (name, health) = (escaped(&name), escaped(&health));
    let unready = if app.core.readiness().is_empty() {
        ""
    } else {
        "<p>This node can't serve all of its tables now: <a href=\"/health/ready\">/health/ready</a> says why.\n"
    };
    let links: String =
        LINKS.iter().map(|(href, title)| format!("<dt><a href=\"{href}\">{href}</a><dd>{title}\n")).collect();
    let address = escaped(&app.core.reached().http_address);
    let view = app.core.view();
    let a_key = match view.catalog().tables().next() {
        Some(table) => {
            format!("<dt>A key<dd><code>curl {address}/v1/tables/{}/keys/greeting</code>\n", table.name)
        }
        None => String::new(),
    };
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Quorate {node} of {name}</title>\n\
         <style>{STYLE}</style>\n<h1>Quorate</h1>\n\
         <p>Node {node} of the cluster <b>{name}</b>, version {version}.\n<p>Health: {health}.\n{unready}\
         <dl>\n{links}</dl>\n<p>From a terminal:\n\
         <dl>\n<dt>The cluster<dd><code>quorate --endpoint {address} status</code>\n{a_key}</dl>\n</html>\n"
    )
}

/// Text for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_outside_is_no_markup() {
        assert_eq!(escaped("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
