//! Noticing that someone changes our table.

use std::io;
use std::time::Duration;

use evenkeel_netlink::{receive_buffer, receive_timeout};
use netlink_bindings::utils::{find_attr, parse_be_u32};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

use super::nft::Ourselves;
use super::socket::{BUFFER, io_error};
use super::wire::{INET, Messages, SUBSYS_NFTABLES, kind, text};
use crate::Error;

/// `NFNLGRP_NFTABLES` (`linux/netfilter/nfnetlink.h`): all changes to tables.
const GROUP: u32 = 7;
/// More than one datagram of notices.
const DATAGRAM: usize = 256 << 10;

/// What has been noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noticed {
    /// Nothing, for as long as the watch waits.
    Nothing,
    /// A transaction has changed our table.
    Touched {
        /// The process that did it.
        process: u32,
        /// Its name.
        name: String,
        /// Whether it was the data plane that this watch is of, or an `nft` that it started.
        by_us: bool,
    },
    /// There was more than could be kept: anything may have changed.
    Lost,
}

/// Notices changes of one table. Blocks for a limited time, so that the thread it is on can be ended.
#[derive(Debug)]
pub struct Watch {
    socket: Socket,
    table: String,
    ourselves: Ourselves,
    /// Whether the transaction that is being read has touched our table.
    touched: bool,
    port: u32,
    datagram: Vec<u8>,
    /// Of the datagram, what has been read.
    done: usize,
}

impl Watch {
    pub(super) fn open(
        table: &str,
        ourselves: Ourselves,
        patience: Duration,
    ) -> Result<Self, Error> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_NETFILTER)?;
            socket.bind(&SocketAddr::new(0, 0))?;
            receive_buffer(&socket, BUFFER)?;
            socket.add_membership(GROUP)?;
            receive_timeout(&socket, patience)?;
            Ok(socket)
        };
        Ok(Self {
            socket: open().map_err(io_error("watch the tables"))?,
            table: table.to_owned(),
            ourselves,
            touched: false,
            port: 0,
            datagram: Vec::with_capacity(DATAGRAM),
            done: 0,
        })
    }

    /// Waits for the next change. [`Noticed::Nothing`] after the time that the watch was opened with.
    ///
    /// # Errors
    /// [`Error::Io`].
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would have to end"
    )]
    pub fn next(&mut self) -> Result<Noticed, Error> {
        loop {
            if let Some(noticed) = self.read_on() {
                return Ok(noticed);
            }
            self.datagram.clear();
            self.done = 0;
            let Err(error) = self.socket.recv(&mut self.datagram, 0) else {
                continue;
            };
            match error.raw_os_error() {
                Some(libc::EAGAIN) => return Ok(Noticed::Nothing),
                Some(libc::EINTR) => {}
                Some(libc::ENOBUFS) => {
                    self.touched = false;
                    return Ok(Noticed::Lost);
                }
                _ => return Err(io_error("watch the tables")(error)),
            }
        }
    }

    /// Reads notices up to the end of a transaction that has touched our table.
    fn read_on(&mut self) -> Option<Noticed> {
        let rest = self.datagram.get(self.done..).unwrap_or_default();
        for notice in Messages::new(rest) {
            self.done += netlink_bindings::utils::nla_align_up(notice.payload.len() + 16);
            if notice.kind >> 8 != SUBSYS_NFTABLES {
                continue;
            }
            let attributes = notice.attributes();
            if notice.kind != kind::NEW_GENERATION {
                // The table's name is attribute 1 of everything.
                let table = find_attr(attributes, 1).and_then(text);
                if notice.family() == INET && table == Some(&self.table) {
                    self.touched = true;
                    self.port = notice.port;
                }
                continue;
            }
            // The generation comes last: NFTA_GEN_PROC_PID, NFTA_GEN_PROC_NAME.
            if std::mem::take(&mut self.touched) {
                let process = find_attr(attributes, 2)
                    .and_then(parse_be_u32)
                    .unwrap_or_default();
                let name = find_attr(attributes, 3)
                    .and_then(text)
                    .unwrap_or_default()
                    .to_owned();
                let by_us = self.ourselves.made(self.port, process);
                return Some(Noticed::Touched {
                    process,
                    name,
                    by_us,
                });
            }
        }
        self.done = self.datagram.len();
        None
    }
}
