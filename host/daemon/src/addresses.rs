//! The director's addresses: which it has, and those that Evenkeel puts on an interface for its services.
//!
//! Ours carry a mark in the kernel ([`MARK`], `IFA_PROTO`), so that a later process knows them again. Nothing without the mark is
//! ever changed or removed.

mod hairpin;
mod plan;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use evenkeel_core::model::Assign;
use futures::TryStreamExt;
use ipnet::IpNet;
use nix::errno::Errno;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressProtocol,
};
use rtnetlink::packet_route::link::LinkAttribute;
use tokio::task::JoinSet;

pub use hairpin::hairpin_networks;
use plan::Plan;
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
    /// As the kernel told it.
    message: AddressMessage,
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
    /// What this process added, for kernels that do not keep the mark.
    added: BTreeSet<Assign>,
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
        let (added, foreign) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self {
            handle,
            added,
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
        let mut own: Vec<OwnAddress> = messages
            .into_iter()
            .filter_map(|message| own_address(message, &interfaces, &self.added))
            .collect();
        // Stable, so that addresses keep the kernel's order: primary before secondary.
        own.sort_by_key(|address| address.index);
        Ok(own)
    }

    /// The interfaces of this machine: names by number.
    ///
    /// # Errors
    /// [`AddressError::Read`].
    pub async fn interfaces(&self) -> Result<BTreeMap<u32, String>, AddressError> {
        let read = |source| AddressError::Read {
            what: "interfaces",
            source,
        };
        let mut links = std::pin::pin!(self.handle.link().get().execute());
        let mut interfaces = BTreeMap::new();
        while let Some(link) = links.try_next().await.map_err(read)? {
            let name = link
                .attributes
                .into_iter()
                .find_map(|attribute| match attribute {
                    LinkAttribute::IfName(name) => Some(name),
                    _ => None,
                });
            interfaces.extend(name.map(|name| (link.header.index, name)));
        }
        Ok(interfaces)
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
        let present = self.list().await?;
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
        if done
            .changes
            .iter()
            .any(|change| matches!(change, AddressChange::Removed(_)))
        {
            // Others may have gone with them.
            let left = self.list().await?;
            self.restore(&present, &left, &mut done).await;
            add = plan::plan(wanted, &left, &interfaces).add;
        }
        for (index, assign) in add {
            self.add(index, assign, &mut done).await;
        }
        Ok(done)
    }

    /// Takes away all addresses that are ours.
    ///
    /// # Errors
    /// As [`Self::reconcile`].
    pub async fn remove_all(&mut self) -> Result<Reconciled, AddressError> {
        self.reconcile(&BTreeSet::new()).await
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
        match request.execute().await {
            Ok(()) => {
                tracing::info!(interface = wanted.interface, address = %wanted.addr, "address added");
                self.added.insert(wanted.clone());
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
            .del(address.message.clone())
            .execute()
            .await
        {
            Ok(()) => {
                tracing::info!(interface = address.interface, address = %address.addr, "address removed");
                self.added.retain(|added| !plan::is(added, &address));
                done.changes.push(AddressChange::Removed(address));
            }
            Err(source) if is_errno(&source, Errno::EADDRNOTAVAIL) => {}
            Err(source) => done.failures.push(AddressError::Remove {
                address: address.to_string(),
                source,
            }),
        }
    }

    /// Puts back what was there before, is gone now, and was not ours to remove.
    async fn restore(&self, before: &[OwnAddress], now: &[OwnAddress], done: &mut Reconciled) {
        for address in plan::lost(before, now) {
            let mut request = self.handle.address().add(
                address.index,
                address.addr,
                address.network.prefix_len(),
            );
            *request.message_mut() = address.message.clone();
            match request.execute().await {
                Ok(()) => {
                    tracing::warn!(
                        interface = address.interface,
                        address = %address.addr,
                        "put back an address that the kernel removed together with ours (see promote_secondaries)"
                    );
                    done.changes.push(AddressChange::Restored(address.clone()));
                }
                Err(source) if is_errno(&source, Errno::EEXIST) => {}
                Err(source) => done.failures.push(AddressError::Add {
                    wanted: Assign {
                        interface: address.interface.clone(),
                        addr: address.addr,
                        prefix: address.network.prefix_len(),
                    },
                    source,
                }),
            }
        }
    }
}

fn own_address(
    message: AddressMessage,
    interfaces: &BTreeMap<u32, String>,
    added: &BTreeSet<Assign>,
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
    let interface = interfaces.get(&index)?.clone();
    let mut own = OwnAddress {
        interface,
        index,
        addr,
        network,
        ours,
        message,
    };
    own.ours |= added.iter().any(|added| plan::is(added, &own));
    Some(own)
}

fn is_errno(error: &rtnetlink::Error, errno: Errno) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(message) if message.raw_code() == -(errno as i32))
}
