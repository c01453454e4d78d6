//! A job as a whole: the parts of all members, put together from what each remembers.

use super::{Cause, Found, JobId, Order, Part, Remembered, Said};
use quorate_model::{NodeId, WallTime};
use std::collections::{BTreeMap, BTreeSet};

/// A job, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// What was ordered.
    pub order: Order,
    /// What is known of each member's part.
    pub members: BTreeMap<NodeId, Member>,
}

/// What is known of one member's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// The part, in the member's own words.
    Part(Part),
    /// None, and why.
    Absent(Absent, String),
}

/// Why no part of a member is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It did not take the order: it was away, is older, or has no room.
    NotTaken,
    /// It took the order, perhaps, and does not remember it.
    Forgotten,
    /// It did not say just now.
    Silent,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No part has begun.
    Waiting,
    /// Some part goes on, or waits.
    Running,
    /// Each member has done its part.
    Done,
    /// What is known is done, and the part of some member is not known.
    Incomplete,
}

/// All jobs that any of these members remembers, the newest first. `heard`: what each member said, or why it said nothing.
pub fn assemble(heard: &BTreeMap<NodeId, Result<Remembered, String>>) -> Vec<Whole> {
    let remembered = || heard.values().flatten();
    let of_parts = remembered().flat_map(|said| &said.parts).map(|part| part.order);
    let of_takers = remembered().flat_map(|said| &said.taken).map(|taken| taken.order);
    let orders: BTreeMap<JobId, Order> = of_parts.chain(of_takers).map(|order| (order.id, order)).collect();
    let mut jobs: Vec<Whole> = orders.into_values().map(|order| whole(order, heard)).collect();
    jobs.sort_by_key(|job| std::cmp::Reverse((job.order.ordered_at, job.order.id)));
    jobs
}

fn whole(order: Order, heard: &BTreeMap<NodeId, Result<Remembered, String>>) -> Whole {
    let of = |node: &NodeId| heard.get(node).and_then(|said| said.as_ref().ok());
    let mut members: BTreeMap<NodeId, Member> = BTreeMap::new();
    for (node, said) in heard {
        let mut parts = said.iter().flat_map(|said| &said.parts);
        if let Some(part) = parts.find(|part| part.order.id == order.id) {
            members.insert(*node, Member::Part(part.clone()));
        }
    }
    if order.cause != Cause::Order {
        // No other member was asked.
        return Whole { order, members };
    }
    let taken =
        of(&order.id.node).and_then(|said| said.taken.iter().find(|taken| taken.order.id == order.id));
    let said: BTreeMap<NodeId, &Said> =
        taken.iter().flat_map(|taken| &taken.by).map(|by| (by.node, by)).collect();
    let asked: BTreeSet<NodeId> =
        if said.is_empty() { heard.keys().copied().collect() } else { said.keys().copied().collect() };
    for node in asked {
        let absent = || match said.get(&node) {
            Some(said) => absent_of(said, heard.get(&node)),
            None => unasked(node, order, taken.is_some(), heard),
        };
        members.entry(node).or_insert_with(|| {
            let (absent, why) = absent();
            Member::Absent(absent, why)
        });
    }
    Whole { order, members }
}

/// Why there is no part of a member of which it is known what it said to the order.
fn absent_of(said: &Said, now: Option<&Result<Remembered, String>>) -> (Absent, String) {
    let Some(boot) = said.boot else {
        return (Absent::NotTaken, said.why.clone().unwrap_or_default());
    };
    match now {
        Some(Ok(now)) if now.boot != boot => {
            (Absent::Forgotten, "forgotten: it has started again".to_owned())
        }
        Some(Ok(_)) => (Absent::Forgotten, "forgotten: too many jobs came after it".to_owned()),
        Some(Err(why)) => (Absent::Silent, why.clone()),
        None => (Absent::Forgotten, "it is no member any more".to_owned()),
    }
}

/// The same where it is not known what it said.
fn unasked(
    node: NodeId,
    order: Order,
    is_told: bool,
    heard: &BTreeMap<NodeId, Result<Remembered, String>>,
) -> (Absent, String) {
    let by = order.id.node;
    let of_taker = match heard.get(&by) {
        Some(Ok(said)) if !order.id.is_of(said.boot) => format!("{by} has started again and has forgotten"),
        Some(Ok(_)) => format!("{by} has forgotten"),
        Some(Err(why)) => format!("{by} does not say ({why})"),
        None => format!("{by} is no member any more and can't say"),
    };
    match heard.get(&node) {
        Some(Err(why)) => (Absent::Silent, why.clone()),
        Some(Ok(_)) if is_told => (Absent::Silent, "the order is on its way to it".to_owned()),
        Some(Ok(said)) if node == by && !order.id.is_of(said.boot) => {
            (Absent::Forgotten, "forgotten: it has started again".to_owned())
        }
        Some(Ok(_)) | None if node == by => {
            (Absent::Forgotten, "forgotten: too many jobs came after it".to_owned())
        }
        Some(Ok(_)) | None => {
            (Absent::Forgotten, format!("it knows nothing of this job; whether it was asked, {of_taker}"))
        }
    }
}

impl Whole {
    /// The parts that are known.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.members.values().filter_map(|member| match member {
            Member::Part(part) => Some(part),
            Member::Absent(..) => None,
        })
    }

    /// What came of all parts that are known.
    pub fn found(&self) -> Found {
        let mut found = Found::default();
        self.parts().for_each(|part| found += part.found);
        found
    }

    /// How far it is.
    pub fn state(&self) -> State {
        let parts = || self.parts();
        if parts().any(|part| part.ended_at.is_none()) {
            if parts().any(|part| part.began_at.is_some()) { State::Running } else { State::Waiting }
        } else if parts().count() == self.members.len() {
            State::Done
        } else {
            State::Incomplete
        }
    }

    /// When its first part began.
    pub fn began_at(&self) -> Option<WallTime> {
        self.parts().filter_map(|part| part.began_at).min()
    }

    /// When its last part ended; `None`: it goes on, as far as is known.
    pub fn ended_at(&self) -> Option<WallTime> {
        match self.state() {
            State::Waiting | State::Running => None,
            State::Done | State::Incomplete => self.parts().filter_map(|part| part.ended_at).max(),
        }
    }
}

#[cfg(test)]
mod tests;
