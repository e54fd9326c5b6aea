//! Machines and cables: network namespaces, veth pairs and bridges.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::IpAddr;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};

use crate::process::Process;
use crate::world::{DIR, inside};

/// How long a command that sets something up may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// A private network under construction.
#[derive(Debug)]
pub struct Lab {
    dir: PathBuf,
    /// The number of the next cable's first end.
    cables: AtomicU32,
}

/// One machine of a lab: a network namespace. Clones are the same machine.
#[derive(Debug, Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    namespace: File,
    dir: PathBuf,
    started: AtomicU32,
    /// The other end of each interface's cable: the machine's name and the interface's.
    cables: Mutex<BTreeMap<String, (String, String)>>,
}

impl Lab {
    /// An empty network.
    ///
    /// # Errors
    /// Outside of a private world (see [`crate::isolated`]): the machine's own network is not ours to change.
    pub fn new() -> Result<Self> {
        ensure!(
            inside(),
            "a Lab exists only in a private world: see evenkeel_tests::isolated"
        );
        ip(&["link", "set", "lo", "up"])?;
        Ok(Self {
            dir: DIR.into(),
            cables: AtomicU32::new(100),
        })
    }

    /// A directory that goes when the private world goes.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A new machine with a loopback interface. IPv6 addresses are usable at once (no duplicate address detection).
    ///
    /// # Errors
    /// When the kernel gives no network namespace, or the name is taken.
    pub fn node(&self, name: &str) -> Result<Node> {
        ip(&["netns", "add", name])?;
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir)?;
        let namespace = File::open(Path::new("/run/netns").join(name))?;
        let shared = Shared {
            name: name.to_owned(),
            namespace,
            dir,
            started: AtomicU32::new(0),
            cables: Mutex::default(),
        };
        let node = Node {
            shared: Arc::new(shared),
        };
        for key in ["all", "default"] {
            node.sysctl(&format!("net.ipv6.conf.{key}.accept_dad"), "0")?;
            node.sysctl(&format!("net.ipv6.conf.{key}.dad_transmits"), "0")?;
        }
        node.link_up("lo")?;
        Ok(node)
    }

    /// A cable between two machines. Names are those of the two interfaces.
    ///
    /// # Errors
    /// When an interface of that name exists.
    pub fn cable(&self, a: &Node, a_end: &str, b: &Node, b_end: &str) -> Result<()> {
        // When both ends happen to have one number, the kernel notices a change of carrier up to a second later
        // (`linkwatch_urgent_event` in net/core/link_watch.c): a switch would drop frames for so long.
        let number = self.cables.fetch_add(2, Ordering::Relaxed);
        let [a_number, b_number] = [number, number + 1].map(|it| it.to_string());
        let first = ["-n", a.name(), "link", "add", a_end, "index", &a_number];
        let second = ["peer", "name", b_end, "index", &b_number, "netns", b.name()];
        ip(&[first.as_slice(), &["type", "veth"], &second].concat())?;
        a.remember_cable(a_end, b, b_end);
        b.remember_cable(b_end, a, a_end);
        a.link_up(a_end)?;
        b.link_up(b_end)
    }

    /// A switch: a machine with one bridge, to be used with [`Self::plug`].
    ///
    /// # Errors
    /// When the kernel has no bridges, or the name is taken.
    pub fn switch(&self, name: &str) -> Result<Node> {
        let switch = self.node(name)?;
        // Forwards at once: no spanning tree, no learning delay.
        switch.ip(&[
            "link",
            "add",
            "br0",
            "type",
            "bridge",
            "forward_delay",
            "0",
            "stp_state",
            "0",
        ])?;
        switch.link_up("br0")?;
        Ok(switch)
    }

    /// A cable from a machine's new interface to a switch.
    ///
    /// # Errors
    /// When the interface exists.
    pub fn plug(&self, node: &Node, interface: &str, switch: &Node) -> Result<()> {
        let port = format!("p{}", switch.shared.started.fetch_add(1, Ordering::Relaxed));
        self.cable(node, interface, switch, &port)?;
        switch.ip(&["link", "set", &port, "master", "br0"])
    }
}

impl Node {
    /// Its name, also that of its `ip netns`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// A directory of its own, for configurations, logs and process numbers.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// `ip -n NODE ...`.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn ip(&self, args: &[&str]) -> Result<()> {
        ip(&[&["-n", self.name()], args].concat())
    }

    /// Puts an address such as `10.10.54.155/24` or `fd00:54::155/64` on an interface.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn add_address(&self, interface: &str, address: &str) -> Result<()> {
        let nodad: &[&str] = if address.contains(':') {
            &["nodad"]
        } else {
            &[]
        };
        self.ip(&[&["addr", "add", address, "dev", interface], nodad].concat())
    }

    /// Takes an address away.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn delete_address(&self, interface: &str, address: &str) -> Result<()> {
        self.ip(&["addr", "del", address, "dev", interface])
    }

    /// Sends whatever has no other route to `gateway`.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn default_route(&self, gateway: IpAddr) -> Result<()> {
        self.route("default", gateway)
    }

    /// Sends what is for `network` to `gateway`.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn route(&self, network: &str, gateway: IpAddr) -> Result<()> {
        let family = if gateway.is_ipv6() { "-6" } else { "-4" };
        self.ip(&[
            family,
            "route",
            "replace",
            network,
            "via",
            &gateway.to_string(),
        ])
    }

    /// Sets an interface up.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn link_up(&self, interface: &str) -> Result<()> {
        self.ip(&["link", "set", interface, "up"])
    }

    /// Sets an interface down: the machine falls silent. IPv6 addresses are kept.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn link_down(&self, interface: &str) -> Result<()> {
        self.sysctl(&format!("net.ipv6.conf.{interface}.keep_addr_on_down"), "1")?;
        self.ip(&["link", "set", interface, "down"])
    }

    /// Pulls an interface's cable: it stays up but has no carrier.
    ///
    /// # Errors
    /// When the interface has no cable.
    pub fn cut(&self, interface: &str) -> Result<()> {
        self.set_far_end(interface, "down")
    }

    /// Undoes [`Self::cut`].
    ///
    /// # Errors
    /// When the interface has no cable.
    pub fn mend(&self, interface: &str) -> Result<()> {
        self.set_far_end(interface, "up")
    }

    fn set_far_end(&self, interface: &str, state: &str) -> Result<()> {
        let cables = self.shared.cables.lock();
        let cables = cables.unwrap_or_else(PoisonError::into_inner);
        let (node, end) = cables
            .get(interface)
            .with_context(|| format!("{}: {interface} has no cable", self.name()))?;
        ip(&["-n", node, "link", "set", end, state])
    }

    fn remember_cable(&self, interface: &str, other: &Self, end: &str) {
        let cables = self.shared.cables.lock();
        cables.unwrap_or_else(PoisonError::into_inner).insert(
            interface.to_owned(),
            (other.name().to_owned(), end.to_owned()),
        );
    }

    /// A counter of this machine's kernel, such as `TCPSynRetrans` of `TcpExt` (`/proc/net/netstat`, `/proc/net/snmp`).
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn counter(&self, group: &str, name: &str) -> Result<u64> {
        let text = self.enter(|| {
            // /proc/net is that of the process's first thread.
            let files = ["netstat", "snmp"].map(|file| format!("/proc/thread-self/net/{file}"));
            files
                .map(fs::read_to_string)
                .into_iter()
                .collect::<std::io::Result<String>>()
        })??;
        let prefix = format!("{group}: ");
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(&prefix));
        let (names, values) = lines
            .next()
            .zip(lines.next())
            .with_context(|| format!("no group of counters is called {group}"))?;
        let mut pairs = names.split(' ').zip(values.split(' '));
        let (_, value) = pairs
            .find(|(key, _)| *key == name)
            .with_context(|| format!("{group} has no counter {name}"))?;
        Ok(value.parse()?)
    }

    /// Sets a network parameter such as `net.ipv4.ip_forward`.
    ///
    /// # Errors
    /// When there is none of that name, or the value is refused.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = Path::new("/proc/sys").join(key.replace('.', "/"));
        self.enter(|| fs::write(&path, value))?
            .with_context(|| format!("{}: cannot set {key} = {value}", self.name()))
    }

    /// Makes it a router for IPv4 and IPv6.
    ///
    /// # Errors
    /// As [`Self::sysctl`].
    pub fn forward(&self) -> Result<()> {
        self.sysctl("net.ipv4.ip_forward", "1")?;
        self.sysctl("net.ipv6.conf.all.forwarding", "1")
    }

    /// Runs `work` on a thread that is on this machine: sockets that it opens are this machine's, and stay so when
    /// they are returned. (`/proc/net` still shows the process's first network.) A panic goes on in the caller.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.go_there()?;
                anyhow::Ok(work())
            });
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Puts the calling thread on this machine, for good.
    pub(crate) fn go_there(&self) -> Result<()> {
        Ok(setns(&self.shared.namespace, CloneFlags::CLONE_NEWNET)?)
    }

    /// Like [`Self::enter`], without waiting.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn background<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let node = self.clone();
        Ok(thread::Builder::new()
            .name(node.name().to_owned())
            .spawn(move || {
                node.go_there()?;
                Ok(work())
            })?)
    }

    /// Starts a program on this machine. It ends when the returned value is dropped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, name: &str, mut command: Command) -> Result<Process> {
        let number = self.shared.started.fetch_add(1, Ordering::Relaxed);
        let log = self.dir().join(format!("{name}-{number}.log"));
        self.enter(|| Process::start(name, &mut command, log))?
    }

    /// Runs a program on this machine to its end, within 30 s, whatever its exit code.
    ///
    /// # Errors
    /// When it cannot be started or does not end in time.
    pub fn output(&self, command: Command) -> Result<Output> {
        self.output_within(command, COMMAND_LIMIT)
    }

    /// Runs a program on this machine to its end.
    ///
    /// # Errors
    /// When it cannot be started or does not end in time.
    pub fn output_within(&self, mut command: Command, limit: Duration) -> Result<Output> {
        let number = self.shared.started.fetch_add(1, Ordering::Relaxed);
        let [out, err] =
            ["out", "err"].map(|kind| self.dir().join(format!("command-{number}.{kind}")));
        command.stdin(std::process::Stdio::null());
        command
            .stdout(File::create(&out)?)
            .stderr(File::create(&err)?);
        let mut child = self
            .enter(|| command.spawn())?
            .with_context(|| format!("{}: cannot run {command:?}", self.name()))?;
        let status = crate::process::wait_child(&mut child, limit)?;
        let Some(status) = status else {
            child.kill()?;
            child.wait()?;
            bail!(
                "{}: {command:?} has not ended within {limit:?}",
                self.name()
            );
        };
        let output = Output {
            status,
            stdout: fs::read(&out)?,
            stderr: fs::read(&err)?,
        };
        fs::remove_file(out)?;
        fs::remove_file(err)?;
        Ok(output)
    }

    /// Runs a program on this machine, within 30 s, and returns what it prints.
    ///
    /// # Errors
    /// With its standard error, when it fails.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        let mut command = Command::new(program);
        command.args(args);
        let output = self.output(command)?;
        ensure!(
            output.status.success(),
            "{}: {program} {}: {}\n{}",
            self.name(),
            args.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn ip(args: &[&str]) -> Result<()> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .context("cannot run ip (of iproute2)")?;
    ensure!(
        output.status.success(),
        "ip {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
