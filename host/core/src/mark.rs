//! The layout of marks: the connection mark of nftables' data plane, and the packet marks of both.
//!
//! ```text
//!   31   30   29   28  27    24 23                                   0
//! +----+----+----+----+--------+--------------------------------------+
//! | N  | S  | R  | V  | 0 or G | number of a backend, 1 to 16,777,215 |
//! +----+----+----+----+--------+--------------------------------------+
//!   |    |    |    |       |
//!   |    |    |    |       +-- GROUP (bit 24)    a group was chosen: bits 15 to 0 are its number in the service's spread
//!   |    |    |    |       +-- CLIENTS (bit 25)  the client's network is being looked up: bits 23 to 0 tell by which key
//!   |    |    |    +-- VERDICT_MARK  only of packets: the daemon's verdict; without this bit, it is the connection's mark
//!   |    |    +------- REFUSED       the connection is refused: no backend
//!   |    +------------ SLOT          a slot was chosen: bits 29 to 0 are its number, until its backend is looked up
//!   +----------------- FULL_NAT      the service of the backend is full NAT: the source becomes the director's address
//! ```
//!
//! | Mark | Whose | Meaning |
//! |---|---|---|
//! | `0x00nnnnnn`, `0x80nnnnnn` | connection | it goes to backend n (with full NAT) |
//! | `0x40000000` to `0x7fffffff` | connection | a slot, for the rest of the first packet's way through the rules |
//! | `0x0100gggg` | connection | group g of its service, likewise |
//! | `0x02kkkkkk` | connection | its service's key for clients' networks, likewise |
//! | `0x20000000` | connection | refused |
//! | `0x10nnnnnn`, `0x90nnnnnn`, `0x30000000` | packet | a verdict: one of the above |
//! | `0x45766b6c` | packet | the heartbeat, between the daemon and itself |
//!
//! The rules' text has them, too: `frame.nft` of the data plane.

use std::fmt;

/// The connection goes to a backend of a service with full NAT.
pub const FULL_NAT: u32 = 1 << 31;
/// What is below this bit is the number of a slot, if [`FULL_NAT`] is not set.
pub const SLOT: u32 = 1 << SLOT_BITS;
/// So many bits has the number of a slot.
pub const SLOT_BITS: u32 = 30;
/// The connection is refused.
pub const REFUSED: u32 = 1 << 29;
/// Of packets: the daemon has decided; the other bits are to be the connection's mark.
pub const VERDICT_MARK: u32 = 1 << 28;
/// What is below this bit is the number of a group of a service's spread, until a slot has been chosen.
pub const GROUP: u32 = 1 << 24;
/// What is below this bit is a service's key in the maps of clients' networks, until a group has been chosen.
pub const CLIENTS: u32 = 1 << 25;
/// Bits of a backend's number.
pub const BACKEND: u32 = (1 << 24) - 1;
/// Bits that the mark of no connection to a backend has.
pub const NO_BACKEND: u32 = !(FULL_NAT | BACKEND);

/// Packet mark of the heartbeat: "Evkl".
pub const HEARTBEAT: u32 = 0x4576_6b6c;

/// Number of one real server of one virtual service; the connection mark of every connection sent to it.
///
/// 1 to [`BackendId::MAX`]. The same server in two services has two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendId(u32);

impl BackendId {
    /// The greatest number.
    pub const MAX: u32 = BACKEND;

    /// `None` for 0 and above [`Self::MAX`].
    #[must_use]
    pub const fn new(id: u32) -> Option<Self> {
        if id == 0 || id > Self::MAX {
            None
        } else {
            Some(Self(id))
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The mark of connections to a backend.
#[must_use]
pub const fn of_backend(id: BackendId, full_nat: bool) -> u32 {
    if full_nat {
        id.get() | FULL_NAT
    } else {
        id.get()
    }
}

/// The backend whose connections have this mark, whether or not its service is full NAT.
#[must_use]
pub const fn backend(mark: u32) -> Option<BackendId> {
    BackendId::new(mark & !FULL_NAT)
}

/// The mark of connections that are led to a group, up to [`crate::groups::MAX_GROUPS`].
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "there are few groups")]
pub const fn group_mark(group: usize) -> u32 {
    GROUP | (group as u32 & 0xffff)
}

/// The key of the service with this chain in the maps of clients' networks. It has two, in turn: one for those that are
/// looked up, and one for those that are to take their place.
#[must_use]
pub const fn clients_key(chain: u32, turn: bool) -> u32 {
    let turn = if turn { 1 } else { 0 };
    CLIENTS | ((chain << 1 | turn) & BACKEND)
}

/// The group whose connections have this mark.
#[must_use]
pub fn group(mark: u32) -> Option<usize> {
    let number = usize::try_from(mark & 0xffff).ok()?;
    (mark & !0xffff == GROUP).then_some(number)
}

/// The packet mark of a verdict: a backend of a service (`full_nat`: of its service), or none, which refuses the
/// connection.
#[must_use]
pub const fn verdict(backend: Option<BackendId>, full_nat: bool) -> u32 {
    match backend {
        Some(id) => VERDICT_MARK | of_backend(id, full_nat),
        None => VERDICT_MARK | REFUSED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_of_backends_are_backends() {
        let number = |mark| backend(mark).map(BackendId::get);
        assert_eq!(number(7), Some(7));
        assert_eq!(number(0x8000_0007), Some(7));
        assert_eq!(number(0x80ff_ffff), Some(0x00ff_ffff));
        for mark in [
            0,
            0x8000_0000,
            0x4000_0001,
            0x2000_0000,
            0x0100_0001,
            0x1000_0007,
        ] {
            assert_eq!(number(mark), None, "{mark:#x}");
        }
    }

    #[test]
    fn a_verdict_s_mark_is_the_connection_s_mark_and_a_bit() {
        let id = BackendId::new(7).unwrap();
        assert_eq!(verdict(Some(id), false), 0x1000_0007);
        assert_eq!(verdict(Some(id), true), 0x9000_0007);
        assert_eq!(verdict(None, true), 0x3000_0000);
        assert_eq!(HEARTBEAT & VERDICT_MARK, 0);
    }

    #[test]
    fn each_bit_has_one_meaning_and_two_have_none() {
        let bits = [
            FULL_NAT,
            SLOT,
            REFUSED,
            VERDICT_MARK,
            GROUP,
            CLIENTS,
            BACKEND,
        ];
        let together = bits.iter().fold(0, |sum, bits| {
            assert_eq!(sum & bits, 0);
            sum | bits
        });
        assert_eq!(!together, 0x0c00_0000);
        assert_eq!(NO_BACKEND, 0x7f00_0000);
        assert_eq!(BackendId::MAX, 0x00ff_ffff);
    }

    #[test]
    fn a_group_s_mark_is_no_backend_s_and_no_slot_s() {
        for number in [0, 1, crate::groups::MAX_GROUPS - 1] {
            let mark = group_mark(number);
            assert_eq!(group(mark), Some(number));
            assert_eq!(backend(mark), None);
            assert_eq!(mark & (SLOT | FULL_NAT | REFUSED), 0);
        }
        for key in [clients_key(0, false), clients_key(7, true)] {
            assert_eq!((group(key), backend(key)), (None, None));
            assert_eq!(key & (SLOT | FULL_NAT | REFUSED), 0);
        }
        assert_ne!(clients_key(7, true), clients_key(7, false));
        assert_ne!(clients_key(7, true), clients_key(8, false));
        assert_eq!(group(7), None);
        assert_eq!(group(SLOT), None);
    }

    #[test]
    fn every_backend_is_found_by_its_mark() {
        for id in [1, 2, 0x1234, BackendId::MAX] {
            let id = BackendId::new(id).unwrap();
            for full_nat in [false, true] {
                let mark = of_backend(id, full_nat);
                assert_eq!(backend(mark), Some(id));
                assert_eq!(mark & NO_BACKEND, 0);
            }
        }
        assert_eq!(BackendId::new(0), None);
        assert_eq!(BackendId::new(BackendId::MAX + 1), None);
    }
}
