use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

fn counts(table: &Table, n: u32) -> (u32, u32, u64) {
    let counts = table.counts().get(&id(n)).copied().unwrap_or_default();
    (counts.active, counts.inactive, counts.total)
}

const A: Key = Key(1);
const B: Key = Key(2);

#[test]
fn a_connection_is_active_then_inactive_then_gone() {
    let mut table = Table::default();
    table.heard(Event::New(A, id(1), Phase::Active));
    assert_eq!(counts(&table, 1), (1, 0, 1));
    table.heard(Event::Changed(A, id(1), Phase::Inactive));
    assert_eq!(counts(&table, 1), (0, 1, 1));
    table.heard(Event::Changed(A, id(1), Phase::Inactive));
    assert_eq!(counts(&table, 1), (0, 1, 1));
    table.heard(Event::Gone(A, End::PLAIN));
    assert_eq!(counts(&table, 1), (0, 0, 1));
    table.heard(Event::Gone(A, End::PLAIN));
    assert_eq!(counts(&table, 1), (0, 0, 1));
}

#[test]
fn only_backends_whose_counts_changed_are_reported_and_only_once() {
    let mut table = Table::default();
    table.heard(Event::New(A, id(1), Phase::Active));
    table.heard(Event::New(B, id(2), Phase::Active));
    let ids = |table: &mut Table| -> Vec<u32> {
        (table.take_changed().iter().map(|(id, _)| id.get())).collect()
    };
    assert_eq!(ids(&mut table), [1, 2]);
    assert!(!table.has_changed());
    table.heard(Event::Changed(A, id(1), Phase::Active));
    assert_eq!(ids(&mut table), []);
    table.heard(Event::Gone(B, End::PLAIN));
    assert_eq!(ids(&mut table), [2]);
}

#[test]
fn connections_from_before_the_start_count_but_are_not_new() {
    let mut table = Table::default();
    table.begin_dump();
    table.dumped(A, id(1), Phase::Active, None);
    table.dumped(B, id(1), Phase::Inactive, None);
    table.finish_dump();
    assert_eq!(counts(&table, 1), (1, 1, 0));
    table.heard(Event::Gone(B, End::PLAIN));
    table.heard(Event::New(B, id(1), Phase::Active));
    assert_eq!(counts(&table, 1), (2, 0, 1));
}

#[test]
fn an_event_during_a_dump_wins_over_it() {
    let mut table = Table::default();
    table.heard(Event::New(A, id(1), Phase::Active));
    table.heard(Event::New(B, id(1), Phase::Active));
    table.begin_dump();
    table.heard(Event::Changed(A, id(1), Phase::Inactive));
    table.heard(Event::Gone(B, End::PLAIN));
    table.dumped(A, id(1), Phase::Active, None);
    table.dumped(B, id(1), Phase::Active, None);
    table.finish_dump();
    assert_eq!(counts(&table, 1), (0, 1, 2));
}

#[test]
fn who_ended_unheard_is_found_out_by_a_dump_and_who_began_unheard_is_new() {
    let mut table = Table::default();
    table.begin_dump();
    table.finish_dump();
    table.heard(Event::New(A, id(1), Phase::Active));
    table.begin_dump();
    table.dumped(B, id(2), Phase::Active, None);
    table.finish_dump();
    assert_eq!(counts(&table, 1), (0, 0, 1));
    assert_eq!(counts(&table, 2), (1, 0, 1));
}

#[test]
fn a_connection_found_by_a_dump_is_not_new_again_when_its_event_comes_late() {
    let mut table = Table::default();
    table.begin_dump();
    table.finish_dump();
    table.begin_dump();
    table.dumped(A, id(1), Phase::Inactive, None);
    table.finish_dump();
    table.heard(Event::New(A, id(1), Phase::Active));
    table.heard(Event::Changed(A, id(1), Phase::Inactive));
    assert_eq!(counts(&table, 1), (0, 1, 1));
}

#[test]
fn a_reused_tuple_moves_to_its_new_backend() {
    let mut table = Table::default();
    table.heard(Event::New(A, id(1), Phase::Inactive));
    table.heard(Event::New(A, id(2), Phase::Active));
    assert_eq!(counts(&table, 1), (0, 0, 1));
    assert_eq!(counts(&table, 2), (1, 0, 1));
}

#[test]
fn a_dump_that_broke_off_does_not_keep_alive_whom_it_saw() {
    let mut table = Table::default();
    table.begin_dump();
    table.dumped(A, id(1), Phase::Active, None);
    table.begin_dump();
    table.dumped(B, id(1), Phase::Active, None);
    table.finish_dump();
    assert_eq!(counts(&table, 1), (1, 0, 0));
    assert_eq!(table.len(), 1);
}

#[test]
fn a_pause_forgets_connections_but_not_totals() {
    let mut table = Table::default();
    table.heard(Event::New(A, id(1), Phase::Active));
    table.take_changed();
    table.clear();
    assert_eq!(counts(&table, 1), (0, 0, 1));
    assert_eq!(table.take_changed().len(), 1);
    table.begin_dump();
    table.dumped(A, id(1), Phase::Active, None);
    table.finish_dump();
    assert_eq!(counts(&table, 1), (1, 0, 1));
}

#[test]
fn connections_that_went_to_another_director_do_not_count_though_the_kernel_keeps_them() {
    let mut table = Table::default();
    table.begin_dump();
    table.finish_dump();
    table.heard(Event::New(A, id(1), Phase::Active));
    table.heard(Event::New(B, id(2), Phase::Active));
    table.take_changed();
    table.set_elsewhere([id(1)].into());
    assert_eq!(counts(&table, 1), (0, 0, 1));
    assert_eq!(counts(&table, 2), (1, 0, 1));
    assert_eq!(table.take_changed().len(), 1);
    // One that was under way when the address left.
    table.heard(Event::New(Key(3), id(1), Phase::Active));
    assert_eq!(counts(&table, 1), (0, 0, 2));
    // The address is back: what the kernel has kept since does not count, what is new does.
    table.set_elsewhere(BTreeSet::new());
    let dump = |table: &mut Table| {
        table.begin_dump();
        for (key, n) in [(A, 1), (B, 2), (Key(3), 1)] {
            table.dumped(key, id(n), Phase::Active, None);
        }
        table.finish_dump();
    };
    dump(&mut table);
    assert_eq!(counts(&table, 1), (0, 0, 2));
    table.heard(Event::New(Key(4), id(1), Phase::Active));
    assert_eq!(counts(&table, 1), (1, 0, 3));
    // One is heard of again, and the others end.
    table.heard(Event::Changed(A, id(1), Phase::Inactive));
    assert_eq!(counts(&table, 1), (1, 1, 3));
    for key in [A, Key(3), Key(4)] {
        table.heard(Event::Gone(key, End::PLAIN));
    }
    assert_eq!(counts(&table, 1), (0, 0, 3));
}

#[test]
fn connections_found_while_their_address_is_elsewhere_do_not_count() {
    let mut table = Table::default();
    table.set_elsewhere([id(1)].into());
    table.begin_dump();
    table.dumped(A, id(1), Phase::Active, None);
    table.dumped(B, id(2), Phase::Active, None);
    table.finish_dump();
    table.set_elsewhere(BTreeSet::new());
    assert_eq!(counts(&table, 1), (0, 0, 0));
    assert_eq!(counts(&table, 2), (1, 0, 0));
}

/// What a table does, said with sets and without counting along.
#[derive(Debug, Default)]
struct Model {
    connections: BTreeMap<u64, (u32, Phase)>,
    elsewhere: BTreeSet<u32>,
    /// Went to another director.
    parted: BTreeSet<u64>,
    /// Seen, or heard of, since the last dump began.
    recent: BTreeSet<u64>,
    dumping: bool,
}

impl Model {
    fn apply(&mut self, step: Step) {
        match step {
            Step::New(key, id, phase) | Step::Changed(key, id, phase) => {
                self.parted.remove(&key);
                self.insert(key, id, phase);
                self.recent.insert(key);
            }
            Step::Elsewhere(id) => {
                self.elsewhere = id.into_iter().collect();
                let left = self.connections.iter();
                let left = left.filter(|(_, (id, _))| self.elsewhere.contains(id));
                self.parted.extend(left.map(|(key, _)| *key));
            }
            Step::Gone(key) => {
                self.connections.remove(&key);
                self.parted.remove(&key);
                self.recent.insert(key);
            }
            Step::Begin => {
                self.recent.clear();
                self.dumping = true;
            }
            Step::Dumped(key, id, phase) => {
                if self.dumping && self.recent.insert(key) {
                    if self.connections.get(&key).is_none_or(|it| it.0 != id) {
                        self.parted.remove(&key);
                    }
                    self.insert(key, id, phase);
                }
            }
            Step::Finish => {
                if std::mem::take(&mut self.dumping) {
                    self.connections.retain(|key, _| self.recent.contains(key));
                    self.parted.retain(|key| self.recent.contains(key));
                }
            }
            Step::Clear => {
                let elsewhere = std::mem::take(&mut self.elsewhere);
                *self = Self::default();
                self.elsewhere = elsewhere;
            }
        }
    }

    fn insert(&mut self, key: u64, id: u32, phase: Phase) {
        self.connections.insert(key, (id, phase));
        if self.elsewhere.contains(&id) {
            self.parted.insert(key);
        }
    }

    fn counted(&self) -> BTreeMap<u64, (u32, Phase)> {
        let all = self.connections.clone().into_iter();
        all.filter(|(key, _)| !self.parted.contains(key)).collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    New(u64, u32, Phase),
    Changed(u64, u32, Phase),
    Gone(u64),
    Begin,
    Dumped(u64, u32, Phase),
    Finish,
    Clear,
    /// Of these, one or none is on another director.
    Elsewhere(Option<u32>),
}

fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![Just(Phase::Active), Just(Phase::Inactive)]
}

fn step() -> impl Strategy<Value = Step> {
    let (key, id) = (0..8_u64, 1..4_u32);
    prop_oneof![
        4 => (key.clone(), id.clone(), phase()).prop_map(|(k, i, p)| Step::New(k, i, p)),
        4 => (key.clone(), id.clone(), phase()).prop_map(|(k, i, p)| Step::Changed(k, i, p)),
        4 => key.clone().prop_map(Step::Gone),
        2 => Just(Step::Begin),
        4 => (key, id, phase()).prop_map(|(k, i, p)| Step::Dumped(k, i, p)),
        2 => Just(Step::Finish),
        1 => Just(Step::Clear),
        2 => prop::option::of(1..4_u32).prop_map(Step::Elsewhere),
    ]
}

proptest! {
    #[test]
    fn after_any_steps_the_table_counts_what_a_naive_model_holds(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let (mut table, mut model) = (Table::default(), Model::default());
        for step in steps {
            let dumping = model.dumping;
            match step {
                Step::New(key, n, phase) => table.heard(Event::New(Key(key), id(n), phase)),
                Step::Changed(key, n, phase) => table.heard(Event::Changed(Key(key), id(n), phase)),
                Step::Gone(key) => table.heard(Event::Gone(Key(key), End::PLAIN)),
                Step::Begin => table.begin_dump(),
                Step::Dumped(key, n, phase) if dumping => table.dumped(Key(key), id(n), phase, None),
                Step::Finish if dumping => table.finish_dump(),
                Step::Clear => table.clear(),
                Step::Elsewhere(n) => table.set_elsewhere(n.into_iter().map(id).collect()),
                Step::Dumped(..) | Step::Finish => {}
            }
            model.apply(step);
            prop_assert_eq!(table.len(), model.connections.len());
            same(&table, &model.counted())?;
        }
    }

    #[test]
    fn lost_events_are_made_good_by_a_dump_whenever_its_rows_and_the_events_are_read(
        acts in prop::collection::vec((0..8_u64, 1..4_u32, 0..10_u8, any::<bool>()), 1..150),
        during in prop::collection::vec((0..8_u64, 1..4_u32, 0..10_u8, 0..4_u8), 1..40),
    ) {
        let mut table = Table::default();
        let mut kernel = Kernel::default();
        for (key, n, act, lost) in acts {
            kernel.act(key, n, act);
            if lost {
                kernel.queue.clear();
            }
            if act % 3 == 0 {
                kernel.queue.drain(..).for_each(|event| table.heard(event));
            }
        }
        // From here on nothing is lost; some events from before the dump may be read during it.
        table.begin_dump();
        let mut row = 0;
        for (key, n, act, read) in during {
            kernel.act(key, n, act);
            if read & 1 == 1 {
                kernel.queue.drain(..).for_each(|event| table.heard(event));
            }
            if read & 2 == 2 {
                kernel.dump(row, &mut table);
                row += 1;
            }
        }
        (row..8).for_each(|row| kernel.dump(row, &mut table));
        table.finish_dump();
        kernel.queue.drain(..).for_each(|event| table.heard(event));
        prop_assert_eq!(table.len(), kernel.connections.len());
        same(&table, &kernel.connections)?;
    }
}

/// Checks that the table counts these connections.
fn same(table: &Table, connections: &BTreeMap<u64, (u32, Phase)>) -> Result<(), TestCaseError> {
    for n in 1..4 {
        let number = |wanted| {
            connections
                .values()
                .filter(|it| **it == (n, wanted))
                .count()
        };
        let (active, inactive, _) = counts(table, n);
        prop_assert_eq!(active as usize, number(Phase::Active));
        prop_assert_eq!(inactive as usize, number(Phase::Inactive));
    }
    Ok(())
}

/// A kernel: what there is, and what it told and nobody has read.
#[derive(Debug, Default)]
struct Kernel {
    connections: BTreeMap<u64, (u32, Phase)>,
    queue: Vec<Event>,
}

impl Kernel {
    fn act(&mut self, key: u64, n: u32, act: u8) {
        match (self.connections.get_mut(&key), act) {
            (None, _) => {
                self.connections.insert(key, (n, Phase::Active));
                self.queue.push(Event::New(Key(key), id(n), Phase::Active));
            }
            (Some((n, phase)), 0..6) => {
                *phase = if act < 4 {
                    Phase::Inactive
                } else {
                    Phase::Active
                };
                let event = Event::Changed(Key(key), id(*n), *phase);
                self.queue.push(event);
            }
            (Some(_), _) => {
                self.connections.remove(&key);
                self.queue.push(Event::Gone(Key(key), End::PLAIN));
            }
        }
    }

    /// One bucket of the kernel's table.
    fn dump(&self, bucket: u64, table: &mut Table) {
        if let Some((n, phase)) = self.connections.get(&bucket) {
            table.dumped(Key(bucket), id(*n), *phase, None);
        }
    }
}

fn end(failed: bool, to_backend: u64) -> End {
    End {
        failed,
        traffic: Some(Traffic {
            to_backend,
            to_clients: 2 * to_backend,
        }),
    }
}

fn sent(table: &Table) -> Option<u64> {
    let counts = table.counts().get(&id(1))?;
    counts.traffic.map(|it| it.to_backend)
}

#[test]
fn connections_that_were_never_established_are_counted_when_they_end() {
    let mut table = Table::default();
    table.heard(Event::New(A, id(1), Phase::Active));
    table.heard(Event::New(B, id(1), Phase::Active));
    table.take_changed();
    table.heard(Event::Gone(A, end(true, 0)));
    table.heard(Event::Gone(B, end(false, 0)));
    // What was not known is nobody's.
    table.heard(Event::Gone(B, end(true, 0)));
    let changed = table.take_changed();
    assert_eq!(changed.len(), 1);
    assert_eq!((changed[0].1.failed, changed[0].1.total), (1, 2));
}

#[test]
fn what_was_sent_is_that_of_ended_connections_and_of_those_that_a_dump_tells_of() {
    let mut table = Table::default();
    let live = |bytes| end(false, bytes).traffic;
    table.heard(Event::New(A, id(1), Phase::Active));
    table.heard(Event::New(B, id(1), Phase::Active));
    assert_eq!(sent(&table), None);
    table.begin_dump();
    table.dumped(A, id(1), Phase::Active, live(100));
    table.dumped(B, id(1), Phase::Active, live(10));
    table.finish_dump();
    assert_eq!(sent(&table), Some(110));
    table.heard(Event::Gone(B, end(false, 15)));
    // Known by the next dump.
    assert_eq!(sent(&table), Some(110));
    table.begin_dump();
    table.dumped(A, id(1), Phase::Active, live(120));
    // It ends while the dump goes on that has told of it, and is not counted twice.
    table.heard(Event::Gone(A, end(false, 121)));
    table.finish_dump();
    assert_eq!(sent(&table), Some(135));
    table.begin_dump();
    table.finish_dump();
    assert_eq!(sent(&table), Some(136));
    // Without accounting nothing is said.
    let mut silent = Table::default();
    silent.heard(Event::New(A, id(1), Phase::Active));
    silent.begin_dump();
    silent.dumped(A, id(1), Phase::Active, None);
    silent.finish_dump();
    assert_eq!(sent(&silent), None);
}
