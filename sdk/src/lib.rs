//! Write plugins for the Evenkeel load balancer: schedulers, which spread the new connections of a
//! virtual service over its real servers, and health checkers, which judge whether a real server is
//! fit to be used.
//!
//! # A scheduler
//!
//! A crate of type `cdylib` (and `rlib`, for its tests) that depends on this one. This is all of it:
//!
//! ```
//! //! Spreads connections at random, a server of weight 2 getting twice as many as one of weight 1.
//! use evenkeel_sdk::{Backends, Plan, Scheduler, register_scheduler, settings};
//!
//! settings! {
//!     struct Settings {
//!         /// Servers with less weight than this get no connections.
//!         #[range(1..=65_535)]
//!         least_weight: u32 = 1,
//!     }
//! }
//!
//! struct Lottery(Settings);
//!
//! impl Scheduler for Lottery {
//!     type Settings = Settings;
//!
//!     fn new(settings: Settings) -> Result<Self, String> {
//!         Ok(Self(settings))
//!     }
//!
//!     fn plan(&mut self, backends: &Backends) -> Plan {
//!         let drawn = backends.iter().filter(|b| b.weight >= self.0.least_weight);
//!         Plan::random(drawn.map(|b| (b.id, b.weight)))
//!     }
//! }
//!
//! register_scheduler!(Lottery, "lottery", "at random, by weight");
//! # use evenkeel_sdk::testing::SchedulerTest;
//! # let mut test = SchedulerTest::<Lottery>::new(&[("least-weight", 2.into())]).unwrap();
//! # test.backends(&[("a", 3), ("b", 1), ("c", 2)]);
//! # assert_eq!(test.counts(), [("a".to_owned(), 3), ("c".to_owned(), 2)].into());
//! ```
//!
//! A [`Plan`] is a table of slots, and a way to choose a slot for each new connection. The kernel
//! works by it, without asking the plugin, until the next call of [`Scheduler::plan`]: when a server
//! comes, goes or changes its weight, when counts of connections have changed, or after
//! [`Plan::refresh`].
//!
//! # A checker
//!
//! ```
//! //! Healthy is who greets with "220", as mail servers do.
//! use std::io::Read;
//!
//! use evenkeel_sdk::{CheckError, HealthChecker, Target, Verdict, register_checker};
//!
//! struct Greeting;
//!
//! impl HealthChecker for Greeting {
//!     type Settings = ();
//!
//!     fn new((): ()) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!
//!     fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
//!         let mut code = [0; 3];
//!         target.connect_tcp()?.read_exact(&mut code)?;
//!         if &code == b"220" { Ok(Verdict::Healthy) } else { Err(CheckError::new("no 220 greeting")) }
//!     }
//! }
//!
//! register_checker!(Greeting, "greeting", "a greeting that begins with 220");
//! ```
//!
//! `?` on anything that fails means that the server is unhealthy, with the error as the reason. A
//! checker can connect to its target and to nothing else; the whole check ends at its deadline.
//!
//! # Tests and the finished plugin
//!
//! Plugins are ordinary Rust: [`testing`] drives them with plain `cargo test`, on any machine. For
//! Evenkeel they are compiled to WebAssembly and packed:
//!
//! ```text
//! cargo build --release --target wasm32-unknown-unknown
//! evenkeel plugin pack target/wasm32-unknown-unknown/release/lottery.wasm -o lottery.wasm
//! ```
//!
//! A plugin has no files, no network and no clock but what this crate offers: use [`now`] in place of
//! [`std::time::Instant`], [`utc`] in place of [`std::time::SystemTime`], [`random`] in place of a random device, and [`info!`] and its sisters
//! in place of [`println!`]. It may panic: that costs its own service only, and the text is logged.

mod backends;
mod by_load;
pub mod cache;
mod checker;
mod command;
mod context;
mod declared;
mod dialogue;
mod glue;
pub mod hash;
mod host;
mod kept;
mod labels;
mod level;
pub mod locality;
mod log;
mod manifest;
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
pub mod native;
mod plan;
mod register;
mod registered;
mod scheduler;
#[doc(hidden)]
pub mod section;
mod settings;
mod statuses;
mod target;
mod target_error;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod tls;
#[cfg(target_family = "wasm")]
mod wasm;

pub use backends::{
    Backend, BackendId, Backends, Counts, Decision, Facts, Flow, Health, Protocol, Traffic, Usable,
};
pub use by_load::ByLoad;
pub use checker::{CheckError, HealthChecker, Verdict};
pub use command::CommandEnd;
pub use context::{Context, Role, SavedState};
pub use declared::DeclaredSetting;
pub use dialogue::{Dialogue, hex, shown};
pub use host::{count, gauge, now, random, utc, utc_offset};
pub use kept::{FileText, Secret};
pub use level::Level;
pub use log::{log, log_enabled};
pub use manifest::{Manifest, SettingKind, SettingSpec, SettingValue, Values};
pub use plan::{
    Greedy, Group, GroupRun, Groups, Network, NotANetwork, Plan, Prefixes, Ratio, Run, Selector,
    Shares, Table, draw, draw_another, least, two_choices,
};
pub use scheduler::Scheduler;
pub use settings::{SettingType, Settings};
pub use statuses::Statuses;
pub use target::{Connection, Target};
pub use target_error::TargetError;
pub use tls::{Certificate, Identity, TlsOptions};

/// What the macros of this crate expand to. Not for use by hand: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::declared::{
        Declared, DeclaredAbilities, DeclaredKind, DeclaredSetting, DeclaredValue,
    };
    #[cfg(not(target_family = "wasm"))]
    pub use crate::native::{abi::Entry, checker_entry, scheduler_entry};
    pub use crate::registered::{Registered, is_name};
    pub use crate::settings::{Bounded, DeclaredRange, RangeLiteral};
    pub use crate::settings::{DeclaredDefault, DefaultLiteral, matching, take};
    #[cfg(target_family = "wasm")]
    pub use crate::wasm::*;
}
