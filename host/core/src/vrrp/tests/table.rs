//! What follows from what, in a table: RFC 9568 sections 6.4.1 to 6.4.3, and what goes beyond them.

use super::super::{Command, Reading};
use super::*;
use crate::model::{Script, Track, Tracked};

const OTHER: &str = "10.10.54.156";
const LOWER: &str = "10.10.54.154";
/// An address that is configured as `source`.
const SOURCE: &str = "10.10.54.157";

/// A start, something that happens, and what follows.
struct Row {
    name: &'static str,
    start: fn() -> Bench,
    happens: fn(&mut Bench),
    state: State,
    holding: bool,
    /// What is done, apart from words for the log.
    deeds: &'static [&'static str],
}

fn backup() -> Bench {
    let mut bench = Bench::new(instance(100));
    bench.hear(OTHER, &advert(120));
    bench.outputs();
    bench
}

fn master() -> Bench {
    Bench::master(instance(100))
}

fn with(change: fn(&mut VrrpInstance)) -> VrrpInstance {
    let mut spec = instance(100);
    change(&mut spec);
    spec
}

fn source(bench: &mut Bench, present: bool) {
    let addr = ip(SOURCE);
    bench.give(Input::Source { addr, present });
}

/// Ready, but without a socket.
fn deaf() -> Bench {
    let mut bench = Bench::asleep(instance(100));
    for name in ["eth0", "eth1"] {
        bench.link(name, true);
    }
    bench.give(Input::Ready);
    bench
}

fn nopreempt() -> Bench {
    let mut bench = Bench::new(with(|it| it.preempt = false));
    bench.outputs();
    bench
}

fn resigned() -> Bench {
    let mut bench = master();
    bench.give(Input::Command {
        instance: None,
        command: Command::Resign,
    });
    bench.hear(OTHER, &advert(80));
    bench.outputs();
    bench
}

fn tracking(weight: i16) -> VrrpInstance {
    let mut spec = instance(100);
    spec.track = vec![Track {
        what: script(),
        weight,
        reverse: false,
    }];
    spec
}

fn script() -> Tracked {
    Tracked::Script("web".to_owned())
}

fn reads(bench: &mut Bench, reading: Reading) {
    bench.give(Input::Tracked {
        what: &script(),
        reading,
    });
}

/// The router hears this advert every 100 ms, so often.
fn hears(bench: &mut Bench, priority: u8, times: u32) {
    for _ in 0..times {
        bench.hear(OTHER, &advert(priority));
        bench.pass(100 * MS);
    }
}

use State::{Backup, Fault, Master};

#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "a table")]
fn rows() -> Vec<Row> {
    vec![
        // RFC 9568 section 6.4.1
        Row { name: "ready: a backup waits", start: || Bench::asleep(instance(100)), happens: |b| { b.interfaces(true); b.give(Input::Ready); },
              state: Backup, holding: false, deeds: &["notify Backup"] },
        Row { name: "ready: the owner is master at once", start: || Bench::asleep(instance(255)), happens: |b| { b.interfaces(true); b.give(Input::Ready); },
              state: Master, holding: true, deeds: &["notify Backup", "send 255", "hold", "notify Master"] },
        Row { name: "not ready: nobody becomes master", start: || Bench::asleep(instance(255)), happens: |b| { b.interfaces(true); b.pass(20_000 * MS); },
              state: Backup, holding: false, deeds: &["notify Backup"] },
        Row { name: "ready at last, and the time is over: master at once", start: || Bench::asleep(instance(100)),
              happens: |b| { b.interfaces(true); b.pass(20_000 * MS); b.outputs(); b.give(Input::Ready); },
              state: Master, holding: true, deeds: &["send 100", "hold", "notify Master"] },
        // RFC 9568 section 6.4.2
        Row { name: "backup: the master's silence", start: backup, happens: |b| b.pass(361 * MS),
              state: Master, holding: true, deeds: &["send 100", "hold", "notify Master"] },
        Row { name: "backup: a better advert starts the wait anew", start: backup, happens: |b| { b.pass(300 * MS); b.hear(OTHER, &advert(120)); b.pass(300 * MS); },
              state: Backup, holding: false, deeds: &[] },
        Row { name: "backup: an equal advert, too", start: backup, happens: |b| { b.pass(300 * MS); b.hear(OTHER, &advert(100)); b.pass(300 * MS); },
              state: Backup, holding: false, deeds: &[] },
        Row { name: "backup: a lower advert does not", start: backup, happens: |b| { b.pass(300 * MS); b.hear(OTHER, &advert(99)); b.pass(61 * MS); },
              state: Master, holding: true, deeds: &["send 100", "hold", "notify Master"] },
        Row { name: "backup: priority 0 leaves the skew", start: backup, happens: |b| { b.hear(OTHER, &advert(0)); b.pass(61 * MS); },
              state: Master, holding: true, deeds: &["send 100", "hold", "notify Master"] },
        Row { name: "backup: priority 0, and not yet", start: backup, happens: |b| { b.hear(OTHER, &advert(0)); b.pass(60 * MS); },
              state: Backup, holding: false, deeds: &[] },
        // Not run for a while
        Row { name: "asleep: an advert was lost, perhaps", start: backup, happens: |b| { b.sleep(2000 * MS); b.wake(); },
              state: Backup, holding: false, deeds: &[] },
        Row { name: "asleep: and the master is there", start: backup, happens: |b| { b.sleep(2000 * MS); b.wake(); b.pass(199 * MS); b.hear(OTHER, &advert(120)); b.pass(360 * MS); },
              state: Backup, holding: false, deeds: &[] },
        Row { name: "asleep: and the master is gone", start: backup, happens: |b| { b.sleep(2000 * MS); b.wake(); b.pass(261 * MS); },
              state: Master, holding: true, deeds: &["send 100", "hold", "notify Master"] },
        Row { name: "asleep again: once is enough", start: backup, happens: |b| { b.sleep(2000 * MS); b.wake(); b.sleep(2000 * MS); b.wake(); },
              state: Master, holding: true, deeds: &["send 100", "hold", "notify Master"] },
        Row { name: "asleep: what waits is heard first", start: backup, happens: |b| { b.sleep(2000 * MS); b.hear(OTHER, &advert(120)); b.wake(); b.pass(360 * MS); },
              state: Backup, holding: false, deeds: &[] },
        Row { name: "a little late: no reason to wait", start: backup, happens: |b| { b.sleep(400 * MS); b.wake(); },
              state: Master, holding: true, deeds: &["send 100", "hold", "notify Master"] },
        // RFC 9568 section 6.4.3
        Row { name: "master: its time", start: master, happens: |b| { b.pass(99 * MS); b.outputs(); b.pass(MS); },
              state: Master, holding: true, deeds: &["send 100", "announce 1"] },
        Row { name: "master: priority 0 is answered", start: master, happens: |b| { b.pass(50 * MS); b.hear(OTHER, &advert(0)); },
              state: Master, holding: true, deeds: &["send 100"] },
        Row { name: "master: a better one", start: master, happens: |b| b.hear(OTHER, &advert(101)),
              state: Backup, holding: false, deeds: &["send 100", "release", "notify Backup"] },
        Row { name: "master: an equal one with a higher address", start: master, happens: |b| b.hear(OTHER, &advert(100)),
              state: Backup, holding: false, deeds: &["send 100", "release", "notify Backup"] },
        Row { name: "master: an equal one with a lower address", start: master, happens: |b| { b.pass(50 * MS); b.hear(LOWER, &advert(100)); },
              state: Master, holding: true, deeds: &["send 100", "announce 5"] },
        Row { name: "master: a worse one is answered, and the network told again", start: master, happens: |b| { b.pass(50 * MS); b.hear(OTHER, &advert(99)); },
              state: Master, holding: true, deeds: &["send 100", "announce 5"] },
        // The addresses
        Row { name: "held: announced at once, and again", start: || { let mut b = backup(); b.pass(361 * MS); b.outputs(); b }, happens: |b| b.give(Input::Held { instance: "VI_1" }),
              state: Master, holding: true, deeds: &["announce 5"] },
        Row { name: "master: an interface has another MAC address", start: || { let mut b = master(); b.pass(50 * MS); b.outputs(); b }, happens: |b| b.give(Input::MacChanged { interface: "eth1" }),
              state: Master, holding: true, deeds: &["announce 5"] },
        Row { name: "master: an interface of no address has another MAC address", start: master, happens: |b| b.give(Input::MacChanged { interface: "eth2" }),
              state: Master, holding: true, deeds: &[] },
        Row { name: "backup: an interface has another MAC address", start: backup, happens: |b| b.give(Input::MacChanged { interface: "eth1" }),
              state: Backup, holding: false, deeds: &[] },
        Row { name: "held too late is not announced", start: backup, happens: |b| b.give(Input::Held { instance: "VI_1" }),
              state: Backup, holding: false, deeds: &[] },
        // Interfaces and tracked things
        Row { name: "master: its interface goes", start: master, happens: |b| b.interface("eth0", false),
              state: Fault, holding: false, deeds: &["release", "notify Fault"] },
        Row { name: "master: an interface of an address goes, and the other address with it", start: master, happens: |b| b.interface("eth1", false),
              state: Fault, holding: false, deeds: &["send 0", "release", "notify Fault"] },
        Row { name: "backup: an interface goes", start: backup, happens: |b| b.interface("eth1", false),
              state: Fault, holding: false, deeds: &["notify Fault"] },
        Row { name: "fault: over, and a second to settle", start: || { let mut b = backup(); b.interface("eth1", false); b.outputs(); b }, happens: |b| { b.interface("eth1", true); b.pass(999 * MS); },
              state: Backup, holding: false, deeds: &["notify Backup"] },
        Row { name: "a tracker is not known for two seconds: a fault", start: || Bench::new(tracking(0)), happens: |b| b.pass(2000 * MS),
              state: Fault, holding: false, deeds: &["notify Fault"] },
        Row { name: "a tracker is known in time: no fault", start: || Bench::new(tracking(0)), happens: |b| { b.pass(1000 * MS); reads(b, Reading::Up); },
              state: Backup, holding: false, deeds: &["notify Backup"] },
        Row { name: "master: a tracker fails", start: || { let mut b = Bench::asleep(tracking(0)); b.interfaces(true); reads(&mut b, Reading::Up); b.give(Input::Ready); b.pass(400 * MS); b.outputs(); b },
              happens: |b| reads(b, Reading::Down), state: Fault, holding: false, deeds: &["send 0", "release", "notify Fault"] },
        Row { name: "master: a weighted tracker fails: told at once", start: || { let mut b = Bench::asleep(tracking(-30)); b.interfaces(true); reads(&mut b, Reading::Up); b.give(Input::Ready); b.pass(400 * MS); b.outputs(); b },
              happens: |b| reads(b, Reading::Down), state: Master, holding: true, deeds: &["send 70"] },
        Row { name: "master: a positive weight counts while it is well", start: || { let mut b = Bench::asleep(tracking(20)); b.interfaces(true); b.give(Input::Ready); b.pass(400 * MS); b.outputs(); b },
              happens: |b| reads(b, Reading::Up), state: Master, holding: true, deeds: &["send 120"] },
        // The socket
        Row { name: "no socket: never master", start: deaf, happens: |b| b.pass(20_000 * MS),
              state: Fault, holding: false, deeds: &["notify Fault"] },
        Row { name: "the socket cannot be opened: never master", start: deaf, happens: |b| { b.hearing(Hearing::Fails("no")); b.pass(20_000 * MS); },
              state: Fault, holding: false, deeds: &["notify Fault"] },
        Row { name: "the owner needs its socket, too", start: || { let mut b = Bench::asleep(instance(255)); b.link("eth0", true); b.link("eth1", true); b.give(Input::Ready); b }, happens: |b| b.pass(20_000 * MS),
              state: Fault, holding: false, deeds: &["notify Fault"] },
        Row { name: "the socket hears at last", start: deaf, happens: |b| { b.hearing(Hearing::Fails("no")); b.pass(20_000 * MS); b.hearing(Hearing::Works); b.pass(1000 * MS); },
              state: Master, holding: true, deeds: &["notify Fault", "notify Backup", "send 100", "hold", "notify Master"] },
        Row { name: "master: its socket is lost", start: master, happens: |b| b.hearing(Hearing::Fails("no")),
              state: Fault, holding: false, deeds: &["send 0", "release", "notify Fault"] },
        Row { name: "master: another socket is being opened", start: master, happens: |b| b.hearing(Hearing::Awaited),
              state: Master, holding: true, deeds: &[] },
        Row { name: "master: another socket does not open in time", start: || { let mut b = master(); b.pass(50 * MS); b.hearing(Hearing::Awaited); b.pass(1990 * MS); b.outputs(); b }, happens: |b| b.pass(10 * MS),
              state: Fault, holding: false, deeds: &["send 0", "release", "notify Fault"] },
        Row { name: "fault: over, but the new socket is not open yet", start: || { let mut b = backup(); b.interface("eth0", false); b.outputs(); b }, happens: |b| { b.hearing(Hearing::Awaited); b.link("eth0", true); b.pass(20_000 * MS); },
              state: Fault, holding: false, deeds: &[] },
        // The source
        Row { name: "no interface has the source: never master", start: || { let mut b = Bench::asleep(with(|it| it.source = Some(ip(SOURCE)))); b.interfaces(true); b.give(Input::Ready); b }, happens: |b| { source(b, false); b.pass(20_000 * MS); },
              state: Fault, holding: false, deeds: &["notify Fault"] },
        Row { name: "an interface gets the source at last", start: || { let mut b = Bench::asleep(with(|it| it.source = Some(ip(SOURCE)))); b.interfaces(true); b.give(Input::Ready); b }, happens: |b| { source(b, false); b.pass(20_000 * MS); source(b, true); b.pass(1000 * MS); },
              state: Master, holding: true, deeds: &["notify Fault", "notify Backup", "send 100", "hold", "notify Master"] },
        // Nothing can be sent from it: the other router hears no priority 0.
        Row { name: "master: its source goes", start: || { let mut b = Bench::asleep(with(|it| it.source = Some(ip(SOURCE)))); source(&mut b, true); b.interfaces(true); b.give(Input::Ready); b.pass(400 * MS); b.outputs(); b }, happens: |b| source(b, false),
              state: Fault, holding: false, deeds: &["release", "notify Fault"] },
        Row { name: "reload: a source that is not known yet", start: master, happens: |b| b.router.configure(&config(with(|it| it.source = Some(ip(SOURCE)))), b.now),
              state: Master, holding: true, deeds: &[] },
        Row { name: "reload: a source that no interface has", start: master, happens: |b| { b.router.configure(&config(with(|it| it.source = Some(ip(SOURCE)))), b.now); source(b, false); },
              state: Fault, holding: false, deeds: &["release", "notify Fault"] },
        // nopreempt
        Row { name: "nopreempt: a healthy master is left alone", start: nopreempt, happens: |b| hears(b, 80, 30),
              state: Backup, holding: false, deeds: &[] },
        Row { name: "nopreempt: one that fell below is not", start: nopreempt, happens: |b| { hears(b, 120, 3); b.hear(OTHER, &advert(80)); b.pass(270 * MS); },
              state: Master, holding: true, deeds: &["send 100", "hold", "notify Master"] },
        Row { name: "nopreempt: one that fell but is still better stays", start: nopreempt, happens: |b| { hears(b, 120, 3); hears(b, 110, 30); },
              state: Backup, holding: false, deeds: &[] },
        Row { name: "preempt_delay: not yet", start: || { let mut b = Bench::new(with(|it| it.preempt_delay = 2000 * MS)); b.outputs(); b }, happens: |b| hears(b, 80, 20),
              state: Backup, holding: false, deeds: &[] },
        Row { name: "preempt_delay: over", start: || { let mut b = Bench::new(with(|it| it.preempt_delay = 2000 * MS)); b.outputs(); b }, happens: |b| hears(b, 80, 23),
              state: Master, holding: true, deeds: &["send 100", "hold", "notify Master"] },
        // What an earlier daemon left
        Row { name: "found: kept while it listens", start: || { let mut b = Bench::asleep(instance(100)); b.interfaces(true); b.outputs(); b }, happens: |b| b.give(Input::Found { instance: "VI_1" }),
              state: Backup, holding: true, deeds: &[] },
        Row { name: "found, and nobody is heard: master after an interval and the skew", start: || { let mut b = Bench::asleep(instance(100)); b.interfaces(true); b.outputs(); b },
              happens: |b| { b.give(Input::Found { instance: "VI_1" }); b.give(Input::Ready); b.pass(161 * MS); }, state: Master, holding: true, deeds: &["send 100", "hold", "notify Master"] },
        Row { name: "found, and another is master: released at once, even a worse one", start: || { let mut b = Bench::asleep(instance(100)); b.interfaces(true); b.outputs(); b },
              happens: |b| { b.give(Input::Found { instance: "VI_1" }); b.hear(OTHER, &advert(50)); }, state: Backup, holding: false, deeds: &["release"] },
        // Handing over
        Row { name: "resign: says so, and keeps the addresses", start: master, happens: |b| b.give(Input::Command { instance: Some("VI_1"), command: Command::Resign }),
              state: Backup, holding: true, deeds: &["send 0", "notify Backup"] },
        Row { name: "resign: the other is master", start: master, happens: |b| { b.give(Input::Command { instance: None, command: Command::Resign }); b.pass(60 * MS); b.hear(OTHER, &advert(80)); },
              state: Backup, holding: false, deeds: &["send 0", "notify Backup", "release"] },
        Row { name: "resign: nobody else is there", start: master, happens: |b| { b.give(Input::Command { instance: None, command: Command::Resign }); b.pass(450 * MS); },
              state: Master, holding: true, deeds: &["send 0", "notify Backup", "send 100", "hold", "notify Master"] },
        Row { name: "resigned: the other is left alone", start: resigned, happens: |b| hears(b, 80, 30),
              state: Backup, holding: false, deeds: &[] },
        Row { name: "resigned: but not if it goes", start: resigned, happens: |b| b.pass(361 * MS),
              state: Master, holding: true, deeds: &["send 100", "hold", "notify Master"] },
        Row { name: "resume: takes over again", start: resigned, happens: |b| { b.give(Input::Command { instance: None, command: Command::Resume }); hears(b, 80, 4); },
              state: Master, holding: true, deeds: &["send 100", "hold", "notify Master"] },
        Row { name: "a command for another instance", start: master, happens: |b| b.give(Input::Command { instance: Some("VI_2"), command: Command::Resign }),
              state: Master, holding: true, deeds: &[] },
        // The end
        Row { name: "stop: waits for the other", start: master, happens: |b| { b.give(Input::Stop); assert!(!b.router.stopped()); },
              state: Backup, holding: true, deeds: &["send 0"] },
        Row { name: "stop: the other is master", start: master, happens: |b| { b.give(Input::Stop); b.hear(OTHER, &advert(80)); assert!(b.router.stopped()); },
              state: Backup, holding: false, deeds: &["send 0", "release", "notify Stop"] },
        Row { name: "stop: nobody else is there", start: master, happens: |b| { b.give(Input::Stop); b.pass(450 * MS); assert!(b.router.stopped()); },
              state: Backup, holding: false, deeds: &["send 0", "release", "notify Stop"] },
        Row { name: "stop: a backup is done at once", start: backup, happens: |b| { b.give(Input::Stop); assert!(b.router.stopped()); },
              state: Backup, holding: false, deeds: &["notify Stop"] },
        Row { name: "stop: after a resignation that is under way", start: || { let mut b = master(); b.give(Input::Command { instance: None, command: Command::Resign }); b.outputs(); b },
              happens: |b| { b.give(Input::Stop); assert!(!b.router.stopped()); b.hear(OTHER, &advert(80)); assert!(b.router.stopped()); },
              state: Backup, holding: false, deeds: &["release", "notify Stop"] },
        Row { name: "stop: a link fails while the other is awaited", start: master, happens: |b| { b.give(Input::Stop); b.interface("eth1", false); assert!(b.router.stopped()); },
              state: Backup, holding: false, deeds: &["send 0", "release", "notify Stop"] },
        Row { name: "a resigned owner that was in fault waits", start: || { let mut b = Bench::master(instance(255)); b.give(Input::Command { instance: None, command: Command::Resign }); b.hear(OTHER, &advert(80)); b.interface("eth1", false); b.outputs(); b },
              happens: |b| { b.interface("eth1", true); hears(b, 80, 30); }, state: Backup, holding: false, deeds: &["notify Backup"] },
        Row { name: "found while in fault: released", start: || { let mut b = backup(); b.interface("eth1", false); b.outputs(); b }, happens: |b| b.give(Input::Found { instance: "VI_1" }),
              state: Fault, holding: false, deeds: &["release"] },
        // Reload
        Row { name: "reload: nothing changed", start: master, happens: |b| b.router.configure(&config(instance(100)), b.now),
              state: Master, holding: true, deeds: &[] },
        Row { name: "reload: another address", start: master, happens: |b| { let mut spec = instance(100); spec.addresses.push(address("10.10.54.152", "eth0")); b.router.configure(&config(spec), b.now); },
              state: Master, holding: true, deeds: &["send 100", "hold"] },
        Row { name: "reload: another priority", start: master, happens: |b| b.router.configure(&config(instance(90)), b.now),
              state: Master, holding: true, deeds: &["send 90"] },
        Row { name: "reload: a track of a master is not known yet", start: master, happens: |b| b.router.configure(&config(tracking(0)), b.now),
              state: Master, holding: true, deeds: &[] },
        Row { name: "reload: a track of a backup is not known yet", start: backup, happens: |b| b.router.configure(&config(tracking(0)), b.now),
              state: Backup, holding: false, deeds: &[] },
        Row { name: "reload: a track that is well", start: master, happens: |b| { b.router.configure(&config(tracking(0)), b.now); reads(b, Reading::Up); b.pass(5000 * MS); b.outputs(); },
              state: Master, holding: true, deeds: &[] },
        Row { name: "reload: a track that fails", start: master, happens: |b| { b.router.configure(&config(tracking(0)), b.now); reads(b, Reading::Down); },
              state: Fault, holding: false, deeds: &["send 0", "release", "notify Fault"] },
        Row { name: "reload: a track that never becomes known", start: || { let mut b = master(); b.pass(50 * MS); b.router.configure(&config(tracking(0)), b.now); b.pass(1990 * MS); b.outputs(); b }, happens: |b| b.pass(10 * MS),
              state: Fault, holding: false, deeds: &["send 0", "release", "notify Fault"] },
        Row { name: "reload: a weighted track is not known yet", start: master, happens: |b| b.router.configure(&config(tracking(-30)), b.now),
              state: Master, holding: true, deeds: &[] },
        Row { name: "reload: a weighted track that never becomes known", start: || { let mut b = master(); b.pass(50 * MS); b.router.configure(&config(tracking(-30)), b.now); b.pass(1990 * MS); b.outputs(); b }, happens: |b| b.pass(10 * MS),
              state: Master, holding: true, deeds: &["send 70"] },
        Row { name: "reload: an interface is not known yet", start: master, happens: |b| { let mut spec = instance(100); spec.addresses.push(address("10.10.55.152", "eth2")); b.router.configure(&config(spec), b.now); },
              state: Master, holding: true, deeds: &["send 100", "hold"] },
        Row { name: "reload: a track is added in fault", start: || { let mut b = backup(); b.interface("eth1", false); b.outputs(); b }, happens: |b| { b.router.configure(&config(tracking(0)), b.now); b.interface("eth1", true); b.pass(20_000 * MS); },
              state: Fault, holding: false, deeds: &[] },
        Row { name: "reload: another router ID is another router", start: master, happens: |b| { let spec = with(|it| it.router_id = 52); b.router.configure(&config(spec), b.now); b.hearing(Hearing::Works); },
              state: Backup, holding: false, deeds: &["send 0", "release", "notify Backup"] },
    ]
}

#[test]
fn what_happens_has_the_consequences_of_the_table() {
    for row in rows() {
        let mut bench = (row.start)();
        (row.happens)(&mut bench);
        assert_eq!(bench.deeds(), row.deeds, "{}", row.name);
        assert_eq!(bench.state(), row.state, "{}", row.name);
        assert_eq!(bench.holding(), row.holding, "{}", row.name);
    }
}

#[test]
fn a_script_that_a_reload_adds_has_the_time_of_a_run_to_say_how_it_is() {
    let mut bench = master();
    bench.pass(50 * MS);
    let mut more = config(tracking(0));
    more.scripts = vec![Script {
        name: "web".to_owned(),
        command: vec!["true".to_owned()],
        interval: 1000 * MS,
        timeout: 5000 * MS,
        rise: 1,
        fall: 1,
    }];
    bench.router.configure(&more, bench.now);
    bench.pass(6990 * MS);
    assert_eq!(bench.state(), Master);
    bench.pass(10 * MS);
    assert_eq!(bench.state(), Fault);
    let reasons = bench.router.report(bench.now).remove(0).reasons;
    assert_eq!(reasons, ["script web is not known yet"]);
}

#[test]
fn the_first_router_heard_of_decides_nothing_about_time() {
    let mut bench = Bench::new(instance(100));
    assert_eq!(bench.now, bench.begin);
    bench.pass(360 * MS);
    assert_eq!(bench.state(), Backup);
    bench.pass(MS);
    assert_eq!(bench.state(), Master);
}

#[test]
fn a_weight_moves_the_priority_between_1_and_254_and_never_that_of_the_owner() {
    for (base, weight, shown) in [
        (100, -253, 1),
        (200, 100, 254),
        (255, -100, 255),
        (100, -30, 70),
    ] {
        let mut spec = tracking(weight);
        spec.priority = base;
        let mut bench = Bench::new(spec);
        let reading = if weight > 0 {
            Reading::Up
        } else {
            Reading::Down
        };
        reads(&mut bench, reading);
        assert_eq!(
            bench.router.report(bench.now)[0].priority,
            shown,
            "{base} {weight}"
        );
    }
}

#[test]
fn what_is_tracked_in_reverse_counts_as_keepalived_counts_it() {
    // man keepalived.conf: "the priority is decreased when up and increased when down. 'weight 0 reverse' will cause
    // the vrrp instance to be down when [it] is up, and vice versa."
    let (up, down) = (Some(Reading::Up), Some(Reading::Down));
    for (weight, reverse, reading, priority, fault) in [
        (20, false, up, 120, false),
        (20, false, down, 100, false),
        (-20, false, up, 100, false),
        (-20, false, down, 80, false),
        (0, false, down, 100, true),
        (20, true, up, 80, false),
        (20, true, down, 100, false),
        (-20, true, up, 100, false),
        (-20, true, down, 120, false),
        (0, true, up, 100, true),
        (0, true, down, 100, false),
        (20, true, None, 100, false),
        (-20, true, None, 100, false),
    ] {
        let case = format!("weight {weight}, reverse {reverse}, {reading:?}");
        let mut spec = tracking(weight);
        spec.track[0].reverse = reverse;
        let mut bench = Bench::new(spec);
        if let Some(reading) = reading {
            reads(&mut bench, reading);
        }
        assert_eq!(
            bench.router.report(bench.now)[0].priority,
            priority,
            "{case}"
        );
        assert_eq!(bench.state() == Fault, fault, "{case}");
    }
}

#[test]
fn the_number_in_a_file_that_is_tracked_in_reverse_is_taken_from_the_priority() {
    let file = Tracked::File("/run/load".into());
    for (weight, number, priority, fault) in [
        (2, 10, 80, false),
        (-2, 10, 120, false),
        (0, 0, 100, true),
        (0, 1, 100, false),
    ] {
        let mut spec = instance(100);
        spec.track = vec![Track {
            what: file.clone(),
            weight,
            reverse: true,
        }];
        let mut bench = Bench::new(spec);
        bench.give(Input::Tracked {
            what: &file,
            reading: Reading::Number(number),
        });
        let case = format!("weight {weight}, number {number}");
        assert_eq!(
            bench.router.report(bench.now)[0].priority,
            priority,
            "{case}"
        );
        assert_eq!(bench.state() == Fault, fault, "{case}");
    }
}

#[test]
fn the_number_in_a_file_counts_by_its_weight() {
    let file = Tracked::File("/run/load".into());
    let mut spec = instance(100);
    spec.track = vec![Track {
        what: file.clone(),
        weight: -2,
        reverse: false,
    }];
    let mut bench = Bench::new(spec);
    for (number, shown) in [
        (10, 80),
        (-10, 120),
        (0, 100),
        (i32::MAX, 1),
        (i32::MIN, 254),
    ] {
        bench.give(Input::Tracked {
            what: &file,
            reading: Reading::Number(number),
        });
        assert_eq!(
            bench.router.report(bench.now)[0].priority,
            shown,
            "{number}"
        );
    }
}
