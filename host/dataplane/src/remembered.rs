//! Counts of backends that are out of the kernel, so that a server that comes back goes on counting.

use std::collections::{HashMap, VecDeque};

use evenkeel_core::state::BackendId;

/// How many are remembered; then the oldest go.
const CAPACITY: usize = 1 << 17;

#[derive(Debug, Default)]
pub(crate) struct Remembered {
    counts: HashMap<BackendId, u64>,
    /// In the order in which they came; some may have gone since.
    order: VecDeque<BackendId>,
}

impl Remembered {
    /// What the backend had counted when it went.
    pub(crate) fn get(&self, id: BackendId) -> u64 {
        self.counts.get(&id).copied().unwrap_or_default()
    }

    /// All that have gone and not come back.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (BackendId, u64)> {
        self.counts.iter().map(|(id, count)| (*id, *count))
    }

    pub(crate) fn put(&mut self, id: BackendId, count: u64) {
        if count == 0 {
            return;
        }
        self.counts.insert(id, count);
        self.order.push_back(id);
        while self.order.len() > CAPACITY {
            if let Some(oldest) = self.order.pop_front() {
                self.counts.remove(&oldest);
            }
        }
    }

    /// The backend is back in the kernel.
    pub(crate) fn forget(&mut self, id: BackendId) {
        self.counts.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_count_goes_when_there_are_too_many() {
        let id = |n: usize| BackendId::new(u32::try_from(n).unwrap()).unwrap();
        let mut counts = Remembered::default();
        for n in 1..=CAPACITY + 1 {
            counts.put(id(n), 5);
        }
        assert_eq!(counts.get(id(1)), 0);
        assert_eq!(counts.get(id(2)), 5);
        counts.forget(id(2));
        assert_eq!(counts.get(id(2)), 0);
    }
}
