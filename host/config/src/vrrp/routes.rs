//! Routes and rules that exist while a director is master.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::super::network::Target;
use super::super::reader::{Field, Reader, Wrong};
use super::super::schema::{RouteTable, RuleTable, VrrpTable};
use crate::optional::optional;
use evenkeel_core::model::{Family, VirtualRoute, VirtualRule};

/// The routes; `None` if something in them is wrong.
pub(super) fn routes(table: &VrrpTable, reader: &mut Reader) -> Option<Vec<VirtualRoute>> {
    if incomplete(&table.route) {
        return None;
    }
    let read: Vec<Option<VirtualRoute>> = table
        .route
        .tables()
        .iter()
        .map(|route| one_route(route, reader))
        .collect();
    read.into_iter().collect()
}

/// Something in a list of tables is no table, or the list is none.
fn incomplete<T>(field: &Field<super::super::plugin::Many<T>>) -> bool {
    field.is_wrong() || field.get().is_some_and(|many| many.others)
}

fn one_route(table: &RouteTable, reader: &mut Reader) -> Option<VirtualRoute> {
    let via = optional(&table.via, |host| host.0);
    let source = optional(&table.source, |host| host.0);
    if !table.via.written && !table.interface.written {
        let help = "add via = \"GATEWAY\", or interface = \"NAME\"".to_owned();
        let message = "the route has neither via nor interface".to_owned();
        reader.missing(&table.to.at, message, Some(help));
    }
    let (via, source) = (via?, source?);
    let to = match *table.to.get()? {
        Target::Net(net) => net,
        Target::Default => match via.or(source).map_or(Family::V4, Family::of) {
            Family::V4 => IpNet::V4(Ipv4Net::default()),
            Family::V6 => IpNet::V6(Ipv6Net::default()),
        },
    };
    let family = Family::of(to.addr());
    for (key, addr, at) in [
        ("via", via, &table.via.at),
        ("source", source, &table.source.at),
    ] {
        let Some(addr) = addr else { continue };
        if Family::of(addr) != family {
            let what = format!("the route is an {family} one");
            let help = format!("write an {family} address");
            reader.wrong_at(key, at, Wrong::new(what, help));
        }
    }
    if let Some(IpAddr::V6(v6)) = via
        && v6.is_unicast_link_local()
        && !table.interface.written
    {
        let what = "a link-local address means nothing without an interface";
        reader.wrong_at("via", &table.via.at, Wrong::new(what, "add interface"));
    }
    Some(VirtualRoute {
        to,
        via,
        interface: optional(&table.interface, |name| name.0.clone())?,
        source,
        metric: optional(&table.metric, |n| n.0)?,
        table: table.table.get()?.0,
        scope: optional(&table.scope, |scope| scope.0)?,
    })
}

/// The rules; `None` if something in them is wrong. `family` is that of the adverts.
pub(super) fn rules(
    table: &VrrpTable,
    family: Option<Family>,
    reader: &mut Reader,
) -> Option<Vec<VirtualRule>> {
    if incomplete(&table.rule) {
        return None;
    }
    let read: Vec<Option<VirtualRule>> = table
        .rule
        .tables()
        .iter()
        .map(|rule| one_rule(rule, family, reader))
        .collect();
    read.into_iter().collect()
}

fn one_rule(
    table: &RuleTable,
    adverts: Option<Family>,
    reader: &mut Reader,
) -> Option<VirtualRule> {
    let from = optional(&table.from, |net| net.0)?;
    let to = optional(&table.to, |net| net.0)?;
    let of = |net: IpNet| Family::of(net.addr());
    let written = optional(&table.family, |family| *family)?;
    if let (Some(from), Some(to)) = (from, to)
        && of(from) != of(to)
    {
        let what = format!("from is an {} network", of(from));
        let help = "both must be of one family";
        reader.wrong_at("to", &table.to.at, Wrong::new(what, help));
    }
    let told = from.or(to).map(of);
    if let (Some(written), Some(told)) = (written, told)
        && written != told
    {
        let what = format!("the rule's networks are {told}");
        reader.wrong_at("family", &table.family.at, Wrong::new(what, "remove it"));
    }
    Some(VirtualRule {
        family: told.or(written).or(adverts)?,
        from,
        to,
        input: optional(&table.input, |name| name.0.clone())?,
        output: optional(&table.output, |name| name.0.clone())?,
        mark: optional(&table.mark, |n| n.0)?,
        priority: optional(&table.priority, |n| n.0)?,
        table: table.table.get()?.0,
    })
}
