//! Conntrack's connections as connections to our servers.

use std::hash::{BuildHasher as _, RandomState};

use evenkeel_core::connections::{End, Event, Key, Phase, Traffic};
use evenkeel_core::mark;
use evenkeel_core::state::BackendId;
use evenkeel_netlink::Message;
use evenkeel_netlink::conntrack::{self, Change, status, tcp};

/// A connection to one of our servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) key: Key,
    pub(crate) backend: BackendId,
    pub(crate) phase: Phase,
    /// It is being taken out: its `DESTROY` has been sent, or is about to be.
    pub(crate) dying: bool,
    /// How it ended, if it has.
    pub(crate) end: End,
}

/// Reads connections. Names them by a hash with a key of this process, so that no client can make two with one name.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    hash: RandomState,
}

impl Reader {
    /// The connection that a message's attributes describe; `None` if it goes to none of our servers.
    pub(crate) fn connection(&self, attributes: &[u8]) -> Option<Connection> {
        let it = conntrack::Connection::decode(attributes);
        let backend = mark::backend(it.mark)?;
        // The kernel writes a tuple the same way each time, so its bytes name it.
        let key = Key(self.hash.hash_one((it.tuple?, it.zone)));
        Some(Connection {
            key,
            backend,
            phase: phase(&it),
            dying: it.has(status::DYING),
            end: End {
                failed: is_tcp(&it) && !it.has(status::ASSURED),
                traffic: it.bytes().map(|[to_backend, to_clients]| Traffic {
                    to_backend,
                    to_clients,
                }),
            },
        })
    }

    /// What a message of one of conntrack's groups says.
    pub(crate) fn event(&self, message: &Message<'_>) -> Option<Event> {
        let it = self.connection(message.attributes())?;
        Some(match Change::of(message)? {
            Change::New => Event::New(it.key, it.backend, it.phase),
            Change::Updated => Event::Changed(it.key, it.backend, it.phase),
            Change::Destroyed => Event::Gone(it.key, it.end),
        })
    }
}

fn is_tcp(connection: &conntrack::Connection<'_>) -> bool {
    connection.protocol().map(i32::from) == Some(libc::IPPROTO_TCP)
}

/// How IPVS would count it: see [`Phase`].
fn phase(connection: &conntrack::Connection<'_>) -> Phase {
    if !is_tcp(connection) {
        return Phase::Inactive;
    }
    match connection.tcp_state() {
        Some(tcp::FIN_WAIT..=tcp::CLOSE) => Phase::Inactive,
        // Also "simultaneous open" (9), and where the state is not told: that of the first packet.
        _ => Phase::Active,
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_netlink::Messages;

    use super::*;

    #[test]
    fn what_is_cut_off_or_nonsense_is_no_connection_and_no_panic() {
        let reader = Reader::default();
        let mut bytes = Vec::new();
        for byte in 0..=255_u8 {
            bytes.push(byte.wrapping_mul(37));
            assert_eq!(reader.connection(&bytes), None);
            assert!(Messages::new(&bytes).count() < 20);
        }
    }
}
