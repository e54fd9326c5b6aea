//! Virtual routes and rules.

use evenkeel_core::model::VirtualRoute;

use super::devices::names;
use crate::desired::Desired;
use crate::machine::MachineState;
use crate::owner::{Claim, Presence};
use crate::routing::{self, RouteKey};
use crate::steps::{AddressAction, AddressPlan};

/// Those that nobody holds.
pub(super) fn remove(plan: &mut AddressPlan, desired: &Desired, machine: &MachineState) {
    for rule in &machine.rules {
        let mut rules = desired.rules.iter();
        let wanted = rules.find(|wanted| routing::is_rule(&wanted.what, rule));
        if wanted.is_none_or(|wanted| wanted.presence == Presence::Absent) {
            let owner = wanted.map(|wanted| &wanted.owner);
            plan.push(
                owner,
                AddressAction::RemoveRule(rule.clone()),
                "a rule".to_owned(),
            );
        }
    }
    for route in &machine.routes {
        let Some(key) = RouteKey::present(route) else {
            continue;
        };
        let is = |wanted: &&Claim<_>| wanted_route(wanted, machine).is_some_and(|it| it.is(&key));
        let mut routes = desired.routes.iter().filter(is);
        if !routes.any(|wanted| wanted.presence != Presence::Absent) {
            let owner = desired.routes.iter().find(is).map(|wanted| &wanted.owner);
            plan.push(
                owner,
                AddressAction::RemoveRoute(route.clone()),
                "a route".to_owned(),
            );
        }
    }
}

/// Those that are missing.
pub(super) fn add(plan: &mut AddressPlan, desired: &Desired, machine: &MachineState) {
    let held = |presence: &Presence| *presence == Presence::Held;
    for wanted in desired
        .routes
        .iter()
        .filter(|wanted| held(&wanted.presence))
    {
        let route = &wanted.what;
        let to = route.to;
        let Some(key) = wanted_route(wanted, machine) else {
            let name = route.interface.as_deref().unwrap_or_default();
            plan.problems.push((
                wanted.owner.clone(),
                format!(
                    "the route to {to} cannot be added: no interface {name:?}; there is: {}",
                    names(machine)
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
            let action = AddressAction::AddRoute(routing::route(route, index));
            plan.push(Some(&wanted.owner), action, format!("the route to {to}"));
        }
    }
    for wanted in desired.rules.iter().filter(|wanted| held(&wanted.presence)) {
        let rule = &wanted.what;
        if !machine
            .rules
            .iter()
            .any(|present| routing::is_rule(rule, present))
        {
            let about = format!("the rule for table {}", rule.table);
            plan.push(
                Some(&wanted.owner),
                AddressAction::AddRule(routing::rule(rule)),
                about,
            );
        }
    }
}

fn wanted_route(wanted: &Claim<VirtualRoute>, machine: &MachineState) -> Option<RouteKey> {
    let index = match &wanted.what.interface {
        Some(name) => Some(machine.index(name)?),
        None => None,
    };
    Some(RouteKey::wanted(&wanted.what, index))
}
