//! What each owner of a table holds of its shards: asked of all owners at once, for people.

use super::Control;
use super::messages::{ControlReply, ControlRequest, ShardFigure};
use quorate_model::{NodeId, ShardId, TableId};
use quorate_ring::Shard;
use quorate_ring::heat::Spot;
use std::collections::BTreeSet;
use tokio::time::Instant;

impl Control {
    /// What this node holds of the shards of a table that it owns.
    pub(super) fn own_figures(&self, table: TableId) -> Vec<ShardFigure> {
        let view = self.views.current();
        let Some(entry) = view.table_by_id(table) else { return Vec::new() };
        let own = entry.shards().iter().filter(|shard| shard.is_owned_by(self.node));
        let (indexes, intervals): (Vec<u32>, Vec<_>) =
            own.map(|shard| (shard.id.index, shard.interval.clone())).unzip();
        let figures = self.replica.interval_figures(table, &intervals);
        let rates = self.meter.rates();
        let halves = intervals.iter().map(|interval| self.replica.half(table, interval));
        let figure = |((index, figure), half): ((u32, quorate_storage::Figure), _)| {
            let shard = ShardId { table, index };
            let spot = self.meter.spot(shard);
            let heat = Some(self.meter.history(shard)).filter(|heat| heat.iter().any(|rate| *rate > 0));
            ShardFigure {
                index,
                keys: figure.total.values(),
                removals: figure.total.removals,
                bytes: figure.total.bytes,
                is_exact: figure.is_exact,
                half,
                load: Some(rates.get(&shard).copied().unwrap_or(0)),
                grows: (spot == Spot::Grows).then_some(true),
                hot_key: if let Spot::Key(key) = spot { Some(key) } else { None },
                heat,
            }
        };
        indexes.into_iter().zip(figures).zip(halves).map(figure).collect()
    }

    /// What every owner of a shard of the table holds, or why it said nothing until `deadline`.
    pub async fn figures(
        &self,
        table: TableId,
        deadline: Instant,
    ) -> Vec<(NodeId, Result<Vec<ShardFigure>, String>)> {
        let view = self.views.current();
        let Some(entry) = view.table_by_id(table) else { return Vec::new() };
        let owners: BTreeSet<NodeId> = entry.shards().iter().flat_map(Shard::owner_nodes).collect();
        // All are asked together, then heard one after the other.
        let asked: Vec<_> = owners
            .into_iter()
            .map(|node| {
                let other = node != self.node;
                (node, other.then(|| self.ask(node, &ControlRequest::Figures(table), deadline)))
            })
            .collect();
        let mut heard = Vec::with_capacity(asked.len());
        for (node, asked) in asked {
            let figures = match asked {
                None => Ok(self.own_figures(table)),
                Some(asked) => match asked.await {
                    Ok(ControlReply::Figures(figures)) => Ok(figures),
                    Ok(_) => Err("it answered another question".to_owned()),
                    Err(error) => Err(error.to_string()),
                },
            };
            heard.push((node, figures));
        }
        heard
    }
}
