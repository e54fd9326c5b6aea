use std::collections::HashMap;

use evenkeel_core::model::{DataPlaneKind, Persistence, Protocol};
use evenkeel_core::state::{Change, Queue, Selector};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::super::rule::Choice;
use super::*;

/// Elements as the kernel would hold them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kernel {
    slots: HashMap<u32, u32>,
    backends: HashMap<u32, Element>,
    services: HashMap<ServiceKey, Chain>,
    rules: HashMap<u32, Rule>,
    /// Chains of other kinds.
    others: HashMap<Chain, Vec<RawRule>>,
    asks: HashMap<ServiceKey, Chain>,
    hooked: bool,
    short: Option<BTreeSet<String>>,
}

impl Kernel {
    /// Does what the kernel does, and refuses what it refuses.
    fn carry_out(&mut self, steps: &[Step]) {
        for Step { op, .. } in steps {
            match op {
                Op::AddTable => unreachable!(),
                Op::AddChain(chain) => {
                    if chain.part != Part::Choice {
                        assert_eq!(self.others.insert(*chain, Vec::new()), None);
                    }
                }
                Op::DeleteChain(chain) if chain.part == Part::Choice => {
                    assert!(self.rules.remove(&chain.number).is_some());
                }
                Op::DeleteChain(chain) => assert!(self.others.remove(chain).is_some()),
                Op::SetRules { chain, rules } => {
                    assert!(self.others.insert(*chain, rules.clone()).is_some());
                }
                Op::AddHooks => {
                    assert!(!self.hooked);
                    self.hooked = true;
                }
                Op::DeleteHooks => {
                    assert!(self.hooked);
                    self.hooked = false;
                }
                Op::AddFlowtable => assert_eq!(self.short.replace(BTreeSet::new()), None),
                Op::AddShortChain => assert!(self.short.is_some()),
                Op::DeleteShortChain => assert!(self.short.is_some()),
                Op::DeleteFlowtable => assert!(self.short.take().is_some()),
                Op::AddInterfaces(names) => {
                    self.short.as_mut().unwrap().extend(names.iter().cloned());
                }
                Op::DeleteInterfaces(names) => {
                    let short = self.short.as_mut().unwrap();
                    assert!(names.iter().all(|name| short.remove(name)));
                }
                Op::Add(Element::Ask { key, chain }) => {
                    assert_eq!(self.asks.insert(*key, *chain), None);
                }
                Op::Delete(Element::Ask { key, chain }) => {
                    assert_eq!(self.asks.remove(key), Some(*chain));
                }
                Op::SetRule { chain, rule, .. } => {
                    self.rules.insert(*chain, *rule);
                }
                Op::Add(Element::Slot { slot, mark }) => {
                    assert_eq!(self.slots.insert(*slot, *mark), None);
                }
                Op::Add(element @ Element::Backend { mark, .. }) => {
                    assert_eq!(self.backends.insert(*mark, *element), None);
                }
                Op::Add(Element::Service { key, chain }) => {
                    assert_eq!(self.services.insert(*key, *chain), None);
                }
                Op::Delete(Element::Slot { slot, mark }) => {
                    assert_eq!(self.slots.remove(slot), Some(*mark));
                }
                Op::Delete(Element::Backend { mark, .. }) => {
                    assert!(self.backends.remove(mark).is_some());
                }
                Op::Delete(Element::Service { key, chain }) => {
                    assert_eq!(self.services.remove(key), Some(*chain));
                }
                Op::Add(_) | Op::Delete(_) => {}
            }
        }
    }

    /// What should be there for a layout.
    fn of(layout: &Layout) -> Self {
        let mut kernel = Self::default();
        for (key, held) in &layout.services {
            let Element::Service { chain, .. } = held.service(*key) else {
                unreachable!()
            };
            let family = Family::of(key.addr);
            let number = held.chain;
            kernel.services.insert(*key, chain);
            if chain.part == Part::Entry {
                let rules = held.extras().rules(family, number);
                kernel.others.insert(chain, rules);
            }
            if let Some(question) = held.question() {
                let part = Part::Queue;
                let chain = Chain { part, number };
                kernel
                    .others
                    .insert(chain, question.rules(family, Form::Compat));
                kernel.asks.insert(*key, chain);
                kernel.hooked = true;
            }
            kernel.rules.insert(held.chain, held.rule());
            kernel.carry_out(&steps(held.slots().map(Op::Add)));
            kernel.carry_out(&steps(held.backends(|_| 0).map(Op::Add)));
        }
        kernel
    }

    /// Every number that a service's rule may choose.
    fn chosen(&self, key: &ServiceKey) -> std::ops::Range<u32> {
        let rule = self
            .services
            .get(key)
            .and_then(|chain| self.rules.get(&chain.number));
        match rule.map(|rule| rule.choice) {
            Some(Choice::Slot { base, count, .. }) => base..base + count,
            Some(Choice::Refuse) | None => 0..0,
        }
    }
}

fn steps(ops: impl Iterator<Item = Op>) -> Vec<Step> {
    ops.map(|op| Step {
        subject: Subject::Hairpin,
        op,
    })
    .collect()
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

fn plan(layout: &mut Layout, changes: &[Change]) -> Plan {
    let wanted = Wanted::new(DataPlaneKind::Nftables, changes, |id| {
        layout.owners.get(&id).copied()
    })
    .unwrap();
    Plan::new(layout, &wanted, Some(Form::Compat), &mut |_, _| 0).unwrap()
}

/// A service whose backends are numbered from `first` on.
fn service(first: u32) -> impl Strategy<Value = ServiceState> {
    let servers = prop::sample::subsequence((first..first + 5).collect::<Vec<_>>(), 0..=5);
    let picks = prop::collection::vec(any::<prop::sample::Index>(), 0..70);
    let selector = prop::sample::select(vec![Selector::Sequence, Selector::HashSource]);
    let persistence = prop::sample::select(vec![None, Some((60, 24)), Some((60, 32))]);
    let ask = prop::option::of(prop::sample::select(vec![Queue(1), Queue(2)]));
    let extras = (any::<bool>(), persistence, ask);
    (extras, selector, servers, picks).prop_map(|(extras, selector, servers, picks)| {
        let (snat, persistence, ask) = extras;
        let ids: Vec<_> = servers
            .iter()
            .map(|n| BackendId::new(*n).unwrap())
            .collect();
        let slots: Vec<_> = match ids.len() {
            0 => Vec::new(),
            len => picks.iter().map(|pick| ids[pick.index(len)]).collect(),
        };
        let spread = match slots.len() {
            0 => Spread::Refuse,
            _ => Spread::Slots { selector, slots },
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
            ask,
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
        let before = Kernel::of(&layout);
        let plan = plan(&mut layout, &[Change::Put(key, new)]);
        let mut between = Kernel::of(&layout);
        between.carry_out(&plan.first);
        let mut after = Kernel::of(&layout);
        after.carry_out(&plan.first);
        after.carry_out(&plan.then);

        // The slot is chosen before or after the first batch, looked up after the one or the other, as is its backend.
        for (chooser, slots, backends) in [
            (&before, &before, &between),
            (&before, &between, &between),
            (&between, &between, &between),
            (&between, &between, &after),
            (&between, &after, &after),
        ] {
            for slot in chooser.chosen(&key) {
                let mark = slots.slots.get(&slot);
                prop_assert!(mark.is_some(), "slot {slot:#x}");
                prop_assert!(backends.backends.contains_key(mark.unwrap()), "of slot {slot:#x}");
            }
        }
        plan.commit(&mut layout);
        prop_assert_eq!(after, Kernel::of(&layout));
    }

    #[test]
    fn any_changes_of_several_services_leave_exactly_what_is_wanted(
        walk in prop::collection::vec(
            prop::collection::vec((0..4u16, prop::option::of(Just(())), any::<bool>()), 1..4), 1..6),
        services in prop::collection::vec((service(1), service(11), service(21), service(31)), 6)
    ) {
        let mut layout = Layout::default();
        let mut kernel = Kernel::default();
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
                kernel.carry_out(&plan.first);
                kernel.carry_out(&plan.then);
                plan.commit(&mut layout);
            }
            prop_assert_eq!(&kernel, &Kernel::of(&layout));
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
        ask: None,
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
