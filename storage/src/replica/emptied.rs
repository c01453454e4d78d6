//! Space: clearing a range is one stroke, and what lay there stays on the disk until the engine has gone over it. It would
//! some day, by itself; but a node was added because disks were full, perhaps.
//!
//! What is noted is lost with the process. Then the space comes back when the engine compacts that range for other reasons.

use crate::engine::KeyRange;
use std::collections::VecDeque;

/// No more ranges are noted.
const RANGES_MAX: usize = 4_096;

/// Ranges that were cleared and of which the space has not come back, in the order of clearing.
#[derive(Debug, Default)]
pub struct Emptied(VecDeque<KeyRange>);

impl Emptied {
    /// Notes a range; one that follows on the last becomes one with it.
    pub fn add(&mut self, range: KeyRange) {
        let has_room = self.0.len() < RANGES_MAX;
        match self.0.back_mut() {
            Some(last) if last.end.as_ref() == Some(&range.start) => last.end = range.end,
            Some(_) | None if has_room => self.0.push_back(range),
            Some(_) | None => {}
        }
    }

    /// Notes a range again that was taken out and has not come back.
    pub fn again(&mut self, range: KeyRange) {
        self.0.push_front(range);
    }

    /// The one that was noted first; it is noted no more.
    pub fn next(&mut self) -> Option<KeyRange> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_are_cleared_one_after_the_other_are_one_range() {
        let range = |start: u8, end: u8| KeyRange { start: vec![start], end: Some(vec![end]) };
        let mut emptied = Emptied::default();
        for cleared in [range(1, 3), range(3, 4), range(6, 7), range(4, 6)] {
            emptied.add(cleared);
        }
        assert_eq!(emptied.0, [range(1, 4), range(6, 7), range(4, 6)]);
        let first = emptied.next().expect("three are noted");
        emptied.again(first);
        assert_eq!(emptied.next(), Some(range(1, 4)), "it did not come back, and is the first again");
    }
}
