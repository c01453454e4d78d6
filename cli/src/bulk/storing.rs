//! Many keys in one request, asked again until each of them is stored.

use super::{Pauses, is_passing};
use crate::exit::{Exit, Failure};
use quorate_api::Code;
use quorate_api::document::{BatchItem, KeyResult, PutItem};
use quorate_client::{Client, Write};

/// Stores what is not stored yet, until all of it is. `id` says which operation id an item has, if it has one, and `name`
/// what it is called where it is not stored.
pub(crate) async fn store(
    client: &Client,
    (table, write): (&str, &Write),
    items: &[PutItem],
    id: impl Fn(usize) -> Option<String>,
    name: impl Fn(usize) -> String,
) -> Result<(), Failure> {
    let mut left: Vec<usize> = (0..items.len()).collect();
    let mut pauses = Pauses::new();
    loop {
        let item = |at: &usize| BatchItem {
            put: Some(items[*at].clone()),
            idempotency_key: id(*at),
            ..BatchItem::default()
        };
        let answer = client.batch(table, left.iter().map(item).collect(), write).await;
        let (not_stored, why) = match answer.map_err(Failure::from) {
            Ok(results) => refused(&left, &results, &name)?,
            Err(failure) if is_passing(&failure) => (left.clone(), Some(failure)),
            Err(failure) => return Err(failure),
        };
        let Some(why) = why else { return Ok(()) };
        if not_stored.len() < left.len() {
            pauses = Pauses::new();
        }
        left = not_stored;
        if !pauses.wait().await {
            return Err(why);
        }
    }
}

/// Which items are not stored, and why; an error: one of them never will be.
fn refused(
    asked: &[usize],
    results: &[KeyResult],
    name: &impl Fn(usize) -> String,
) -> Result<(Vec<usize>, Option<Failure>), Failure> {
    let (mut refused, mut why) = (Vec::new(), None);
    for (at, result) in asked.iter().zip(results).filter(|(_, result)| result.status != 200) {
        let problem = result.error.clone().unwrap_or_default();
        // Of an id that is not told to be a retry's it means that: it was stored, and something later is there.
        if problem.known_code() == Some(Code::IdempotencyExpired) {
            continue;
        }
        let said = if problem.detail.is_empty() { problem.title.to_string() } else { problem.detail.clone() };
        let sentence = format!("{} is not stored: {}", name(*at), said.trim_end_matches('.'));
        let is_passing = matches!(result.status, 429 | 503 | 504 | 507);
        let exit = if is_passing { Exit::Unavailable } else { Exit::Usage };
        let failure = Failure::new(exit, sentence);
        if !is_passing {
            return Err(failure);
        }
        refused.push(*at);
        why.get_or_insert(failure);
    }
    Ok((refused, why))
}
