//! What is to be done: the difference between what is wanted and what is there, as a pure comparison.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use nix::errno::Errno;
use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::packet_route::rule::RuleMessage;

use super::desired::{Address, Desired, Standing, Wanted};
use super::machine::{Machine, Origin, Present};
use super::messages::{self, RouteKey};
use super::netlink::Request;

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// For whom; `None`: it belongs to no instance any more.
    pub(super) instance: Option<String>,
    pub(super) change: Change,
    /// What it is about, for people.
    pub(super) about: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    RemoveAddress(Box<Present>),
    RemoveRule(RuleMessage),
    RemoveRoute(RouteMessage),
    LinkDown(u32),
    LinkUp(u32),
    /// Also sets the lifetime of one that is there anew.
    AddAddress {
        index: u32,
        address: Address,
    },
    AddRoute(RouteMessage),
    AddRule(RuleMessage),
    /// Someone else's, which the kernel took away together with ours.
    RestoreAddress(Box<Present>),
}

impl Change {
    pub(super) fn request(&self) -> Request {
        use RouteNetlinkMessage as Message;
        let link = |index: u32| LinkUnspec::new_with_index(index);
        match self {
            Self::RemoveAddress(present) => {
                messages::request(Message::DelAddress(messages::same_address(present)))
            }
            Self::RemoveRule(rule) => messages::request(Message::DelRule(rule.clone())),
            Self::RemoveRoute(route) => messages::request(Message::DelRoute(route.clone())),
            Self::LinkDown(index) => messages::set_link(link(*index).down().build()),
            Self::LinkUp(index) => messages::set_link(link(*index).up().build()),
            // Not an error where it is there already: the view of the machine may be older than the machine.
            Self::AddAddress { index, address } => {
                messages::replace(Message::NewAddress(messages::address(*index, address)))
            }
            Self::AddRoute(route) => messages::create(Message::NewRoute(route.clone())),
            Self::AddRule(rule) => messages::create(Message::NewRule(rule.clone())),
            Self::RestoreAddress(present) => {
                messages::create(Message::NewAddress(present.message.clone()))
            }
        }
    }

    /// Whether what the kernel said means that there was nothing to do.
    pub(super) fn is_done_anyway(&self, error: Errno) -> bool {
        match self {
            Self::RemoveAddress(_) => matches!(error, Errno::EADDRNOTAVAIL | Errno::ENODEV),
            Self::RemoveRoute(_) => matches!(error, Errno::ESRCH | Errno::ENODEV),
            Self::RemoveRule(_) => error == Errno::ENOENT,
            Self::LinkDown(_) => error == Errno::ENODEV,
            Self::AddRule(_) | Self::RestoreAddress(_) => error == Errno::EEXIST,
            Self::LinkUp(_) | Self::AddAddress { .. } | Self::AddRoute(_) => false,
        }
    }

    /// What an error means for this change, in words.
    pub(super) fn explain(&self, error: Errno) -> String {
        match (self, error) {
            (_, Errno::EPERM) => "the daemon lacks the capability CAP_NET_ADMIN".to_owned(),
            (Self::AddRoute(_), Errno::EEXIST) => {
                "there is such a route already, which is not ours: give this one another metric or table".to_owned()
            }
            (Self::AddRoute(_), Errno::ENETUNREACH | Errno::EHOSTUNREACH) => {
                "its gateway cannot be reached".to_owned()
            }
            (Self::AddRoute(_), Errno::EINVAL) => {
                "the kernel refuses it (is the source address one of this machine's?)".to_owned()
            }
            (Self::LinkUp(_), Errno::EADDRINUSE) => {
                "another interface has the same virtual MAC address (did another VRRP leave it?)".to_owned()
            }
            (Self::AddRoute(_), Errno::ENETDOWN) => "its interface is down".to_owned(),
            (Self::AddAddress { address, .. }, Errno::EACCES | Errno::EPFNOSUPPORT | Errno::EOPNOTSUPP)
                if address.addr.is_ipv6() =>
            {
                "IPv6 is off on that interface (net.ipv6.conf.*.disable_ipv6)".to_owned()
            }
            (_, error) => error.desc().to_owned(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.change {
            Change::RemoveAddress(_) | Change::RemoveRule(_) | Change::RemoveRoute(_) => {
                "take away"
            }
            Change::LinkDown(_) => "set down",
            Change::LinkUp(_) => "set up",
            Change::AddAddress { .. } | Change::AddRoute(_) | Change::AddRule(_) => "add",
            Change::RestoreAddress(_) => "put back",
        };
        write!(f, "{verb} {}", self.about)
    }
}

/// The difference.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In the order in which they are to be done: what goes, addresses first; then what comes, addresses first.
    pub(super) steps: Vec<Step>,
    /// What cannot even be tried, with the instance.
    pub(super) problems: Vec<(String, String)>,
}

/// Macvlan interfaces that do not exist yet are not in it.
pub(super) fn plan(desired: &Desired, machine: &Machine) -> Plan {
    let mut plan = Plan::default();
    plan.remove_addresses(desired, machine);
    plan.remove_routing(desired, machine);
    plan.set_links(desired, machine, false);
    plan.set_links(desired, machine, true);
    plan.add_addresses(desired, machine);
    plan.add_routing(desired, machine);
    plan
}

impl Plan {
    fn push(&mut self, instance: Option<&str>, change: Change, about: String) {
        self.steps.push(Step {
            instance: instance.map(str::to_owned),
            change,
            about,
        });
    }

    fn remove_addresses(&mut self, desired: &Desired, machine: &Machine) {
        // Secondary ones first, so that none goes unasked with its primary.
        for present in machine.addresses.iter().rev() {
            let device = machine.name(present.index);
            let place = |wanted: &&Wanted<Address>| {
                wanted.what.addr == present.addr && wanted.what.device == device
            };
            let wanted = desired.addresses.iter().find(place);
            if is_in_the_way(present, wanted, &device) {
                let about = format!("{}/{} on {device}", present.addr, present.prefix);
                let instance = wanted.map(|wanted| wanted.instance.as_str());
                self.push(
                    instance,
                    Change::RemoveAddress(Box::new(present.clone())),
                    about,
                );
            }
        }
    }

    fn remove_routing(&mut self, desired: &Desired, machine: &Machine) {
        for rule in &machine.rules {
            let mut rules = desired.rules.iter();
            let wanted = rules.find(|wanted| messages::is_rule(&wanted.what, rule));
            if wanted.is_none_or(|wanted| wanted.standing == Standing::Absent) {
                let instance = wanted.map(|wanted| wanted.instance.as_str());
                self.push(
                    instance,
                    Change::RemoveRule(rule.clone()),
                    "a rule".to_owned(),
                );
            }
        }
        for route in &machine.routes {
            let Some(key) = RouteKey::present(route) else {
                continue;
            };
            let is =
                |wanted: &&Wanted<_>| wanted_route(wanted, machine).is_some_and(|it| it.is(&key));
            let mut routes = desired.routes.iter().filter(is);
            if !routes.any(|wanted| wanted.standing != Standing::Absent) {
                let instance = desired
                    .routes
                    .iter()
                    .find(is)
                    .map(|wanted| wanted.instance.as_str());
                self.push(
                    instance,
                    Change::RemoveRoute(route.clone()),
                    "a route".to_owned(),
                );
            }
        }
    }

    fn set_links(&mut self, desired: &Desired, machine: &Machine, up: bool) {
        for macvlan in desired.macvlans.iter().filter(|macvlan| macvlan.up == up) {
            let Some(index) = machine.index(&macvlan.name) else {
                continue;
            };
            let differs = |link: &super::machine::Link| link.ours() && link.up != up;
            if machine.links.get(&index).is_some_and(differs) {
                let change = if up {
                    Change::LinkUp(index)
                } else {
                    Change::LinkDown(index)
                };
                self.push(Some(&macvlan.instance), change, macvlan.name.clone());
            }
        }
    }

    fn add_addresses(&mut self, desired: &Desired, machine: &Machine) {
        for wanted in &desired.addresses {
            let Wanted {
                instance,
                standing,
                what: address,
            } = wanted;
            let Some(index) = machine.index(&address.device) else {
                if *standing == Standing::Held {
                    let (addr, prefix, device) = (address.addr, address.prefix, &address.device);
                    self.problems.push((
                        instance.clone(),
                        format!(
                            "{addr}/{prefix} cannot be added: {}",
                            no_interface(device, machine)
                        ),
                    ));
                }
                continue;
            };
            let fitting = machine
                .at(index, address.addr)
                .find(|present| fits(address, present));
            let add = match (standing, fitting) {
                (Standing::Absent, _) | (Standing::Kept, None) => false,
                (Standing::Held, None) => true,
                (_, Some(present)) => {
                    present.origin == Origin::Ours
                        && present.permanent != address.lifetime.is_none()
                }
            };
            if add {
                let about = format!("{}/{} on {}", address.addr, address.prefix, address.device);
                let address = address.clone();
                self.push(Some(instance), Change::AddAddress { index, address }, about);
            }
        }
    }

    fn add_routing(&mut self, desired: &Desired, machine: &Machine) {
        let held = |standing: &Standing| *standing == Standing::Held;
        for wanted in desired
            .routes
            .iter()
            .filter(|wanted| held(&wanted.standing))
        {
            let route = &wanted.what;
            let to = route.to;
            let Some(key) = wanted_route(wanted, machine) else {
                let name = route.interface.as_deref().unwrap_or_default();
                self.problems.push((
                    wanted.instance.clone(),
                    format!(
                        "the route to {to} cannot be added: {}",
                        no_interface(name, machine)
                    ),
                ));
                continue;
            };
            let mut present = machine.routes.iter().filter_map(RouteKey::present);
            if !present.any(|present| key.is(&present)) {
                let index = route
                    .interface
                    .as_deref()
                    .and_then(|name| machine.index(name));
                let change = Change::AddRoute(messages::route(route, index));
                self.push(Some(&wanted.instance), change, format!("the route to {to}"));
            }
        }
        for wanted in desired.rules.iter().filter(|wanted| held(&wanted.standing)) {
            let rule = &wanted.what;
            if !machine
                .rules
                .iter()
                .any(|present| messages::is_rule(rule, present))
            {
                let about = format!("the rule for table {}", rule.table);
                self.push(
                    Some(&wanted.instance),
                    Change::AddRule(messages::rule(rule)),
                    about,
                );
            }
        }
    }
}

/// Whether an address that is there must go.
fn is_in_the_way(present: &Present, wanted: Option<&Wanted<Address>>, device: &str) -> bool {
    let Some(wanted) = wanted else {
        return present.origin == Origin::Ours;
    };
    let mine = match present.origin {
        Origin::Ours => true,
        Origin::Service => false,
        Origin::Foreign => !wanted.what.owner,
    };
    let stays = match wanted.standing {
        Standing::Absent => false,
        Standing::Kept | Standing::Held => fits_on(&wanted.what, present, device),
    };
    mine && !stays
}

/// Whether an address that is there does for the one that is wanted there.
pub(super) fn fits(wanted: &Address, present: &Present) -> bool {
    fits_on(wanted, present, &wanted.device)
}

fn fits_on(wanted: &Address, present: &Present, device: &str) -> bool {
    if wanted.owner && present.origin != Origin::Ours {
        // The machine's own, however it is set up.
        return true;
    }
    // Without a label the kernel takes the interface's name.
    let label = wanted.label.as_deref().unwrap_or(device);
    let four = present.label.as_deref().unwrap_or(device) == label && present.scope == wanted.scope;
    present.prefix == wanted.prefix && (present.addr.is_ipv6() || four)
}

fn wanted_route(
    wanted: &Wanted<evenkeel_core::model::VirtualRoute>,
    machine: &Machine,
) -> Option<RouteKey> {
    let index = match &wanted.what.interface {
        Some(name) => Some(machine.index(name)?),
        None => None,
    };
    Some(RouteKey::wanted(&wanted.what, index))
}

fn no_interface(name: &str, machine: &Machine) -> String {
    let names: Vec<&str> = machine
        .links
        .values()
        .map(|link| link.name.as_str())
        .collect();
    format!("no interface {name:?}; there is: {}", names.join(", "))
}

/// Addresses of others that went with primary ones of ours: the kernel removes the secondary addresses of a network with its
/// primary one unless `promote_secondaries` is set.
pub(super) fn collateral(before: &Machine, removed: &[Present], after: &Machine) -> Vec<Step> {
    let went = |present: &&Present| {
        let with = |removed: &Present| {
            !removed.secondary
                && removed.index == present.index
                && network(removed).is_some_and(|net| Some(net) == network(present))
        };
        present.secondary
            && present.origin != Origin::Ours
            && removed.iter().any(with)
            && !removed.contains(present)
            && after.links.contains_key(&present.index)
            && !after
                .at(present.index, present.addr)
                .any(|now| now.prefix == present.prefix)
    };
    let step = |present: &Present| Step {
        instance: None,
        change: Change::RestoreAddress(Box::new(present.clone())),
        about: format!(
            "{}/{} on {}",
            present.addr,
            present.prefix,
            after.name(present.index)
        ),
    };
    before.addresses.iter().filter(went).map(step).collect()
}

fn network(present: &Present) -> Option<IpNet> {
    let addr: IpAddr = present.addr;
    IpNet::new(addr, present.prefix).ok().map(|net| net.trunc())
}
