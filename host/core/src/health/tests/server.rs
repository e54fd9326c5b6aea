//! Several checks of one server.

use super::*;

struct Server {
    machine: ServerMachine,
    now: Instant,
}

impl Server {
    fn new(plugins: &[&str], timing: CheckTiming, initial: Option<InitialHealth>) -> Self {
        let now = initial.as_ref().map_or_else(epoch, |initial| initial.since);
        let checks: Vec<_> = plugins
            .iter()
            .map(|name| ((*name).to_owned(), timing))
            .collect();
        Self {
            machine: ServerMachine::new(ChecksRequired::All, checks, initial.as_ref(), now, || 0),
            now,
        }
    }

    fn check(&mut self, index: usize, outcome: Outcome) -> Option<Transition> {
        self.now += SECOND;
        self.machine.start(index, self.now);
        self.machine.finish(index, self.now, outcome, 0)
    }

    fn reason(&self) -> Option<String> {
        self.machine.health().reason
    }
}

/// One failure is enough, so that the tests below are short.
fn strict() -> CheckTiming {
    CheckTiming {
        retries: 0,
        ..article()
    }
}

fn because(reason: &str) -> Outcome {
    Outcome::Unhealthy(reason.to_owned())
}

#[test]
fn a_server_without_checks_is_up() {
    let server = Server::new(&[], strict(), None);
    assert!(server.machine.is_up());
    assert_eq!(server.machine.health().weight(7), 7);
}

#[test]
fn a_server_is_up_while_all_its_checks_pass() {
    let mut server = Server::new(&["tcp", "http"], strict(), None);
    assert_eq!(server.check(0, because("refused")), Some(Transition::Down));
    assert_eq!(server.check(1, because("status 500")), None);
    assert_eq!(server.check(0, Outcome::Healthy), None);
    assert_eq!(server.check(1, Outcome::Healthy), Some(Transition::Up));
}

#[test]
fn the_reason_is_the_first_failing_checks_and_names_it_if_there_are_several() {
    let mut server = Server::new(&["tcp", "http"], strict(), None);
    server.check(1, because("status 500"));
    assert_eq!(server.reason().as_deref(), Some("http: status 500"));
    server.check(0, because("refused"));
    assert_eq!(server.reason().as_deref(), Some("tcp: refused"));

    let mut server = Server::new(&["tcp"], strict(), None);
    server.check(0, because("refused"));
    assert_eq!(server.reason().as_deref(), Some("refused"));
}

#[test]
fn a_check_that_failed_explains_more_than_one_that_has_not_run_yet() {
    let mut server = Server::new(
        &["tcp", "http"],
        CheckTiming {
            alpha: true,
            ..strict()
        },
        None,
    );
    assert_eq!(server.reason().as_deref(), Some(NOT_CHECKED));
    server.check(1, because("status 500"));
    assert_eq!(server.reason().as_deref(), Some("http: status 500"));
}

#[test]
fn the_least_share_counts() {
    let mut server = Server::new(&["tcp", "http"], strict(), None);
    assert_eq!(
        server.check(0, Outcome::Degraded(60, None)),
        Some(Transition::Share)
    );
    assert_eq!(server.check(1, Outcome::Degraded(80, None)), None);
    assert_eq!(server.machine.health().weight(10), 6);
    assert_eq!(server.reason().as_deref(), Some("tcp: degraded to 60 %"));
    assert_eq!(server.check(0, Outcome::Healthy), Some(Transition::Share));
    assert_eq!(server.machine.health().weight(10), 8);
}

#[test]
fn a_server_that_is_down_has_no_weight() {
    let mut server = Server::new(&["tcp"], strict(), None);
    server.check(0, because("refused"));
    assert_eq!(server.machine.health().weight(10), 0);
}

#[test]
fn a_new_configuration_takes_over_how_a_server_stood() {
    let mut old = Server::new(&["tcp", "http"], strict(), None);
    old.check(0, Outcome::Healthy);
    old.check(1, because("status 500"));
    let initial = old.machine.handover().unwrap();
    assert!(!initial.up);

    let slow = CheckTiming {
        rise: 2,
        ..strict()
    };
    let mut new = Server::new(&["tcp", "http"], slow, Some(initial.clone()));
    let health = new.machine.health();
    assert_eq!((health.up, health.since), (false, initial.since));
    assert_eq!(
        health.reason.as_deref(),
        Some("http: status 500"),
        "named once, not twice"
    );
    assert_eq!(new.check(0, Outcome::Healthy), None);
    assert_eq!(new.check(0, Outcome::Healthy), None);
    assert_eq!(new.check(1, Outcome::Healthy), None);
    assert_eq!(new.check(1, Outcome::Healthy), Some(Transition::Up));
}

#[test]
fn a_new_configuration_takes_over_a_degraded_servers_share() {
    let mut old = Server::new(&["http"], strict(), None);
    old.check(0, Outcome::Degraded(20, None));
    let new = Server::new(&["http"], article(), old.machine.handover());
    assert_eq!(new.machine.health().weight(100), 20);
}

#[test]
fn a_server_that_no_check_has_judged_is_still_new_in_the_next_configuration() {
    let mut old = Server::new(&["tcp", "http"], article(), None);
    assert_eq!(old.machine.handover(), None);
    old.check(0, Outcome::Healthy);
    assert_eq!(
        old.machine.handover(),
        None,
        "the second check knows nothing yet"
    );
    old.check(1, plugin_fault());
    assert_eq!(
        old.machine.handover(),
        None,
        "and a plugin's fault is no judgement"
    );
    old.check(1, Outcome::Healthy);
    assert!(old.machine.handover().unwrap().up);
}

#[test]
fn a_check_that_does_not_exist_changes_nothing() {
    let mut server = Server::new(&["tcp"], strict(), None);
    let before = server.machine.health();
    assert_eq!(server.check(1, because("refused")), None);
    assert_eq!(server.machine.health(), before);
    assert!(server.machine.check(1).is_none());
}

fn with(required: ChecksRequired) -> Server {
    let mut server = Server::new(&["a", "b", "c"], strict(), None);
    let checks = ["a", "b", "c"].map(|name| (name.to_owned(), strict()));
    server.machine = ServerMachine::new(required, checks, None, server.now, || 0);
    server
}

#[test]
fn one_check_is_enough_where_any_is_and_so_many_where_a_number_is_required() {
    let cases = [
        (ChecksRequired::All, [true, false, false, false]),
        (ChecksRequired::Any, [true, true, true, false]),
        (ChecksRequired::AtLeast(1), [true, true, true, false]),
        (ChecksRequired::AtLeast(2), [true, true, false, false]),
        (ChecksRequired::AtLeast(9), [true, false, false, false]),
    ];
    for (required, up) in cases {
        let mut server = with(required);
        let mut found = vec![server.machine.is_up()];
        for index in 0..3 {
            server.check(index, because("refused"));
            found.push(server.machine.is_up());
        }
        assert_eq!(found, up, "{required:?}");
    }
}

#[test]
fn its_share_is_what_as_many_checks_grant_it_as_must_pass() {
    let share = |required| {
        let mut server = with(required);
        for (index, share) in [(0, 100), (1, 60), (2, 30)] {
            server.check(index, Outcome::Degraded(share, None));
        }
        server.machine.health().share
    };
    assert_eq!(share(ChecksRequired::All), 30);
    assert_eq!(share(ChecksRequired::AtLeast(2)), 60);
    assert_eq!(share(ChecksRequired::Any), 100);
}

#[test]
fn what_is_handed_over_is_known_as_soon_as_no_check_can_change_it() {
    let mut all = with(ChecksRequired::All);
    all.check(0, because("refused"));
    assert!(all.machine.handover().is_some_and(|it| !it.up));
    let mut any = with(ChecksRequired::Any);
    any.check(0, because("refused"));
    assert!(any.machine.handover().is_none(), "the others may pass");
}
