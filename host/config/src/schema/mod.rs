//! The tables of the configuration and their keys. Each is declared once: the struct, what is read, the known keys and
//! the reference page all come from here.

mod check;
mod daemon;
mod declare;
mod pages;
mod second;
mod service;
mod sync;
mod timeouts;
mod vrrp;
mod words;

pub(crate) use check::{CheckKeys, CheckTable, SharedCheckTable};
pub(crate) use daemon::{
    File, GrantTable, PluginSandboxTable, SandboxTable, cache_dir, nft_table, plugin_dirs, resync,
    socket, state_dir,
};
pub(crate) use pages::{PAGES, explain};
pub(crate) use second::CanaryTable;
pub(crate) use service::{SchedulerTable, ServerTable, ServiceTable};
pub(crate) use sync::ConnectionSyncTable;
pub(crate) use vrrp::{
    AddressTable, AnnounceTable, NotifyTable, RouteTable, RuleTable, ScriptTable, SyncGroupTable,
    TrackTable, VrrpTable,
};
