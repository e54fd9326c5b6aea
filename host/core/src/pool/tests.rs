use proptest::prelude::*;

use super::*;
use crate::quorum::fixture::service as with_quorum;

fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

fn member(n: u32, role: ServerRole, up: bool) -> Member {
    Member {
        id: id(n),
        role,
        up,
        weight: 1,
    }
}

/// Of letters: `r`, `b` and `s` are a regular server, a backup and the sorry server that are up; capitals have failed.
fn members(letters: &str) -> Vec<Member> {
    let role = |letter: char| match letter.to_ascii_lowercase() {
        'r' => ServerRole::Regular,
        'b' => ServerRole::Backup,
        _ => ServerRole::Sorry,
    };
    let one = |(n, letter): (u32, char)| member(n, role(letter), letter.is_lowercase());
    (1..).zip(letters.chars()).map(one).collect()
}

/// What they do: `s` serves, `w` waits, `f` is forced.
fn duties(pool: &mut Pool, service: &Service, letters: &str) -> String {
    let duties = pool.decide(service, &members(letters));
    let letter = |duty: &Duty| match duty {
        Duty::Serves => 's',
        Duty::Waits => 'w',
        Duty::Forced => 'f',
    };
    duties.iter().map(letter).collect()
}

fn service(min_servers: Option<u32>, when_all_down: WhenAllDown) -> Service {
    let mut service = with_quorum(1, 0);
    service.pool.min_servers = min_servers;
    service.pool.when_all_down = when_all_down;
    service
}

#[test]
fn backups_serve_while_too_few_regular_servers_are_up() {
    let cases = [
        (None, "rrb", "ssw"),
        (None, "rRb", "ssw"),
        (None, "RRb", "sss"),
        (Some(2), "rrb", "ssw"),
        (Some(2), "rRb", "sss"),
        (Some(2), "rRB", "sss"),
    ];
    for (least, servers, wanted) in cases {
        let service = service(least, WhenAllDown::Refuse);
        let found = duties(&mut Pool::default(), &service, servers);
        assert_eq!(found, wanted, "min_servers {least:?}, {servers}");
    }
}

#[test]
fn backups_follow_the_quorum_of_the_regular_servers_with_its_hysteresis() {
    let service = with_quorum(2, 1);
    let mut pool = Pool::default();
    for (servers, wanted) in [
        ("rrrb", "sssw"),
        ("rRRb", "sssw"),
        ("RRRb", "ssss"),
        ("rrRb", "ssss"),
        ("rrrb", "sssw"),
    ] {
        assert_eq!(duties(&mut pool, &service, servers), wanted, "{servers}");
    }
}

#[test]
fn a_sorry_server_serves_alone_while_the_others_do_not_have_the_quorum() {
    let mut service = with_quorum(2, 0);
    for (servers, wanted) in [
        ("rrs", "ssw"),
        ("rRs", "wws"),
        ("RRs", "wws"),
        ("RRbbs", "ssssw"),
        ("RRbBs", "wwwws"),
    ] {
        let found = duties(&mut Pool::default(), &service, servers);
        assert_eq!(found, wanted, "{servers}");
    }
    // It comes before what is done when all are down.
    service.pool.when_all_down = WhenAllDown::UseAll;
    assert_eq!(duties(&mut Pool::default(), &service, "RRs"), "wws");
}

#[test]
fn when_all_are_down_they_are_refused_all_used_or_the_last_ones_used() {
    let refuse = service(None, WhenAllDown::Refuse);
    assert_eq!(duties(&mut Pool::default(), &refuse, "RRR"), "sss");

    let all = service(None, WhenAllDown::UseAll);
    assert_eq!(duties(&mut Pool::default(), &all, "RRB"), "fff");
    assert_eq!(duties(&mut Pool::default(), &all, "RrB"), "ssw");

    let last = service(None, WhenAllDown::UseLast);
    let mut pool = Pool::default();
    for (servers, wanted) in [
        ("rrr", "sss"),
        ("Rrr", "sss"),
        ("RRR", "sff"),
        ("RRR", "sff"),
        ("rRR", "sss"),
        ("RRR", "fss"),
    ] {
        assert_eq!(duties(&mut pool, &last, servers), wanted, "{servers}");
    }
    // Nobody knows who was up before: then none is.
    assert_eq!(duties(&mut Pool::default(), &last, "RRR"), "sss");
}

#[test]
fn a_draining_server_is_not_among_those_that_are_up() {
    let service = service(Some(1), WhenAllDown::UseAll);
    let mut drained = members("rb");
    drained[0].weight = 0;
    let found = Pool::default().decide(&service, &drained);
    assert_eq!(found, [Duty::Serves, Duty::Serves]);
}

proptest! {
    #[test]
    fn whoever_is_up_serves_unless_it_is_a_backup_or_a_sorry_server_serves(
        letters in "[rRbB]{1,8}s?", quorum in 1_u32..6, hysteresis in 0_u32..3, least in proptest::option::of(1_u32..5),
    ) {
        let mut service = with_quorum(quorum, hysteresis.min(quorum - 1));
        service.pool.min_servers = least;
        let mut pool = Pool::default();
        let duties = pool.decide(&service, &members(&letters));
        let members = members(&letters);
        let sorry = members.iter().zip(&duties).any(|(it, duty)| it.role == ServerRole::Sorry && *duty == Duty::Serves);
        for (member, duty) in members.iter().zip(&duties) {
            prop_assert_ne!(*duty, Duty::Forced);
            match member.role {
                ServerRole::Regular => prop_assert_eq!(*duty == Duty::Waits, sorry),
                ServerRole::Backup if sorry => prop_assert_eq!(*duty, Duty::Waits),
                ServerRole::Backup | ServerRole::Sorry => {}
            }
        }
        // As long as any server is up, somebody serves.
        let served = members.iter().zip(&duties).any(|(it, duty)| it.up && *duty == Duty::Serves);
        prop_assert!(served || members.iter().all(|it| !it.up));
        // The same facts again change nothing.
        prop_assert_eq!(pool.decide(&service, &members), duties);
    }
}
