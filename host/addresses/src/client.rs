//! Reading this machine's interfaces, addresses and routes, without managing them: for `check`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::error::AddressError;
use crate::machine::MachineState;
use crate::netlink::Netlink;
use crate::route::{self, Route};
use crate::view::{Interface, OwnAddress};

/// Reads what this machine has, over one netlink socket. Works on the network namespace of the thread that opened it.
/// Changes nothing.
pub struct Addresses(Netlink);

impl Addresses {
    /// Opens the socket; call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`AddressError::Socket`].
    pub fn open() -> Result<Self, AddressError> {
        Netlink::open_lenient().map(Self)
    }

    /// Every address of this machine, by interface.
    ///
    /// # Errors
    /// [`AddressError::Read`].
    pub async fn list(&self) -> Result<Vec<OwnAddress>, AddressError> {
        let machine = MachineState::look(&self.0, false).await?;
        Ok(machine.own_addresses())
    }

    /// The interfaces of this machine, by number.
    ///
    /// # Errors
    /// [`AddressError::Read`].
    pub async fn interfaces(&self) -> Result<BTreeMap<u32, Interface>, AddressError> {
        let machine = MachineState::look(&self.0, false).await?;
        Ok(machine.interfaces())
    }

    /// How packets to that address leave this machine now.
    ///
    /// # Errors
    /// [`AddressError::Read`], if the kernel could not be asked; that there is no route is an answer.
    pub async fn route(&self, to: IpAddr) -> Result<Route, AddressError> {
        route::look_up(self.0.handle(), to, None).await
    }

    /// The address from which this machine's own connections to another one come, if there is a route.
    ///
    /// # Errors
    /// As [`Self::route`].
    pub async fn source(&self, to: IpAddr) -> Result<Option<IpAddr>, AddressError> {
        route::source(self.0.handle(), to).await
    }

    /// How packets with a firewall mark to an address would be treated.
    ///
    /// # Errors
    /// As [`Self::route`].
    pub async fn marked_route(&self, to: IpAddr, mark: u32) -> Result<Route, AddressError> {
        route::look_up(self.0.handle(), to, Some(mark)).await
    }
}
