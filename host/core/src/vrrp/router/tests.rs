//! Sync groups at the start, over a reload and at the end, and what is bounded whatever is received.

use std::net::IpAddr;
use std::time::Duration;

use super::super::packet::{Advert, Authentication};
use super::super::{Notified, State};
use super::*;
use crate::model::{
    Announce, Checksum, Family, Notify, SyncGroup, VirtualAddress, VrrpInstance, VrrpVersion,
};

const SECOND: Duration = Duration::from_secs(1);
const OTHER: [u8; 4] = [10, 0, 0, 9];

fn instance(name: &str, interface: &str, router_id: u8) -> VrrpInstance {
    VrrpInstance {
        name: name.to_owned(),
        interface: interface.to_owned(),
        router_id,
        version: VrrpVersion::V3,
        family: Family::V4,
        priority: 100,
        advert_interval: SECOND,
        preempt: true,
        preempt_delay: Duration::ZERO,
        password: None,
        checksum: Checksum::PseudoHeader,
        source: None,
        peers: Vec::new(),
        addresses: vec![VirtualAddress {
            addr: [10, 0, 1, router_id].into(),
            prefix: 24,
            interface: interface.to_owned(),
            label: None,
            scope: 0,
            advertised: true,
        }],
        routes: Vec::new(),
        rules: Vec::new(),
        announce: Announce::default(),
        virtual_mac: None,
        address_lifetime: None,
        track: Vec::new(),
        notify: Notify::default(),
    }
}

fn group(members: &[&str]) -> SyncGroup {
    SyncGroup {
        name: "G".to_owned(),
        members: members.iter().map(|it| (*it).to_owned()).collect(),
        notify: Notify::default(),
    }
}

/// The article's two sides, together or each on its own.
fn sides(together: bool) -> Vrrp {
    Vrrp {
        instances: vec![instance("out", "eth0", 1), instance("in", "eth1", 2)],
        groups: together
            .then(|| group(&["out", "in"]))
            .into_iter()
            .collect(),
        scripts: Vec::new(),
    }
}

struct Bench {
    router: Router,
    now: Instant,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "only differences to it matter")]
    fn new(config: &Vrrp) -> Self {
        let now = Instant::now();
        Self {
            router: Router::new(config, now),
            now,
        }
    }

    /// Both interfaces up, and ready.
    fn started(config: &Vrrp) -> Self {
        let mut bench = Self::new(config);
        bench.link("eth0", true);
        bench.link("eth1", true);
        bench.give(Input::Ready);
        bench
    }

    /// Master of everything, with addresses held and announced.
    fn master(config: &Vrrp) -> Self {
        let mut bench = Self::started(config);
        bench.pass(4 * SECOND);
        for instance in &config.instances {
            bench.give(Input::Held {
                instance: &instance.name,
            });
        }
        assert!(bench.states().iter().all(|it| *it == State::Master));
        bench.pass(10 * SECOND);
        bench.router.outputs();
        bench
    }

    fn give(&mut self, input: Input<'_>) {
        self.router.handle(input, self.now);
    }

    fn link(&mut self, name: &str, up: bool) {
        self.give(Input::Interface {
            name,
            up,
            ipv4: Some([10, 0, 0, 1].into()),
            ipv6: None,
        });
        // The names of the instances there.
        let instance = match name {
            "eth0" => "out",
            "eth1" => "in",
            _ => "new",
        };
        let hearing = Hearing::Works;
        self.give(Input::Hearing { instance, hearing });
    }

    fn hear(&mut self, interface: &str, priority: u8) {
        let router_id = if interface == "eth0" { 1 } else { 2 };
        let advert = Advert {
            version: VrrpVersion::V3,
            router_id,
            priority,
            interval: SECOND,
            addresses: vec![[10, 0, 1, router_id].into()],
            authentication: Authentication::None,
        };
        let destination: IpAddr = [224, 0, 0, 18].into();
        let payload = advert.encode(OTHER.into(), destination, Checksum::PseudoHeader);
        self.give(Input::Received {
            interface,
            source: OTHER.into(),
            destination,
            ttl: 255,
            payload: &payload,
        });
    }

    /// Lets time pass, and does on the way what is due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.router.poll_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.router.poll(self.now);
            assert!(
                self.router.poll_at().is_none_or(|next| next > self.now),
                "what is due is done"
            );
        }
        self.now = end;
    }

    fn states(&self) -> Vec<State> {
        let report = self.router.report(self.now);
        report.iter().map(|it| it.state).collect()
    }

    fn holding(&self) -> Vec<bool> {
        let report = self.router.report(self.now);
        report.iter().map(|it| it.holding).collect()
    }

    fn sent(&mut self) -> usize {
        let outputs = self.router.outputs();
        let sent = outputs
            .iter()
            .filter(|it| matches!(it, Output::Send { .. }));
        sent.count()
    }

    fn group_notifications(&mut self) -> Vec<Notified> {
        let told = |output: Output| match output {
            Output::Notify {
                group: true, state, ..
            } => Some(state),
            _ => None,
        };
        self.router.outputs().into_iter().filter_map(told).collect()
    }
}

#[test]
fn a_group_is_no_more_in_fault_at_the_start_than_its_members_are() {
    let mut bench = Bench::started(&sides(true));
    bench.pass(4 * SECOND);
    assert_eq!(
        bench.group_notifications(),
        [Notified::Backup, Notified::Master]
    );
}

#[test]
fn a_group_that_cannot_start_is_told_to_be_in_fault() {
    let mut bench = Bench::new(&sides(true));
    bench.link("eth0", true);
    bench.give(Input::Ready);
    bench.pass(3 * SECOND);
    assert_eq!(bench.group_notifications(), [Notified::Fault]);
}

#[test]
fn the_end_of_a_group_is_told_after_that_of_its_members() {
    let mut bench = Bench::master(&sides(true));
    bench.give(Input::Stop);
    assert_eq!(bench.group_notifications(), []);
    bench.pass(10 * SECOND);
    assert!(bench.router.stopped());
    let outputs = bench.router.outputs();
    let told: Vec<(bool, Notified)> = outputs
        .into_iter()
        .filter_map(|it| match it {
            Output::Notify { group, state, .. } => Some((group, state)),
            _ => None,
        })
        .collect();
    let stop = Notified::Stop;
    assert_eq!(told, [(false, stop), (false, stop), (true, stop)]);
}

#[test]
fn a_member_that_is_added_to_a_masters_group_does_not_put_it_into_fault() {
    let mut config = sides(true);
    let mut bench = Bench::master(&config);
    config.instances.push(instance("new", "eth2", 3));
    config.groups = vec![group(&["out", "in", "new"])];
    bench.router.configure(&config, bench.now);
    assert_eq!(bench.states()[..2], [State::Master, State::Master]);
    // The driver tells of the interface a moment later.
    bench.link("eth2", true);
    bench.pass(4 * SECOND);
    assert_eq!(bench.states(), [State::Master; 3]);
    assert_eq!(bench.group_notifications(), []);
    // From now on it is a member as any other.
    bench.link("eth2", false);
    assert_eq!(bench.group_notifications(), [Notified::Fault]);
}

#[test]
fn a_group_whose_new_member_finds_another_master_is_told_to_be_backup() {
    let mut config = sides(false);
    config.groups = vec![group(&["out"])];
    let mut bench = Bench::started(&config);
    for _ in 0..8 {
        bench.hear("eth1", 150);
        bench.pass(SECOND / 2);
    }
    assert_eq!(bench.states(), [State::Master, State::Backup]);
    bench.router.outputs();
    config.groups = vec![group(&["out", "in"])];
    bench.router.configure(&config, bench.now);
    assert_eq!(bench.router.groups()[0].state, State::Master);
    bench.hear("eth1", 150);
    assert_eq!(bench.group_notifications(), [Notified::Backup]);
}

#[test]
fn a_group_that_is_backup_takes_a_new_member_without_a_word() {
    let mut config = sides(true);
    let mut bench = Bench::started(&config);
    bench.hear("eth0", 150);
    bench.hear("eth1", 150);
    assert_eq!(bench.group_notifications(), [Notified::Backup]);
    config.instances.push(instance("new", "eth2", 3));
    config.groups = vec![group(&["out", "in", "new"])];
    bench.router.configure(&config, bench.now);
    bench.link("eth2", true);
    assert_eq!(bench.group_notifications(), []);
}

#[test]
fn a_member_that_is_added_and_has_no_interface_puts_its_group_into_fault_after_all() {
    let mut config = sides(true);
    let mut bench = Bench::master(&config);
    config.instances.push(instance("new", "eth2", 3));
    config.groups = vec![group(&["out", "in", "new"])];
    bench.router.configure(&config, bench.now);
    bench.pass(3 * SECOND);
    assert_eq!(bench.states(), [State::Fault; 3]);
    assert_eq!(bench.holding(), [false; 3]);
}

#[test]
fn instances_that_become_a_group_go_where_the_better_master_of_one_is() {
    let mut bench = Bench::started(&sides(false));
    for _ in 0..8 {
        bench.hear("eth1", 150);
        bench.pass(SECOND / 2);
    }
    assert_eq!(bench.states(), [State::Master, State::Backup]);
    bench.router.configure(&sides(true), bench.now);
    bench.hear("eth1", 150);
    assert_eq!(bench.states(), [State::Backup, State::Backup]);
}

#[test]
fn a_group_that_hands_over_to_nobody_keeps_all_its_addresses() {
    let mut config = sides(true);
    // So that their waits are of different length.
    config.instances[1].priority = 60;
    let mut bench = Bench::master(&config);
    bench.give(Input::Command {
        instance: None,
        command: Command::Resign,
    });
    let end = bench.now + 5 * SECOND;
    while bench.now < end {
        bench.pass(SECOND / 100);
        assert_eq!(bench.holding(), [true, true]);
    }
    assert_eq!(bench.states(), [State::Master, State::Master]);
}

#[test]
fn the_end_is_bounded_also_when_a_hand_over_is_under_way() {
    let mut config = sides(false);
    for instance in &mut config.instances {
        instance.advert_interval = 40 * SECOND;
    }
    let mut bench = Bench::started(&config);
    bench.pass(200 * SECOND);
    assert_eq!(bench.states(), [State::Master, State::Master]);
    bench.give(Input::Command {
        instance: None,
        command: Command::Resign,
    });
    bench.give(Input::Stop);
    bench.pass(10 * SECOND);
    assert!(bench.router.stopped());
    assert_eq!(bench.holding(), [false, false]);
}

#[test]
fn forged_adverts_make_a_master_send_little_more_than_it_does_anyway() {
    for priority in [0, 50] {
        let mut bench = Bench::master(&sides(false));
        for _ in 0..10_000 {
            bench.hear("eth0", priority);
            bench.pass(SECOND / 10_000);
        }
        // Both instances, with an eighth of the interval between two at least.
        let sent = bench.sent();
        assert!(sent <= 12, "{sent} for priority {priority}");
    }
}

#[test]
fn a_hand_over_is_answered_at_once() {
    let mut bench = Bench::master(&sides(false));
    bench.pass(SECOND / 2);
    bench.router.outputs();
    bench.hear("eth0", 0);
    assert_eq!(bench.sent(), 1);
}

/// Seen in the simulation: the address was nobody's for a master-down time.
#[test]
fn an_advert_that_a_hand_over_has_overtaken_does_not_undo_it() {
    let mut bench = Bench::started(&sides(false));
    bench.hear("eth0", 200);
    bench.hear("eth0", 0);
    // The skew of priority 100.
    bench.pass(SECOND * 156 / 256);
    assert_eq!(bench.states()[0], State::Master);
    bench.hear("eth0", 0);
    bench.hear("eth0", 200);
    assert_eq!(bench.states()[0], State::Master);
    // It has really come back.
    bench.pass(SECOND / 4);
    bench.hear("eth0", 200);
    assert_eq!(bench.states()[0], State::Backup);
}

#[test]
fn nothing_is_sent_by_an_interface_that_is_down() {
    let mut bench = Bench::master(&sides(true));
    bench.link("eth0", false);
    let senders: Vec<String> = bench
        .router
        .outputs()
        .into_iter()
        .filter_map(|it| match it {
            Output::Send { instance, .. } => Some(instance),
            _ => None,
        })
        .collect();
    assert_eq!(senders, ["in"]);
}

#[test]
fn a_master_takes_on_another_refresh() {
    let mut config = sides(false);
    let mut bench = Bench::master(&config);
    for instance in &mut config.instances {
        instance.announce.refresh = Some(60 * SECOND);
    }
    bench.router.configure(&config, bench.now);
    bench.pass(120 * SECOND);
    let announced = bench.router.outputs().into_iter();
    let announced = announced.filter(|it| matches!(it, Output::Announce { .. }));
    assert_eq!(announced.count(), 4);
}

#[test]
fn a_mismatch_that_comes_and_goes_is_told_once_in_a_while() {
    let mut bench = Bench::master(&sides(false));
    for _ in 0..1000 {
        // Its own priority, then another: told, gone, and told again would fill the log.
        bench.hear("eth0", 100);
        bench.hear("eth0", 90);
        bench.pass(SECOND / 1000);
    }
    let outputs = bench.router.outputs().into_iter();
    let events = outputs.filter(|it| matches!(it, Output::Event(_))).count();
    assert!(events <= 10, "{events}");
}
