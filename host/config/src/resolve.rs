//! The configuration as a whole: what one table alone does not tell.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::forward;
use super::grants;
use super::key::{self, key};
use super::labels;
use super::optional::optional;
use super::plugin::{PluginName, Settings, joined};
use super::pool;
use super::reader::{Field, Reader, Wrong};
use super::sandbox;
use super::schema::{self, File, ServiceTable};
use super::second;
use super::servers;
use super::spread;
use super::timing::{checks, shared, warn_of_unused};
use super::tree::Span;
use super::trust;
use super::unique::unique;
use super::uses::{DEFAULT_SCHEDULER, Uses, Wanted, services};
use evenkeel_core::manifest::PluginKind;
use evenkeel_core::model::{
    Assign, Daemon, DataPlaneChoice, Offload, OnDown, PluginUse, Service, ServiceKey, ServiceNotify,
};

/// The daemon's own settings. Relative paths start from `dir`.
///
/// What was written wrong has its default, so that plugins can be looked for and their errors join the others.
pub(super) fn daemon(file: &File, dir: &Path) -> Daemon {
    let dirs = file.plugin_dirs.or(schema::plugin_dirs).0;
    Daemon {
        plugin_dirs: dirs.iter().map(|path| joined(dir, &path.0)).collect(),
        cache_dir: joined(dir, &file.cache_dir.or(schema::cache_dir).0),
        state_dir: joined(dir, &file.state_dir.or(schema::state_dir).0),
        socket: joined(dir, &file.socket.or(schema::socket).0),
        table: file.table.or(schema::nft_table).0,
        dataplane: file.dataplane.or(DataPlaneChoice::default),
        offload: file.offload.or(Offload::default),
        resync: file.resync.or(schema::resync).0,
        sandbox: sandbox::of_all(file),
        plugin_sandboxes: sandbox::of_plugins(file),
        native_plugins: native_plugins(file, dir),
        plugin_trust: trust::of(file, dir),
        grants: grants::of(file),
        allow_empty: file.allow_empty.or(|| false),
    }
}

/// The native plugins that are trusted, each once.
fn native_plugins(file: &File, dir: &Path) -> Vec<PathBuf> {
    let listed = file.native_plugins.get().map_or(&[][..], |list| &list.0);
    let mut seen = BTreeSet::new();
    let paths = listed.iter().map(|plugin| joined(dir, &plugin.value.0));
    paths.filter(|path| seen.insert(path.clone())).collect()
}

/// What must be unique over the services, with the place of its first use.
#[derive(Default)]
struct Seen {
    names: BTreeMap<String, Span>,
    keys: BTreeMap<ServiceKey, Span>,
    assigned: BTreeMap<IpAddr, (Assign, Span)>,
}

/// The services. Those with something wrong in them, which has been reported then, are left out.
pub(super) fn all(file: &File, uses: &mut Uses<'_>, reader: &mut Reader) -> Vec<Service> {
    let mut seen = Seen::default();
    sandbox::check(file, reader);
    let shared = shared(file.check.tables(), uses, reader);
    uses.share(shared);
    let read: Vec<Option<Service>> = services(file)
        .iter()
        .map(|table| service(table, &mut seen, uses, reader))
        .collect();
    warn_of_unused(file.check.tables(), uses, reader);
    servers::warn_of_chains(services(file), &seen.keys, reader);
    spread::check_on_drain(services(file), uses.dataplane(), reader);
    read.into_iter().flatten().collect()
}

fn service(
    table: &ServiceTable,
    seen: &mut Seen,
    uses: &mut Uses<'_>,
    reader: &mut Reader,
) -> Option<Service> {
    let name = table.name.get().map(|name| name.0.clone());
    if let Some(name) = &name {
        unique(
            &mut seen.names,
            name.clone(),
            "name",
            &table.name.at,
            "another service has this name",
            reader,
        );
    }
    let key = key(table);
    key::check(table, key, &mut seen.keys, reader);
    let scheduler = scheduler(table, uses, reader);
    let decision = spread::decision(table, key, scheduler.as_ref(), uses, reader);
    let second = second::second(table, decision, uses, reader);
    let persistence = spread::persistence(table, key, reader);
    let checks = checks(&table.check, uses, reader);
    let assign = assign(table, seen, reader);
    let servers = servers::all(table, key, checks.as_deref(), uses, reader);
    let servers = servers.and_then(|it| pool::with_sorry(table, key, it, reader));
    let beside = second.iter().flatten().map(|it| &it.scheduler);
    let schedulers = scheduler.iter().chain(beside).map(|it| &it.plugin);
    let declared: Vec<_> = schedulers.map(|it| (it, uses.labels(it))).collect();
    labels::check(table, &declared, reader);
    if let Some(servers) = &servers {
        servers::check_quorum(table, servers, reader);
        pool::check(table, servers, reader);
        forward::check_snat(table, servers, uses, reader);
    }
    let key = key?;
    let inhibits = table.inhibit_on_failure.copied()?;
    let _ = table.forward.copied()?;
    Some(Service {
        name: name?,
        key,
        scheduler: scheduler?,
        second: second?,
        decision: decision?,
        persistence: persistence?,
        on_drain: spread::on_drain(table)?,
        snat: table.snat.copied()?,
        on_down: table.on_down.copied().unwrap_or(if inhibits {
            OnDown::Keep
        } else {
            OnDown::default_of(key.protocol)
        }),
        assign: assign?,
        quorum: table.quorum.get()?.0,
        hysteresis: table.hysteresis.get()?.0,
        ha_suspend: table.ha_suspend.copied()?,
        max_moves: optional(&table.max_moves, |it| it.0)?,
        pool: pool::rules(table)?,
        notify: ServiceNotify {
            quorum_up: uses.command(&table.quorum_up)?,
            quorum_down: uses.command(&table.quorum_down)?,
            omega: table.omega.copied()?,
        },
        servers: servers?,
    })
}

fn scheduler(table: &ServiceTable, uses: &mut Uses<'_>, reader: &mut Reader) -> Option<PluginUse> {
    let kind = PluginKind::Scheduler;
    match table.scheduler.get() {
        Some(scheduler) => {
            let (name, settings) = (scheduler.0.plugin.get()?, scheduler.0.settings.get()?);
            let wanted = Wanted {
                kind,
                name,
                at: &scheduler.0.plugin.at,
                sha256: &scheduler.0.sha256,
            };
            uses.resolve(&wanted, settings, reader)
        }
        None if table.scheduler.is_wrong() => None,
        None => {
            let name = PluginName(DEFAULT_SCHEDULER.to_owned());
            let wanted = Wanted {
                kind,
                name: &name,
                at: &table.scheduler.at,
                sha256: &Field::unwritten(),
            };
            uses.resolve(&wanted, &Settings::default(), reader)
        }
    }
}

/// Where the address is to be put; the outer `None` if that is wrong.
fn assign(table: &ServiceTable, seen: &mut Seen, reader: &mut Reader) -> Option<Option<Assign>> {
    let addr = table.listen.get().map(|listen| listen.0.ip());
    let longest: u8 = if addr.is_some_and(|addr| addr.is_ipv4()) {
        32
    } else {
        128
    };
    let prefix = match table.prefix.get() {
        None => longest,
        Some(prefix) => match u8::try_from(prefix.0) {
            Ok(prefix) if prefix <= longest => prefix,
            _ => {
                let help = format!("from 1 to {longest}");
                let wrong = Wrong::new("too long for an IPv4 address", help);
                reader.wrong_at("prefix", &table.prefix.at, wrong);
                return None;
            }
        },
    };
    let Some(interface) = table.interface.get() else {
        if table.prefix.written && !table.interface.written {
            let help = "add the interface that the address is to be put on, or remove prefix";
            let message = "prefix without interface".to_owned();
            reader.error(&table.prefix.at, message, Some(help.to_owned()));
        }
        return (!table.interface.is_wrong()).then_some(None);
    };
    let assign = Assign {
        interface: interface.0.clone(),
        addr: addr?,
        prefix,
    };
    if let Some((first, at)) = seen.assigned.get(&assign.addr) {
        if *first != assign {
            let what = format!(
                "{} is put on {} already, with prefix {}",
                first.addr, first.interface, first.prefix
            );
            let help = format!("first defined at {}", reader.source.place(at.start));
            reader.wrong_at("interface", &table.interface.at, Wrong::new(what, help));
            return None;
        }
    } else {
        seen.assigned
            .insert(assign.addr, (assign.clone(), table.interface.at.clone()));
    }
    Some(Some(assign))
}
