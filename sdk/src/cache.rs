//! What is remembered for addresses: a bounded number of them, those unused for longest go first. For schedulers that
//! decide each connection and keep what they decided.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// A value for each of the addresses that were used last. Times are those of [`now`](crate::now).
#[derive(Debug)]
pub struct Cache<T> {
    entries: BTreeMap<IpAddr, Entry<T>>,
    /// Addresses in the order of their last use.
    uses: BTreeMap<u64, IpAddr>,
    /// The number of the next use.
    next: u64,
    most: usize,
    timeout: Duration,
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    used: u64,
    at: Duration,
}

impl<T> Cache<T> {
    /// For at most `most` addresses, each until it has not been used for `timeout`.
    #[must_use]
    pub fn new(most: usize, timeout: Duration) -> Self {
        Self {
            entries: BTreeMap::new(),
            uses: BTreeMap::new(),
            next: 0,
            most,
            timeout,
        }
    }

    /// What is remembered for the address, which is thereby used.
    pub fn touch(&mut self, address: IpAddr, now: Duration) -> Option<&mut T> {
        self.expire(now);
        let entry = self.entries.get_mut(&address)?;
        self.uses.remove(&entry.used);
        self.uses.insert(self.next, address);
        (entry.used, entry.at) = (self.next, now);
        self.next += 1;
        Some(&mut entry.value)
    }

    /// Remembers that for the address.
    pub fn insert(&mut self, address: IpAddr, value: T, now: Duration) {
        if let Some(known) = self.touch(address, now) {
            *known = value;
            return;
        }
        if self.entries.len() >= self.most {
            self.forget_oldest();
        }
        let used = self.next;
        self.next += 1;
        self.uses.insert(used, address);
        self.entries.insert(
            address,
            Entry {
                value,
                used,
                at: now,
            },
        );
    }

    fn expire(&mut self, now: Duration) {
        while let Some((_, address)) = self.uses.first_key_value() {
            let fresh = |entry: &Entry<T>| now.saturating_sub(entry.at) < self.timeout;
            if self.entries.get(address).is_some_and(fresh) {
                return;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, address)) = self.uses.pop_first() {
            self.entries.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn address(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn the_address_unused_for_longest_makes_room() {
        let mut cache = Cache::new(2, HOUR);
        cache.insert(address(1), 'a', Duration::ZERO);
        cache.insert(address(2), 'b', Duration::ZERO);
        assert_eq!(cache.touch(address(1), Duration::ZERO), Some(&mut 'a'));
        cache.insert(address(3), 'c', Duration::ZERO);
        assert_eq!(cache.touch(address(2), Duration::ZERO), None);
        assert_eq!(cache.touch(address(1), Duration::ZERO), Some(&mut 'a'));
        assert_eq!((cache.entries.len(), cache.uses.len()), (2, 2));
    }

    #[test]
    fn an_address_that_is_used_stays_and_one_that_is_not_is_forgotten() {
        let mut cache = Cache::new(9, HOUR);
        cache.insert(address(1), 'a', Duration::ZERO);
        cache.insert(address(2), 'b', Duration::ZERO);
        assert!(cache.touch(address(1), HOUR / 2).is_some());
        assert!(cache.touch(address(2), HOUR).is_none());
        assert!(cache.touch(address(1), HOUR).is_some());
        assert_eq!((cache.entries.len(), cache.uses.len()), (1, 1));
    }

    #[test]
    fn a_value_is_replaced_without_another_entry() {
        let mut cache = Cache::new(1, HOUR);
        cache.insert(address(1), 'a', Duration::ZERO);
        cache.insert(address(1), 'b', Duration::ZERO);
        assert_eq!(cache.touch(address(1), Duration::ZERO), Some(&mut 'b'));
        assert_eq!((cache.entries.len(), cache.uses.len()), (1, 1));
    }
}
