use std::collections::{HashMap, HashSet};

use evenkeel_core::groups::{Clients, Group, Groups};
use evenkeel_core::mark::group;
use evenkeel_core::model::{DataPlaneKind, Persistence, Protocol};
use evenkeel_core::state::{BackendId, Change, Queue, Selector, Spread};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::*;
use crate::nftables::chain::{ChainRole, ServiceChain};
use crate::nftables::element::Element;
use crate::nftables::expression::Family;
use crate::nftables::raw_rule::RawRule;
use crate::nftables::slot_rule::SlotChoice;
use crate::nftables::slot_rules::SlotRules;

/// Elements as the kernel would hold them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Simulated {
    slots: HashMap<u32, u32>,
    backends: HashMap<u32, Element>,
    services: HashMap<ServiceKey, ServiceChain>,
    rules: HashMap<u32, SlotRules>,
    clients: HashSet<(u32, Clients)>,
    /// Chains of other kinds.
    others: HashMap<ServiceChain, Vec<RawRule>>,
    queues: HashMap<ServiceKey, ServiceChain>,
    hooked: bool,
    offload: Option<BTreeSet<String>>,
}

impl Simulated {
    /// Does what the kernel does, and refuses what it refuses.
    fn carry_out(&mut self, steps: &[NftStep]) {
        for NftStep { op, .. } in steps {
            match op {
                NftOp::AddTable | NftOp::AddGoneChains | NftOp::DeleteGoneChains => unreachable!(),
                NftOp::AddChain(chain) => {
                    if chain.role != ChainRole::Slots {
                        assert_eq!(self.others.insert(*chain, Vec::new()), None);
                    }
                }
                NftOp::DeleteChain(chain) if chain.role == ChainRole::Slots => {
                    assert!(self.rules.remove(&chain.number).is_some());
                }
                NftOp::DeleteChain(chain) => assert!(self.others.remove(chain).is_some()),
                NftOp::SetRules { chain, rules } if chain.role == ChainRole::Slots => {
                    let rules = SlotRules::parse(rules, Family::V4).unwrap();
                    self.rules.insert(chain.number, rules);
                }
                NftOp::SetRules { chain, rules } => {
                    assert!(self.others.insert(*chain, rules.clone()).is_some());
                }
                NftOp::AddQueueHooks => {
                    assert!(!self.hooked);
                    self.hooked = true;
                }
                NftOp::DeleteQueueHooks => {
                    assert!(self.hooked);
                    self.hooked = false;
                }
                NftOp::AddFlowtable => assert_eq!(self.offload.replace(BTreeSet::new()), None),
                NftOp::AddOffloadChain => assert!(self.offload.is_some()),
                NftOp::DeleteOffloadChain => assert!(self.offload.is_some()),
                NftOp::DeleteFlowtable => assert!(self.offload.take().is_some()),
                NftOp::AddInterfaces(names) => {
                    self.offload.as_mut().unwrap().extend(names.iter().cloned());
                }
                NftOp::DeleteInterfaces(names) => {
                    let offload = self.offload.as_mut().unwrap();
                    assert!(names.iter().all(|name| offload.remove(name)));
                }
                NftOp::Add(Element::Queue { key, chain }) => {
                    assert_eq!(self.queues.insert(*key, *chain), None);
                }
                NftOp::Delete(Element::Queue { key, chain }) => {
                    assert_eq!(self.queues.remove(key), Some(*chain));
                }
                NftOp::SetSlotRule { chain, rule, .. } => {
                    self.rules.insert(*chain, SlotRules::One(*rule));
                }
                NftOp::Add(Element::Clients { key, clients }) => {
                    assert!(self.clients.insert((*key, *clients)));
                }
                NftOp::Delete(Element::Clients { key, clients }) => {
                    assert!(self.clients.remove(&(*key, *clients)));
                }
                NftOp::Add(Element::Slot { slot, mark }) => {
                    assert_eq!(self.slots.insert(*slot, *mark), None);
                }
                NftOp::Add(element @ Element::Backend { mark, .. }) => {
                    assert_eq!(self.backends.insert(*mark, *element), None);
                }
                NftOp::Add(Element::Service { key, chain }) => {
                    assert_eq!(self.services.insert(*key, *chain), None);
                }
                NftOp::Delete(Element::Slot { slot, mark }) => {
                    assert_eq!(self.slots.remove(slot), Some(*mark));
                }
                NftOp::Delete(Element::Backend { mark, .. }) => {
                    assert!(self.backends.remove(mark).is_some());
                }
                NftOp::Delete(Element::Service { key, chain }) => {
                    assert_eq!(self.services.remove(key), Some(*chain));
                }
                NftOp::Add(_) | NftOp::Delete(_) => {}
            }
        }
    }

    /// What should be there for a layout.
    fn of(layout: &Layout) -> Self {
        let mut kernel = Self::default();
        for (key, held) in &layout.services {
            let Element::Service { chain, .. } = held.entry(*key) else {
                unreachable!()
            };
            let family = Family::of(key.addr);
            let number = held.chain;
            kernel.services.insert(*key, chain);
            if chain.role == ChainRole::Options {
                let rules = held.options().rules(family, number);
                kernel.others.insert(chain, rules);
            }
            if let Some(queue) = held.queue_chain() {
                let role = ChainRole::Queue;
                let chain = ServiceChain { role, number };
                kernel
                    .others
                    .insert(chain, queue.rules(family, QueueForm::Compat));
                kernel.queues.insert(*key, chain);
                kernel.hooked = true;
            }
            kernel.rules.insert(held.chain, held.rules());
            kernel.carry_out(&steps(held.slots().map(NftOp::Add)));
            kernel.carry_out(&steps(held.clients().map(NftOp::Add)));
            kernel.carry_out(&steps(held.backends(|_| 0).map(NftOp::Add)));
        }
        kernel
    }

    /// Every number of a slot that a service's rules may choose in the end, if the clients are looked up in the one state
    /// and the groups' slots in the other.
    fn chosen(&self, key: &ServiceKey, clients: &Self, slots: &Self) -> Vec<u32> {
        let numbers = |choice: SlotChoice| match choice {
            SlotChoice::Slot { base, count, .. } => base..base + count,
            SlotChoice::Refuse => 0..0,
        };
        let rules = self
            .services
            .get(key)
            .and_then(|chain| self.rules.get(&chain.number));
        let rules = match rules {
            None => return Vec::new(),
            Some(SlotRules::One(rule)) => return numbers(rule.choice).collect(),
            Some(SlotRules::Groups(rules)) => rules,
        };
        let mut groups = vec![0];
        for (key, led) in &self.clients {
            if Some(*key) == rules.key {
                // The client finds its group.
                assert!(clients.clients.contains(&(*key, *led)));
                groups.push(led.group);
            }
        }
        let mut chosen = Vec::new();
        let mut seen = HashSet::new();
        while let Some(number) = groups.pop() {
            if !seen.insert(number) {
                continue;
            }
            let rule = rules.groups[number];
            for slot in numbers(rule.choice) {
                if rule.split {
                    let to = slots.slots.get(&slot).copied().and_then(group);
                    assert!(to.is_some_and(|to| to > number && to < rules.groups.len()));
                    groups.extend(to);
                } else {
                    chosen.push(slot);
                }
            }
        }
        chosen
    }
}

fn steps(ops: impl Iterator<Item = NftOp>) -> Vec<NftStep> {
    NftStep::all(Subject::Hairpin, ops)
}

fn key(port: u16) -> ServiceKey {
    ServiceKey {
        addr: [192, 0, 2, 1].into(),
        port,
        protocol: Protocol::Tcp,
    }
}

fn layout_of(key: ServiceKey, service: &ServiceState) -> Layout {
    let mut layout = Layout::default();
    let plan = plan(&mut layout, &[Change::Put(key, service.clone())]);
    plan.commit(&mut layout);
    layout
}

fn plan(layout: &mut Layout, changes: &[Change]) -> NftPlan {
    let wanted = CheckedChanges::new(DataPlaneKind::Nftables, changes, |id| {
        layout.owners.get(&id).copied()
    })
    .unwrap();
    NftPlan::new(layout, &wanted, Some(QueueForm::Compat), &mut |_, _| 0).unwrap()
}

/// A service whose backends are numbered from `first` on.
fn service(first: u32) -> impl Strategy<Value = ServiceState> {
    let servers = prop::sample::subsequence((first..first + 5).collect::<Vec<_>>(), 0..=5);
    let picks = prop::collection::vec(any::<prop::sample::Index>(), 0..70);
    let selector = prop::sample::select(vec![Selector::Sequence, Selector::HashSource]);
    let persistence = prop::sample::select(vec![None, Some((60, 24)), Some((60, 32))]);
    let queue = prop::option::of(prop::sample::select(vec![Queue(1), Queue(2)]));
    let options = (any::<bool>(), persistence, queue);
    let networks = prop::collection::vec(1..3_usize, 0..3);
    let grouped = prop::option::of((networks, 1..9_usize));
    let choice = (selector, grouped);
    (options, choice, servers, picks).prop_map(|(options, (selector, grouped), servers, picks)| {
        let (snat, persistence, queue) = options;
        let ids: Vec<_> = servers
            .iter()
            .map(|n| BackendId::new(*n).unwrap())
            .collect();
        let slots: Vec<_> = match ids.len() {
            0 => Vec::new(),
            len => picks.iter().map(|pick| ids[pick.index(len)]).collect(),
        };
        let spread = match (slots.len(), grouped) {
            (0, _) => Spread::Refuse,
            (_, None) => Spread::Slots { selector, slots },
            (_, Some((networks, split))) => Spread::Groups(Groups {
                groups: vec![
                    Group::Split {
                        selector,
                        slots: (0..split).map(|n| 1 + n % 2).collect(),
                    },
                    Group::Refuse,
                    Group::Servers { selector, slots },
                ],
                clients: networks
                    .into_iter()
                    .zip(0..)
                    .map(|(group, n)| Clients {
                        first: [10, n, 0, 0].into(),
                        last: [10, n, 0, 9].into(),
                        group,
                    })
                    .collect(),
            }),
        };
        let backends = ids
            .into_iter()
            .map(|id| (id, std::net::SocketAddr::from(([10, 0, 0, 1], 80)).into()))
            .collect();
        ServiceState {
            snat,
            backends,
            spread,
            persistence: persistence.map(|(secs, prefix)| Persistence {
                timeout: std::time::Duration::from_secs(secs),
                prefix,
            }),
            queue,
        }
    })
}

proptest! {
    #[test]
    fn a_packet_between_two_generations_always_finds_a_backend(
        old in service(1), new in service(1)
    ) {
        let key = key(80);
        let mut layout = layout_of(key, &old);
        let before = Simulated::of(&layout);
        let plan = plan(&mut layout, &[Change::Put(key, new)]);
        let mut prepared = Simulated::of(&layout);
        prepared.carry_out(&plan.before);
        let mut between = Simulated::of(&layout);
        between.carry_out(&plan.before);
        between.carry_out(&plan.first);
        let mut after = Simulated::of(&layout);
        after.carry_out(&plan.before);
        after.carry_out(&plan.first);
        after.carry_out(&plan.then);

        // The slot is chosen before or after the first batch, looked up after the one or the other, as is its backend.
        // Clients are in an interval set, whose change may be seen a moment later than that of the rules.
        for (service, clients, slots, backends) in [
            (&before, &before, &before, &between),
            (&prepared, &prepared, &before, &between),
            (&prepared, &prepared, &between, &between),
            (&between, &prepared, &between, &between),
            (&between, &between, &between, &after),
            (&between, &after, &after, &after),
            (&after, &between, &after, &after),
        ] {
            for slot in service.chosen(&key, clients, slots) {
                let mark = slots.slots.get(&slot);
                prop_assert!(mark.is_some(), "slot {slot:#x}");
                prop_assert!(backends.backends.contains_key(mark.unwrap()), "of slot {slot:#x}");
            }
        }
        plan.commit(&mut layout);
        prop_assert_eq!(after, Simulated::of(&layout));
    }

    #[test]
    fn any_changes_of_several_services_leave_exactly_what_is_wanted(
        walk in prop::collection::vec(
            prop::collection::vec((0..4u16, prop::option::of(Just(())), any::<bool>()), 1..4), 1..6),
        services in prop::collection::vec((service(1), service(11), service(21), service(31)), 6)
    ) {
        let mut layout = Layout::default();
        let mut kernel = Simulated::default();
        for (step, (changed, (a, b, c, d))) in walk.into_iter().zip(services).enumerate() {
            let all = [a, b, c, d];
            let changes: Vec<Change> = changed
                .into_iter()
                .map(|(n, put, _)| match put {
                    Some(()) => Change::Put(key(n), all[usize::from(n)].clone()),
                    None => Change::Remove(key(n)),
                })
                .collect();
            let plan = plan(&mut layout, &changes);
            // Every third batch is refused: then nothing has changed, and nothing is lost.
            if step % 3 == 2 {
                plan.abandon(&mut layout);
            } else {
                kernel.carry_out(&plan.before);
                kernel.carry_out(&plan.first);
                kernel.carry_out(&plan.then);
                plan.commit(&mut layout);
            }
            prop_assert_eq!(&kernel, &Simulated::of(&layout));
        }
    }
}

#[test]
fn a_change_of_nothing_takes_no_step() {
    let key = key(80);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let state = service(1).new_tree(&mut runner).unwrap().current();
    let mut layout = layout_of(key, &state);
    let plan = plan(&mut layout, &[Change::Put(key, state)]);
    assert_eq!((plan.first, plan.then), (Vec::new(), Vec::new()));
}

#[test]
fn a_range_that_has_become_far_too_large_is_given_back() {
    let id = BackendId::new(1).unwrap();
    let with = |len| ServiceState {
        snat: false,
        backends: [(id, std::net::SocketAddr::from(([10, 0, 0, 1], 80)).into())].into(),
        spread: Spread::Slots {
            selector: Selector::Sequence,
            slots: vec![id; len],
        },
        persistence: None,
        queue: None,
    };
    let key = key(80);
    let mut layout = layout_of(key, &with(1_000));
    for (len, capacity) in [
        (500, 1_024),
        (200, 1_024),
        (128, 128),
        (100, 128),
        (129, 256),
    ] {
        let plan = plan(&mut layout, &[Change::Put(key, with(len))]);
        plan.commit(&mut layout);
        assert_eq!(
            layout.services[&key].range.unwrap().capacity(),
            capacity,
            "for {len}"
        );
    }
}
