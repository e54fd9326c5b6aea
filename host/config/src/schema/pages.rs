//! All tables together: for the reference page, and to say what was meant by an unknown key.

use std::sync::LazyLock;

use super::check::{CheckTable, SharedCheckTable};
use super::daemon::{File, GrantTable, PluginSandboxTable, PluginsTable, SandboxTable};
use super::second::{CanaryTable, ShadowTable};
use super::service::{PersistenceTable, SchedulerTable, ServerTable, ServiceTable};
use super::sync::ConnectionSyncTable;
use super::timeouts::IpvsTimeoutsTable;
use super::vrrp::{
    AddressTable, AnnounceTable, NotifyTable, RouteTable, RuleTable, ScriptTable, SyncGroupTable,
    TrackTable, VrrpTable,
};
use crate::reader::{Page, Table as _, similar};

/// All tables, in the order of the reference page.
pub(crate) static PAGES: LazyLock<Vec<Page>> = LazyLock::new(|| {
    vec![
        File::page(),
        PluginsTable::page(),
        GrantTable::page(),
        SandboxTable::page(),
        PluginSandboxTable::page(),
        ServiceTable::page(),
        ServerTable::page(),
        SchedulerTable::page(),
        ShadowTable::page(),
        CanaryTable::page(),
        PersistenceTable::page(),
        CheckTable::page(),
        SharedCheckTable::page(),
        VrrpTable::page(),
        AddressTable::page(),
        RouteTable::page(),
        RuleTable::page(),
        AnnounceTable::page(),
        TrackTable::page(),
        NotifyTable::page(),
        SyncGroupTable::page(),
        ScriptTable::page(),
        ConnectionSyncTable::page(),
        IpvsTimeoutsTable::page(),
    ]
});

/// What to do about an unknown key: what was meant, where it belongs, what it is called here.
pub(crate) fn explain(key: &str, place: &str, keys: &[&str]) -> String {
    let list = format!("keys of {place}: {}", keys.join(", "));
    let renamed = |page: &Page| {
        page.keys
            .iter()
            .find(|known| known.replaces(key))
            .map(|known| known.name)
    };
    let pages = PAGES.as_slice();
    if let Some(name) = pages
        .iter()
        .filter(|page| page.place == place)
        .find_map(renamed)
    {
        return format!("keepalived's {key} is called {name} here\n{list}");
    }
    if let Some(meant) = similar(key, keys.iter().copied()) {
        return format!("did you mean {meant}?\n{list}");
    }
    let same = pages
        .iter()
        .filter(|page| page.keys.iter().any(|other| other.name == key));
    let same: Vec<&str> = same.map(|page| page.place).collect();
    if !same.is_empty() {
        return format!("{key} is a key of {}\n{list}", same.join(", "));
    }
    for page in pages {
        if let Some(name) = renamed(page) {
            return format!("keepalived's {key} is {name} in {}\n{list}", page.place);
        }
    }
    let others = pages.iter().filter(|page| page.place != place);
    let near = others.flat_map(|page| page.keys.iter().map(|known| (known.name, page.place)));
    let near: Vec<_> = near.collect();
    let meant = similar(key, near.iter().map(|(name, _)| *name));
    match near.iter().find(|(name, _)| Some(*name) == meant) {
        Some((name, place)) => format!("did you mean {name} of {place}?\n{list}"),
        None => list,
    }
}
