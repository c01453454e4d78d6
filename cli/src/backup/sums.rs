//! What the cluster says that a piece of a table adds up to.

use super::plan::scan_of;
use quorate_backup::snapshot::Over;
use quorate_client::{Client, Scan};

/// The sum of a piece; `None`: it is not known for now, for whatever reason, so that the piece is to be read.
pub async fn of(client: &Client, table: &str, over: &Over) -> Option<String> {
    let scan = Scan { values: false, ..scan_of(over).ok()? };
    client.sum(table, &scan).await.ok()?.filter(|sum| number(sum).is_some())
}

/// The sum of neighbours, by their sums.
pub fn added(sums: &[String]) -> Option<String> {
    let numbers = sums.iter().map(|sum| number(sum)).collect::<Option<Vec<u64>>>()?;
    Some(format!("{:016x}", numbers.into_iter().fold(0, u64::wrapping_add)))
}

fn number(sum: &str) -> Option<u64> {
    Some(sum).filter(|sum| sum.len() == 16).and_then(|sum| u64::from_str_radix(sum, 16).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_add_up_beyond_their_end() {
        let sums = ["ffffffffffffffff", "0000000000000002"].map(str::to_owned);
        assert_eq!(added(&sums).as_deref(), Some("0000000000000001"));
        assert_eq!(added(&[]).as_deref(), Some("0000000000000000"));
        assert_eq!(added(&["2".to_owned()]), None);
    }
}
