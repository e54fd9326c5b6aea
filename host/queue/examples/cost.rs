//! New connections per second over loopback, without and with a decision about each, and how long decisions take.
//! Changes rules: to be run in a network namespace of its own, `unshare -n cost`.

#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use evenkeel_core::flow::Flow;
use evenkeel_core::state::Queue;
use evenkeel_queue::{Listener, QueueVerdict, Verdicts};

const RUN: Duration = Duration::from_secs(3);
const CLIENTS: usize = 4;

struct Always;

impl Verdicts for Always {
    fn decide(&mut self, _: &Flow) -> QueueVerdict {
        QueueVerdict::Mark(1)
    }
}

fn main() -> io::Result<()> {
    sh("ip link set lo up")?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let to = server.local_addr()?;
    std::thread::spawn(move || server.incoming().for_each(drop));
    println!("without a queue: {} connections/s", measure(to));
    sh(&format!(
        "iptables-nft -t mangle -A OUTPUT -p tcp --dport {} --syn -j NFQUEUE --queue-num 1 --queue-bypass",
        to.port()
    ))?;
    println!("nobody listens: {} connections/s", measure(to));
    let listener = Listener::start(Queue(1), "cost", Always)?;
    println!("each is decided: {} connections/s", measure(to));
    println!("{:#?}", listener.stats());
    Ok(())
}

/// Connections that clients make and the server closes, per second.
fn measure(to: SocketAddr) -> u64 {
    let end = Instant::now() + RUN;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            std::thread::spawn(move || {
                let mut made = 0;
                while Instant::now() < end {
                    if let Ok(mut client) = TcpStream::connect(to) {
                        let _ = client.read(&mut [0; 1]);
                        made += 1;
                    }
                }
                made
            })
        })
        .collect();
    let made: u64 = clients.into_iter().filter_map(|it| it.join().ok()).sum();
    made / RUN.as_secs()
}

fn sh(command: &str) -> io::Result<()> {
    let status = Command::new("sh").args(["-ec", command]).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{command}: {status}")))
    }
}
