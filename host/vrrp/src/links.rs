//! How the interfaces are, as the kernel tells it over rtnetlink.
//!
//! On a thread of its own: reading a machine with many interfaces takes its time and may wait for whoever changes them,
//! and the adverts do not.

mod link;
mod table;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::model;
use futures::channel::mpsc::UnboundedReceiver as Unbounded;
use futures::{FutureExt, StreamExt, TryStreamExt};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::SocketAddr;
use rtnetlink::{Handle, MulticastGroup};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub(crate) use link::Link;
use table::{Interest, Table};

/// Wait before another attempt after a failure.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What [`Links`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkReport {
    /// An interface is there, or has changed.
    Link(Link),
    /// An interface of this name is not there any more.
    Gone(String),
    /// Whether this machine has an address that an instance's `source` names and that can be used, on any interface.
    Source(IpAddr, bool),
    /// All interfaces that are there have been reported. Comes once.
    Looked,
    /// The kernel could not be asked, and why; `None`: it can again.
    Problem(Option<String>),
}

/// The thread; ends when this is dropped.
pub(crate) struct Links(mpsc::UnboundedSender<Arc<model::Vrrp>>);

impl Links {
    /// Starts it, in the network namespace of the caller.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        config: Arc<model::Vrrp>,
        tell: impl Fn(LinkReport) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (configure, configs) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let watcher = Watcher {
            configs,
            interest: Interest::of(&config),
            reported: BTreeMap::new(),
            reported_sources: BTreeMap::new(),
            looked: false,
            failed: false,
            tell,
        };
        std::thread::Builder::new()
            .name("vrrp-links".into())
            .spawn(move || runtime.block_on(watcher.run()))?;
        Ok(Self(configure))
    }

    /// What is configured now. Does not wait.
    pub(crate) fn configure(&self, config: Arc<model::Vrrp>) {
        // It listens as long as this is there.
        let _ = self.0.send(config);
    }
}

/// What ends a [`Watcher::watch`].
enum End {
    /// Nobody wants to know any more.
    Unwanted,
    /// Messages were lost: look again.
    Lost,
    /// The socket failed.
    Failed(String),
}

type Messages = Unbounded<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>;

struct Watcher<F> {
    configs: mpsc::UnboundedReceiver<Arc<model::Vrrp>>,
    interest: Interest,
    reported: BTreeMap<String, Link>,
    reported_sources: BTreeMap<IpAddr, bool>,
    looked: bool,
    /// A problem was reported.
    failed: bool,
    tell: F,
}

impl<F: Fn(LinkReport)> Watcher<F> {
    async fn run(mut self) {
        loop {
            match self.watch().await {
                End::Unwanted => return,
                End::Lost => {}
                End::Failed(text) => {
                    self.failed = true;
                    (self.tell)(LinkReport::Problem(Some(text)));
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    /// First listens, then reads everything, then takes in what was received meanwhile: so nothing is missed, and the
    /// last state of each thing is the kernel's.
    async fn watch(&mut self) -> End {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
        ];
        let (connection, handle, mut messages) = match rtnetlink::new_multicast_connection(&groups)
        {
            Ok(opened) => opened,
            Err(error) => return End::Failed(format!("cannot open a netlink socket: {error}")),
        };
        // Ends with this function.
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let mut table = match read(&handle).await {
            Ok(table) => table,
            Err(error) => return End::Failed(format!("cannot read the interfaces: {error}")),
        };
        if std::mem::take(&mut self.failed) {
            (self.tell)(LinkReport::Problem(None));
        }
        loop {
            self.report(&table);
            tokio::select! {
                config = self.configs.recv() => match config {
                    Some(config) => self.interest = Interest::of(&config),
                    None => return End::Unwanted,
                },
                end = take_in(&mut messages, &mut table) => if let Some(end) = end {
                    return end;
                },
            }
        }
    }

    /// Reports what is not as it was reported last.
    fn report(&mut self, table: &Table) {
        let now = table.links(&self.interest);
        for name in self.reported.keys().filter(|name| !now.contains_key(*name)) {
            (self.tell)(LinkReport::Gone(name.clone()));
        }
        for (name, link) in &now {
            if self.reported.get(name) != Some(link) {
                (self.tell)(LinkReport::Link(link.clone()));
            }
        }
        self.reported = now;
        let sources = table.sources(&self.interest);
        for (addr, present) in &sources {
            if self.reported_sources.get(addr) != Some(present) {
                (self.tell)(LinkReport::Source(*addr, *present));
            }
        }
        self.reported_sources = sources;
        if !std::mem::replace(&mut self.looked, true) {
            (self.tell)(LinkReport::Looked);
        }
    }
}

/// Waits for a message and takes it and those behind it in.
async fn take_in(messages: &mut Messages, table: &mut Table) -> Option<End> {
    let mut next = messages.next().await;
    loop {
        let Some((message, _)) = next else {
            return Some(End::Lost);
        };
        match message.payload {
            NetlinkPayload::InnerMessage(message) => table.apply(&message),
            NetlinkPayload::Overrun(_) => return Some(End::Lost),
            _ => {}
        }
        next = match messages.next().now_or_never() {
            Some(next) => next,
            None => return None,
        };
    }
}

async fn read(handle: &Handle) -> Result<Table, rtnetlink::Error> {
    let mut table = Table::default();
    let mut links = handle.link().get().execute();
    while let Some(link) = links.try_next().await? {
        table.apply(&RouteNetlinkMessage::NewLink(link));
    }
    let mut addresses = handle.address().get().execute();
    while let Some(address) = addresses.try_next().await? {
        table.apply(&RouteNetlinkMessage::NewAddress(address));
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use anyhow::{Context as _, Result};
    use evenkeel_core::model::{
        Announce, Checksum, Family, Notify, Track, Tracked, Vrrp, VrrpInstance, VrrpVersion,
    };
    use evenkeel_tests::{Lab, isolated};

    use super::*;

    /// Watches eth0 and eth1.
    fn config() -> Vrrp {
        let instance = VrrpInstance {
            name: "web".into(),
            interface: "eth0".into(),
            router_id: 51,
            version: VrrpVersion::V3,
            family: Family::V4,
            priority: 100,
            advert_interval: Duration::from_secs(1),
            preempt: true,
            preempt_delay: Duration::ZERO,
            password: None,
            checksum: Checksum::PseudoHeader,
            source: None,
            peers: Vec::new(),
            addresses: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            announce: Announce::default(),
            virtual_mac: None,
            address_lifetime: None,
            track: vec![Track {
                what: Tracked::Interface("eth1".into()),
                weight: 0,
                reverse: false,
            }],
            notify: Notify::default(),
        };
        Vrrp {
            instances: vec![instance],
            ..Vrrp::default()
        }
    }

    /// The first report that is `wanted`.
    fn wait(
        reports: &std::sync::mpsc::Receiver<LinkReport>,
        wanted: impl Fn(&LinkReport) -> bool,
    ) -> Result<LinkReport> {
        loop {
            let report = reports
                .recv_timeout(Duration::from_secs(10))
                .context("it was not told")?;
            if wanted(&report) {
                return Ok(report);
            }
        }
    }

    fn is_up(report: &LinkReport, up: bool) -> bool {
        matches!(report, LinkReport::Link(link) if link.name == "eth0" && link.up == up)
    }

    #[test]
    fn an_interface_is_reported_as_it_comes_changes_and_goes() -> Result<()> {
        isolated(|| {
            let lab = Lab::new()?;
            let (a, b) = (lab.node("a")?, lab.node("b")?);
            let (told, reports) = std::sync::mpsc::channel();
            let _links = a.enter(|| {
                Links::start(Arc::new(config()), move |report| drop(told.send(report)))
            })??;
            wait(&reports, |report| *report == LinkReport::Looked)?;
            lab.cable(&a, "eth0", &b, "eth0")?;
            wait(&reports, |report| is_up(report, true))?;
            a.add_address("eth0", "10.9.0.1/24")?;
            let own = Some(Ipv4Addr::new(10, 9, 0, 1));
            let has = |report: &LinkReport| matches!(report, LinkReport::Link(l) if l.ipv4 == own);
            wait(&reports, has)?;
            a.cut("eth0")?;
            wait(&reports, |report| is_up(report, false))?;
            a.mend("eth0")?;
            wait(&reports, |report| is_up(report, true))?;
            a.ip(&["link", "set", "eth0", "down"])?;
            a.ip(&["link", "set", "eth0", "name", "eth1"])?;
            wait(&reports, |report| {
                *report == LinkReport::Gone("eth0".into())
            })?;
            a.ip(&["link", "del", "eth1"])?;
            wait(&reports, |report| {
                *report == LinkReport::Gone("eth1".into())
            })?;
            Ok(())
        })
    }
}
