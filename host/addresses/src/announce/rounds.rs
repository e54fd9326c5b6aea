//! When each address is announced: when it is new, or its link is back or has another MAC address; and some times again,
//! since a switch's port may not forward yet, and a frame may be lost.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::queue::Announcement;

/// The rounds after that.
const ROUNDS: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(1000),
    Duration::from_millis(2000),
    Duration::from_millis(5000),
];

/// An address on the interface of that number.
pub(crate) type Place = (u32, IpAddr);

/// An address where it can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) what: Announcement,
    /// How often the link has come up.
    pub(crate) link_ups: u32,
}

/// The addresses, as they were last, and the rounds that are due.
#[derive(Debug, Default)]
pub(crate) struct AnnounceRounds {
    seen: BTreeMap<Place, Sighting>,
    /// When the first round was, and which one is the next.
    running: BTreeMap<Place, (Instant, usize)>,
}

impl AnnounceRounds {
    /// All addresses whose link is up now. `added`: those that were put there just now, also where they were before.
    pub(crate) fn look(&mut self, now_there: Vec<Sighting>, added: &[Place], now: Instant) {
        for place in added {
            self.seen.remove(place);
        }
        let place = |it: Sighting| ((it.what.index, it.what.addr), it);
        let there: BTreeMap<Place, Sighting> = now_there.into_iter().map(place).collect();
        for (place, sighting) in &there {
            if self.seen.get(place) != Some(sighting) {
                self.running.insert(*place, (now, 0));
            }
        }
        self.running.retain(|place, _| there.contains_key(place));
        self.seen = there;
    }

    /// When to call [`Self::take`].
    pub(crate) fn due(&self) -> Option<Instant> {
        self.running.values().filter_map(|it| round(*it)).min()
    }

    /// What is to be announced, once each. Rounds that a late call has missed are one.
    pub(crate) fn take(&mut self, now: Instant) -> Vec<Announcement> {
        let mut due = Vec::new();
        for (place, (begin, next)) in &mut self.running {
            let before = *next;
            while round((*begin, *next)).is_some_and(|at| at <= now) {
                *next += 1;
            }
            if *next > before {
                due.extend(self.seen.get(place).map(|it| it.what.clone()));
            }
        }
        self.running.retain(|_, it| round(*it).is_some());
        due
    }
}

/// When a round is; `None`: there are no more.
fn round((begin, number): (Instant, usize)) -> Option<Instant> {
    Some(begin + *ROUNDS.get(number)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sighting(last: u8, mac: u8, link_ups: u32) -> Sighting {
        Sighting {
            what: Announcement {
                addr: [10, 0, 0, last].into(),
                index: 2,
                interface: "eth0".into(),
                mac: [2, 0, 0, 0, 0, mac],
            },
            link_ups,
        }
    }

    /// All that is announced: the address's last number, and after how many milliseconds.
    fn announced(rounds: &mut AnnounceRounds, begin: Instant) -> Vec<(u8, u128)> {
        let mut all = Vec::new();
        while let Some(at) = rounds.due() {
            let after = (at - begin).as_millis();
            all.extend(rounds.take(at).into_iter().map(|what| (last(what), after)));
        }
        all
    }

    fn last(what: Announcement) -> u8 {
        match what.addr {
            IpAddr::V4(addr) => addr.octets()[3],
            IpAddr::V6(_) => 0,
        }
    }

    #[test]
    fn a_new_address_is_announced_at_once_and_some_times_again() {
        let (mut rounds, begin) = (AnnounceRounds::default(), Instant::now());
        rounds.look(vec![sighting(1, 1, 1)], &[], begin);
        let times = [0, 100, 300, 1000, 2000, 5000];
        assert_eq!(announced(&mut rounds, begin), times.map(|at| (1, at)));
        rounds.look(vec![sighting(1, 1, 1)], &[], begin);
        assert_eq!(rounds.due(), None);
    }

    #[test]
    fn only_what_has_changed_is_announced_again() {
        let changed: [(&str, Vec<Sighting>, &[Place]); 4] = [
            (
                "another MAC address",
                vec![sighting(1, 9, 1), sighting(2, 1, 1)],
                &[],
            ),
            (
                "its link came up again",
                vec![sighting(1, 1, 2), sighting(2, 1, 1)],
                &[],
            ),
            (
                "put back",
                vec![sighting(1, 1, 1), sighting(2, 1, 1)],
                &[(2, IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)))],
            ),
            (
                "one more",
                vec![sighting(1, 1, 1), sighting(2, 1, 1), sighting(3, 1, 1)],
                &[],
            ),
        ];
        for (what, now_there, added) in changed {
            let (mut rounds, begin) = (AnnounceRounds::default(), Instant::now());
            rounds.look(vec![sighting(1, 1, 1), sighting(2, 1, 1)], &[], begin);
            announced(&mut rounds, begin);
            rounds.look(now_there, added, begin);
            let which: Vec<u8> = rounds.take(begin).into_iter().map(last).collect();
            let expected = if what == "one more" { 3 } else { 1 };
            assert_eq!(which, [expected], "{what}");
        }
    }

    #[test]
    fn while_its_link_is_down_nothing_is_announced_and_then_all_of_it() {
        let (mut rounds, begin) = (AnnounceRounds::default(), Instant::now());
        rounds.look(vec![sighting(1, 1, 1)], &[], begin);
        assert_eq!(rounds.take(begin).len(), 1);
        rounds.look(Vec::new(), &[], begin);
        assert_eq!(rounds.due(), None);
        rounds.look(vec![sighting(1, 1, 1)], &[], begin + 500 * MS);
        assert_eq!(rounds.due(), Some(begin + 500 * MS));
    }

    #[test]
    fn a_late_call_announces_once() {
        let (mut rounds, begin) = (AnnounceRounds::default(), Instant::now());
        rounds.look(vec![sighting(1, 1, 1)], &[], begin);
        assert_eq!(rounds.take(begin + 400 * MS).len(), 1);
        assert_eq!(rounds.due(), Some(begin + 1000 * MS));
        // A link that flaps begins anew each time, and no more than that.
        for count in 2..100 {
            rounds.look(vec![sighting(1, 1, count)], &[], begin + 400 * MS);
        }
        assert_eq!(announced(&mut rounds, begin).len(), 6);
    }
}
