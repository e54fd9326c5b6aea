//! The changes that the address manager makes.

use std::fmt;

use nix::errno::Errno;
use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::packet_route::rule::RuleMessage;

use crate::desired::AddressSpec;
use crate::machine::PresentAddress;
use crate::message;
use crate::netlink::RtnlRequest;
use crate::owner::Owner;

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AddressStep {
    /// For whom; `None`: it is nobody's any more.
    pub(crate) owner: Option<Owner>,
    pub(crate) action: AddressAction,
    /// What it is about, for people.
    pub(crate) about: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AddressAction {
    RemoveAddress(Box<PresentAddress>),
    RemoveRule(RuleMessage),
    RemoveRoute(RouteMessage),
    LinkDown(u32),
    LinkUp(u32),
    /// Of a service.
    AddServiceAddress {
        index: u32,
        address: AddressSpec,
    },
    /// Of VRRP. Also sets the lifetime of one that is there anew.
    AddVirtualAddress {
        index: u32,
        address: AddressSpec,
    },
    AddRoute(RouteMessage),
    AddRule(RuleMessage),
    /// Someone else's, which the kernel took away together with ours.
    RestoreAddress(Box<PresentAddress>),
}

impl AddressAction {
    pub(crate) fn request(&self) -> RtnlRequest {
        use RouteNetlinkMessage as Message;
        let link = |index: u32| LinkUnspec::new_with_index(index);
        match self {
            Self::RemoveAddress(present) => {
                message::request(Message::DelAddress(message::same_address(present)))
            }
            Self::RemoveRule(rule) => message::request(Message::DelRule(rule.clone())),
            Self::RemoveRoute(route) => message::request(Message::DelRoute(route.clone())),
            Self::LinkDown(index) => message::set_link(link(*index).down().build()),
            Self::LinkUp(index) => message::set_link(link(*index).up().build()),
            Self::AddServiceAddress { index, address } => message::create(Message::NewAddress(
                message::service_address(*index, address),
            )),
            // Not an error where it is there already: the view of the machine may be older than the machine.
            Self::AddVirtualAddress { index, address } => message::replace(Message::NewAddress(
                message::virtual_address(*index, address),
            )),
            Self::AddRoute(route) => message::create(Message::NewRoute(route.clone())),
            Self::AddRule(rule) => message::create(Message::NewRule(rule.clone())),
            Self::RestoreAddress(present) => {
                message::create(Message::NewAddress(present.message.clone()))
            }
        }
    }

    /// Whether what the kernel said means that there was nothing to do.
    pub(crate) fn is_done_anyway(&self, error: Errno) -> bool {
        match self {
            Self::RemoveAddress(_) => matches!(error, Errno::EADDRNOTAVAIL | Errno::ENODEV),
            Self::RemoveRoute(_) => matches!(error, Errno::ESRCH | Errno::ENODEV),
            Self::RemoveRule(_) => error == Errno::ENOENT,
            Self::LinkDown(_) => error == Errno::ENODEV,
            // Someone else was faster; the next look will tell whose a service's address is.
            Self::AddRule(_) | Self::RestoreAddress(_) | Self::AddServiceAddress { .. } => {
                error == Errno::EEXIST
            }
            Self::LinkUp(_) | Self::AddVirtualAddress { .. } | Self::AddRoute(_) => false,
        }
    }

    /// What an error means for this change, as text.
    pub(crate) fn explain(&self, error: Errno) -> String {
        let text = match (self, error) {
            (_, Errno::EPERM) => "the daemon lacks the capability CAP_NET_ADMIN",
            (Self::AddRoute(_), Errno::EEXIST) => {
                "there is such a route already, which is not ours: \
                 give this one another metric or table"
            }
            (Self::AddRoute(_), Errno::ENETUNREACH | Errno::EHOSTUNREACH) => {
                "its gateway cannot be reached"
            }
            (Self::AddRoute(_), Errno::EINVAL) => {
                "the kernel refuses it (is the source address one of this machine's?)"
            }
            (Self::AddRoute(_), Errno::ENETDOWN) => "its interface is down",
            (Self::LinkUp(_), Errno::EADDRINUSE) => {
                "another interface has the same virtual MAC address \
                 (did another VRRP leave it?)"
            }
            (_, Errno::EACCES | Errno::EPFNOSUPPORT | Errno::EOPNOTSUPP) if self.adds_ipv6() => {
                "IPv6 is off on that interface (net.ipv6.conf.*.disable_ipv6)"
            }
            (_, error) => error.desc(),
        };
        text.to_owned()
    }

    fn adds_ipv6(&self) -> bool {
        match self {
            Self::AddServiceAddress { address, .. } | Self::AddVirtualAddress { address, .. } => {
                address.addr.is_ipv6()
            }
            _ => false,
        }
    }
}

impl fmt::Display for AddressStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.action {
            AddressAction::RemoveAddress(_)
            | AddressAction::RemoveRule(_)
            | AddressAction::RemoveRoute(_) => "take away",
            AddressAction::LinkDown(_) => "set down",
            AddressAction::LinkUp(_) => "set up",
            AddressAction::AddVirtualAddress { .. }
            | AddressAction::AddRoute(_)
            | AddressAction::AddRule(_) => "add",
            AddressAction::AddServiceAddress { .. } => "put",
            AddressAction::RestoreAddress(_) => "put back",
        };
        write!(f, "{verb} {}", self.about)
    }
}

/// The difference between what is wanted and what is there.
#[derive(Debug, Default)]
pub(crate) struct AddressPlan {
    /// In the order in which they are to be done: what goes, addresses first; then what comes, addresses first.
    pub(crate) steps: Vec<AddressStep>,
    /// What cannot even be tried, with the owner.
    pub(crate) problems: Vec<(Owner, String)>,
    /// Addresses of services that are there already as someone else's.
    pub(crate) foreign: Vec<AddressSpec>,
}

impl AddressPlan {
    pub(crate) fn push(&mut self, owner: Option<&Owner>, action: AddressAction, about: String) {
        self.steps.push(AddressStep {
            owner: owner.cloned(),
            action,
            about,
        });
    }
}
