//! Who is master, and how it is handed over without a lost connection attempt: by a planned stop, by an operator's
//! word, by preemption.

use std::io::ErrorKind;
use std::time::Duration;

use crate::support::pair::{BACKUP, MASTER, PRIORITIES, Pair, web};
use crate::support::vrrp::Instance;
use crate::support::{PATIENCE, Service, hold, holding_backends, names, servers, wait_counts};
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Client, eventually, isolated, sole_holder, wait_until};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_planned_stop_and_the_return_lose_no_connection_attempt() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(Instance::v3)?;
        pair.loses_nothing(|pair| {
            let ended = pair.directors[MASTER].sigterm()?;
            assert!(ended.success(), "{}", pair.logs());
            pair.wait(BACKUP)?;
            std::thread::sleep(SECOND / 5);
            pair.come_back(MASTER)?;
            pair.wait(MASTER).map(drop)
        })?;
        pair.stays(MASTER, SECOND)
    })
}

#[test]
fn resigning_loses_no_connection_attempt_and_lasts_until_resumed() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(Instance::v3)?;
        pair.loses_nothing(|pair| {
            pair.directors[MASTER].vrrp("resign", Some("VI_1"))?;
            pair.wait(BACKUP)?;
            pair.stays(BACKUP, SECOND)?;
            assert_eq!(pair.report(MASTER)?["resigned"], true);
            pair.directors[MASTER].vrrp("resume", None)?;
            pair.wait(MASTER).map(drop)
        })?;
        assert_eq!(pair.report(MASTER)?["resigned"], false);
        // Each director says once what it has become, and why.
        for (which, line) in [
            (
                MASTER,
                "from MASTER to BACKUP, priority 120: an operator told it to resign",
            ),
            (
                BACKUP,
                "from BACKUP to MASTER, priority 80: 10.10.54.155 gave up being master (priority 0)",
            ),
            (
                MASTER,
                "from BACKUP to MASTER, priority 120: 10.10.54.156 is master with the lower priority 80",
            ),
            (
                BACKUP,
                "from MASTER to BACKUP, priority 80: 10.10.54.155 is master with the higher priority 120",
            ),
        ] {
            pair.directors[which].wait_log(line, PATIENCE)?;
            let log = pair.directors[which].log();
            let told = log
                .lines()
                .filter(|it| it.contains("WARN") && it.contains(line));
            assert_eq!(told.count(), 1, "{log}");
        }
        // The one that resigned is still there when it is needed.
        pair.directors[MASTER].vrrp("resign", None)?;
        pair.wait(BACKUP)?;
        pair.die(BACKUP)?;
        pair.wait_has(MASTER)?;
        pair.serves(5)?;
        let unknown = pair.directors[MASTER].vrrp("resign", Some("VI_7"));
        let message = format!("{:#}", unknown.unwrap_err());
        assert!(message.contains("VI_7"), "{message}");
        Ok(())
    })
}

#[test]
fn a_planned_stop_with_the_articles_timing_loses_no_connection_attempt() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(Instance::v2)?;
        pair.loses_nothing(|pair| {
            pair.directors[MASTER].sigterm()?;
            pair.wait(BACKUP).map(drop)
        })
    })
}

#[test]
fn of_two_equal_directors_one_is_master_and_the_other_one_leaves_it_alone() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let config = Instance::v3(100).toml() + &web(&net);
        let mut pair = Pair::prepare(net, &[config.clone(), config], &Article::VIRTUAL)?;
        for director in &mut pair.directors {
            director.start_without_waiting()?;
        }
        let holder = eventually("there is one master", PATIENCE, || {
            sole_holder(&pair.nodes, &pair.addresses)
        })?;
        pair.stays(holder, SECOND)?;
        pair.directors[holder].sigterm()?;
        pair.wait(1 - holder)?;
        pair.directors[holder].start()?;
        pair.stays(1 - holder, SECOND)?;
        pair.serves(5)
    })
}

#[test]
fn every_ten_milliseconds_a_pair_takes_over_and_hands_over() -> Result<()> {
    isolated(|| {
        let fast = |priority| Instance {
            interval: SECOND / 100,
            ..Instance::v3(priority)
        };
        let mut pair = Pair::of(fast)?;
        pair.loses_nothing(|pair| {
            pair.directors[MASTER].vrrp("resign", None)?;
            pair.wait(BACKUP)?;
            pair.directors[MASTER].vrrp("resume", None)?;
            pair.wait(MASTER).map(drop)
        })?;
        pair.die(MASTER)?;
        pair.wait_has(BACKUP)?;
        pair.serves(5)?;
        pair.come_back(MASTER)?;
        pair.wait(MASTER)?;
        pair.serves(5)
    })
}

#[test]
fn without_preemption_the_director_that_took_over_stays_master() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(|priority| Instance::v3(priority).with("preempt = false"))?;
        pair.directors[MASTER].sigterm()?;
        pair.wait(BACKUP)?;
        pair.directors[MASTER].start()?;
        pair.stays(BACKUP, 2 * SECOND)?;
        assert_eq!(pair.report(MASTER)?["state"], "backup");
        // Until it is needed.
        pair.directors[BACKUP].sigterm()?;
        pair.wait(MASTER).map(drop)
    })
}

#[test]
fn preemption_waits_for_its_delay() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(|priority| Instance::v3(priority).with("preempt_delay = \"3s\""))?;
        pair.directors[MASTER].sigterm()?;
        pair.wait(BACKUP)?;
        let start = std::time::Instant::now();
        pair.directors[MASTER].start()?;
        pair.wait(MASTER)?;
        assert!(start.elapsed() >= 3 * SECOND, "{:?}", start.elapsed());
        Ok(())
    })
}

#[test]
fn connections_whose_address_went_to_the_other_director_count_no_more_and_are_not_deleted()
-> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let addresses = servers(&net, 81);
        let _backends = holding_backends(&net, &addresses)?;
        let limited = Service::new("held", net.vip(81))
            .server(addresses[0], "upper_threshold = 3")
            .server(addresses[1], "upper_threshold = 3");
        let services = limited.text() + &web(&net);
        let configs = PRIORITIES.map(|priority| Instance::v3(priority).toml() + &services);
        let pair = Pair::start(net, &configs, &Article::VIRTUAL)?;
        let vip = pair.net.vip(81);
        let client = Client::new(&pair.net.client);
        let _held = hold(&client, vip, 6)?;
        let master = &pair.directors[MASTER];
        wait_counts(master, &[(3, 0), (3, 0)])?;
        wait_until("both are full", PATIENCE, || {
            let answer = client.connect(vip);
            Ok(matches!(answer, Err(error) if error.kind() == ErrorKind::ConnectionRefused))
        })?;

        master.vrrp("resign", None)?;
        pair.wait(BACKUP)?;
        wait_counts(master, &[(0, 0), (0, 0)])?;
        let known = pair.nodes[MASTER].run("conntrack", &["-L", "-p", "tcp", "--dport", "81"])?;
        assert!(known.matches("ESTABLISHED").count() >= 6, "{known}");
        master.vrrp("resume", None)?;
        pair.wait(MASTER)?;
        let more = hold(&client, vip, 2).with_context(|| pair.logs())?;
        assert_eq!(names(&more).len(), 2);
        wait_counts(master, &[(1, 0), (1, 0)])
    })
}
