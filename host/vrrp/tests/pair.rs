//! Two routers, one of them ours: who is master, and how soon.

mod common;

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use common::{Net, SOON, VIP, VIP6, ip, keepalived, mac, router, virtual_addresses};
use evenkeel_tests::{
    Capture, Keepalived, Ping, Watch, isolated, isolated_with, wait_holder, wait_until,
};
use nix::sys::signal::Signal;

/// For an address to be put in place or taken away, and for a busy machine.
const GRACE: Duration = Duration::from_millis(300);

#[test]
fn the_better_router_is_master_and_the_other_takes_over_when_it_dies() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let arguments = "10.9.0.100/24 2001:db8::100/64 --interval 100ms --priority";
        let mut a = router(&net.a, &format!("{arguments} 150"))?;
        let _b = router(&net.b, &format!("{arguments} 100"))?;
        let addresses = [ip(VIP), ip(VIP6)];
        wait_holder(&net.pair(), &addresses, 0, SOON)?;
        let watch = Watch::start(&net.pair(), &addresses)?;
        sleep(Duration::from_secs(1));
        net.a.link_down("eth0")?;
        a.kill9()?;
        sleep(Duration::from_secs(1));
        let seen = watch.stop()?;
        ensure!(net.b.addresses()?.is_superset(&addresses.into()));
        // The dead one may have lost an address with its link and kept the other.
        ensure!(seen.divided_on(1) < Duration::from_millis(20), "{seen:?}");
        Ok(())
    })
}

#[test]
fn a_dead_master_is_replaced_after_three_intervals_and_the_skew() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let mut a = router(&net.a, "10.9.0.100/24 --interval 100ms --priority 150")?;
        let _b = router(&net.b, "10.9.0.100/24 --interval 100ms --priority 100")?;
        wait_holder(&net.pair(), &[ip(VIP)], 0, SOON)?;
        let capture = Capture::start(&net.client)?;
        sleep(Duration::from_millis(500));
        a.kill9()?;
        sleep(Duration::from_secs(1));
        let frames = capture.stop()?;
        let adverts = || frames.iter().filter_map(|f| Some((f.at, f.advert()?)));
        let last = adverts().rfind(|(_, it)| it.priority == 150);
        let first = adverts().find(|(_, it)| it.priority == 100);
        let (Some((last, _)), Some((first, _))) = (last, first) else {
            anyhow::bail!("no adverts");
        };
        // 3 * 100 ms + 156/256 * 100 ms.
        let exact = Duration::from_nanos(360_937_500);
        let took = first - last;
        ensure!(took.abs_diff(exact) < Duration::from_millis(20), "{took:?}");
        Ok(())
    })
}

#[test]
fn a_router_that_is_stopped_hands_over_without_a_gap() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let mut a = router(&net.a, "10.9.0.100/24 --interval 2s --priority 150")?;
        let _b = router(&net.b, "10.9.0.100/24 --interval 2s --priority 100")?;
        wait_holder(&net.pair(), &[ip(VIP)], 0, SOON)?;
        let capture = Capture::start(&net.client)?;
        let ping = Ping::start(&net.client, ip(VIP), Duration::from_millis(5))?;
        sleep(Duration::from_secs(1));
        a.signal(Signal::SIGTERM)?;
        a.wait(SOON)?;
        sleep(Duration::from_secs(1));
        let pings = ping.stop()?;
        ensure!(net.b.addresses()?.contains(&ip(VIP)), "{}", a.log());
        ensure!(!net.a.addresses()?.contains(&ip(VIP)), "{}", a.log());
        // It says so, and the other one is heard next: not after three intervals.
        let adverts: Vec<u8> = capture
            .stop()?
            .iter()
            .filter_map(|frame| Some(frame.advert()?.priority))
            .collect();
        let said = adverts.iter().position(|priority| *priority == 0);
        let then = said.and_then(|at| adverts.get(at + 1));
        ensure!(then == Some(&100), "{adverts:?}");
        // From the one to the other there are 1.2 s, the skew: without an address, that would be 240 questions.
        let lost = pings.longest_loss();
        ensure!(lost < 100, "{lost} questions in a row without an answer");
        Ok(())
    })
}

/// Stops a backup's process for a while, and again: it never becomes master, and nobody loses the address.
fn pauses(backup: &str, time: Duration) -> Result<()> {
    let net = Net::new()?;
    let _a = router(&net.a, "10.9.0.100/24 --interval 100ms --priority 100")?;
    wait_holder(&net.pair(), &[ip(VIP)], 0, SOON)?;
    let b = router(&net.b, &format!("10.9.0.100/24 --interval 100ms {backup}"))?;
    wait_until("it is backup", SOON, || {
        Ok(b.log().contains("state Backup"))
    })?;
    // It has heard the master.
    sleep(Duration::from_secs(1));
    let watch = Watch::start(&net.pair(), &[ip(VIP)])?;
    for _ in 0..4 {
        b.signal(Signal::SIGSTOP)?;
        sleep(time);
        b.signal(Signal::SIGCONT)?;
        sleep(Duration::from_secs(1));
    }
    let seen = watch.stop()?;
    ensure!(!b.log().contains("state Master"), "{}", b.log());
    ensure!(
        seen.moves() == 0 && seen.doubled() == Duration::ZERO,
        "{seen:?}"
    );
    Ok(())
}

#[test]
fn a_backup_that_was_paused_hears_what_has_waited_before_it_takes_over() -> Result<()> {
    isolated(|| pauses("--priority 80", Duration::from_secs(2)))
}

#[test]
fn a_better_backup_that_is_not_to_preempt_leaves_the_master_alone_after_a_pause() -> Result<()> {
    isolated(|| pauses("--priority 150 --no-preempt", Duration::from_millis(500)))
}

#[test]
fn a_router_whose_source_no_interface_has_leaves_the_other_one_master() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let _a = router(&net.a, "10.9.0.100/24 --interval 100ms --priority 100")?;
        wait_holder(&net.pair(), &[ip(VIP)], 0, SOON)?;
        let watch = Watch::start(&net.pair(), &[ip(VIP)])?;
        let arguments = "10.9.0.100/24 --interval 100ms --priority 150 --source 10.9.0.77";
        let b = router(&net.b, arguments)?;
        wait_until("it says why", SOON, || {
            Ok(b.log()
                .contains("10.9.0.77, which no interface of this machine has"))
        })?;
        sleep(Duration::from_secs(1));
        let seen = watch.stop()?;
        ensure!(seen.moves() == 0, "{}", b.log());
        ensure!(seen.doubled() == Duration::ZERO, "{}", b.log());
        // On any interface.
        net.b.add_address("lo", "10.9.0.77/32")?;
        wait_holder(&net.pair(), &[ip(VIP)], 1, SOON)?;
        net.b.delete_address("lo", "10.9.0.77/32")?;
        wait_holder(&net.pair(), &[ip(VIP)], 0, SOON)?;
        Ok(())
    })
}

#[test]
fn a_router_that_resigns_stays_backup_until_it_resumes() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let a = router(&net.a, "10.9.0.100/24 --interval 100ms --priority 150")?;
        let _b = router(&net.b, "10.9.0.100/24 --interval 100ms --priority 100")?;
        wait_holder(&net.pair(), &[ip(VIP)], 0, SOON)?;
        a.signal(Signal::SIGUSR1)?;
        wait_holder(&net.pair(), &[ip(VIP)], 1, SOON)?;
        sleep(Duration::from_secs(1));
        ensure!(net.b.addresses()?.contains(&ip(VIP)), "{}", a.log());
        a.signal(Signal::SIGUSR2)?;
        wait_holder(&net.pair(), &[ip(VIP)], 0, SOON)?;
        Ok(())
    })
}

#[test]
fn a_router_without_carrier_gives_way_and_comes_back() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let _a = router(&net.a, "10.9.0.100/24 --interval 100ms --priority 150")?;
        let _b = router(&net.b, "10.9.0.100/24 --interval 100ms --priority 100")?;
        wait_holder(&net.pair(), &[ip(VIP)], 0, SOON)?;
        net.a.cut("eth0")?;
        wait_holder(&net.pair(), &[ip(VIP)], 1, SOON)?;
        net.a.mend("eth0")?;
        wait_holder(&net.pair(), &[ip(VIP)], 0, SOON)?;
        Ok(())
    })
}

#[test]
fn an_interface_that_is_made_again_is_used_again() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let a = router(&net.a, "10.9.0.100/24 --interval 100ms --priority 150")?;
        let _b = router(&net.b, "10.9.0.100/24 --interval 100ms --priority 100")?;
        wait_holder(&net.pair(), &[ip(VIP)], 0, SOON)?;
        net.a.ip(&["link", "del", "eth0"])?;
        wait_holder(&net.pair(), &[ip(VIP)], 1, SOON)?;
        net.lab.plug(&net.a, "eth0", &net.switch)?;
        net.a.add_address("eth0", "10.9.0.1/24")?;
        wait_holder(&net.pair(), &[ip(VIP)], 0, SOON)?;
        ensure!(!a.log().contains("panicked"), "{}", a.log());
        Ok(())
    })
}

#[test]
fn unicast_peers_elect_a_master_and_nothing_goes_to_the_group() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let capture = Capture::start(&net.client)?;
        let arguments = "10.9.0.100/24 --interval 100ms";
        let _a = router(
            &net.a,
            &format!("{arguments} --priority 150 --peer 10.9.0.2"),
        )?;
        let _b = router(
            &net.b,
            &format!("{arguments} --priority 100 --peer 10.9.0.1"),
        )?;
        wait_holder(&net.pair(), &[ip(VIP)], 0, SOON)?;
        sleep(Duration::from_secs(1));
        ensure!(!net.b.addresses()?.contains(&ip(VIP)));
        let frames = capture.stop()?;
        let group = |frame: &&evenkeel_tests::Frame| {
            frame
                .advert()
                .is_some_and(|it| it.destination == ip("224.0.0.18"))
        };
        ensure!(!frames.iter().any(|frame| group(&frame)));
        Ok(())
    })
}

#[test]
fn two_routers_with_the_same_virtual_mac_hear_each_other() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let arguments = "10.9.0.100/24 2001:db8::100/64 --interval 100ms --virtual-mac vrrp51";
        let mut a = router(&net.a, &format!("{arguments} --priority 150"))?;
        let b = router(&net.b, &format!("{arguments} --priority 100"))?;
        let addresses = [ip(VIP), ip(VIP6)];
        wait_holder(&net.pair(), &addresses, 0, SOON)?;
        let watch = Watch::start(&net.pair(), &addresses)?;
        sleep(Duration::from_secs(2));
        ensure!(watch.stop()?.doubled() < GRACE, "{}", b.log());
        a.kill9()?;
        net.a.link_down("eth0")?;
        wait_holder(&net.pair()[1..], &addresses, 0, SOON)?;
        ensure!(net.answers(ip(VIP))? && net.answers(ip(VIP6))?);
        let neighbour = net.client.run("ip", &["neigh", "show", VIP])?;
        ensure!(neighbour.contains("00:00:5e:00:01:33"), "{neighbour}");
        ensure!(mac(&net.b, "vrrp51")? == [0, 0, 0x5e, 0, 1, 51]);
        Ok(())
    })
}

/// Ours and keepalived: each is master once, and gives way to the other by its death, by its resignation and by
/// preemption.
fn with_keepalived(ours: &str, theirs: &str, addresses: &[&str]) -> Result<()> {
    let net = Net::new()?;
    let held: Vec<_> = addresses
        .iter()
        .map(|text| ip(text.split('/').next().unwrap_or_default()))
        .collect();
    let ours = |priority: u8| {
        let addresses = addresses.join(" ");
        router(&net.a, &format!("{addresses} {ours} --priority {priority}"))
    };
    let theirs = |priority: u8| {
        let addresses = virtual_addresses(addresses);
        keepalived(
            &net.b,
            &format!("{theirs}\n priority {priority}\n {addresses}"),
        )
    };
    let pair = net.pair();

    // keepalived is master, we take over when it dies, and give way when it comes back.
    let mut b = theirs(150)?;
    let mut a = ours(100)?;
    wait_holder(&pair, &held, 1, SOON)?;
    b.kill9()?;
    // Its addresses stay where they are; an operator takes them away.
    for address in addresses {
        net.b.delete_address("eth0", address)?;
    }
    wait_holder(&pair, &held, 0, SOON)?;
    b.start()?;
    wait_holder(&pair, &held, 1, SOON)?;
    // It resigns.
    b.sigterm()?;
    wait_holder(&pair, &held, 0, SOON)?;
    // It comes back, and is pre-empted by us with a higher priority.
    b.start()?;
    wait_holder(&pair, &held, 1, SOON)?;
    a.kill9()?;
    let mut a = ours(200)?;
    wait_holder(&pair, &held, 0, SOON)?;
    let watch = Watch::start(&pair, &held)?;
    sleep(Duration::from_secs(2));
    let seen = watch.stop()?;
    ensure!(seen.doubled() < GRACE && seen.moves() == 0, "{seen:?}");
    // We resign, and come back.
    a.signal(Signal::SIGTERM)?;
    a.wait(SOON)?;
    wait_holder(&pair, &held, 1, SOON)?;
    let mut a = ours(200)?;
    wait_holder(&pair, &held, 0, SOON)?;
    // Each change of the state is a line, and there is nothing else.
    let log = a.log();
    let mut warnings = log.lines().filter(|line| line.contains("warning"));
    ensure!(warnings.all(|line| line.contains("warning from ")), "{log}");
    // We die, and so does our link.
    net.a.link_down("eth0")?;
    a.kill9()?;
    wait_holder(&pair[1..], &held, 0, SOON)?;
    Ok(())
}

#[test]
fn with_keepalived_in_version_2_with_a_password() -> Result<()> {
    isolated_with(&[Keepalived::PROGRAM], || {
        with_keepalived(
            "--version 2 --password s3cretpw --interval 1s",
            "version 2\n advert_int 1\n authentication {\n auth_type PASS\n auth_pass s3cretpw\n }",
            &["10.9.0.100/24"],
        )
    })
}

#[test]
fn with_keepalived_in_version_3_at_100_ms() -> Result<()> {
    isolated_with(&[Keepalived::PROGRAM], || {
        with_keepalived(
            "--version 3 --interval 100ms",
            "version 3\n advert_int 0.1",
            &["10.9.0.100/24", "10.9.0.101/24"],
        )
    })
}

#[test]
fn with_keepalived_over_ipv6() -> Result<()> {
    isolated_with(&[Keepalived::PROGRAM], || {
        with_keepalived(
            "--version 3 --interval 100ms",
            "version 3\n advert_int 0.1",
            &["fe80::51/64", "2001:db8::100/64"],
        )
    })
}
