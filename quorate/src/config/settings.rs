//! Looking settings up in the list.

use super::fields::Config;
use quorate_http::InForce;

pub use super::list::SETTINGS;
pub use super::setting::Setting;

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// Every limit of this configuration.
pub fn limits_in_force(config: &Config) -> Vec<InForce> {
    SETTINGS.iter().filter_map(|setting| setting.limit(config)).collect()
}

/// Whether settings live in a section of this name.
pub fn is_section(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.name.split_once('.').is_some_and(|(section, _)| section == name))
}

/// Settings that had another name before, with the name that they have now.
const RENAMED: &[(&str, &str)] =
    &[("timing.again", "timing.resend_after"), ("timing.patience", "timing.give_up_after")];

/// So many letters may differ in a slip.
const SLIP_MAX: usize = 2;

/// The setting that was probably meant: an earlier name, `-` for `_`, or a slip of up to two letters.
pub fn similar(name: &str) -> Option<String> {
    let name = name.replace('-', "_");
    let is_old = |old: &str| old == name || old.replace('.', "_") == name;
    if let Some((_, new)) = RENAMED.iter().find(|(old, _)| is_old(old)) {
        return Some((*new).to_owned());
    }
    let distance = |setting: &&Setting| {
        let inner = setting.name.rsplit('.').next().unwrap_or(setting.name);
        edits(&name, setting.name).min(edits(&name, inner)).min(edits(&name, &setting.name.replace('.', "_")))
    };
    let nearest = SETTINGS.iter().min_by_key(distance).filter(|setting| distance(setting) <= SLIP_MAX);
    nearest.map(|setting| setting.name.to_owned())
}

/// Whether what was written may be a slip for what is known.
pub fn is_slip(written: &str, known: &str) -> bool {
    edits(written, known) <= SLIP_MAX
}

/// Levenshtein's distance in bytes.
fn edits(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, l) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (to, r) in right.bytes().enumerate() {
            let substituted = diagonal + usize::from(l != r);
            diagonal = row[to + 1];
            row[to + 1] = substituted.min(row[to] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
