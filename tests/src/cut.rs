//! Making a history smaller: what can be left out of what a seed chose, one *cut* at a time.
//!
//! A case is a seed and its cuts, written `7` or `7/operations=9,calm=loss,skip=1.4`. Since every decision has a stream
//! of chance of its own, what is not cut away mostly stays as it was.

use crate::network::Conditions;
use crate::setting::{HINT_BYTES_MAX, Setting};
use quorate_model::Durability;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Things that a history begins and does not go through with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trim {
    /// Mishaps that do not happen, by number.
    pub mishaps: BTreeSet<usize>,
    /// Actions that clients skip: whose, which.
    pub actions: BTreeSet<(u32, u32)>,
}

/// One thing less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// Only so many operations.
    Operations(u32),
    /// Only so many clients.
    Clients(u32),
    /// Only so many nodes.
    Nodes(u64),
    /// Only so many keys in each table.
    Keys(u64),
    /// Only so many tables.
    Tables(usize),
    /// Only so many changes of durability.
    Alters(u64),
    /// This mishap does not happen.
    Whole(usize),
    /// This client skips this action.
    Skip(u32, u32),
    /// One kind of trouble less.
    Calm(Trouble),
}

/// Kinds of trouble that are there all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Messages that vanish.
    Loss,
    /// Messages that come twice.
    Duplicates,
    /// Messages that take long.
    Tail,
    /// A node that everything reaches late.
    Slow,
    /// Links that are reset.
    Resets,
    /// Replicas that are busy.
    Refusals,
    /// Clocks that are off.
    Skew,
    /// Disks that take their time.
    Sync,
    /// Short queues and few hints.
    Limits,
    /// Values that expire.
    Ttl,
    /// Large values.
    Large,
    /// Several operations at once.
    Batches,
    /// Deletes.
    Deletes,
    /// Operation ids.
    Ids,
    /// Levels other than the table's.
    Levels,
}

impl Trouble {
    /// All of them, with their names.
    pub const ALL: [(Trouble, &str); 15] = [
        (Trouble::Loss, "loss"),
        (Trouble::Duplicates, "duplicates"),
        (Trouble::Tail, "tail"),
        (Trouble::Slow, "slow"),
        (Trouble::Resets, "resets"),
        (Trouble::Refusals, "refusals"),
        (Trouble::Skew, "skew"),
        (Trouble::Sync, "sync"),
        (Trouble::Limits, "limits"),
        (Trouble::Ttl, "ttl"),
        (Trouble::Large, "large"),
        (Trouble::Batches, "batches"),
        (Trouble::Deletes, "deletes"),
        (Trouble::Ids, "ids"),
        (Trouble::Levels, "levels"),
    ];

    fn calm(self, setting: &mut Setting) {
        let (conditions, habits) = (&mut setting.conditions, &mut setting.habits);
        match self {
            Trouble::Loss => conditions.loss = 0,
            Trouble::Duplicates => conditions.duplication = 0,
            Trouble::Tail => *conditions = Conditions { tail: 0, tail_max: 0, ..*conditions },
            Trouble::Slow => conditions.slow_by = 0,
            Trouble::Resets => conditions.reset = 0,
            Trouble::Refusals => setting.refusals = 0,
            Trouble::Skew => setting.skew_ms = 0,
            Trouble::Sync => setting.sync_max = 100,
            Trouble::Limits => {
                (setting.queue_max, setting.hints_max, setting.hint_bytes_max) = (100, 40, HINT_BYTES_MAX);
            }
            Trouble::Ttl => habits.ttl = 0,
            Trouble::Large => habits.large = 0,
            Trouble::Batches => habits.batch = 0,
            Trouble::Deletes => habits.delete = 0,
            Trouble::Ids => habits.id = 0,
            Trouble::Levels => habits.other_level = 0,
        }
    }
}

impl Cut {
    /// How many it leaves, if it is about a number.
    pub fn count(self) -> Option<u64> {
        match self {
            Cut::Operations(most) | Cut::Clients(most) => Some(u64::from(most)),
            Cut::Nodes(most) | Cut::Keys(most) | Cut::Alters(most) => Some(most),
            Cut::Tables(most) => Some(most as u64),
            Cut::Whole(_) | Cut::Skip(..) | Cut::Calm(_) => None,
        }
    }

    /// The same cut, but for how many it leaves.
    #[must_use]
    pub fn with_count(self, count: u64) -> Self {
        match self {
            Cut::Operations(_) => Cut::Operations(count as u32),
            Cut::Clients(_) => Cut::Clients(count as u32),
            Cut::Nodes(_) => Cut::Nodes(count),
            Cut::Keys(_) => Cut::Keys(count),
            Cut::Alters(_) => Cut::Alters(count),
            Cut::Tables(_) => Cut::Tables(count as usize),
            Cut::Whole(_) | Cut::Skip(..) | Cut::Calm(_) => self,
        }
    }

    /// Takes it away from what a seed chose; what is smaller already stays so.
    fn apply(self, setting: &mut Setting) {
        match self {
            Cut::Operations(most) => setting.operations = setting.operations.min(most),
            Cut::Clients(most) => setting.clients = setting.clients.min(most.max(1)),
            Cut::Nodes(most) => {
                let n = setting.tables.iter().map(|table| u64::from(table.n)).max().unwrap_or(1);
                setting.nodes = setting.nodes.min(most).max(n);
            }
            Cut::Keys(most) => setting.keys = setting.keys.min(most.max(1)),
            Cut::Tables(most) => setting.tables.truncate(most.max(1)),
            Cut::Alters(most) => setting.alters = setting.alters.min(most),
            Cut::Whole(mishap) => {
                setting.trim.mishaps.insert(mishap);
            }
            Cut::Skip(client, action) => {
                setting.trim.actions.insert((client, action));
            }
            Cut::Calm(trouble) => trouble.calm(setting),
        }
    }
}

/// A history, by what it is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The seed.
    pub seed: u64,
    /// What is left out of what it chose.
    pub cuts: Vec<Cut>,
}

impl Case {
    /// All that a seed chose.
    pub fn of_seed(seed: u64) -> Self {
        Self { seed, cuts: Vec::new() }
    }

    /// The same with one thing less.
    #[must_use]
    pub fn with(&self, cuts: impl IntoIterator<Item = Cut>) -> Self {
        let mut case = self.clone();
        for cut in cuts {
            let replaces = |known: &Cut| {
                std::mem::discriminant(known) == std::mem::discriminant(&cut)
                    && !matches!(cut, Cut::Whole(_) | Cut::Skip(..) | Cut::Calm(_))
            };
            case.cuts.retain(|known| !replaces(known) && *known != cut);
            case.cuts.push(cut);
        }
        case
    }

    /// What is left.
    pub fn setting(&self) -> Setting {
        let mut setting = Setting::of_seed(self.seed);
        for cut in &self.cuts {
            cut.apply(&mut setting);
        }
        // What is demanded of a table must not change with what is left out.
        if setting.tables[0].durability == Durability::Sync && setting.may_forget(0) {
            setting.alters = 0;
        }
        setting
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::Operations(most) => write!(f, "operations={most}"),
            Cut::Clients(most) => write!(f, "clients={most}"),
            Cut::Nodes(most) => write!(f, "nodes={most}"),
            Cut::Keys(most) => write!(f, "keys={most}"),
            Cut::Tables(most) => write!(f, "tables={most}"),
            Cut::Alters(most) => write!(f, "alters={most}"),
            Cut::Whole(mishap) => write!(f, "whole={mishap}"),
            Cut::Skip(client, action) => write!(f, "skip={client}.{action}"),
            Cut::Calm(trouble) => {
                let name = Trouble::ALL.iter().find(|(known, _)| known == trouble);
                write!(f, "calm={}", name.expect("every trouble has a name").1)
            }
        }
    }
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        fn number<T: FromStr>(text: &str) -> Result<T, String> {
            text.parse().map_err(|_| format!("{text} is no number"))
        }
        let (what, how) = text.split_once('=').ok_or_else(|| format!("{text} is no cut: what=how"))?;
        match what {
            "operations" => Ok(Cut::Operations(number(how)?)),
            "clients" => Ok(Cut::Clients(number(how)?)),
            "nodes" => Ok(Cut::Nodes(number(how)?)),
            "keys" => Ok(Cut::Keys(number(how)?)),
            "tables" => Ok(Cut::Tables(number(how)?)),
            "alters" => Ok(Cut::Alters(number(how)?)),
            "whole" => Ok(Cut::Whole(number(how)?)),
            "skip" => {
                let (client, action) = how.split_once('.').ok_or("skip=CLIENT.ACTION")?;
                Ok(Cut::Skip(number(client)?, number(action)?))
            }
            "calm" => {
                let found = Trouble::ALL.iter().find(|(_, name)| *name == how);
                found.map(|(trouble, _)| Cut::Calm(*trouble)).ok_or_else(|| format!("{how} is no trouble"))
            }
            _ => Err(format!("{what} is nothing that can be cut")),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seed)?;
        for (place, cut) in self.cuts.iter().enumerate() {
            write!(f, "{}{cut}", if place == 0 { "/" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (seed, cuts) = text.split_once('/').unwrap_or((text, ""));
        let seed = seed.parse().map_err(|_| format!("{seed} is no seed"))?;
        let cuts = cuts.split(',').filter(|cut| !cut.is_empty()).map(Cut::from_str);
        Ok(Self { seed, cuts: cuts.collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_as_it_is_written() {
        let mut case = Case::of_seed(7);
        for text in [
            "7",
            "7/operations=9",
            "7/operations=9,clients=2,nodes=3,keys=1,tables=1,alters=0,whole=3,skip=1.4,calm=levels",
        ] {
            case = text.parse().expect(text);
            assert_eq!(case.to_string(), text);
        }
        assert_eq!(case.with([Cut::Operations(3), Cut::Whole(4)]).cuts.len(), 10);
        for wrong in ["", "x", "7/", "7/operations", "7/calm=storm", "7/skip=1", "7/sleep=3"] {
            assert!(wrong == "7/" || wrong.parse::<Case>().is_err(), "{wrong}");
        }
    }
}
