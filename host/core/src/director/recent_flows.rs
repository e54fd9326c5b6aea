//! The flows whose connections were placed last.
//!
//! Packets of one flow that come back to back all wait in the queue, each as a connection's first: the kernel knows the
//! connection only when the first of them has gone on. All of them have to go to one server.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::flow::Flow;
use crate::state::BackendId;

/// As many as wait in a queue at most: so what waited while a flow was placed finds it here, however slow the scheduler.
const MAX_FLOWS: usize = 4096;
/// Longer than a packet that waits behind others takes; later, the kernel knows the connection, or has forgotten it.
const REMEMBERED: Duration = Duration::from_secs(2);

/// Where each of them went.
#[derive(Debug, Default)]
pub(super) struct RecentFlows {
    placed: BTreeMap<Flow, Placed>,
    /// The same, in the order in which they were placed, each with its number.
    order: VecDeque<(Flow, u64)>,
    last: u64,
}

#[derive(Debug, Clone, Copy)]
struct Placed {
    id: BackendId,
    at: Instant,
    number: u64,
}

impl Placed {
    fn is_over(&self, now: Instant) -> bool {
        self.at + REMEMBERED <= now
    }
}

impl RecentFlows {
    /// Where the flow was placed, if it was lately.
    pub(super) fn get(&self, flow: &Flow, now: Instant) -> Option<BackendId> {
        let placed = self.placed.get(flow)?;
        (!placed.is_over(now)).then_some(placed.id)
    }

    /// The flow has been placed.
    pub(super) fn put(&mut self, flow: Flow, id: BackendId, now: Instant) {
        self.last += 1;
        let number = self.last;
        let at = now;
        self.placed.insert(flow, Placed { id, at, number });
        self.order.push_back((flow, number));
        while let Some((oldest, number)) = self.order.front() {
            // It may have been placed again since.
            let current = self.placed.get(oldest).filter(|it| it.number == *number);
            if let Some(placed) = current {
                if self.order.len() <= MAX_FLOWS && !placed.is_over(now) {
                    break;
                }
                self.placed.remove(oldest);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Protocol;

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to count from"
    )]
    fn epoch() -> Instant {
        Instant::now()
    }

    fn flow(port: u16) -> Flow {
        Flow {
            protocol: Protocol::Udp,
            source: ([192, 0, 2, 1], port).into(),
            destination: ([192, 0, 2, 2], 53).into(),
        }
    }

    fn id(number: u32) -> BackendId {
        BackendId::new(number).unwrap()
    }

    #[test]
    fn a_flow_is_remembered_by_all_of_its_tuple_for_a_while() {
        let now = epoch();
        let mut recent = RecentFlows::default();
        recent.put(flow(1), id(7), now);
        let just_before = now + REMEMBERED - Duration::from_nanos(1);
        assert_eq!(recent.get(&flow(1), just_before), Some(id(7)));
        assert_eq!(recent.get(&flow(1), now + REMEMBERED), None);
        assert_eq!(recent.get(&flow(2), now), None);
        let tcp = Flow {
            protocol: Protocol::Tcp,
            ..flow(1)
        };
        assert_eq!(recent.get(&tcp, now), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn the_last_ones_are_known_and_no_more_are_kept(
            // Some of them twice.
            ports in (0u16..9000).prop_map(|count| (0..count).map(|n| n / 5 * 4 + 1).collect::<Vec<_>>()),
            millis in 0u64..2,
        ) {
            let start = epoch();
            let at = |n: usize| start + Duration::from_millis(millis) * u32::try_from(n).unwrap();
            let mut recent = RecentFlows::default();
            let mut newest = BTreeMap::new();
            for (n, port) in ports.iter().enumerate() {
                let id = id(u32::try_from(n).unwrap() + 1);
                recent.put(flow(*port), id, at(n));
                newest.insert(*port, id);
            }
            prop_assert!(recent.order.len() <= MAX_FLOWS && recent.placed.len() <= recent.order.len());
            let Some(last) = ports.len().checked_sub(1) else { return Ok(()) };
            for (n, port) in ports.iter().enumerate().rev().take(MAX_FLOWS) {
                if at(last) - at(n) < REMEMBERED {
                    let placed = newest.get(port).copied();
                    prop_assert_eq!(recent.get(&flow(*port), at(last)), placed);
                }
            }
        }
    }
}
