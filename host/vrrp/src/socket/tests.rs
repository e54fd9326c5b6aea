use std::time::Duration;

use anyhow::{Result, ensure};
use evenkeel_tests::{Lab, Node, eventually, isolated};
use nix::net::if_::if_nametoindex;

use super::*;

/// Two machines with a cable, `eth0` on both.
fn cable() -> Result<[Node; 2]> {
    let lab = Lab::new()?;
    let (a, b) = (lab.node("a")?, lab.node("b")?);
    lab.cable(&a, "eth0", &b, "eth0")?;
    for (node, number) in [(&a, 1), (&b, 2)] {
        node.add_address("eth0", &format!("10.9.0.{number}/24"))?;
        node.add_address("eth0", &format!("fe80::{number}/64"))?;
    }
    Ok([a, b])
}

fn open(node: &Node, family: Family) -> Result<AdvertSocket> {
    node.enter(|| {
        let mut socket = AdvertSocket::open(if_nametoindex("eth0")?, family)?;
        socket.join_group()?;
        Ok(socket)
    })?
}

/// What came: source, destination, TTL, payload.
fn receive(socket: &mut AdvertSocket) -> Result<(IpAddr, IpAddr, u8, Vec<u8>)> {
    eventually("an advert", Duration::from_secs(5), || {
        let received = socket.receive()?;
        Ok(received.map(|r| (r.source, r.destination, r.ttl, r.payload.to_vec())))
    })
}

#[test]
fn an_advert_arrives_with_its_addresses_and_its_ttl() -> Result<()> {
    isolated(|| {
        let [a, b] = cable()?;
        let cases: [(Family, IpAddr, [IpAddr; 2]); 2] = [
            (
                Family::V4,
                "10.9.0.1".parse()?,
                [GROUP_V4.into(), "10.9.0.2".parse()?],
            ),
            (
                Family::V6,
                "fe80::1".parse()?,
                [GROUP_V6.into(), "fe80::2".parse()?],
            ),
        ];
        for (family, source, destinations) in cases {
            let (from, mut to) = (open(&a, family)?, open(&b, family)?);
            for destination in destinations {
                from.send(source, destination, b"advert")?;
                let received = receive(&mut to)?;
                ensure!(
                    received == (source, destination, 255, b"advert".to_vec()),
                    "{received:?}"
                );
            }
            ensure!(to.receive()?.is_none());
        }
        Ok(())
    })
}

#[test]
fn nothing_is_received_of_the_group_before_it_is_joined() -> Result<()> {
    isolated(|| {
        let [a, b] = cable()?;
        let from = open(&a, Family::V4)?;
        let mut to = b.enter(|| AdvertSocket::open(if_nametoindex("eth0")?, Family::V4))??;
        let source = "10.9.0.1".parse()?;
        from.send(source, GROUP_V4.into(), b"to the group")?;
        from.send(source, "10.9.0.2".parse()?, b"to the peer")?;
        let (.., payload) = receive(&mut to)?;
        ensure!(payload == b"to the peer");
        Ok(())
    })
}

#[test]
fn options_in_an_ip_header_are_skipped() {
    let mut packet = vec![0; 24];
    packet[0] = 0x46;
    packet[8] = 255;
    packet[12..16].copy_from_slice(&[10, 9, 0, 1]);
    packet[16..20].copy_from_slice(&[224, 0, 0, 18]);
    packet.extend(b"advert");
    let received = parse_v4(&packet).unwrap();
    assert_eq!(received.payload, b"advert");
    assert_eq!(received.ttl, 255);
    assert_eq!(received.source, IpAddr::from([10, 9, 0, 1]));
    assert_eq!(received.destination, IpAddr::from([224, 0, 0, 18]));
}

#[test]
fn a_packet_shorter_than_its_header_is_nothing() {
    assert_eq!(parse_v4(&[0x45; 19]), None);
    assert_eq!(parse_v4(&[0x4f; 59]), None);
    assert_eq!(parse_v4(&[]), None);
}
