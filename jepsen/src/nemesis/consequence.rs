//! What has to follow from damage to a file: whether the node must notice, and which cause it must name.
//!
//! `docs/operations.md` is the law. A log that ends before what was durable means `behind`; a file of our own counts as
//! what it could have told (the watermark: `behind`, the life: `machine-stopped`); a damaged identity ends the process;
//! all other damage is `damaged`. Noticing is owed where a start must read the place that was hit. Elsewhere nobody may
//! have read it yet.

use std::path::Path;

use super::damage::Manner;
use super::wal;
use crate::cluster::owed::{Cause, Owed};

/// The length of the file `watermark`.
const WATERMARK_BYTES: usize = 12;

/// What was done to a file, and what it was before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'a> {
    /// Which file.
    pub path: &'a Path,
    /// What it held.
    pub before: &'a [u8],
    /// What was done.
    pub manner: Manner,
    /// The byte that was changed, or the first that is missing.
    pub at: usize,
    /// Whether it is the log that the database was writing. Only what that one holds is surely nowhere else.
    pub is_last_log: bool,
    /// The last change that the file `watermark` calls durable, if there is one.
    pub durable: Option<u64>,
}

/// What the node owes now.
pub(super) fn of(hit: &Hit<'_>) -> Owed {
    let name = hit.path.file_name().unwrap_or_default().to_string_lossy();
    let extension = hit.path.extension().unwrap_or_default().to_string_lossy();
    match (name.as_ref(), extension.as_ref()) {
        ("identity", _) => Owed::End,
        ("watermark" | "manifest-mark", _) => Owed::Doubt(&[Cause::Behind]),
        ("life", _) => Owed::Doubt(&[Cause::MachineStopped]),
        ("CURRENT", _) => Owed::Doubt(&[Cause::Damaged]),
        (name, _) if name.starts_with("MANIFEST-") => of_manifest(hit),
        (_, "log") => of_log(hit),
        (_, "sst") => Owed::Perhaps(&[Cause::Damaged]),
        _ => Owed::Perhaps(&[Cause::Damaged, Cause::Failed, Cause::Behind, Cause::MachineStopped]),
    }
}

/// A start reads the whole manifest. Damage to its last record may look like one that was being written.
fn of_manifest(hit: &Hit<'_>) -> Owed {
    let last = wal::records(hit.before).last().map_or(0, |record| record.start);
    match hit.manner {
        Manner::Flip if hit.at < last => Owed::Doubt(&[Cause::Damaged]),
        Manner::Flip | Manner::Cut => Owed::Perhaps(&[Cause::Damaged, Cause::Behind]),
    }
}

/// A start reads the last log to its end, and what is gone from it was durable if the watermark says so.
fn of_log(hit: &Hit<'_>) -> Owed {
    let first_lost = wal::records(hit.before).into_iter().find(|record| record.end > hit.at);
    let lost = first_lost.and_then(|record| record.sequence());
    let was_durable = lost.zip(hit.durable).is_some_and(|(lost, durable)| lost <= durable);
    match (hit.manner, hit.is_last_log && was_durable) {
        (Manner::Cut, true) => Owed::Doubt(&[Cause::Behind]),
        (Manner::Flip, true) => Owed::Doubt(&[Cause::Damaged, Cause::Behind]),
        (Manner::Cut | Manner::Flip, false) => Owed::Perhaps(&[Cause::Damaged, Cause::Behind]),
    }
}

/// The change that a file `watermark` calls durable. It holds that number, big-endian, and a checksum.
pub(super) fn durable(watermark: &[u8]) -> Option<u64> {
    let number = watermark.first_chunk::<8>().filter(|_| watermark.len() == WATERMARK_BYTES)?;
    Some(u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::super::wal::{log_of, write_of};
    use super::*;

    fn hit<'a>(path: &'a str, before: &'a [u8], manner: Manner, at: usize) -> Hit<'a> {
        let path = Path::new(path);
        Hit { path, before, manner, at, is_last_log: true, durable: Some(6) }
    }

    #[test]
    fn a_log_cut_below_what_was_durable_is_behind() {
        let log = log_of(&[write_of(5, 50), write_of(6, 50), write_of(7, 50)]);
        let second = wal::records(&log)[1].clone();
        let cut = |at| of(&hit("/d/db/000004.log", &log, Manner::Cut, at));
        assert_eq!(cut(0), Owed::Doubt(&[Cause::Behind]));
        assert_eq!(cut(second.end - 1), Owed::Doubt(&[Cause::Behind]));
        // Change 7 was written, but nobody has called it durable.
        assert!(matches!(cut(second.end), Owed::Perhaps(_)));
        let older = Hit { is_last_log: false, ..hit("/d/db/000003.log", &log, Manner::Cut, 0) };
        assert!(matches!(of(&older), Owed::Perhaps(_)));
        let flipped = of(&hit("/d/db/000004.log", &log, Manner::Flip, second.start + 9));
        assert_eq!(flipped, Owed::Doubt(&[Cause::Damaged, Cause::Behind]));
    }

    #[test]
    fn each_file_of_our_own_has_its_documented_cause() {
        for manner in [Manner::Cut, Manner::Flip] {
            assert_eq!(of(&hit("/d/identity", b"x", manner, 0)), Owed::End);
            assert_eq!(of(&hit("/d/watermark", b"x", manner, 0)), Owed::Doubt(&[Cause::Behind]));
            assert_eq!(of(&hit("/d/life", b"x", manner, 0)), Owed::Doubt(&[Cause::MachineStopped]));
            assert_eq!(of(&hit("/d/db/CURRENT", b"x", manner, 0)), Owed::Doubt(&[Cause::Damaged]));
            assert_eq!(of(&hit("/d/db/7.sst", b"x", manner, 0)), Owed::Perhaps(&[Cause::Damaged]));
        }
    }

    #[test]
    fn damage_before_the_last_record_of_a_manifest_is_damage() {
        let manifest = log_of(&[vec![1; 40], vec![2; 40]]);
        let flip = |at| of(&hit("/d/db/MANIFEST-000005", &manifest, Manner::Flip, at));
        assert_eq!(flip(20), Owed::Doubt(&[Cause::Damaged]));
        assert!(matches!(flip(60), Owed::Perhaps(_)));
    }

    #[test]
    fn a_watermark_is_a_number_and_a_checksum() {
        let mut bytes = 812_u64.to_be_bytes().to_vec();
        assert_eq!(durable(&bytes), None);
        bytes.extend([0; 4]);
        assert_eq!(durable(&bytes), Some(812));
    }
}
