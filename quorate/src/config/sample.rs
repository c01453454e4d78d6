//! The configuration in text: the commented sample, and what is in force.

use super::settings::SETTINGS;
use super::{Config, Resolved};
use std::fmt::Write;

/// Longest line of a comment.
const WIDTH: usize = 100;

/// A file that says every setting's meaning and default, all of them commented out.
pub fn sample() -> String {
    let mut text = String::from(
        "# Quorate: the configuration of one node, with every default.\n\
         #\n\
         # A flag wins over an environment variable (QUORATE_ and the name in capitals), that over this file, and\n\
         # this file over the default. A name that is not listed here is an error.\n",
    );
    let defaults = Config::default();
    let mut section = "";
    for setting in SETTINGS {
        let name = match setting.name.split_once('.') {
            Some((of, name)) => {
                if of != section {
                    section = of;
                    write!(text, "\n[{of}]\n").expect("a String takes every write");
                }
                name
            }
            None => setting.name,
        };
        text.push('\n');
        for line in wrapped(setting.meaning, WIDTH) {
            writeln!(text, "# {line}").expect("a String takes every write");
        }
        let value = setting.show(&defaults).unwrap_or_else(|| example(setting.name).to_owned());
        writeln!(text, "# {name} = {value}").expect("a String takes every write");
    }
    text
}

/// Every value in force, and where it came from.
pub fn show(resolved: &Resolved) -> String {
    let lines: Vec<(String, String)> = SETTINGS
        .iter()
        .map(|setting| {
            let assignment = match setting.show(&resolved.config) {
                Some(value) => format!("{} = {value}", setting.name),
                None => format!("# {} is not set", setting.name),
            };
            (assignment, resolved.origin(setting).to_string())
        })
        .collect();
    let width = lines.iter().map(|(assignment, _)| assignment.len()).max().unwrap_or(0);
    lines.iter().fold(String::new(), |mut text, (assignment, origin)| {
        writeln!(text, "{assignment:width$}  # {origin}").expect("a String takes every write");
        text
    })
}

/// A value for settings that have no default.
pub(super) fn example(name: &str) -> &'static str {
    match name {
        "data" => "\"/var/lib/quorate\"",
        "advertise" => "\"10.0.0.1:7400\"",
        "peer_advertise" => "\"10.0.0.1:7500\"",
        "allowed_hosts" => "[\"db.example\"]",
        "name" => "\"east-1\"",
        "cluster_name" => "\"production\"",
        "join" => "[\"10.0.0.2:7400\", \"10.0.0.3:7400\"]",
        "replace_self" => "\"n3\"",
        "admin_token_file" => "\"/etc/quorate/admin.token\"",
        "audit_file" => "\"/var/log/quorate/audit.log\"",
        "secret_file" => "\"/etc/quorate/secret\"",
        "boot_id_file" => "\"/proc/sys/kernel/random/boot_id\"",
        _ => "\"\"",
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}
