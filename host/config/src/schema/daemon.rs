//! The top level of the file, which concerns Evenkeel itself, and the limits of plugins.

use std::path::PathBuf;
use std::time::Duration;

use super::check::SharedCheckTable;
use super::declare::{DAY, table};
use super::service::ServiceTable;
use super::sync::ConnectionSyncTable;
use super::timeouts::IpvsTimeoutsTable;
use super::vrrp::{ScriptTable, SyncGroupTable, VrrpTable};
use crate::command::Command;
use crate::mixed::Placed;
use crate::named::ByPlugin;
use crate::plugin::{ManifestName, Many, SharedObject, Single};
use crate::reader::Presence;
use crate::signature::{KeyOrFile, Required};
use crate::units::{Period, Size};
use crate::value::{FilePath, List, Name, SocketPath, TableName, Whole};
use evenkeel_core::model::{DataPlaneChoice, Offload, Sandbox};

fn path(path: &str) -> PathBuf {
    PathBuf::from(path)
}

/// The default.
pub(crate) fn plugin_dirs() -> List<FilePath> {
    let dirs = [
        "/usr/local/lib/evenkeel/plugins",
        "/usr/lib/evenkeel/plugins",
    ];
    List(dirs.iter().map(|dir| FilePath(path(dir))).collect())
}

/// The default.
pub(crate) fn cache_dir() -> FilePath {
    FilePath(path("/var/cache/evenkeel"))
}

/// The default.
pub(crate) fn state_dir() -> FilePath {
    FilePath(path("/var/lib/evenkeel"))
}

/// The default.
pub(crate) fn socket() -> SocketPath {
    SocketPath(path("/run/evenkeel/evenkeel.sock"))
}

/// The default.
pub(crate) fn nft_table() -> TableName {
    TableName("evenkeel".to_owned())
}

/// The default.
pub(crate) fn resync() -> Period<1_000, DAY> {
    Period(Duration::from_secs(30))
}

table! {
    /// What concerns Evenkeel itself. These keys come first in the file, before any `[table]`.
    File in "the top level" {
        /// Directories in which plugins are looked for, in this order. Every `*.wasm` in them is a plugin; the
        /// configuration refers to it by the name in its manifest.
        plugin_dirs: List<FilePath> = Presence::Default(plugin_dirs);
        /// Native plugins (shared objects) that are trusted with everything: they run inside the daemon, without a
        /// sandbox, with its rights, and are never unloaded. Only files that belong to root and that nobody else may
        /// write. One that is listed is found by the name in its manifest, too.
        native_plugins: List<Placed<SharedObject>> = Presence::Default(|| List(Vec::new()));
        /// Which signatures under plugins count, and what single plugins are granted.
        plugins: Single<PluginsTable> = Presence::Optional("no key is trusted, no plugin needs a signature, and none is granted anything");
        /// Directory for compiled plugins. Created if it is not there; belongs to the daemon alone (mode 0700). What is
        /// in it may be deleted at any time.
        cache_dir: FilePath = Presence::Default(cache_dir);
        /// Directory for what must outlast the daemon: the servers' numbers, which are the marks of their connections,
        /// and how many connections each has had. Created if it is not there; belongs to one daemon alone.
        state_dir: FilePath = Presence::Default(state_dir);
        /// The control socket, that `evenkeel status` reads.
        socket: SocketPath = Presence::Default(socket);
        /// Name of the nftables table (family `inet`) that is Evenkeel's own. Nothing else in the ruleset is read or
        /// written.
        table: TableName = Presence::Default(nft_table);
        /// What carries the connections in the kernel. `auto`: nftables where that works and nothing is configured that
        /// only IPVS can do (`forward`, `fwmark`, SCTP, `[connection_sync]`), else IPVS. `evenkeel check` tells which
        /// one it is, and why. It is chosen at the start; another one needs a restart. See [ipvs.md](ipvs.md).
        dataplane: DataPlaneChoice = Presence::Default(DataPlaneChoice::default);
        /// Whether established flows are offloaded to a flowtable of nftables, past the slow path: `auto` where the
        /// kernel has it, `off` never. Means nothing on IPVS.
        offload: Offload = Presence::Default(Offload::default);
        /// How often the kernel's rules are read back and repaired, whatever was noticed meanwhile.
        resync: Period<1_000, DAY> = Presence::Default(resync);
        /// Whether a file without any service is meant. Without this key, such a file is refused while services are
        /// balanced, since an empty or truncated file would take them all away, with their addresses.
        allow_empty: bool = Presence::Default(|| false);
        /// What a plugin may use.
        sandbox: Single<SandboxTable> = Presence::Optional("its defaults");
        /// What single plugins may use, in place of what `[sandbox]` says.
        plugin_sandbox: Many<PluginSandboxTable> = Presence::Optional("all have the limits of `[sandbox]`");
        /// Health checks that services refer to by their names.
        check: Many<SharedCheckTable> = Presence::Optional("none");
        /// The virtual services.
        #[keepalived = "virtual_server"]
        service: Many<ServiceTable> = Presence::Optional("no services");
        /// The virtual routers.
        #[keepalived = "vrrp_instance"]
        vrrp: Many<VrrpTable> = Presence::Optional("none");
        /// Virtual routers that are master together.
        #[keepalived = "vrrp_sync_group"]
        sync_group: Many<SyncGroupTable> = Presence::Optional("none");
        /// Scripts that virtual routers track.
        #[keepalived = "vrrp_script"]
        script: Many<ScriptTable> = Presence::Optional("none");
        /// Copying of connections to the other director.
        #[keepalived = "lvs_sync_daemon"]
        connection_sync: Single<ConnectionSyncTable> = Presence::Optional("none");
        /// When IPVS forgets connections.
        #[keepalived = "lvs_timeouts"]
        ipvs_timeouts: Single<IpvsTimeoutsTable> = Presence::Optional("as in the kernel");
    }
}

table! {
    /// Which signatures under plugins count. The signature of `rr.wasm` is the file `rr.wasm.minisig` beside it, as
    /// `evenkeel plugin sign` or `minisign -S` writes it. One by a trusted key that is not of the file's content is an
    /// error in any case; one by another key says nothing. Key files are read at the start and at each reload.
    PluginsTable in "[plugins]" {
        /// Public keys of minisign: the key itself, or the path of a `.pub` file. A relative path starts from the
        /// configuration's directory.
        trust: List<KeyOrFile> = Presence::Default(|| List(Vec::new()));
        /// `signed`: a plugin without a valid signature by a trusted key is not loaded, neither at the start nor at a
        /// reload, nor when its file is replaced: then the one before goes on. That holds for native plugins, too.
        require: Required = Presence::Default(|| Required::Any);
        /// What plugins may do on this machine beyond judging and spreading, by the name of the plugin:
        /// `script = { commands = [["/usr/local/bin/check-web", "--fast"]] }`.
        grants: ByPlugin<GrantTable> = Presence::Optional("`ping` and `udp` may send ICMP echo requests; no plugin may do anything else");
    }
}

table! {
    /// What one plugin may do on this machine. What is not granted to it is refused before anything changes, with the
    /// line that would grant it. In a keepalived.conf, a `MISC_CHECK` or `FILE_CHECK` is itself the grant for exactly that
    /// command or file.
    GrantTable in "[plugins.grants.NAME]" {
        /// The commands that it may run: each the program, by its whole path, with all its arguments. A check's setting
        /// `command` must be one of them, word by word.
        commands: List<Command> = Presence::Default(|| List(Vec::new()));
        /// As whom they run. The program must belong to root, and nobody else may write to it, if that is `root`.
        user: Name = Presence::Optional("`nobody`; where the daemon is not root, its own user");
        /// The files in which it may look for a number, by their whole paths. A check's setting `path` must be one of them.
        files: List<FilePath> = Presence::Default(|| List(Vec::new()));
        /// Whether it may send ICMP echo requests to the servers that it checks.
        icmp: bool = Presence::Optional("`true` for `ping` and `udp`, else `false`");
    }
}

fn limits() -> Sandbox {
    Sandbox::default()
}

table! {
    /// What one plugin may use at most. A plugin that goes over a limit is ended, which costs the service that uses it
    /// its scheduler or check until the plugin has been started again, and no other service anything.
    SandboxTable in "[sandbox]" {
        /// Processor time of one call. An instance that is made and gets its settings may take 1 s.
        call_time: Period<10, 10_000> = Presence::Default(|| Period(limits().call_time));
        /// Processor time of one decision about one connection, for schedulers that decide about each connection.
        pick_time: Period<1, 1_000> = Presence::Default(|| Period(limits().pick_time));
        /// Memory of one instance.
        memory: Size<{ 1 << 20 }, { 4 << 30 }> = Presence::Default(|| Size(limits().memory as u64));
        /// Memory of all instances of all plugins together, beyond the first 2 MiB of each. The instance that goes over it
        /// fails.
        total_memory: Size<{ 1 << 20 }, { 1 << 40 }> =
            Presence::Default(|| Size(limits().total_memory as u64));
        /// Elements of one instance's tables.
        table_elements: Whole<1, 10_000_000> =
            Presence::Default(|| Whole(u32::try_from(limits().table_elements).unwrap_or(u32::MAX)));
        /// Core instances inside one plugin; a plugin written in another language than Rust may need many.
        instances: Whole<1, 10_000> =
            Presence::Default(|| Whole(u32::try_from(limits().instances).unwrap_or(u32::MAX)));
        /// Connections that one check may open.
        check_connections: Whole<1, 1_000> = Presence::Default(|| Whole(limits().check_connections));
        /// Bytes that one check may read and write, in all.
        check_bytes: Size<1024, { 1 << 30 }> = Presence::Default(|| Size(limits().check_bytes));
    }
}

table! {
    /// What one plugin may use, where that is not what `[sandbox]` says. Keys that are left out are as there.
    PluginSandboxTable in "[[plugin_sandbox]]" {
        /// The plugin, by the name that it gives itself. No two of these tables have the same.
        plugin: ManifestName = Presence::Required;
        /// As in `[sandbox]`.
        call_time: Period<10, 10_000> = Presence::Optional("that of `[sandbox]`");
        /// As in `[sandbox]`.
        pick_time: Period<1, 1_000> = Presence::Optional("that of `[sandbox]`");
        /// As in `[sandbox]`.
        memory: Size<{ 1 << 20 }, { 4 << 30 }> = Presence::Optional("that of `[sandbox]`");
        /// As in `[sandbox]`.
        table_elements: Whole<1, 10_000_000> = Presence::Optional("that of `[sandbox]`");
        /// As in `[sandbox]`.
        instances: Whole<1, 10_000> = Presence::Optional("that of `[sandbox]`");
        /// As in `[sandbox]`.
        check_connections: Whole<1, 1_000> = Presence::Optional("that of `[sandbox]`");
        /// As in `[sandbox]`.
        check_bytes: Size<1024, { 1 << 30 }> = Presence::Optional("that of `[sandbox]`");
    }
}
