//! The network is told where a service's address is, without VRRP, too.

use std::net::IpAddr;
use std::time::Duration;

use crate::support::{PATIENCE, Service, servers, servers6, tcp_backends};
use anyhow::Result;
use evenkeel_tests::{Article, Capture, Client, Evenkeel, Node, isolated, wait_until};

/// Waits until an address is announced, from `after` frames on, by this MAC address.
fn wait_announced(capture: &Capture, after: usize, address: IpAddr, mac: [u8; 6]) -> Result<()> {
    wait_until(&format!("{address} is announced"), PATIENCE, || {
        let frames = capture.frames();
        let mut new = frames.iter().skip(after);
        Ok(new.any(|it| it.announced() == Some(address) && it.source() == Some(mac)))
    })
    .map(drop)
}

fn set_mac(node: &Node, last: u8) -> Result<[u8; 6]> {
    let mac = [2, 0, 0, 0, 0x54, last];
    let text: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    node.ip(&["link", "set", "eth0", "address", &text.join(":")])?;
    Ok(mac)
}

#[test]
fn a_services_address_is_announced_when_it_is_put_on_or_back_and_when_its_link_is_another()
-> Result<()> {
    isolated(|| {
        let net = Article::without_virtual_addresses(1)?;
        net.director.add_address("eth1", "172.16.50.254/24")?;
        net.director.add_address("eth1", "fd00:50::254/64")?;
        let config: String = [
            ("web", net.vip(80), servers(&net, 80)),
            ("web6", net.vip6(80), servers6(&net, 80)),
        ]
        .map(|(name, listen, servers)| {
            let service = Service::new(name, listen).with("interface = \"eth0\"");
            service.servers(servers).text()
        })
        .concat();
        let _backends = tcp_backends(&net, &servers(&net, 80))?;
        let _backends6 = tcp_backends(&net, &servers6(&net, 80))?;
        let addresses: [IpAddr; 2] = [Article::VIP.into(), Article::VIP6.into()];
        let client = Client::new(&net.client);
        let director = &net.director;
        let mac = set_mac(director, 1)?;

        let capture = Capture::start(&net.client)?;
        let mut evenkeel = Evenkeel::new(director, &config)?;
        evenkeel.start()?;
        for address in addresses {
            wait_announced(&capture, 0, address, mac)?;
        }
        client.ask_times(net.vip(80), 3)?;
        client.ask_times(net.vip6(80), 3)?;

        // Another network card, say. The client's neighbour table has the old address for half a minute or so.
        let after = capture.frames().len();
        let mac = set_mac(director, 2)?;
        for address in addresses {
            wait_announced(&capture, after, address, mac)?;
        }
        let quick = client.timeout(Duration::from_millis(500));
        for listen in [net.vip(80), net.vip6(80)] {
            wait_until("the client has believed it", Duration::from_secs(8), || {
                Ok(quick.ask(listen).is_ok())
            })?;
        }

        let after = capture.frames().len();
        director.delete_address("eth0", "10.10.54.151/32")?;
        wait_announced(&capture, after, addresses[0], mac)?;

        director.cut("eth0")?;
        let after = capture.frames().len();
        director.mend("eth0")?;
        for address in addresses {
            wait_announced(&capture, after, address, mac)?;
        }
        Ok(())
    })
}
