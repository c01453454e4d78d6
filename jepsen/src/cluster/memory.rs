//! How much memory nodes take: looked at once in a while, with a bound that none may pass.
//!
//! The bound is what a node's own limits add up to, as it tells them at `/v1/limits`: its cache and its memtables, the
//! values of operations, bodies and answers, and the writes that wait for the disk. What it holds besides (code, stacks
//! of threads, connections, buffers between members, the catalog, what the allocator keeps) is the slack.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a node may take beyond its limits, in bytes: four times what one takes in all at the rates of these runs, where
/// it has hardly begun to fill any of them.
const SLACK_BYTES: u64 = 128 << 20;

/// The limits that bound memory: a pointer to each in the document.
const BOUNDING: [&str; 6] = [
    "/rocksdb/block_cache_bytes",
    "/rocksdb/memtable_bytes",
    "/committer/queue_bytes_max",
    "/operations_bytes_max",
    "/bodies_bytes_max",
    "/answers_bytes_max",
];

/// How much memory a node may take that has these limits, in bytes; an error names a limit that is not there.
pub(super) fn bound(limits: &Value) -> Result<u64, String> {
    let limit = |at: &&str| {
        let bytes = limits.pointer(at).and_then(Value::as_u64);
        bytes.ok_or_else(|| format!("the limits have no {at}"))
    };
    Ok(BOUNDING.iter().map(limit).sum::<Result<u64, String>>()? + SLACK_BYTES)
}

/// The most that was seen of each node.
#[derive(Debug, Default)]
pub struct Memory {
    peaks: BTreeMap<String, u64>,
    bound: Option<u64>,
}

impl Memory {
    /// From now on no node may take more than this, in bytes.
    pub fn set_bound(&mut self, bound: Option<u64>) {
        self.bound = bound;
    }

    /// Looks at one process, and gives what it has; `None` if it is not there.
    pub fn sample(&mut self, name: &str, pid: u32) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let bytes = resident_bytes(&status)?;
        let peak = self.peaks.entry(name.to_owned()).or_default();
        *peak = bytes.max(*peak);
        Some(bytes)
    }

    /// The most that was seen of each node, in bytes.
    pub fn peaks(&self) -> &BTreeMap<String, u64> {
        &self.peaks
    }

    /// Who took too much.
    pub fn misdeeds(&self) -> Vec<String> {
        let bound = self.bound.unwrap_or(u64::MAX);
        let too_much = self.peaks.iter().filter(|(_, bytes)| **bytes > bound);
        too_much
            .map(|(name, bytes)| format!("{name} took {bytes} bytes of memory; its limits give {bound}"))
            .collect()
    }
}

/// What a process has in memory, from the kernel's page about it.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_page_is_read() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n"), Some(2_097_152));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn the_peak_stays_and_too_much_is_told() {
        let mut memory = Memory::default();
        memory.sample("n1", std::process::id());
        assert!(memory.peaks()["n1"] > 0);
        memory.set_bound(Some(1 << 40));
        assert!(memory.misdeeds().is_empty());
        memory.peaks.insert("n2".to_owned(), (1 << 40) + 1);
        assert_eq!(memory.misdeeds().len(), 1);
    }

    #[test]
    fn the_bound_is_what_the_limits_add_up_to() {
        let limits = serde_json::json!({
            "operations_bytes_max": 1, "bodies_bytes_max": 2, "answers_bytes_max": 4,
            "rocksdb": {"block_cache_bytes": 8, "memtable_bytes": 16}, "committer": {"queue_bytes_max": 32},
        });
        assert_eq!(bound(&limits), Ok(63 + SLACK_BYTES));
        assert!(bound(&serde_json::json!({})).is_err_and(|error| error.contains("block_cache_bytes")));
    }
}
