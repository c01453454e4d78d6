//! Whether a user has what a request needs.

use super::Known;
use quorate_api::{Asked, Needs};
use quorate_model::Permission;
use quorate_ring::View;

/// The same user, for what the request is about; `None`: it may not.
pub fn admitted(view: &View, are_metrics_open: bool, asked: &Asked, known: &Known) -> Option<Known> {
    let Asked { route, query } = asked;
    let (needs, rights) = (route.operation().needs(), known.rights());
    let is_everywhere = match needs {
        Needs::Open | Needs::Known => true,
        Needs::Metrics => are_metrics_open || rights.may_everywhere(Permission::Monitor),
        Needs::See => Permission::ALL.into_iter().any(|permission| rights.may_everywhere(permission)),
        Needs::Everything(permission)
        | Needs::Table(permission)
        | Needs::Key(permission)
        | Needs::Keys(permission) => rights.may_everywhere(permission),
    };
    if is_everywhere {
        return Some(known.clone());
    }
    let name = route.table().or(query.table.as_deref())?;
    let table = view.table(name)?.id;
    let is_allowed = match needs {
        Needs::See => rights.sees(table),
        Needs::Table(permission) => rights.may_on_table(permission, table),
        Needs::Key(permission) => {
            route.key().is_some_and(|key| rights.may_on_key(permission, table, key.as_bytes()))
        }
        Needs::Keys(permission) => rights.may_on_part(permission, table),
        Needs::Open | Needs::Known | Needs::Metrics | Needs::Everything(_) => false,
    };
    is_allowed.then(|| known.clone().on(table))
}
