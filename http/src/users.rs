//! Users and their tokens over HTTP, and whether access control is on.

use super::access::{draw, new_token};
use super::answer::timestamp;
use super::app::{App, json, plain};
use super::body::Kind;
use super::fault::Fault;
use super::problem::Problem;
use super::roles::{described as role, grant};
use super::tables::propose;
use axum::extract::Request;
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use quorate_api::document::{self, AccessSwitch, AccessSwitched, IssuedToken, Removed, TokenSpec, UserSpec};
use quorate_api::query::Query;
use quorate_api::text::{self, shown};
use quorate_api::{OnToken, OnUser};
use quorate_model::{Epoch, Permission, WallTime};
use quorate_node::control::ProposeError;
use quorate_ring::catalog::access::{Token, TokenId, User};
use quorate_ring::{AccessRejection, AddToken, Command, NewAdmin, PutUser, Rejection, SetAccess};
use serde_json::json as object;
use std::sync::Arc;

/// `GET /v1/access`: whether access control is on, and what who asks may do; to an admin every user and role too.
pub fn show(app: &App, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    let view = app.core.view();
    let in_force = app.core.access();
    let enabled = in_force.is_some();
    let access = in_force.unwrap_or_else(|| Arc::clone(view.catalog().access()));
    let asks = app.caller().and_then(|caller| access.user(caller.known()?.name()));
    let roles_of = |user: &User| user.roles.clone().into_iter();
    let mut granted: Vec<_> = asks
        .map(roles_of)
        .into_iter()
        .flatten()
        .filter_map(|name| access.role(&name))
        .flat_map(|role| &role.grants)
        .collect();
    granted.sort();
    granted.dedup();
    let shows_all = app.may(|rights| rights.may_everywhere(Permission::Admin));
    let document = document::Access {
        enabled,
        user: asks.map(|user| user.name.clone()),
        grants: granted.into_iter().filter_map(|granted| grant(&view, granted)).collect(),
        users: shows_all.then(|| access.users().map(described).collect()),
        roles: shows_all.then(|| access.roles().map(|known| role(&view, known)).collect()),
        epoch: view.epoch().0,
    };
    Ok(json(StatusCode::OK, &document))
}

/// `PATCH /v1/access`
pub async fn switch(app: App, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let (wanted, _held): (AccessSwitch, _) =
        app.document(request, Kind::Document, app.limits.document_bytes_max).await?;
    app.tell(&wanted);
    let drawn = wanted.user.map(|user| Drawn::new(&app, user, None)).transpose()?;
    let admin =
        drawn.as_ref().map(|drawn| NewAdmin { user: drawn.issued.user.clone(), token: drawn.kept.clone() });
    let set = SetAccess { enabled: Some(wanted.enabled), admin };
    let epoch = propose(&app, Command::SetAccess(set), &query).await?;
    let token = drawn.map(|drawn| drawn.issued);
    Ok(secret(StatusCode::OK, &AccessSwitched { enabled: wanted.enabled, epoch, token }))
}

/// `PUT /v1/access/users/{user}`
pub async fn put(app: App, on: OnUser, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let (wanted, _held): (UserSpec, _) =
        app.document(request, Kind::Document, app.limits.document_bytes_max).await?;
    app.tell(&wanted);
    let UserSpec { roles, certificate, epoch } = wanted;
    let put = PutUser { name: on.user.clone(), roles, certificate, seen: epoch.map(Epoch) };
    propose(&app, Command::PutUser(put), &query).await?;
    let view = app.core.view();
    let user = view.catalog().access().user(&on.user).ok_or_else(|| no_such_user(&on.user))?;
    Ok(json(StatusCode::OK, &described(user)))
}

/// `DELETE /v1/access/users/{user}`
pub async fn remove(app: App, on: OnUser, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let epoch = propose(&app, Command::RemoveUser { name: on.user.clone() }, &query).await?;
    Ok(json(StatusCode::OK, &Removed { removed: on.user, epoch }))
}

/// `POST /v1/access/users/{user}/tokens`
pub async fn issue(app: App, on: OnUser, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let (wanted, _held): (TokenSpec, _) =
        app.document(request, Kind::Document, app.limits.document_bytes_max).await?;
    let expires = wanted.expires_in.as_deref().map(|text| later(app.core.wall(), text)).transpose()?;
    let Drawn { issued, kept } = Drawn::new(&app, on.user, expires)?;
    app.tell(&object!({ "token": issued.id, "expires_at": issued.expires_at }));
    let add = AddToken { user: issued.user.clone(), token: kept };
    propose(&app, Command::AddToken(add), &query).await?;
    Ok(secret(StatusCode::CREATED, &issued))
}

/// `DELETE /v1/access/tokens/{token}`
pub async fn revoke(app: App, on: OnToken, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let id: TokenId =
        on.token.parse().map_err(|_| Fault::NoSuchToken { why: "no token has this id".to_owned() })?;
    let epoch = propose(&app, Command::RemoveToken { id }, &query).await?;
    Ok(json(StatusCode::OK, &Removed { removed: on.token, epoch }))
}

/// A token that was drawn: what its owner gets, and what the catalog keeps.
struct Drawn {
    issued: IssuedToken,
    kept: Token,
}

impl Drawn {
    fn new(app: &App, user: String, expires: Option<WallTime>) -> Result<Self, Problem> {
        let token = draw().ok_or(Fault::NoRandomness)?;
        let kept = new_token(&token, app.core.wall(), expires);
        let (id, expires_at) = (kept.id.to_string(), expires.map(timestamp));
        Ok(Self { issued: IssuedToken { id, token: token.reveal(), user, expires_at }, kept })
    }
}

/// An answer that holds a secret.
fn secret(status: StatusCode, document: &impl serde::Serialize) -> Response {
    let mut response = json(status, document);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The moment that lies so far behind another one.
fn later(now: WallTime, text: &str) -> Result<WallTime, Problem> {
    let invalid =
        || Fault::Document(format!("expires_in: \"{}\" is no duration, such as 90d or 12h", shown(text)));
    let millis = text::duration_ms(text).ok_or_else(invalid)?;
    Ok(WallTime(now.0.saturating_add(millis)))
}

fn no_such_user(name: &str) -> Problem {
    let rejection = AccessRejection::NoSuchUser { name: name.to_owned() };
    Fault::from(ProposeError::Rejected(Rejection::from(rejection))).into()
}

fn described(user: &User) -> document::User {
    let User { name, roles, certificate, tokens, epoch } = user;
    let token = |token: &Token| document::UserToken {
        id: token.id.to_string(),
        created_at: timestamp(token.created),
        expires_at: token.expires.map(timestamp),
    };
    document::User {
        name: name.clone(),
        roles: roles.clone(),
        certificate: certificate.clone(),
        tokens: tokens.iter().map(token).collect(),
        epoch: epoch.0,
    }
}
