//! A client, a director with IPVS and the servers, each in a network of its own. Only for a kernel that was booted
//! for it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use super::script::{Op, Script, Server};
use xtask::cmd::{command, run};

/// How long the kernel may take to count a connection as it should. Past it, what it shows is what is recorded.
const PATIENCE: Duration = Duration::from_secs(2);
const SERVERS: u8 = 6;

const NETWORK: &str = "
ip netns add client; ip netns add servers
ip link add c0 type veth peer name eth0 netns client
ip link add s0 type veth peer name eth0 netns servers
ip addr add 10.1.0.1/24 dev c0; ip addr add 10.8.0.254/24 dev s0
ip link set c0 up; ip link set s0 up
ip -n client link set lo up; ip -n client link set eth0 up; ip -n client addr add 10.1.0.2/24 dev eth0
ip -n client route add default via 10.1.0.1; ip -n client route add local 10.9.0.0/16 dev lo
ip -n servers link set lo up; ip -n servers link set eth0 up
for n in 1 2 3 4 5 6; do ip -n servers addr add 10.8.0.$n/24 dev eth0; done
ip -n servers route add default via 10.8.0.254
ip route add 10.9.0.0/16 via 10.1.0.2; ip route add local 10.200.0.0/15 dev lo
sysctl -qw net.ipv4.ip_forward=1
for n in $(seq 30); do iptables-legacy -t mangle -A PREROUTING -d 10.201.$n.0/24 -j MARK --set-mark $n; done
";

#[derive(Debug)]
pub(crate) struct Scene {
    /// How many services there have been: each has an address of its own, so that none inherits connections.
    services: u8,
    port: u16,
}

struct Open {
    server: usize,
    _stream: Option<TcpStream>,
}

impl Scene {
    /// Makes the networks and starts the servers. This thread becomes the client; `ipvsadm` runs in the director.
    pub(crate) fn build() -> Result<Self> {
        run(command("sh").args(["-ec", NETWORK]))?;
        let ready = thread::spawn(serve).join();
        ready.map_err(|_| anyhow::anyhow!("the servers do not start"))??;
        Ok(Self {
            services: 0,
            port: 20_000,
        })
    }

    /// Plays a script to a fresh service, and tells what IPVS decided.
    pub(crate) fn play(&mut self, scheduler: &str, script: &Script) -> Result<Value> {
        self.services = self.services % 250 + 1;
        let mark = self.services % 30 + 1;
        let service = match (script.marked, script.udp) {
            (true, _) => format!("-f {mark}"),
            (false, false) => format!("-t 10.200.{}.1:80", self.services),
            (false, true) => format!("-u 10.200.{}.1:80", self.services),
        };
        let flags = if script.flags.is_empty() {
            String::new()
        } else {
            format!("-b {}", script.flags)
        };
        ipvsadm("-C")?;
        ipvsadm(&format!("-A {service} -s {scheduler} {flags}"))?;
        let mut servers = BTreeMap::new();
        set(&service, &mut servers, &script.servers)?;
        let first = list(&servers)?;
        let (mut open, mut closed) = (Vec::<Open>::new(), BTreeMap::<usize, u32>::new());
        let mut steps = Vec::new();
        for op in &script.ops {
            match op {
                Op::Servers(now) => {
                    set(&service, &mut servers, now)?;
                    steps.push(json!({"servers": list(&servers)?}));
                }
                Op::Close(_) if open.is_empty() || script.udp => {}
                Op::Close(n) => {
                    let gone = open.swap_remove(n % open.len());
                    *closed.entry(gone.server).or_default() += 1;
                }
                Op::Open { client, address } => {
                    let counts = settled(&servers, &open, &closed, script.udp)?;
                    self.port += 1;
                    let [high, low] = client.to_be_bytes();
                    let source = SocketAddrV4::new(Ipv4Addr::new(10, 9, high, low), self.port);
                    let to = if script.marked {
                        Ipv4Addr::new(10, 201, mark, *address)
                    } else {
                        Ipv4Addr::new(10, 200, self.services, 1)
                    };
                    let to = SocketAddrV4::new(to, 80);
                    let picked = connect(source, to, script.udp)?;
                    let protocol = if script.udp { "udp" } else { "tcp" };
                    let name = picked.as_ref().map(|it| name(it.server));
                    steps.push(json!({
                        "flow": {"protocol": protocol, "source": source, "destination": to},
                        "counts": counts, "picked": name,
                    }));
                    open.extend(picked);
                }
            }
        }
        Ok(
            json!({"name": script.name, "settings": script.settings, "servers": first, "steps": steps}),
        )
    }
}

fn name(server: usize) -> String {
    char::from(b'a' + u8::try_from(server).unwrap_or(25)).to_string()
}

fn ipvsadm(line: &str) -> Result<()> {
    run(command("ipvsadm").args(line.split_whitespace()))
}

/// Makes the service's servers these. Those that come are added from the last to the first, as IPVS puts each before
/// the others.
fn set(service: &str, before: &mut BTreeMap<usize, Server>, now: &[Server]) -> Result<()> {
    let wanted: BTreeMap<usize, Server> = now.iter().map(|server| (server.0, *server)).collect();
    for place in before.keys().filter(|place| !wanted.contains_key(place)) {
        ipvsadm(&format!("-d {service} -r 10.8.0.{}:80", place + 1))?;
    }
    for (place, server) in wanted.iter().rev() {
        let (_, weight, upper) = server;
        let verb = match before.get(place) {
            Some(same) if same == server => continue,
            Some(_) => "-e",
            None => "-a",
        };
        ipvsadm(&format!(
            "{verb} {service} -r 10.8.0.{}:80 -m -w {weight} -x {upper}",
            place + 1
        ))?;
    }
    *before = wanted;
    Ok(())
}

/// Place, open and inactive connections of the servers, in the kernel's order.
fn shown() -> Result<Vec<(usize, u32, u32)>> {
    let text = fs::read_to_string("/proc/net/ip_vs")?;
    let mut all = Vec::new();
    for line in text.lines().skip(3) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["->", address, _, _, active, inactive] = words[..] {
            let last = u32::from_str_radix(address.get(..8).context("no address")?, 16)? & 0xff;
            all.push((
                usize::try_from(last)? - 1,
                active.parse()?,
                inactive.parse()?,
            ));
        }
    }
    Ok(all)
}

/// The servers in the kernel's order, as they are recorded.
fn list(servers: &BTreeMap<usize, Server>) -> Result<Vec<Value>> {
    let shown = shown()?;
    ensure!(shown.len() == servers.len(), "IPVS has other servers");
    let known = shown.iter().filter_map(|(place, _, _)| servers.get(place));
    Ok(known
        .map(|(place, weight, upper)| {
            let address = format!("10.8.0.{}:80", place + 1);
            let mut server = json!({"name": name(*place), "address": address, "weight": weight});
            if *upper > 0 {
                server["upper"] = json!(upper);
            }
            server
        })
        .collect())
}

/// What IPVS shows, once it shows what is so.
fn settled(
    servers: &BTreeMap<usize, Server>,
    open: &[Open],
    closed: &BTreeMap<usize, u32>,
    udp: bool,
) -> Result<Vec<[u32; 2]>> {
    let end = Instant::now() + PATIENCE;
    loop {
        let shown = shown()?;
        let right = shown.iter().all(|(place, active, inactive)| {
            let held = open.iter().filter(|it| it.server == *place).count();
            let gone = closed.get(place).copied().unwrap_or(0);
            let held = u32::try_from(held).unwrap_or(u32::MAX);
            let (held, gone) = if udp { (0, held) } else { (held, gone) };
            (*active, *inactive) == (held, gone)
        });
        if right && shown.len() == servers.len() || Instant::now() > end {
            return Ok(shown
                .iter()
                .map(|(_, active, inactive)| [*active, *inactive])
                .collect());
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn enter(network: &str) -> Result<()> {
    setns(
        File::open(format!("/run/netns/{network}"))?,
        CloneFlags::CLONE_NEWNET,
    )?;
    Ok(())
}

/// Connects from the client's network. `None` if IPVS refuses.
fn connect(source: SocketAddrV4, to: SocketAddrV4, udp: bool) -> Result<Option<Open>> {
    let attempt = thread::spawn(move || -> Result<Option<Open>> {
        enter("client")?;
        let mut word = [0];
        if udp {
            let socket = UdpSocket::bind(source)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.connect(to)?;
            socket.send(b"?")?;
            if socket.recv(&mut word).is_err() {
                return Ok(None);
            }
            return Ok(Some(Open {
                server: usize::from(word[0]),
                _stream: None,
            }));
        }
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&source.into())?;
        if socket.connect_timeout(&to.into(), PATIENCE).is_err() {
            return Ok(None);
        }
        let mut stream = TcpStream::from(socket);
        stream.read_exact(&mut word)?;
        Ok(Some(Open {
            server: usize::from(word[0]),
            _stream: Some(stream),
        }))
    });
    attempt
        .join()
        .map_err(|_| anyhow::anyhow!("the client ended"))?
}

/// Starts servers that tell their number and hold each connection until the client closes it.
fn serve() -> Result<()> {
    enter("servers")?;
    for n in 0..SERVERS {
        let address = SocketAddrV4::new(Ipv4Addr::new(10, 8, 0, n + 1), 80);
        let tcp = TcpListener::bind(address)?;
        let udp = UdpSocket::bind(address)?;
        thread::spawn(move || {
            for mut stream in tcp.incoming().flatten() {
                thread::spawn(move || {
                    // A client that went away meanwhile is none to tell of.
                    if stream.write_all(&[n]).is_ok() {
                        let _closed = stream.read(&mut [0]);
                    }
                });
            }
        });
        thread::spawn(move || {
            while let Ok((_, from)) = udp.recv_from(&mut [0]) {
                let _lost = udp.send_to(&[n], from);
            }
        });
    }
    Ok(())
}
