//! What the bridge lets through, as one table of nftables.
//!
//! Several faults may bend the network at once, and each must be able to take back its own part alone. So each has a
//! list of rules under its name, and whenever one changes its list, the whole table is written anew from all lists, in
//! one transaction.
//!
//! Cuts are between nodes alone, and hold in one direction; loss strikes whatever a host sends or gets, the clients'
//! part too.

use std::collections::BTreeMap;

use crate::tool;

/// One thing that the bridge does not let through. Hosts are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing passes from one host to another.
    Cut {
        /// The host that sends.
        from: usize,
        /// The host that gets nothing.
        to: usize,
    },
    /// So many frames of a hundred that this host sends or gets are dropped.
    Lose {
        /// The host.
        host: usize,
        /// Of a hundred.
        percent: u8,
    },
}

/// The rules of all faults.
#[derive(Debug)]
pub struct Network {
    table: String,
    ports: Vec<String>,
    rules: BTreeMap<&'static str, Vec<Rule>>,
}

impl Network {
    /// A bridge with these ports, one for each host, that lets everything through.
    pub fn new(table: String, ports: Vec<String>) -> Network {
        Network { table, ports, rules: BTreeMap::new() }
    }

    /// Replaces the rules of one fault. The others' stay.
    pub fn set(&mut self, fault: &'static str, rules: Vec<Rule>) -> Result<(), tool::Error> {
        self.rules.insert(fault, rules);
        tool::run_with("nft", &["-f", "-"], &self.text()).map(drop)
    }

    /// Takes back the rules of one fault.
    pub fn lift(&mut self, fault: &'static str) -> Result<(), tool::Error> {
        self.set(fault, Vec::new())
    }

    /// The whole table, as nftables reads it: made if it is not there, and replaced.
    fn text(&self) -> String {
        let (mut cuts, mut inward, mut outward) = (String::new(), String::new(), String::new());
        for rule in self.rules.values().flatten() {
            match *rule {
                Rule::Cut { from, to } => {
                    let (from, to) = (&self.ports[from], &self.ports[to]);
                    cuts += &format!("    iifname \"{from}\" oifname \"{to}\" drop\n");
                }
                Rule::Lose { host, percent } => {
                    let port = &self.ports[host];
                    inward += &format!("    iifname \"{port}\" numgen random mod 100 < {percent} drop\n");
                    outward += &format!("    oifname \"{port}\" numgen random mod 100 < {percent} drop\n");
                }
            }
        }
        let chain = |name: &str, hook: &str, rules: &str| {
            format!("  chain {name} {{\n    type filter hook {hook} priority 0\n{rules}  }}\n")
        };
        let table = &self.table;
        format!(
            "table bridge {table}\ndelete table bridge {table}\ntable bridge {table} {{\n{}{}{}}}\n",
            chain("cuts", "forward", &cuts),
            chain("inward", "prerouting", &inward),
            chain("outward", "postrouting", &outward),
        )
    }
}

/// Cuts between the hosts of two groups, in both directions.
pub fn between(one: &[usize], other: &[usize]) -> Vec<Rule> {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b)));
    pairs
        .filter(|(a, b)| a != b)
        .flat_map(|(a, b)| [Rule::Cut { from: a, to: b }, Rule::Cut { from: b, to: a }])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_the_rules_of_all_faults() {
        let mut network = Network::new("t".into(), vec!["v1".into(), "v2".into()]);
        network.rules.insert("cut", vec![Rule::Cut { from: 0, to: 1 }]);
        network.rules.insert("loss", vec![Rule::Lose { host: 1, percent: 30 }]);
        let text = network.text();
        for line in [
            "iifname \"v1\" oifname \"v2\" drop",
            "iifname \"v2\" numgen random mod 100 < 30 drop",
            "oifname \"v2\" numgen random mod 100 < 30 drop",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(!text.contains("iifname \"v2\" oifname"), "a cut holds in one direction: {text}");
    }

    #[test]
    fn two_groups_are_cut_in_both_directions_and_no_host_from_itself() {
        let cuts = between(&[0, 1], &[1, 2]);
        assert!(cuts.contains(&Rule::Cut { from: 0, to: 2 }) && cuts.contains(&Rule::Cut { from: 2, to: 0 }));
        assert!(!cuts.contains(&Rule::Cut { from: 1, to: 1 }));
    }
}
