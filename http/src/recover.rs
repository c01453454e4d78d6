//! Going on without a majority of the catalog's voters, over HTTP: what it means, and the decision.

use super::answer::timestamp;
use super::app::{App, json, plain};
use super::body::Kind;
use super::fault::Fault;
use super::members::named;
use super::problem::Problem;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use quorate_api::OnNode;
use quorate_api::document::{self, RecoverSpec, Recovered};
use quorate_model::NodeId;
use quorate_node::core::GivenUp;
use quorate_ring::View;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long the other members may take to say whether they hear one that is given up, and where their logs end.
const MEMBERS_TIMEOUT: Duration = Duration::from_secs(3);

/// `POST /v1/cluster/recover`
pub async fn recover(app: App, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    app.expect_serving()?;
    app.expect_catalog()?;
    let (spec, _room): (RecoverSpec, _) =
        app.document(request, Kind::Document, app.limits.document_bytes_max).await?;
    app.tell(&spec);
    let view = app.core.view();
    let lost = members(&view, &spec.lost)?;
    if lost.is_empty() {
        return Err(Fault::Document("lost: it names no member that is gone".to_owned()).into());
    }
    if spec.accept_data_loss.is_empty() {
        let given_up = app.core.recovery(&lost, MEMBERS_TIMEOUT).await.map_err(Fault::Recover)?;
        return Ok(json(StatusCode::OK, &described(&view, &given_up, Decided::No)));
    }
    if members(&view, &spec.accept_data_loss)? != lost {
        let why = "accept_data_loss: it names other members than lost; nothing was changed";
        return Err(Fault::Document(why.to_owned()).into());
    }
    let given_up = app.core.recover(&lost, MEMBERS_TIMEOUT).await.map_err(Fault::Recover)?;
    Ok(json(StatusCode::ACCEPTED, &described(&view, &given_up, Decided::Yes)))
}

/// When the catalog went on without members.
pub fn recovered(view: &View) -> Vec<Recovered> {
    let one = |known: &quorate_ring::Recovery| Recovered {
        lost: known.lost.iter().map(ToString::to_string).collect(),
        by: known.by.to_string(),
        at: timestamp(known.at),
        epoch: known.epoch.0,
    };
    view.catalog().recoveries().iter().map(one).collect()
}

fn members(view: &View, names: &[String]) -> Result<BTreeSet<NodeId>, Problem> {
    names.iter().map(|name| Ok(named(view, &OnNode::new(name))?.id)).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Decided {
    Yes,
    No,
}

fn described(view: &View, given_up: &GivenUp, decided: Decided) -> document::Recovery {
    let catalog = view.catalog();
    let tables = given_up.tables.iter().map(|table| document::TableGivenUp {
        table: table.name.clone(),
        shards: table.shards as u64,
        shards_short: table.short as u64,
        shards_empty: table.empty as u64,
        loss: format!(
            "table {}: of {} of {} shards too few owners are left to hold all that was acknowledged, and {} of them begin \
             anew, empty; answers about them say no more than eventual until the table is dropped",
            table.name, table.short, table.shards, table.empty
        ),
    });
    let (lost, left) = (
        catalog.called_all(given_up.lost.iter().copied()),
        catalog.called_all(given_up.left.iter().copied()),
    );
    let says = match decided {
        Decided::No => format!(
            "{lost} would be given up, for good, and {left} would go on: what only the others knew of the catalog, and \
             held of the tables named here, is lost; nothing was changed"
        ),
        Decided::Yes => format!(
            "{lost} are given up: the node that was asked starts again, {left} go on with it, and none of the others is let \
             in any more"
        ),
    };
    document::Recovery {
        decided: decided == Decided::Yes,
        says,
        lost: given_up.lost.iter().map(ToString::to_string).collect(),
        left: given_up.left.iter().map(ToString::to_string).collect(),
        tables: tables.collect(),
    }
}
