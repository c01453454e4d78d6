//! How much memory nodes take: looked at once in a while, with a bound that none may pass.

use std::collections::BTreeMap;

/// No node may take more than this, whatever happens to it: several times what one needs at the rates of these runs.
pub const RESIDENT_BYTES_MAX: u64 = 2 << 30;

/// The most that was seen of each node.
#[derive(Debug, Default)]
pub struct Memory {
    peaks: BTreeMap<String, u64>,
}

impl Memory {
    /// Looks at one process.
    pub fn sample(&mut self, name: &str, pid: u32) {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if let Some(bytes) = resident_bytes(&status) {
            let peak = self.peaks.entry(name.to_owned()).or_default();
            *peak = bytes.max(*peak);
        }
    }

    /// The most that was seen of each node, in bytes.
    pub fn peaks(&self) -> &BTreeMap<String, u64> {
        &self.peaks
    }

    /// Who took too much.
    pub fn misdeeds(&self) -> Vec<String> {
        let too_much = self.peaks.iter().filter(|(_, bytes)| **bytes > RESIDENT_BYTES_MAX);
        too_much.map(|(name, bytes)| format!("{name} took {bytes} bytes of memory")).collect()
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
        assert!(memory.misdeeds().is_empty());
        memory.peaks.insert("n2".to_owned(), RESIDENT_BYTES_MAX + 1);
        assert_eq!(memory.misdeeds().len(), 1);
    }
}
