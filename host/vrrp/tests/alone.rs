//! One router on the wire: what it sends, byte for byte.

mod common;

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use common::{Net, SOON, VIP, VIP6, announcements, ip, keepalived, mac, router, virtual_addresses};
use evenkeel_tests::{Capture, Frame, Keepalived, isolated, isolated_with, wait_until};

/// Far less than from the first announcements to the next ones.
const GRACE: Duration = Duration::from_millis(50);

/// How many come at once; more follow later.
fn burst(announced: &[Frame]) -> usize {
    let first = announced.first().map(|frame| frame.at);
    let at_once = |frame: &&Frame| first.is_some_and(|at| frame.at - at < GRACE);
    announced.iter().filter(at_once).count()
}

#[test]
fn a_master_advertises_then_announces_its_addresses() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let capture = Capture::start(&net.client)?;
        let _a = router(&net.a, "10.9.0.100/24 2001:db8::100/64 --priority 150")?;
        sleep(Duration::from_secs(6));
        let frames = capture.stop()?;

        let first = frames
            .iter()
            .find(|frame| frame.advert().is_some())
            .context("no advert")?;
        let mac = mac(&net.a, "eth0")?;
        let mut header = vec![0x01, 0x00, 0x5e, 0x00, 0x00, 0x12];
        header.extend(mac);
        header.extend([0x08, 0x00]);
        // TOS 0xc0, 32 bytes.
        header.extend([0x45, 0xc0, 0, 32]);
        ensure!(first.bytes.starts_with(&header), "{:02x?}", first.bytes);
        let advert = first.advert().context("no advert")?;
        ensure!(advert.ttl == 255 && advert.source == ip("10.9.0.1"));
        // Version 3, VRID 51, 100 cs; the address of the other family is not listed.
        ensure!(
            advert.message[..6] == [0x31, 51, 150, 1, 0, 100]
                && advert.message[8..] == [10, 9, 0, 100],
            "{advert:02x?}"
        );

        for address in [ip(VIP), ip(VIP6)] {
            let announced = announcements(&frames, address);
            ensure!(burst(&announced) == 5, "{address}: {announced:?}");
            ensure!(announced.iter().all(|frame| frame.at >= first.at));
            ensure!(announced.iter().all(|frame| frame.source() == Some(mac)));
        }
        Ok(())
    })
}

#[test]
fn announcements_are_byte_for_byte_those_of_keepalived() -> Result<()> {
    isolated_with(&[Keepalived::PROGRAM], || {
        let net = Net::new()?;
        let seen = |run: &dyn Fn() -> Result<()>| -> Result<Vec<Vec<u8>>> {
            let capture = Capture::start(&net.client)?;
            run()?;
            let frames = capture.stop()?;
            let mut bytes: Vec<_> = [ip(VIP), ip(VIP6), ip("fe80::51")]
                .into_iter()
                .flat_map(|address| announcements(&frames, address))
                .map(|frame| frame.bytes)
                .collect();
            bytes.dedup();
            Ok(bytes)
        };
        let theirs = seen(&|| {
            let addresses = [virtual_addresses(&["10.9.0.100/24"])];
            let mut v4 = keepalived(&net.a, &addresses.concat())?;
            sleep(Duration::from_secs(5));
            v4.sigterm()?;
            let addresses = [virtual_addresses(&["fe80::51/64", "2001:db8::100/64"])];
            let mut v6 = keepalived(&net.a, &addresses.concat())?;
            sleep(Duration::from_secs(5));
            v6.sigterm()
        })?;
        let ours = seen(&|| {
            for addresses in ["10.9.0.100/24", "fe80::51/64 2001:db8::100/64"] {
                let mut router = router(&net.a, &format!("{addresses} --interval 100ms"))?;
                sleep(Duration::from_secs(2));
                router.signal(nix::sys::signal::Signal::SIGTERM)?;
                router.wait(SOON)?;
            }
            Ok(())
        })?;
        ensure!(theirs.len() == 3, "keepalived: {theirs:02x?}");
        ensure!(
            ours == theirs,
            "ours: {ours:02x?}\nkeepalived's: {theirs:02x?}"
        );
        Ok(())
    })
}

#[test]
fn a_virtual_mac_address_is_the_source_of_adverts_and_announcements() -> Result<()> {
    isolated(|| {
        let net = Net::new()?;
        let capture = Capture::start(&net.client)?;
        let arguments = "10.9.0.100/24 --virtual-mac vrrp51 --interval 100ms";
        let a = router(&net.a, arguments)?;
        wait_until("the address is there", SOON, || {
            Ok(net.a.address(ip(VIP))?.is_some())
        })?;
        sleep(Duration::from_millis(500));
        let virtual_mac = Some([0, 0, 0x5e, 0, 1, 51]);
        let frames = capture.stop()?;
        let adverts: Vec<_> = frames.iter().filter(|f| f.advert().is_some()).collect();
        ensure!(
            // The first one leaves while the interface with the virtual MAC is being set up.
            adverts.len() > 2 && adverts[1..].iter().all(|f| f.source() == virtual_mac),
            "{adverts:02x?}"
        );
        let announced = announcements(&frames, ip(VIP));
        ensure!(burst(&announced) == 5, "{announced:?}: {}", a.log());
        ensure!(announced.iter().all(|frame| frame.source() == virtual_mac
            && frame.arp().map(|arp| arp.sender_mac) == virtual_mac));
        let address = net.a.address(ip(VIP))?.context("no address")?;
        ensure!(address["ifname"] == "vrrp51", "{address}");
        ensure!(net.answers(ip(VIP))?);
        Ok(())
    })
}
