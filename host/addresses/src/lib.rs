//! The director's addresses: which it has, and those that Evenkeel puts on an interface for its services.
//!
//! Ours carry a mark in the kernel ([`MARK`], `IFA_PROTO`), so that a later process knows them again. Nothing without the mark is
//! ever changed or removed.

mod hairpin;
#[cfg(any(test, feature = "testing"))]
pub mod namespace;
mod offload;
mod plan;
mod route;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use evenkeel_core::model::Assign;
use futures::TryStreamExt;
use ipnet::IpNet;
use nix::errno::Errno;
use rtnetlink::AddressMessageBuilder;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkInfo};
use tokio::task::JoinSet;

pub use hairpin::hairpin_networks;
use plan::Plan;
pub use route::Route;
pub use watch::AddressWatch;

/// The value of `IFA_PROTO` (`include/uapi/linux/if_addr.h`, Linux 5.18) of addresses that Evenkeel added; `ip address` shows it as
/// `proto 0x65`.
pub const MARK: u8 = 0x65;

/// Why addresses could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// No netlink socket.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[source] std::io::Error),
    /// The kernel did not tell what is there.
    #[error("cannot read the {what} of this machine: {source}")]
    Read {
        /// Addresses or interfaces.
        what: &'static str,
        /// What the kernel said.
        #[source]
        source: rtnetlink::Error,
    },
    /// The configuration names an interface that does not exist.
    #[error("no interface {:?} to put {}/{} on; there is: {}", .wanted.interface, .wanted.addr, .wanted.prefix, .existing.join(", "))]
    NoInterface {
        /// What was to be put there.
        wanted: Assign,
        /// The interfaces that exist.
        existing: Vec<String>,
    },
    /// The kernel refused an address.
    #[error("cannot put {}/{} on {}: {source}", .wanted.addr, .wanted.prefix, .wanted.interface)]
    Add {
        /// What was to be put there.
        wanted: Assign,
        /// What the kernel said.
        #[source]
        source: rtnetlink::Error,
    },
    /// The kernel did not take an address away.
    #[error("cannot take {address} away: {source}")]
    Remove {
        /// The address, with its interface.
        address: String,
        /// What the kernel said.
        #[source]
        source: rtnetlink::Error,
    },
}

/// An address of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAddress {
    /// The interface's name.
    pub interface: String,
    /// The interface's number.
    pub index: u32,
    /// The address.
    pub addr: IpAddr,
    /// What is reached directly through it: its network, or the peer of a point-to-point link.
    pub network: IpNet,
    /// Whether it carries our mark.
    pub ours: bool,
}

/// An interface of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether it is a bridge.
    pub bridge: bool,
}

impl fmt::Display for OwnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{} on {}",
            self.addr,
            self.network.prefix_len(),
            self.interface
        )
    }
}

/// What [`Addresses::reconcile`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressChange {
    /// Put on its interface.
    Added(Assign),
    /// Taken away.
    Removed(OwnAddress),
    /// Someone else's address, which the kernel took away together with one of ours (IPv4 secondary addresses go with their
    /// primary one unless `promote_secondaries` is set), was put back.
    Restored(OwnAddress),
}

/// What came of [`Addresses::reconcile`].
#[derive(Debug, Default)]
pub struct Reconciled {
    /// What was done, in order.
    pub changes: Vec<AddressChange>,
    /// What could not be done; all else was.
    pub failures: Vec<AddressError>,
}

/// The addresses of this machine, over one netlink socket. Works on the network namespace of the thread that opened it.
pub struct Addresses {
    handle: rtnetlink::Handle,
    /// What this process added on a kernel that does not keep the mark.
    unmarked: BTreeSet<Assign>,
    /// Wanted addresses that someone else had put there already, named once in the log.
    foreign: BTreeSet<Assign>,
    /// The socket's task; ends with this.
    _connection: JoinSet<()>,
}

impl Addresses {
    /// Opens the socket; call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`AddressError::Socket`].
    pub fn open() -> Result<Self, AddressError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(AddressError::Socket)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let (unmarked, foreign) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self {
            handle,
            unmarked,
            foreign,
            _connection: tasks,
        })
    }

    /// Every address of this machine, by interface.
    ///
    /// # Errors
    /// [`AddressError::Read`].
    pub async fn list(&self) -> Result<Vec<OwnAddress>, AddressError> {
        let interfaces = self.interfaces().await?;
        Ok(self
            .entries(&interfaces)
            .await?
            .into_iter()
            .map(|(own, _)| own)
            .collect())
    }

    /// The addresses, each with the kernel's whole word about it.
    async fn entries(
        &self,
        interfaces: &BTreeMap<u32, Interface>,
    ) -> Result<Vec<(OwnAddress, AddressMessage)>, AddressError> {
        let read = |source| AddressError::Read {
            what: "addresses",
            source,
        };
        let messages: Vec<AddressMessage> = self
            .handle
            .address()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(read)?;
        let mut entries: Vec<(OwnAddress, AddressMessage)> = messages
            .into_iter()
            .filter_map(|message| {
                let mut own = own_address(&message, interfaces)?;
                own.ours |= self.unmarked.iter().any(|ours| plan::is(ours, &own));
                Some((own, message))
            })
            .collect();
        // Stable, so that addresses keep the kernel's order: primary before secondary.
        entries.sort_by_key(|(own, _)| own.index);
        Ok(entries)
    }

    /// The interfaces of this machine, by number.
    ///
    /// # Errors
    /// [`AddressError::Read`].
    pub async fn interfaces(&self) -> Result<BTreeMap<u32, Interface>, AddressError> {
        let read = |source| AddressError::Read {
            what: "interfaces",
            source,
        };
        let mut links = std::pin::pin!(self.handle.link().get().execute());
        let mut interfaces = BTreeMap::new();
        while let Some(link) = links.try_next().await.map_err(read)? {
            let (mut name, mut bridge) = (None, false);
            for attribute in link.attributes {
                match attribute {
                    LinkAttribute::IfName(word) => name = Some(word),
                    LinkAttribute::LinkInfo(infos) => {
                        bridge = infos.contains(&LinkInfo::Kind(InfoKind::Bridge));
                    }
                    _ => {}
                }
            }
            interfaces.extend(name.map(|name| (link.header.index, Interface { name, bridge })));
        }
        Ok(interfaces)
    }

    /// How packets to that address leave this machine now.
    ///
    /// # Errors
    /// [`AddressError::Read`], if the kernel could not be asked; that there is no way is an answer.
    pub async fn route(&self, to: IpAddr) -> Result<Route, AddressError> {
        route::look_up(&self.handle, to, None).await
    }

    /// The address from which this machine's own connections to another one come, if there is a way.
    ///
    /// # Errors
    /// As [`Self::route`].
    pub async fn source(&self, to: IpAddr) -> Result<Option<IpAddr>, AddressError> {
        route::source(&self.handle, to).await
    }

    /// How packets with a firewall mark to an address would be treated.
    ///
    /// # Errors
    /// As [`Self::route`].
    pub async fn marked_route(&self, to: IpAddr, mark: u32) -> Result<Route, AddressError> {
        route::look_up(&self.handle, to, Some(mark)).await
    }

    /// Puts the wanted addresses on their interfaces and takes away those of ours that are not wanted. An address that is there
    /// without our mark is left alone, now and later.
    ///
    /// # Errors
    /// [`AddressError::Read`], with nothing changed. What goes wrong with single addresses is in [`Reconciled::failures`].
    pub async fn reconcile(
        &mut self,
        wanted: &BTreeSet<Assign>,
    ) -> Result<Reconciled, AddressError> {
        let interfaces = self.interfaces().await?;
        let before = self.entries(&interfaces).await?;
        let present: Vec<OwnAddress> = before.iter().map(|(own, _)| own.clone()).collect();
        let plan = plan::plan(wanted, &present, &interfaces);
        self.note_foreign(&plan);

        let mut done = Reconciled {
            changes: Vec::new(),
            failures: plan.failures,
        };
        for address in plan.remove {
            self.remove(address, &mut done).await;
        }
        let mut add = plan.add;
        if !done.changes.is_empty() {
            // Others may have gone with them.
            let left = self.list().await?;
            for (address, message) in before {
                if plan::is_lost(&address, &left) {
                    self.restore(address, message, &mut done).await;
                }
            }
            add = plan::plan(wanted, &left, &interfaces).add;
        }
        for (index, assign) in add {
            self.add(index, assign, &mut done).await;
        }
        self.look_for_marks(&done).await?;
        Ok(done)
    }

    /// Takes away all addresses that are ours.
    ///
    /// # Errors
    /// As [`Self::reconcile`].
    pub async fn remove_all(&mut self) -> Result<Reconciled, AddressError> {
        self.reconcile(&BTreeSet::new()).await
    }

    /// Kernels before 5.18 ignore the mark. Then this process has to remember what is ours.
    async fn look_for_marks(&mut self, done: &Reconciled) -> Result<(), AddressError> {
        let added: Vec<&Assign> = done
            .changes
            .iter()
            .filter_map(|change| match change {
                AddressChange::Added(assign) => Some(assign),
                AddressChange::Removed(_) | AddressChange::Restored(_) => None,
            })
            .collect();
        if added.is_empty() {
            return Ok(());
        }
        let present = self.list().await?;
        for assign in added {
            if present.iter().any(|own| !own.ours && plan::is(assign, own)) {
                tracing::warn!(
                    interface = assign.interface,
                    address = %assign.addr,
                    "the kernel keeps no mark on addresses (before Linux 5.18): after a crash this one is not known as ours"
                );
                self.unmarked.insert(assign.clone());
            }
        }
        Ok(())
    }

    fn note_foreign(&mut self, plan: &Plan) {
        for assign in plan.foreign.difference(&self.foreign) {
            tracing::info!(
                interface = assign.interface,
                address = %assign.addr,
                "the address is there already and not ours: it is left alone and will not be removed"
            );
        }
        self.foreign.clone_from(&plan.foreign);
    }

    async fn add(&mut self, index: u32, wanted: Assign, done: &mut Reconciled) {
        let mut request = self.handle.address().add(index, wanted.addr, wanted.prefix);
        let message = request.message_mut();
        message
            .attributes
            .push(AddressAttribute::Protocol(AddressProtocol::Other(MARK)));
        if wanted.addr.is_ipv6() {
            // A service's address is to be of use at once.
            message.header.flags |= AddressHeaderFlags::Nodad;
        }
        if wanted.addr.is_ipv6() && wanted.prefix == 128 {
            // An address without a network is there for others to reach. The machine's own connections are not to come from it: real
            // servers that have it themselves (direct routing, tunnels) would not answer them.
            let mut lifetime = CacheInfo::default();
            lifetime.ifa_valid = u32::MAX;
            lifetime.ifa_preferred = 0;
            message
                .attributes
                .push(AddressAttribute::CacheInfo(lifetime));
        }
        match request.execute().await {
            Ok(()) => {
                tracing::info!(interface = wanted.interface, address = %wanted.addr, "address added");
                done.changes.push(AddressChange::Added(wanted));
            }
            // Someone else was faster; the next look will tell whose it is.
            Err(source) if is_errno(&source, Errno::EEXIST) => {}
            Err(source) => done.failures.push(AddressError::Add { wanted, source }),
        }
    }

    async fn remove(&mut self, address: OwnAddress, done: &mut Reconciled) {
        match self
            .handle
            .address()
            .del(address_message(&address))
            .execute()
            .await
        {
            Ok(()) => {
                tracing::info!(interface = address.interface, address = %address.addr, "address removed");
                self.unmarked.retain(|ours| !plan::is(ours, &address));
                done.changes.push(AddressChange::Removed(address));
            }
            Err(source) if is_errno(&source, Errno::EADDRNOTAVAIL) => {}
            Err(source) => done.failures.push(AddressError::Remove {
                address: address.to_string(),
                source,
            }),
        }
    }

    async fn restore(&self, address: OwnAddress, message: AddressMessage, done: &mut Reconciled) {
        let prefix = address.network.prefix_len();
        let mut request = self
            .handle
            .address()
            .add(address.index, address.addr, prefix);
        *request.message_mut() = message;
        match request.execute().await {
            Ok(()) => {
                tracing::warn!(
                    interface = address.interface,
                    address = %address.addr,
                    "put back an address that the kernel removed together with ours (see promote_secondaries)"
                );
                done.changes.push(AddressChange::Restored(address));
            }
            Err(source) if is_errno(&source, Errno::EEXIST) => {}
            Err(source) => {
                let OwnAddress {
                    interface, addr, ..
                } = address;
                let wanted = Assign {
                    interface,
                    addr,
                    prefix,
                };
                done.failures.push(AddressError::Add { wanted, source });
            }
        }
    }
}

fn own_address(
    message: &AddressMessage,
    interfaces: &BTreeMap<u32, Interface>,
) -> Option<OwnAddress> {
    if !matches!(
        message.header.family,
        AddressFamily::Inet | AddressFamily::Inet6
    ) {
        return None;
    }
    let index = message.header.index;
    let (mut local, mut address, mut ours) = (None, None, false);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(addr) => local = Some(*addr),
            AddressAttribute::Address(addr) => address = Some(*addr),
            AddressAttribute::Protocol(protocol) => ours = u8::from(*protocol) == MARK,
            _ => {}
        }
    }
    // On a point-to-point link `Address` is the peer, and the prefix is the peer's. IPv6 names `Local` there only.
    let addr = local.or(address)?;
    let network = IpNet::new(address.unwrap_or(addr), message.header.prefix_len)
        .ok()?
        .trunc();
    let interface = interfaces.get(&index)?.name.clone();
    Some(OwnAddress {
        interface,
        index,
        addr,
        network,
        ours,
    })
}

/// What identifies an address to the kernel.
fn address_message(address: &OwnAddress) -> AddressMessage {
    let prefix = address.network.prefix_len();
    match address.addr {
        IpAddr::V4(addr) => AddressMessageBuilder::<Ipv4Addr>::new()
            .index(address.index)
            .address(addr, prefix)
            .build(),
        IpAddr::V6(addr) => AddressMessageBuilder::<Ipv6Addr>::new()
            .index(address.index)
            .address(addr, prefix)
            .build(),
    }
}

fn is_errno(error: &rtnetlink::Error, errno: Errno) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(message) if message.raw_code() == -(errno as i32))
}

#[cfg(test)]
mod tests;
