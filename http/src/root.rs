//! `GET /`: where to go on from here, as a small page for a person and as JSON for a program.

use super::app::{App, json};
use super::head;
use super::problem::Problem;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http::{HeaderValue, StatusCode};
use quorate_api::document::{Link, Links};
use quorate_api::header::{HTML, JSON};

/// Paths and what is there.
const LINKS: &[(&str, &str)] = &[
    ("/v1/cluster", "The cluster's health, in a sentence and in counts"),
    ("/v1/cluster/nodes", "Every member, and how it is"),
    ("/v1/cluster/ring", "Shards and their owners"),
    ("/v1/tables", "Every table"),
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
h1 { margin-bottom: 0 } p { margin-top: .25rem } dt { margin-top: .75rem } dd { margin: 0; opacity: .75 }
a, code { font-family: ui-monospace, monospace }";

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
    let (node, cluster) = (app.core.node(), escaped(&app.core.cluster().name));
    let ready = if app.core.readiness().is_empty() {
        "It serves its tables at their default levels."
    } else {
        "It can't serve all of its tables now; <a href=\"/health/ready\">/health/ready</a> says why."
    };
    let links: String =
        LINKS.iter().map(|(href, title)| format!("<dt><a href=\"{href}\">{href}</a><dd>{title}\n")).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Quorate {node}</title>\n\
         <style>{STYLE}</style>\n<h1>Quorate</h1>\n\
         <p>Node {node} of the cluster <b>{cluster}</b>, version {}. {ready}\n<dl>\n{links}</dl>\n\
         <p>A value: <code>curl localhost:7400/v1/tables/demo/keys/greeting</code>. \
         The same from a terminal: <code>quorate status</code>.\n</html>\n",
        env!("CARGO_PKG_VERSION")
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
