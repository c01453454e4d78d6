//! Roles over HTTP: what those who have them may do.

use super::app::{App, json, plain};
use super::body::Kind;
use super::fault::Fault;
use super::problem::Problem;
use super::tables::propose;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use quorate_api::OnRole;
use quorate_api::document::{self, GrantSpec, Removed, RoleSpec};
use quorate_api::form;
use quorate_api::query::Query;
use quorate_api::text::{self, shown};
use quorate_model::{Epoch, Permission};
use quorate_node::control::ProposeError;
use quorate_ring::catalog::access::{Grant, Role, Scope};
use quorate_ring::{AccessRejection, Command, PutRole, Rejection, View};
use serde_json::{Value as Json, json as object};

/// `PUT /v1/access/roles/{role}`
pub async fn put(app: App, on: OnRole, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let (wanted, _held): (RoleSpec, _) =
        app.document(request, Kind::Document, app.limits.document_bytes_max).await?;
    app.tell(&wanted.grants.iter().map(told).collect::<Vec<Json>>());
    let mut grants = Vec::with_capacity(wanted.grants.len());
    for (at, grant) in wanted.grants.into_iter().enumerate() {
        grants.push(wanted_grant(&app, &query, at, grant).await?);
    }
    let put = PutRole { name: on.role.clone(), grants, seen: wanted.epoch.map(Epoch) };
    propose(&app, Command::PutRole(put), &query).await?;
    let view = app.core.view();
    let role = view.catalog().access().role(&on.role).ok_or_else(|| {
        let rejection = AccessRejection::NoSuchRole { name: on.role.clone() };
        Fault::from(ProposeError::Rejected(Rejection::from(rejection)))
    })?;
    Ok(json(StatusCode::OK, &described(&view, role)))
}

/// `DELETE /v1/access/roles/{role}`
pub async fn remove(app: App, on: OnRole, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let epoch = propose(&app, Command::RemoveRole { name: on.role.clone() }, &query).await?;
    Ok(json(StatusCode::OK, &Removed { removed: on.role, epoch }))
}

/// What the audit log says of a grant: a prefix is a part of keys.
fn told(grant: &GrantSpec) -> Json {
    let is_on_prefix = grant.prefix.is_some() || grant.prefix_b64.is_some();
    object!({ "permission": grant.permission, "table": grant.table, "on_prefix": is_on_prefix })
}

/// The grant that a document asks for at this place.
async fn wanted_grant(app: &App, query: &Query, at: usize, grant: GrantSpec) -> Result<Grant, Problem> {
    let invalid = |why: &str| Problem::from(Fault::Document(format!("grants[{at}]: {why}")));
    let GrantSpec { permission, table, prefix, prefix_b64 } = grant;
    let no_permission = |_| {
        invalid(&format!("\"{}\" is no permission: use monitor, read, write or admin", shown(&permission)))
    };
    let granted: Permission = permission.parse().map_err(no_permission)?;
    let prefix = match (prefix, prefix_b64) {
        (None, None) => None,
        (Some(text), None) => Some(text.into_bytes()),
        (None, Some(text)) => {
            Some(text::from_base64(&text).ok_or_else(|| invalid("its prefix_b64 is not base64url"))?)
        }
        (Some(_), Some(_)) => {
            return Err(invalid("a prefix is either \"prefix\" (text) or \"prefix_b64\" (base64url)"));
        }
    };
    let scope = match (table, prefix) {
        (None, None) => Scope::Everything,
        (None, Some(_)) => return Err(invalid("a prefix is one of keys of a table: name the table")),
        (Some(table), prefix) => {
            let table = app.table(shown(&table), app.timeout(query)).await?.id;
            prefix.map_or(Scope::Table(table), |prefix| Scope::Prefix(table, prefix.into()))
        }
    };
    Ok(Grant { permission: granted, scope })
}

/// A role, as the catalog has it.
pub(super) fn described(view: &View, role: &Role) -> document::Role {
    let Role { name, grants, epoch } = role;
    let grants = grants.iter().filter_map(|granted| grant(view, granted)).collect();
    document::Role { name: name.clone(), grants, epoch: epoch.0 }
}

/// A grant, with its table's name; `None`: this node does not know the table.
pub(super) fn grant(view: &View, grant: &Grant) -> Option<document::Grant> {
    let permission = match grant.permission {
        Permission::Monitor => form::Permission::Monitor,
        Permission::Read => form::Permission::Read,
        Permission::Write => form::Permission::Write,
        Permission::Admin => form::Permission::Admin,
    };
    let (table, prefix) = match &grant.scope {
        Scope::Everything => (None, None),
        Scope::Table(table) => (Some(*table), None),
        Scope::Prefix(table, prefix) => (Some(*table), Some(prefix.as_slice())),
    };
    let name = match table {
        None => None,
        Some(table) => Some(view.table_by_id(table)?.name.as_str()),
    };
    Some(document::Grant::new(permission.into(), name, prefix))
}
