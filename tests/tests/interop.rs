//! keepalived: alone as the measure, and together with Evenkeel, both ways round.

mod support;

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use evenkeel_tests::{Article, Capture, Keepalived, Ping, Watch, isolated_with};
use support::vrrp::{Instance, cut_off, wait_director};

const NEEDED: &[&str] = &[Keepalived::PROGRAM];

#[test]
fn a_keepalived_pair_moves_both_addresses_by_death_and_by_resignation() -> Result<()> {
    isolated_with(NEEDED, || {
        let net = Article::pair(1)?;
        let [master, backup] = [120, 80].map(Instance::v3);
        let addresses = master.held();
        let mut first = Keepalived::new(&net.director, &master.keepalived())?;
        let mut second = Keepalived::new(net.backup.as_ref().unwrap(), &backup.keepalived())?;
        first.start()?;
        second.start()?;
        wait_director(&net, &addresses, 0)?;
        let ping = Ping::start(
            &net.client,
            IpAddr::V4(Article::VIP),
            Duration::from_millis(5),
        )?;
        let watch = Watch::start(&net.directors(), &addresses)?;
        std::thread::sleep(Duration::from_millis(200));
        first.sigterm()?;
        wait_director(&net, &addresses, 1)?;
        first.start()?;
        wait_director(&net, &addresses, 0)?;
        // In this order: of a lost carrier it would hear in time to give its addresses up.
        first.kill9()?;
        cut_off(&net.director)?;
        // The dead one keeps them: as keepalived leaves it.
        let seen = Capture::start(&net.client)?;
        std::thread::sleep(Duration::from_secs(1));
        let pings = ping.stop()?;
        let sightings = watch.stop()?;
        assert!(sightings.moves() >= 2, "{sightings:?}");
        assert!(sightings.doubled() > Duration::from_millis(300));
        let frames = seen.stop()?;
        let adverts: Vec<_> = frames.iter().filter_map(|it| it.advert()).collect();
        assert!(adverts.len() > 4);
        assert_eq!(adverts.last().unwrap().priority, 80);
        assert!(
            frames.iter().any(|it| it.announced() == Some(addresses[0])),
            "{frames:?}"
        );
        assert!(pings.gap() > Duration::from_millis(100));
        Ok(())
    })
}
