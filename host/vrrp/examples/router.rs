//! One virtual router from the command line: `router eth0 --id 51 --priority 150 --interval 100ms 10.0.0.100/24`.
//!
//! What happens is written to standard output. SIGTERM stops it (it hands over), SIGUSR1 makes it resign, SIGUSR2
//! resume.

use std::io::{Write as _, stdout};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use evenkeel_addresses::AddressManager;
use evenkeel_core::model::{
    self, Announce, Checksum, Family, Notify, Password, VirtualAddress, VrrpInstance, VrrpVersion,
};
use evenkeel_core::vrrp::Command;
use evenkeel_vrrp::{Vrrp, VrrpEvent};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
struct Arguments {
    /// The interface of the adverts and the addresses.
    interface: String,
    /// The virtual addresses, with prefix lengths. Those of the first one's family are advertised.
    #[arg(required = true)]
    addresses: Vec<String>,
    /// The virtual router ID.
    #[arg(long, default_value_t = 51)]
    id: u8,
    #[arg(long, default_value_t = 100)]
    priority: u8,
    /// Between two adverts.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// 2 or 3.
    #[arg(long, default_value_t = 3)]
    version: u8,
    /// Simple text authentication of version 2.
    #[arg(long)]
    password: Option<String>,
    /// Unicast peers; none: multicast.
    #[arg(long)]
    peer: Vec<IpAddr>,
    /// The source of adverts.
    #[arg(long)]
    source: Option<IpAddr>,
    /// The name of the macvlan interface with the virtual MAC address.
    #[arg(long)]
    virtual_mac: Option<String>,
    /// Leave a master of lower priority alone.
    #[arg(long)]
    no_preempt: bool,
}

impl Arguments {
    fn config(&self) -> Result<model::Vrrp> {
        let address = |text: &String| -> Result<(IpAddr, u8)> {
            let (addr, prefix) = text
                .split_once('/')
                .context("an address has no prefix length")?;
            Ok((addr.parse()?, prefix.parse()?))
        };
        let addresses: Vec<_> = self.addresses.iter().map(address).collect::<Result<_>>()?;
        let family = Family::of(addresses.first().context("no address")?.0);
        let addresses = addresses.into_iter().map(|(addr, prefix)| VirtualAddress {
            addr,
            prefix,
            interface: self.interface.clone(),
            label: None,
            scope: 0,
            advertised: Family::of(addr) == family,
        });
        let password = self.password.as_ref().map(|text| {
            let mut bytes = [0; 8];
            for (byte, letter) in bytes.iter_mut().zip(text.bytes()) {
                *byte = letter;
            }
            Password(bytes)
        });
        ensure!(matches!(self.version, 2 | 3), "the version is 2 or 3");
        let instance = VrrpInstance {
            name: "router".into(),
            interface: self.interface.clone(),
            router_id: self.id,
            version: if self.version == 2 {
                VrrpVersion::V2
            } else {
                VrrpVersion::V3
            },
            family,
            priority: self.priority,
            advert_interval: self.interval,
            preempt: !self.no_preempt,
            preempt_delay: Duration::ZERO,
            password,
            checksum: Checksum::PseudoHeader,
            source: self.source,
            peers: self.peer.clone(),
            addresses: addresses.collect(),
            routes: Vec::new(),
            rules: Vec::new(),
            announce: Announce::default(),
            virtual_mac: self.virtual_mac.clone(),
            address_lifetime: None,
            track: Vec::new(),
            notify: Notify::default(),
        };
        Ok(model::Vrrp {
            instances: vec![instance],
            ..model::Vrrp::default()
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let config = Arguments::parse().config()?;
    let begin = Instant::now();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut resign = signal(SignalKind::user_defined1())?;
    let mut resume = signal(SignalKind::user_defined2())?;
    let (to_events, mut events) = tokio::sync::mpsc::unbounded_channel();
    let addresses = AddressManager::start(|_| {})?;
    let router = Vrrp::start(config, &addresses, to_events)?;
    router.ready();
    loop {
        tokio::select! {
            Some(event) = events.recv() => tell(begin, event)?,
            _ = resign.recv() => router.command(None, Command::Resign),
            _ = resume.recv() => router.command(None, Command::Resume),
            _ = terminate.recv() => break,
        }
    }
    router.stop().await;
    while let Ok(event) = events.try_recv() {
        tell(begin, event)?;
    }
    writeln!(stdout(), "{:#?}", router.status())?;
    Ok(())
}

fn tell(begin: Instant, event: VrrpEvent) -> Result<()> {
    let text = match event {
        VrrpEvent::Notify { state, .. } => format!("state {state:?}"),
        VrrpEvent::Here(addresses) => format!("here {addresses:?}"),
        VrrpEvent::Log(event) if event.warning => format!("warning {}", event.text),
        VrrpEvent::Log(event) => format!("info {}", event.text),
    };
    writeln!(stdout(), "{:.6} {text}", begin.elapsed().as_secs_f64())?;
    Ok(())
}
