//! What a table holds: each owner counts what it has, always; here they are asked and put together.
//!
//! Owners may differ until they are brought together, so each shard's figures are those of one owner, which is named: the
//! first, in the order of preference, that has counted all it holds, or else the first that answered.

use super::app::{App, json, plain};
use super::problem::Problem;
use super::tables;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use quorate_api::OnTable;
use quorate_api::document::{KeyName, PurgeHeldBack, ShardStats, TableStats};
use quorate_api::query::Query;
use quorate_model::{NodeId, Sharding, SortKey};
use quorate_node::control::ShardFigure;
use quorate_ring::TableEntry;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long owners may take. They answer from memory: more would only delay the answer.
const FIGURES_TIMEOUT: Duration = Duration::from_millis(500);

/// `GET /v1/tables/{t}/stats`
pub async fn show(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let table = app.table(on.table, app.timeout(&query)).await?;
    let heard = app.core.figures(table.id, FIGURES_TIMEOUT).await;
    let view = app.core.view();
    let entry = view.table_by_id(table.id).ok_or_else(|| tables::gone(&table.name))?;
    let unanswered: Vec<String> =
        heard.iter().filter(|(_, said)| said.is_err()).map(|(node, _)| node.to_string()).collect();
    let mut said: BTreeMap<(u32, NodeId), ShardFigure> = BTreeMap::new();
    for (node, figures) in heard {
        said.extend(figures.into_iter().flatten().map(|figure| ((figure.index, node), figure)));
    }
    let by_shard: Vec<ShardStats> = entry
        .shards()
        .iter()
        .map(|shard| {
            let index = shard.id.index;
            let of = |node: NodeId| said.get(&(index, node)).map(|figure| (node, figure));
            let exact = shard.owner_nodes().filter_map(of).find(|(_, figure)| figure.is_exact);
            let found = exact.or_else(|| shard.owner_nodes().find_map(of));
            let figure = found.map(|(_, figure)| figure);
            let busiest =
                shard.owner_nodes().filter_map(of).map(|(_, figure)| figure).max_by_key(|it| it.load);
            let hot_key =
                busiest.and_then(|figure| figure.hot_key.as_ref()).and_then(|key| key_of(entry, key));
            ShardStats {
                id: format!("{}/{index}", table.name),
                keys: figure.map_or(0, |figure| figure.keys),
                removals: figure.map_or(0, |figure| figure.removals),
                bytes: figure.map_or(0, |figure| figure.bytes),
                exact: figure.is_some_and(|figure| figure.is_exact),
                counted_by: found.map(|(node, _)| node.to_string()),
                load: busiest.and_then(|figure| figure.load).unwrap_or(0),
                hot_key: hot_key.map(KeyName::from),
                grows: busiest.and_then(|figure| figure.grows),
                heat: warmest(
                    shard.owner_nodes().filter_map(of).filter_map(|(_, figure)| figure.heat.as_deref()),
                ),
            }
        })
        .collect();
    let purge_of = app.core.purge_of(&view);
    let mut held_back: BTreeMap<Option<NodeId>, (u64, u64)> = BTreeMap::new();
    for (shard, figures) in entry.shards().iter().zip(&by_shard).filter(|(_, figures)| figures.removals > 0) {
        if let Some(by) = purge_of(shard) {
            let (shards, removals) = held_back.entry(by).or_default();
            *shards += 1;
            *removals += figures.removals;
        }
    }
    let held_back = held_back.into_iter().map(|(by, (shards, removals))| {
        let by = by.map(|by| by.to_string());
        PurgeHeldBack { table: table.name.clone(), by, shards, removals }
    });
    let document = TableStats {
        table: table.name.clone(),
        epoch: view.epoch().0,
        keys: by_shard.iter().map(|shard| shard.keys).sum(),
        removals: by_shard.iter().map(|shard| shard.removals).sum(),
        bytes: by_shard.iter().map(|shard| shard.bytes).sum(),
        exact: by_shard.iter().all(|shard| shard.exact),
        purge_held_back: held_back.collect(),
        unanswered,
        by_shard,
    };
    Ok(json(StatusCode::OK, &document))
}

/// Of each minute what the owner says that carried out most. Owners remember as far back as their processes; the last
/// minute of each is about the same.
fn warmest<'a>(owners: impl Iterator<Item = &'a [u64]>) -> Vec<u64> {
    let mut most: Vec<u64> = Vec::new();
    for heat in owners {
        let missing = heat.len().saturating_sub(most.len());
        most.splice(0..0, std::iter::repeat_n(0, missing));
        for (most, rate) in most.iter_mut().rev().zip(heat.iter().rev()) {
            *most = (*most).max(*rate);
        }
    }
    most
}

/// The key that stands at a place: in a hash table behind its token.
fn key_of<'a>(table: &TableEntry, at: &'a SortKey) -> Option<&'a [u8]> {
    match table.sharding {
        Sharding::Hash => at.as_bytes().get(8..),
        Sharding::Range => Some(at.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_of_owners_are_compared_from_the_last_one_on() {
        assert_eq!(warmest([&[1, 9][..], &[5, 2, 3]].into_iter()), [5, 2, 9]);
        assert_eq!(warmest(std::iter::empty()), Vec::<u64>::new());
    }
}
