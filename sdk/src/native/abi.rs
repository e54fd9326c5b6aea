//! What a native plugin and the host say to each other: types of C, borrowed for the time of one call.
//!
//! No memory changes its owner. Who is called copies what it wants to keep; what a plugin answers goes to a [`Sink`]
//! of the host while it is still the plugin's. Every choice is a number that is checked by who reads it.
//!
//! A change of anything here is a new [`VERSION`].
use std::ffi::c_void;

mod plans;
mod slice;

pub use plans::{Group, Plan, Rule, Run, group, plan, selector};
pub use slice::{Slice, Text};

/// The number of this interface. Host and plugin must have the same.
pub const VERSION: u32 = 5;

/// What the name of the exported [`Entry`] begins with; [`VERSION`], `_` and the name of the crate follow. The crate's
/// name is there so that several plugins can be linked into one program, such as a test.
pub const SYMBOL: &str = "evenkeel_plugin_abi";

/// The version of the contract (`sdk/wit`) that the traits of this SDK are.
pub const CONTRACT: &str = "0.2.0";

/// Where an answer goes.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Sink<T> {
    /// For `put`, which alone knows what it is.
    pub context: *mut c_void,
    /// Takes an answer, which it copies.
    pub put: unsafe extern "C" fn(context: *mut c_void, answer: *const T),
}

/// How a call ended.
pub mod status {
    /// As it should.
    pub const DONE: u32 = 0;
    /// The plugin refuses; the sink for texts has the reason.
    pub const REFUSED: u32 = 1;
    /// The plugin panicked; the sink for texts has what it said. Its instance is of no more use.
    pub const PANICKED: u32 = 2;
}

/// Kinds of plugins.
pub mod kind {
    /// Chooses servers.
    pub const SCHEDULER: u32 = 0;
    /// Judges servers: known so that it can be refused by name. This version cannot call one.
    pub const CHECKER: u32 = 1;
}

/// What the host offers to every plugin. Lives as long as the process.
#[repr(C)]
#[derive(Debug)]
pub struct Host {
    /// [`VERSION`].
    pub version: u32,
    /// Bytes of this struct.
    pub size: u32,
    /// Logs; levels are those of [`crate::Level`], in their order.
    pub log: extern "C" fn(level: u32, message: Text<'_>),
    /// Whether (1) or not (0) a message of this level would be kept.
    pub log_enabled: extern "C" fn(level: u32) -> u32,
    /// Nanoseconds of a monotonic clock.
    pub now: extern "C" fn() -> u64,
    /// Unpredictable bits.
    pub random: extern "C" fn() -> u64,
    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub utc: extern "C" fn() -> u64,
    /// What a zone adds to UTC at a moment (milliseconds since 1970), in seconds; [`NO_ZONE`]: there is no such zone.
    pub utc_offset: extern "C" fn(zone: Text<'_>, at: u64) -> i32,
    /// Adds to a counter of the plugin's own.
    pub count: extern "C" fn(name: Text<'_>, by: u64),
    /// Sets a gauge of the plugin's own.
    pub gauge: extern "C" fn(name: Text<'_>, value: f64),
}

/// There is no zone of that name.
pub const NO_ZONE: i32 = i32::MIN;

/// A plugin: what its file exports. Static, so that nothing of it can be the reason of a leak or a race.
#[repr(C)]
#[derive(Debug)]
pub struct Entry {
    /// [`VERSION`]. First in every version.
    pub version: u32,
    /// Bytes of this struct. Second in every version.
    pub size: u32,
    /// Bytes of [`Host`].
    pub host_size: u32,
    /// One of [`kind`].
    pub kind: u32,
    /// [`CONTRACT`].
    pub contract: Text<'static>,
    /// The plugin's name.
    pub name: Text<'static>,
    /// What a scheduler can do; of no meaning for other kinds.
    pub scheduler: Scheduler,
}

/// A text's sink, an answer's sink and so on: all calls of a scheduler. Each returns one of [`status`]; `said` gets
/// the text of a refusal or a panic.
#[repr(C)]
#[derive(Debug)]
pub struct Scheduler {
    /// Hands the host's functions over, before anything else and once.
    pub start: unsafe extern "C" fn(host: *const Host, said: Sink<Text<'_>>) -> u32,
    /// What it is.
    pub describe: unsafe extern "C" fn(answer: Sink<Manifest<'_>>, said: Sink<Text<'_>>) -> u32,
    /// Makes an instance, at `instance`.
    pub configure: unsafe extern "C" fn(
        settings: Slice<'_, Setting<'_>>,
        context: *const Context<'_>,
        instance: *mut *mut c_void,
        said: Sink<Text<'_>>,
    ) -> u32,
    /// Whether the settings make sense with these servers.
    pub validate: unsafe extern "C" fn(
        instance: *mut c_void,
        backends: Slice<'_, Backend<'_>>,
        said: Sink<Text<'_>>,
    ) -> u32,
    /// What it hands to its successor; nothing is put where there is nothing.
    pub export_state: unsafe extern "C" fn(
        instance: *mut c_void,
        answer: Sink<SavedState<'_>>,
        said: Sink<Text<'_>>,
    ) -> u32,
    /// What its predecessor handed over.
    pub import_state: unsafe extern "C" fn(
        instance: *mut c_void,
        state: *const SavedState<'_>,
        said: Sink<Text<'_>>,
    ) -> u32,
    /// One of [`role`].
    pub set_role:
        unsafe extern "C" fn(instance: *mut c_void, role: u32, said: Sink<Text<'_>>) -> u32,
    /// Ends an instance.
    pub end: unsafe extern "C" fn(instance: *mut c_void, said: Sink<Text<'_>>) -> u32,
    /// The servers.
    pub set_backends: unsafe extern "C" fn(
        instance: *mut c_void,
        backends: Slice<'_, Backend<'_>>,
        said: Sink<Text<'_>>,
    ) -> u32,
    /// Their counts, as far as they have changed.
    pub set_loads: unsafe extern "C" fn(
        instance: *mut c_void,
        loads: Slice<'_, Load<'_>>,
        said: Sink<Text<'_>>,
    ) -> u32,
    /// The plan.
    pub make_plan: unsafe extern "C" fn(
        instance: *mut c_void,
        answer: Sink<Plan<'_>>,
        said: Sink<Text<'_>>,
    ) -> u32,
    /// A server for a connection, at `picked`: its number, or [`NOBODY`].
    pub pick: unsafe extern "C" fn(
        instance: *mut c_void,
        flow: *const Flow,
        picked: *mut u64,
        said: Sink<Text<'_>>,
    ) -> u32,
}

/// No server: the connection is refused. (Servers' numbers have 32 bits.)
pub const NOBODY: u64 = u64::MAX;
/// No time at all, where one may be missing.
pub const NEVER: u64 = u64::MAX;

/// What a scheduler says about itself.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Manifest<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// Its version.
    pub version: Text<'a>,
    /// One line.
    pub summary: Text<'a>,
    /// Its settings.
    pub settings: Slice<'a, Spec<'a>>,
    /// Its decisions: 0 by plan, 1 per connection.
    pub decisions: Slice<'a, u32>,
    /// Whether it wants counts of connections: 0, 1.
    pub connections: u32,
    /// Whether it wants checks' times: 0, 1.
    pub latency: u32,
    /// Whether it wants checks' signals: 0, 1.
    pub signals: u32,
    /// Whether it wants bytes: 0, 1.
    pub traffic: u32,
    /// Whether equal inputs have equal plans: 0, 1.
    pub deterministic: u32,
    /// Whether nothing is kept between plans: 0, 1.
    pub stateless: u32,
    /// The labels of servers that it reads.
    pub labels: Slice<'a, Spec<'a>>,
    /// The schedulers that its plans may name.
    pub delegates: Slice<'a, Text<'a>>,
}

/// The kinds of [`Value`] and [`Spec`].
pub mod value {
    /// `integer` is 0 or 1.
    pub const BOOLEAN: u32 = 0;
    /// In `integer`.
    pub const INTEGER: u32 = 1;
    /// In `number`.
    pub const NUMBER: u32 = 2;
    /// In `text`.
    pub const TEXT: u32 = 3;
    /// In `texts`.
    pub const TEXTS: u32 = 4;
    /// `integer` is in milliseconds.
    pub const DURATION: u32 = 5;
    /// For a [`super::Spec`] only: a text, one of `words`.
    pub const CHOICE: u32 = 6;
    /// Likewise: a text that matches the one of `words`.
    pub const MATCHING: u32 = 7;
    /// Likewise: a text that nobody is shown.
    pub const SECRET: u32 = 8;
    /// Likewise: the content of a file.
    pub const FILE: u32 = 9;
    /// In `tables`.
    pub const TABLES: u32 = 10;
}

/// The value of a setting.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    /// One of [`value`]; says which field counts.
    pub kind: u32,
    /// A whole number.
    pub integer: i64,
    /// A number.
    pub number: f64,
    /// A text.
    pub text: Text<'a>,
    /// Texts.
    pub texts: Slice<'a, Text<'a>>,
    /// Tables, each with the keys that have a value.
    pub tables: Slice<'a, Slice<'a, Setting<'a>>>,
}

/// A configured setting.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Its key.
    pub key: Text<'a>,
    /// Its value.
    pub value: Value<'a>,
}

/// What can be configured.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Spec<'a> {
    /// The key.
    pub key: Text<'a>,
    /// What it is for.
    pub doc: Text<'a>,
    /// One of [`value`].
    pub kind: u32,
    /// Whether (1) it has to be configured.
    pub required: u32,
    /// Of whole numbers and times (in milliseconds), the least.
    pub min: i64,
    /// Of whole numbers and times (in milliseconds), the greatest; of times, [`i64::MAX`] is no bound.
    pub max: i64,
    /// Of numbers, the least.
    pub least: f64,
    /// Of numbers, the greatest.
    pub greatest: f64,
    /// Of a choice, what there is; of what matches, the pattern.
    pub words: Slice<'a, Text<'a>>,
    /// The default: none or one.
    pub default: Slice<'a, Value<'a>>,
    /// Of a list of tables, the keys of each.
    pub keys: Slice<'a, Self>,
}

/// An address and port.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// IPv6, or IPv4 as an IPv4-mapped address, as sent.
    pub address: [u8; 16],
    /// In the machine's byte order.
    pub port: u16,
}

/// A server's counts.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Open connections.
    pub active: u32,
    /// Closing ones.
    pub inactive: u32,
    /// All ever.
    pub total: u64,
    /// The last check's time in microseconds, or [`NEVER`].
    pub latency: u64,
    /// New connections in a minute.
    pub per_minute: u32,
    /// Whether (1) the bytes are known.
    pub has_traffic: u32,
    /// Connections that were never established, ever.
    pub failed: u64,
    /// Bytes from clients to the server.
    pub to_backend: u64,
    /// Bytes from the server to clients.
    pub to_clients: u64,
}

/// A number that a check reported about a server.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Signal<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// Its value.
    pub value: f64,
}

/// A label of a server.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Label<'a> {
    /// Its key.
    pub key: Text<'a>,
    /// Its value.
    pub value: Text<'a>,
}

/// A server.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Backend<'a> {
    /// Its number.
    pub id: u32,
    /// Its weight.
    pub weight: u32,
    /// Its weight in the configuration.
    pub configured_weight: u32,
    /// What its checks say: the share of the weight that they grant, in percent; [`FAILED`].
    pub health: u32,
    /// Whether (1) a plan may name it.
    pub usable: u32,
    /// Its name.
    pub name: Text<'a>,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Its counts.
    pub counts: Counts,
    /// What its checks reported.
    pub signals: Slice<'a, Signal<'a>>,
    /// Its labels.
    pub labels: Slice<'a, Label<'a>>,
}

/// [`Backend::health`] of a server that has failed.
pub const FAILED: u32 = u32::MAX;

/// Roles of a director.
pub mod role {
    /// No VRRP instance has the address.
    pub const ALONE: u32 = 0;
    /// Master.
    pub const MASTER: u32 = 1;
    /// Backup.
    pub const BACKUP: u32 = 2;
}

/// The virtual service.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Its name.
    pub service: Text<'a>,
    /// 6 (TCP), 17 (UDP), or 0: there is no endpoint.
    pub protocol: u32,
    /// Where clients connect to.
    pub endpoint: Endpoint,
    /// One of [`role`].
    pub role: u32,
}

/// What a scheduler hands to its successor.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SavedState<'a> {
    /// The plugin's own.
    pub version: u32,
    /// The plugin's own.
    pub bytes: Slice<'a, u8>,
}

/// What changes of a server, since it has.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Whose.
    pub id: u32,
    /// As they are.
    pub counts: Counts,
    /// What its checks reported.
    pub signals: Slice<'a, Signal<'a>>,
}

/// A connection.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// 6 (TCP) or 17 (UDP).
    pub protocol: u32,
    /// The client.
    pub source: Endpoint,
    /// The service.
    pub destination: Endpoint,
}
