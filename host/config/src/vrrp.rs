//! Virtual routers, checked as a whole.

mod addresses;
mod groups;
mod names;
mod notify;
mod protocol;
mod routes;
mod services;
mod tracks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::optional::optional;
use super::plugin::Single;
use super::reader::{Field, Reader, Wrong};
use super::schema::{AnnounceTable, File, VrrpTable};
use super::tree::Span;
use super::unique::unique;
use evenkeel_core::model::{Announce, Family, Vrrp, VrrpInstance};
pub(super) use names::DefinedNames;
use names::TrackedNames;
use notify::notify;

/// What must be unique over the instances, with the place of its first use.
#[derive(Default)]
struct Seen {
    names: BTreeMap<String, Span>,
    routers: BTreeMap<(String, Family, u8), Span>,
    addresses: addresses::Seen,
    macvlans: BTreeMap<String, Span>,
}

/// What an instance may refer to.
struct Refer<'a> {
    names: TrackedNames<'a>,
    interfaces: BTreeSet<&'a str>,
    /// Where relative paths start.
    dir: &'a Path,
}

/// Everything about virtual routers. What has something wrong in it, which has been reported then, is left out.
/// Relative paths start from `dir`.
pub(super) fn all(file: &File, dir: &Path, reader: &mut Reader) -> Vrrp {
    let mut seen = Seen::default();
    let refer = Refer {
        names: TrackedNames::of(file),
        interfaces: protocol::interfaces(file),
        dir,
    };
    let tables = file.vrrp.tables();
    let read: Vec<Option<VrrpInstance>> = tables
        .iter()
        .map(|table| instance(table, &refer, &mut seen, reader))
        .collect();
    services::check(file, &seen.addresses, reader);
    Vrrp {
        instances: read.into_iter().flatten().collect(),
        groups: groups::all(file, dir, reader),
        scripts: tracks::scripts(file, dir, reader),
    }
}

fn instance(
    table: &VrrpTable,
    refer: &Refer<'_>,
    seen: &mut Seen,
    reader: &mut Reader,
) -> Option<VrrpInstance> {
    let name = table.name.get().map(|name| name.0.clone());
    if let Some(name) = &name {
        let what = "another instance has this name";
        unique(
            &mut seen.names,
            name.clone(),
            "name",
            &table.name.at,
            what,
            reader,
        );
    }
    let interface = table.interface.get().map(|name| name.0.clone());
    let family = addresses::family(table);
    let router_id = table.router_id.get().and_then(|id| u8::try_from(id.0).ok());
    if let (Some(interface), Some(family), Some(id)) = (&interface, family, router_id) {
        let what = format!("another instance on {interface} has this number for {family}");
        let key = (interface.clone(), family, id);
        unique(
            &mut seen.routers,
            key,
            "router_id",
            &table.router_id.at,
            &what,
            reader,
        );
    }
    let protocol = protocol::protocol(table, family, reader);
    let addresses = addresses::all(table, family, &mut seen.addresses, reader);
    let peers = protocol::peers(table, family, reader);
    let virtual_mac = protocol::virtual_mac(
        table,
        family,
        router_id,
        &refer.interfaces,
        &mut seen.macvlans,
        reader,
    );
    let track = tracks::all(table, &refer.names, refer.dir, reader);
    let preemption = preemption(table, reader);
    let routes = routes::routes(table, reader);
    let rules = routes::rules(table, family, reader);
    let lifetime = lifetime(table, reader);
    let protocol = protocol?;
    let (preempt, preempt_delay) = preemption?;
    Some(VrrpInstance {
        name: name?,
        interface: interface?,
        router_id: router_id?,
        version: protocol.version,
        family: family?,
        priority: table.priority.get().and_then(|p| u8::try_from(p.0).ok())?,
        advert_interval: protocol.interval,
        preempt,
        preempt_delay,
        password: protocol.password,
        checksum: table.checksum.copied()?,
        source: optional(&table.source, |host| host.0)?,
        peers: peers?,
        addresses: addresses?,
        routes: routes?,
        rules: rules?,
        announce: announce(&table.announce)?,
        virtual_mac: virtual_mac?,
        address_lifetime: lifetime?,
        track: track?,
        notify: notify(&table.notify, refer.dir)?,
    })
}

/// `preempt` and `preempt_delay`, which exclude each other.
fn preemption(table: &VrrpTable, reader: &mut Reader) -> Option<(bool, Duration)> {
    let preempt = table.preempt.copied()?;
    let delay = table.preempt_delay.get()?.0;
    if preempt {
        return Some((preempt, delay));
    }
    if table
        .priority
        .get()
        .is_some_and(|priority| priority.0 == 255)
    {
        let what = "with priority 255 a director always takes over (RFC 9568 section 6.1)";
        let help = "remove it, or write a lower priority";
        reader.wrong_at("preempt", &table.preempt.at, Wrong::new(what, help));
    }
    if !delay.is_zero() {
        let what = "with preempt = false there is nothing to delay";
        let help = "remove preempt_delay, or preempt = false";
        reader.wrong_at(
            "preempt_delay",
            &table.preempt_delay.at,
            Wrong::new(what, help),
        );
    }
    Some((preempt, delay))
}

fn lifetime(table: &VrrpTable, reader: &mut Reader) -> Option<Option<Duration>> {
    let lifetime = optional(&table.address_lifetime, |period| period.0)?;
    if let Some(written) = lifetime
        && written.subsec_nanos() != 0
    {
        let what = "the kernel counts whole seconds";
        let help = format!("write \"{}s\"", written.as_secs() + 1);
        reader.wrong_at(
            "address_lifetime",
            &table.address_lifetime.at,
            Wrong::new(what, help),
        );
    }
    Some(lifetime)
}

fn announce(field: &Field<Single<AnnounceTable>>) -> Option<Announce> {
    let Some(Single(table)) = field.get() else {
        return (!field.is_wrong()).then(Announce::default);
    };
    let repeat = table.repeat.get()?.0;
    let delay = table.delay.get()?.0;
    let refresh = table.refresh.get()?.0;
    Some(Announce {
        repeat,
        delay,
        refresh: (!refresh.is_zero()).then_some(refresh),
        refresh_repeat: table.refresh_repeat.get()?.0,
        lower_priority_repeat: optional(&table.lower_priority_repeat, |n| n.0)?.unwrap_or(repeat),
        lower_priority_delay: optional(&table.lower_priority_delay, |p| p.0)?.unwrap_or(delay),
    })
}
