//! Persistence: the expressions that remember a client's backend in the map `aff4` or `aff6`, and look it up. Pure.

use evenkeel_core::model::Persistence;

use super::expression::{
    Family, Load, NETWORK, TRANSPORT, and, be32, bytes, ct_mark, expression, jump, lookup, meta,
    name_attribute, of_family, payload, return_to_caller, set_ct_mark, written,
};

/// The rules by which a service keeps clients at their backend.
#[derive(Debug, Clone, Copy)]
pub(super) struct Affinity {
    pub(super) family: Family,
    pub(super) persistence: Persistence,
}

impl Affinity {
    fn map(self) -> &'static str {
        match self.family {
            Family::V4 => "aff4",
            Family::V6 => "aff6",
        }
    }

    /// The register of a remembered mark, behind those of the key: as the kernel names it.
    fn value(self) -> u32 {
        match self.family {
            Family::V4 => 2,
            Family::V6 => 18,
        }
    }

    /// Loads the key of the map: the client's network and the service.
    fn key(self, buf: &mut Vec<u8>) {
        let (client, service, protocol, port, len): (Load, Load, u32, u32, u8) = match self.family {
            Family::V4 => ((1, NETWORK, 12, 4), (9, NETWORK, 16, 4), 10, 11, 32),
            Family::V6 => ((1, NETWORK, 8, 16), (2, NETWORK, 24, 16), 3, 17, 128),
        };
        of_family(buf, self.family);
        payload(buf, client);
        let prefix = self.persistence.prefix.min(len);
        if prefix < len {
            let mask = u128::MAX << (128 - u32::from(prefix));
            let mask = mask.to_be_bytes();
            and(buf, 1, mask.get(..usize::from(len / 8)).unwrap_or_default());
        }
        payload(buf, service);
        meta(buf, 16, protocol);
        payload(buf, (port, TRANSPORT, 2, 2));
    }

    /// The remembered mark becomes the connection's. It is loaded again from there, since nft 1.0.6 ends with a failed
    /// assertion when it lists a rule that goes on with a register that a map has filled.
    fn look_up(self, buf: &mut Vec<u8>) {
        lookup(buf, self.map(), 1, self.value());
        set_ct_mark(buf, self.value());
        ct_mark(buf, self.value());
    }

    /// The client goes where its last connection went, and is remembered for longer. Ends there, unless that backend
    /// has gone.
    pub(super) fn recall(self) -> Vec<u8> {
        written(|buf| {
            self.key(buf);
            self.look_up(buf);
            self.update(buf, 1);
            jump(buf, "be");
        })
    }

    /// An update leaves the backend of a client that is known as it is, so it has to be forgotten before.
    pub(super) fn forget(self) -> Vec<u8> {
        written(|buf| {
            self.key(buf);
            ct_mark(buf, self.value());
            self.update(buf, 2);
        })
    }

    /// The client's backend is the one of the connection's mark.
    pub(super) fn remember(self, buf: &mut Vec<u8>) {
        self.key(buf);
        ct_mark(buf, self.value());
        self.update(buf, 1);
    }

    /// Returns if the client's last backend is still there. Whatever mark the connection has now, the choice gives it
    /// another.
    pub(super) fn is_known(self) -> Vec<u8> {
        let backends = match self.family {
            Family::V4 => "be4",
            Family::V6 => "be6",
        };
        written(|buf| {
            self.key(buf);
            self.look_up(buf);
            lookup(buf, backends, self.value(), 1);
            return_to_caller(buf);
        })
    }

    /// `NFT_DYNSET_OP_UPDATE` is 1, `_DELETE` 2.
    fn update(self, buf: &mut Vec<u8>, operation: u32) {
        let timeout = match operation {
            1 => self.persistence.timeout.as_secs().saturating_mul(1_000),
            _ => 0,
        };
        expression(buf, "dynset", |buf| {
            be32(buf, 4, 1);
            be32(buf, 5, self.value());
            be32(buf, 3, operation);
            name_attribute(buf, 1, self.map());
            bytes(buf, 6, &timeout.to_be_bytes());
            be32(buf, 9, 0);
        });
    }
}
