//! Datagrams per second that get through a director, of one flow of UDP.
//!
//! The kernel's own generator (`pktgen`) makes them, and the server's network card drops them: so little is done
//! beside the director's work that the rate says what the director can do, as it would on a machine of its own.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::Node;

use super::stage::{DATAGRAMS, Stage, Way};

/// The client's port.
const SOURCE: u16 = 9001;
/// Bytes of a datagram's frame.
const SIZE: u32 = 60;
/// How long the flow is before it is measured: it is offloaded after two seconds with answers.
const BEFORE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(100);
/// To see how many it takes to fill the time.
const TRIAL: u32 = 10_000;
/// How long one run of the generator may take on a slow machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Datagrams per second that arrive.
pub(crate) fn measure(stage: &Stage, way: Way, time: Duration) -> Result<f64> {
    let (server, address) = stage.first_server(way);
    let to = way.address(DATAGRAMS);
    begin(&stage.client, way, server, (address, DATAGRAMS).into(), to)?;
    let interface = way.interface();
    let sink = Sink::new(server, &interface)?;
    let generator = Generator::new(stage, way, to)?;
    let (_, trial) = generator.run(TRIAL)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some millions at the most"
    )]
    let count = (f64::from(TRIAL) * time.as_secs_f64() / trial) as u32;
    let before = sink.count()?;
    let (sent, seconds) = generator.run(count.max(1))?;
    // What waits in queues arrives.
    thread::sleep(PAUSE);
    let arrived = sink.count()? - before;
    ensure!(arrived > 0, "{}: none of {sent} has arrived", way.name());
    Ok(arrived as f64 / seconds)
}

/// A flow with answers.
fn begin(client: &Node, way: Way, server: &Node, at: SocketAddr, to: SocketAddr) -> Result<()> {
    let answering = server.enter(|| UdpSocket::bind(at))??;
    answering.set_read_timeout(Some(PAUSE * 20))?;
    let asking = client.enter(|| UdpSocket::bind((way.client(), SOURCE)))??;
    asking.connect(to)?;
    asking.set_read_timeout(Some(PAUSE * 20))?;
    for _ in 0..BEFORE.as_millis() / PAUSE.as_millis() {
        let mut datagram = [0; 16];
        let said = || format!("{}: a datagram to {to}", way.name());
        asking.send(b"?")?;
        let (_, from) = answering.recv_from(&mut datagram).with_context(said)?;
        answering.send_to(b"!", from)?;
        asking.recv(&mut datagram).with_context(said)?;
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Counts and drops the flow's datagrams where they come in at the server.
#[derive(Debug)]
struct Sink<'a> {
    server: &'a Node,
}

impl<'a> Sink<'a> {
    fn new(server: &'a Node, interface: &str) -> Result<Self> {
        let rules = format!(
            "table netdev sink {{\nchain ingress {{\ntype filter hook ingress device {interface} priority 0;\n\
             udp dport {DATAGRAMS} counter drop\n}}\n}}\n"
        );
        server.run("nft", &[&rules])?;
        Ok(Self { server })
    }

    fn count(&self) -> Result<u64> {
        let listed = self
            .server
            .run("nft", &["list", "table", "netdev", "sink"])?;
        let mut words = listed.split_whitespace();
        let count = words.by_ref().find(|it| *it == "packets").and(words.next());
        Ok(count.with_context(|| listed.clone())?.parse()?)
    }
}

impl Drop for Sink<'_> {
    fn drop(&mut self) {
        let _ = self
            .server
            .run("nft", &["delete", "table", "netdev", "sink"]);
    }
}

/// The kernel's generator, with the flow's datagrams.
#[derive(Debug)]
struct Generator<'a> {
    client: &'a Node,
    interface: String,
}

impl<'a> Generator<'a> {
    fn new(stage: &'a Stage, way: Way, to: SocketAddr) -> Result<Self> {
        let client = &stage.client;
        client.run("modprobe", &["pktgen"])?;
        let this = Self {
            client,
            interface: way.interface(),
        };
        let gateway = stage.hardware_address(way)?;
        this.order("kpktgend_0", "rem_device_all")?;
        this.order("kpktgend_0", &format!("add_device {}", this.interface))?;
        for order in [
            "clone_skb 0".to_owned(),
            format!("pkt_size {SIZE}"),
            "delay 0".to_owned(),
            format!("dst {}", to.ip()),
            format!("dst_mac {gateway}"),
            format!("src_min {}", way.client()),
            format!("src_max {}", way.client()),
            format!("udp_src_min {SOURCE}"),
            format!("udp_src_max {SOURCE}"),
            format!("udp_dst_min {}", to.port()),
            format!("udp_dst_max {}", to.port()),
        ] {
            this.order(&this.interface, &order)?;
        }
        Ok(this)
    }

    /// Sends that many; returns how many were sent, and the seconds that took.
    fn run(&self, count: u32) -> Result<(u64, f64)> {
        self.order(&self.interface, &format!("count {count}"))?;
        self.order("pgctrl", "start")?;
        let file = format!("/proc/net/pktgen/{}", self.interface);
        let said = self.client.run("cat", &[&file])?;
        outcome(&said).with_context(|| format!("pktgen says: {said}"))
    }

    fn order(&self, file: &str, order: &str) -> Result<()> {
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            "echo \"$1\" > \"/proc/net/pktgen/$2\"",
            "pktgen",
            order,
            file,
        ]);
        let output = self.client.output_within(shell, LIMIT)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pktgen: {file}: {order}: {errors}");
        Ok(())
    }
}

impl Drop for Generator<'_> {
    fn drop(&mut self) {
        let _ = self.order("kpktgend_0", "rem_device_all");
    }
}

/// `Result: OK: 1234(c1200+d34) usec, 1000 (60byte,0frags)`: datagrams and seconds.
fn outcome(said: &str) -> Option<(u64, f64)> {
    let (_, result) = said.split_once("Result: OK: ")?;
    let (micros, rest) = result.split_once('(')?;
    let (_, rest) = rest.split_once("usec, ")?;
    let sent = rest.split_whitespace().next()?.parse().ok()?;
    let seconds = micros.parse::<f64>().ok()? / 1e6;
    Some((sent, seconds))
}

#[cfg(test)]
mod tests {
    use super::outcome;

    #[test]
    fn what_the_generator_says_is_understood() {
        let said = "Params: count 1000  min_pkt_size: 60\nResult: OK: 1234(c1200+d34) usec, 1000 (60byte,0frags)\n  810372pps\n";
        assert_eq!(outcome(said), Some((1000, 0.001_234)));
        assert_eq!(outcome("Result: Idle\n"), None);
    }
}
