//! The dashboard: files that are a part of the program, so that every node serves it and nothing else has to be there.
//!
//! ```text
//!   GET /ui ──> 308 ui/        GET /ui/ ──> index.html ──> main.js ──> its modules
//!                                                             └──> ../v1/cluster, ../v1/jobs, ...: with the reader's token
//! ```
//!
//! The files hold no data and are served to every client that may connect; what the page shows it asks for like any other
//! client. Its policy lets it load these files alone and speak to the node that served it; no other page can frame it.

use super::fault::Fault;
use super::head;
use super::problem::Problem;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LOCATION, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};
use quorate_api::OnFile;
use quorate_api::header::HTML;
use quorate_model::Token;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// A file of the dashboard.
struct File {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

macro_rules! files {
    ($($name:literal: $kind:ident,)*) => {
        &[$(File { name: $name, kind: $kind, content: include_bytes!(concat!("../ui/", $name)) }),*]
    };
}

/// The page itself.
const PAGE: File = File { name: "index.html", kind: HTML, content: include_bytes!("../ui/index.html") };

/// What it loads.
const FILES: &[File] = files! {
    "ask.js": SCRIPT,
    "base.css": CSS,
    "bytes.js": SCRIPT,
    "chart.js": SCRIPT,
    "confirm.js": SCRIPT,
    "dom.js": SCRIPT,
    "heat.js": SCRIPT,
    "icon.svg": SVG,
    "jobs.js": SCRIPT,
    "key.js": SCRIPT,
    "keys.js": SCRIPT,
    "login.js": SCRIPT,
    "main.js": SCRIPT,
    "nodes.js": SCRIPT,
    "overview.js": SCRIPT,
    "parts.css": CSS,
    "parts.js": SCRIPT,
    "plan.js": SCRIPT,
    "poll.js": SCRIPT,
    "rates.js": SCRIPT,
    "ring.js": SCRIPT,
    "sync.js": SCRIPT,
    "table.js": SCRIPT,
    "tables.js": SCRIPT,
    "text.js": SCRIPT,
    "wish.js": SCRIPT,
};

/// `GET /ui`: the page's own addresses are relative to the path with a slash. So is this one, behind a proxy's prefix too.
pub fn find(request: &Request) -> Result<Response, Problem> {
    head::refuse_operation(request.headers())?;
    head::expect_accepted(request.headers(), HTML)?;
    let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("ui/"));
    Ok(response)
}

/// `GET /ui/`
pub fn page(request: &Request) -> Result<Response, Problem> {
    answer(&PAGE, request)
}

/// `GET /ui/{file}`
pub fn file(on: &OnFile, request: &Request) -> Result<Response, Problem> {
    let file = FILES.iter().find(|file| file.name == on.file).ok_or(Fault::NoSuchRoute)?;
    answer(file, request)
}

fn answer(file: &File, request: &Request) -> Result<Response, Problem> {
    head::refuse_operation(request.headers())?;
    head::expect_accepted(request.headers(), file.kind)?;
    // Length and digest: another program has other ones, and a cache has to ask which it is.
    let tag = format!("\"{}-{}\"", file.content.len(), Token::of(file.content));
    let mut response = if head::none_match(request.headers())?.names(&tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut whole = file.content.into_response();
        whole.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
        whole
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::try_from(tag).expect("digits in quotes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_file_of_the_folder_is_served_and_no_page_says_markup() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
        let entries = std::fs::read_dir(folder).expect("a folder");
        let there: BTreeSet<String> =
            entries.map(|entry| entry.expect("readable").file_name().into_string().expect("text")).collect();
        let served: BTreeSet<String> = FILES.iter().chain([&PAGE]).map(|file| file.name.to_owned()).collect();
        assert_eq!(served, there);
        for file in FILES.iter().chain([&PAGE]) {
            let text = std::str::from_utf8(file.content).expect("text");
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "Function(",
                "http://",
                "https://",
            ] {
                // The name of a namespace is no address.
                let others = text.replace("http://www.w3.org/2000/svg", "");
                assert!(!others.contains(word), "{} says {word}", file.name);
            }
        }
    }
}
