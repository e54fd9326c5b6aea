//! Destinations.

use std::net::SocketAddr;

use evenkeel_netlink::attribute::{find, nest};
use evenkeel_netlink::generic::Operation;

use crate::client::Client;
use crate::destination::{self, Destination, DestinationEntry};
use crate::error::Error;
use crate::key::Key;
use crate::refusal::{Subject, failed};
use crate::requests::{about, attribute, command};

impl Client {
    /// The destinations of a service; none if there is no such service.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Io`], [`Error::Garbled`].
    pub fn destinations(&mut self, key: &Key) -> Result<Vec<DestinationEntry>, Error> {
        let mut destinations = Vec::new();
        let family = key.family();
        let read = self.request(command::GET_DEST, Operation::Dump, &about(key), |it| {
            let nested = find(it, attribute::DEST);
            destinations.push(nested.and_then(|it| DestinationEntry::decode(it, family)));
        });
        let what = || format!("the destinations of {key}");
        read.map_err(|error| failed(&format!("read {}", what()), error, Subject::Other))?;
        let destinations: Option<Vec<_>> = destinations.into_iter().collect();
        destinations.ok_or_else(|| Error::Garbled(what()))
    }

    /// Adds a destination to a service.
    ///
    /// # Errors
    /// [`Error::Refused`]: it is there already, the service is not; [`Error::Io`].
    pub fn add_destination(&mut self, key: &Key, destination: &Destination) -> Result<(), Error> {
        self.write_destination(command::NEW_DEST, "add", key, destination)
    }

    /// Changes a destination.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is none, or no such service; [`Error::Io`].
    pub fn set_destination(&mut self, key: &Key, destination: &Destination) -> Result<(), Error> {
        self.write_destination(command::SET_DEST, "change", key, destination)
    }

    fn write_destination(
        &mut self,
        command: u8,
        verb: &str,
        key: &Key,
        destination: &Destination,
    ) -> Result<(), Error> {
        let mut request = about(key);
        nest(&mut request, attribute::DEST, |buf| destination.encode(buf));
        self.change(command, &request).map_err(|error| {
            let what = format!("{verb} destination {} of {key}", destination.address);
            failed(&what, error, Subject::Destination)
        })
    }

    /// Removes a destination. What becomes of its connections: `net.ipv4.vs.expire_nodest_conn`.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is none, or no such service; [`Error::Io`].
    pub fn delete_destination(&mut self, key: &Key, address: SocketAddr) -> Result<(), Error> {
        let mut request = about(key);
        nest(&mut request, attribute::DEST, |buf| {
            destination::encode_address(address, buf);
        });
        self.change(command::DEL_DEST, &request).map_err(|error| {
            let what = format!("remove destination {address} of {key}");
            failed(&what, error, Subject::Destination)
        })
    }
}
