//! Whose a service is, and which backend a destination is. Pure.
//!
//! - A service is ours by its flags' high byte, which means nothing to the kernel and is kept by it.
//! - A backend's number is kept in the port and flags of its tunnel, which the kernel (5.3) keeps for every destination
//!   and uses for tunnels of other kinds than IP in IP only.

use evenkeel_core::model::{self, ServiceKey};
use evenkeel_core::state::BackendId;
use evenkeel_ipvs::{Family, Flags, Key, Protocol, Tunnel, TunnelKind};

/// Where a service's flags say whose it is.
const OWNER: u32 = 0xff00_0000;
/// The high byte of a service of ours.
pub(super) const OURS: u32 = 0x4500_0000;
/// The high byte of what belongs to a queued service.
pub(super) const HELPER: u32 = 0x4600_0000;
/// Bits of a backend's number in the tunnel's port.
const LOW: u32 = 16;

/// What a service's flags say of who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// We: it is a service.
    Service,
    /// We: it belongs to a queued service.
    Helper,
    /// Someone else.
    Other,
}

/// Who made a service.
pub(super) fn owner(flags: Flags) -> Owner {
    match flags.0 & OWNER {
        OURS => Owner::Service,
        HELPER => Owner::Helper,
        _ => Owner::Other,
    }
}

/// The kernel's name of a service.
pub(super) fn key(key: &ServiceKey) -> Key {
    let family = Family::of(key.addr);
    match key.protocol {
        model::Protocol::Fwmark(mark) => Key::Fwmark { mark, family },
        protocol => Key::Address {
            protocol: Protocol(protocol.number().into()),
            address: key.socket_addr(),
        },
    }
}

/// The service of this name; `None`: we have none of that protocol.
pub(super) fn service_key(key: &Key) -> Option<ServiceKey> {
    Some(match key {
        Key::Fwmark { mark, family } => ServiceKey {
            addr: match family {
                Family::V4 => [0; 4].into(),
                Family::V6 => [0_u8; 16].into(),
            },
            port: 0,
            protocol: model::Protocol::Fwmark(*mark),
        },
        Key::Address { protocol, address } => ServiceKey {
            addr: address.ip(),
            port: address.port(),
            protocol: match *protocol {
                Protocol::TCP => model::Protocol::Tcp,
                Protocol::UDP => model::Protocol::Udp,
                Protocol::SCTP => model::Protocol::Sctp,
                _ => return None,
            },
        },
    })
}

/// What a tunnel says that keeps this number.
pub(super) fn tunnel(id: BackendId) -> Tunnel {
    let [_, high, _, _] = id.get().to_be_bytes();
    Tunnel {
        kind: TunnelKind::Ipip,
        port: u16::try_from(id.get() & 0xffff).unwrap_or(0),
        flags: high.into(),
    }
}

/// The number that a tunnel keeps; `None`: it is not one of ours.
pub(super) fn number(tunnel: &Tunnel) -> Option<BackendId> {
    let id = BackendId::new(u32::from(tunnel.flags) << LOW | u32::from(tunnel.port))?;
    (tunnel.kind == TunnelKind::Ipip).then_some(id)
}
