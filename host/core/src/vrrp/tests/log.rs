//! What the log says of a change of the state: one line, a warning, with from, to and why.

use super::super::{Command, Event};
use super::*;

const OTHER: &str = "10.10.54.156";

impl Bench {
    /// What is said, with `!` before a warning.
    fn lines(&mut self) -> Vec<String> {
        let line = |event: Event| {
            let mark = if event.warning { "! " } else { "" };
            format!("{mark}{}", event.text)
        };
        let outputs = self.router.outputs().into_iter();
        let events = outputs.filter_map(|output| match output {
            Output::Event(event) => Some(event),
            _ => None,
        });
        events.map(line).collect()
    }
}

fn backup() -> Bench {
    let mut bench = Bench::new(instance(100));
    bench.hear(OTHER, &advert(120));
    bench.lines();
    bench
}

fn master() -> Bench {
    Bench::master(instance(100))
}

fn resign(bench: &mut Bench) {
    bench.give(Input::Command {
        instance: None,
        command: Command::Resign,
    });
}

/// What happens, and the line that is logged.
type Row = (fn() -> Bench, fn(&mut Bench), &'static str);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // To MASTER
    (|| Bench::new(instance(100)), |b| b.pass(361 * MS), "! from BACKUP to MASTER, priority 100: no master was heard for 360ms"),
    (backup, |b| b.pass(361 * MS), "! from BACKUP to MASTER, priority 100: no advert from 10.10.54.156 for 360ms"),
    (backup, |b| { b.hear(OTHER, &advert(0)); b.pass(61 * MS); }, "! from BACKUP to MASTER, priority 100: 10.10.54.156 gave up being master (priority 0)"),
    (backup, |b| { b.hear(OTHER, &advert(80)); b.pass(361 * MS); }, "! from BACKUP to MASTER, priority 100: 10.10.54.156 is master with the lower priority 80"),
    (|| { let mut b = Bench::asleep(instance(255)); b.interfaces(true); b.lines(); b }, |b| b.give(Input::Ready), "! from BACKUP to MASTER, priority 255: it owns the addresses"),
    (|| { let mut b = master(); resign(&mut b); b.lines(); b }, |b| b.pass(450 * MS), "! from BACKUP to MASTER, priority 100: it gave the addresses up, and no other router has taken over"),
    // From MASTER
    (master, resign, "! from MASTER to BACKUP, priority 100: an operator told it to resign"),
    (master, |b| b.give(Input::Stop), "! from MASTER to BACKUP, priority 100: the daemon ends"),
    (master, |b| b.hear(OTHER, &advert(120)), "! from MASTER to BACKUP, priority 100: 10.10.54.156 is master with the higher priority 120"),
    (master, |b| b.interface("eth1", false), "! from MASTER to FAULT, priority 100: interface eth1 is down"),
    (master, |b| b.router.configure(&Vrrp::default(), b.now), "! no longer MASTER: the instance is not configured any more, or is another router now"),
    // The others
    (|| Bench::asleep(instance(100)), |b| b.interfaces(true), "BACKUP, priority 100: started"),
    (backup, |b| b.interface("eth1", false), "! from BACKUP to FAULT, priority 100: interface eth1 is down"),
    (|| { let mut b = backup(); b.interface("eth1", false); b.lines(); b }, |b| b.interface("eth1", true), "! from FAULT to BACKUP, priority 100: what had failed is well again"),
];

#[test]
fn each_change_of_the_state_is_one_line_with_from_to_and_why() {
    for (start, happens, line) in ROWS {
        let mut bench = start();
        bench.lines();
        happens(&mut bench);
        assert_eq!(bench.lines(), [*line]);
    }
}

#[test]
fn of_two_masters_with_the_same_priority_the_address_is_the_reason() {
    let mut bench = master();
    bench.hear(OTHER, &advert(100));
    let said = bench.lines();
    let why = "! from MASTER to BACKUP, priority 100: 10.10.54.156 is master with the same priority and the higher address";
    assert_eq!(
        said.iter().filter(|line| *line == why).count(),
        1,
        "{said:?}"
    );
    assert_eq!(
        said.iter().filter(|line| line.starts_with("! ")).count(),
        1,
        "{said:?}"
    );
}
