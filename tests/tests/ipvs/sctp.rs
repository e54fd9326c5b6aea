//! SCTP through IPVS, with real associations.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use crate::support::{PATIENCE, Service, assert_repeats, servers, wait_counts};
use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{Article, Evenkeel, Node, on_uml};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// IPPROTO_SCTP
const SCTP: i32 = 132;

/// A socket of one association at a time. It is bound to one address: with any, the peers would tell each other all
/// that they have, which no translation follows.
fn bound(node: &Node, address: SocketAddr) -> Result<Socket> {
    let socket = node.enter(|| {
        Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::from(SCTP)),
        )
    })??;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

/// Greets that many associations with its name, and then each keeps open until its client ends it.
fn serve(node: &Node, address: SocketAddr, name: &str, times: usize) -> Result<JoinHandle<()>> {
    let socket = bound(node, address).with_context(|| format!("SCTP on {address}"))?;
    socket.listen(8)?;
    let name = name.to_owned();
    Ok(thread::spawn(move || {
        thread::scope(|scope| {
            for _ in 0..times {
                let Ok((mut association, _)) = socket.accept() else {
                    return;
                };
                let name = name.as_bytes();
                scope.spawn(move || {
                    let _ = association.write_all(name);
                    let _ = association.read(&mut [0; 16]);
                });
            }
        });
    }))
}

/// Opens an association and reads the server's name of one letter.
fn hold(node: &Node, from: SocketAddr, to: SocketAddr) -> Result<(String, Socket)> {
    let mut socket = bound(node, from)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect_timeout(&SockAddr::from(to), PATIENCE)?;
    let mut name = [0; 16];
    let read = socket.read(&mut name)?;
    Ok((String::from_utf8_lossy(&name[..read]).into_owned(), socket))
}

#[test]
fn associations_are_spread_counted_and_survive_a_restart_of_the_daemon() -> Result<()> {
    on_uml(|| {
        let net = Article::new(2)?;
        net.director.run("modprobe", &["sctp"])?;
        let addresses = servers(&net, 3868);
        let mut threads = Vec::new();
        for (number, address) in addresses.iter().enumerate() {
            threads.push(serve(
                &net.servers[number],
                *address,
                &number.to_string(),
                4,
            )?);
        }
        let vip = net.vip(3868);
        let config = Service::new("diameter", vip).with("protocol = \"sctp\"");
        let mut evenkeel = Evenkeel::new(&net.director, &config.servers(addresses).text())?;
        evenkeel.start()?;
        let rules = net.director.ipvs_rules()?;
        ensure!(
            rules.contains(&"-A --sctp-service 10.10.54.151:3868 -s rr".to_owned()),
            "{rules:?}"
        );
        let from = |port: u16| SocketAddr::from(([10, 10, 54, 10], port));
        let open = |ports: std::ops::Range<u16>| -> Result<(Vec<String>, Vec<Socket>)> {
            let held: Result<Vec<_>> = ports.map(|it| hold(&net.client, from(it), vip)).collect();
            Ok(held?.into_iter().unzip())
        };
        let (names, mut held) = open(5000..5004)?;
        assert_repeats(&names, &["0", "1"]);
        wait_counts(&evenkeel, &[(2, 0), (2, 0)])?;
        evenkeel.kill9()?;
        let (more, others) = open(5004..5008)?;
        assert_repeats(&more, &["0", "1"]);
        held.extend(others);
        evenkeel.start()?;
        wait_counts(&evenkeel, &[(4, 0), (4, 0)])?;
        // Each is still an association with its server: it can be ended by the server's leave.
        drop(held);
        for thread in threads {
            ensure!(thread.join().is_ok(), "a server panicked");
        }
        Ok(())
    })
}
