//! The Lab: a private network in which real programs meet real traffic, for end-to-end tests, the demo and the benches.
//!
//! A test calls [`isolated`] first: it goes on in a copy of its process that has namespaces of its own (network,
//! mounts, processes, and users where it is not root). Whatever it starts or sets up there is gone when it ends,
//! however it ends, and nothing of the machine's network is touched.
//!
//! ```no_run
//! use evenkeel_tests::{Article, Backend, Client, Evenkeel, isolated};
//!
//! #[test]
//! fn one_server_answers() -> anyhow::Result<()> {
//!     isolated(|| {
//!         let net = Article::new(2)?;
//!         let _server = Backend::tcp(&net.servers[0], net.server(0, 80), "one")?;
//!         let mut evenkeel = Evenkeel::new(&net.director, "...")?;
//!         evenkeel.start()?;
//!         assert_eq!(Client::new(&net.client).ask(net.vip(80))?, "one");
//!         Ok(())
//!     })
//! }
//! # fn main() {}
//! ```
//!
//! A crate whose tests need a network and no lab takes [`in_a_namespace!`] (a copy of the process, as above),
//! [`with_ipvs!`] (the same in User-Mode Linux) or [`in_own_network`] (a thread; nothing but the network is private).

mod article;
mod backend;
mod capture;
mod client;
mod daemon;
mod download;
mod freeze;
mod holding;
mod ipvs;
mod isolated;
mod keepalived;
mod kernels;
mod lab;
mod net;
mod network;
mod nginx;
mod paths;
mod ping;
mod process;
mod registry;
mod wait;
mod world;

pub use article::Article;
pub use backend::Backend;
pub use capture::{Advert, Arp, Capture, Frame, Ipv4};
pub use client::{Answer, Client, Record, Stream};
pub use daemon::Evenkeel;
pub use download::{Download, DownloadServer, Progress};
pub use freeze::FrozenThread;
pub use holding::{Sighting, Sightings, Watch, sole_holder, wait_holder};
pub use isolated::{isolated, isolated_with};
pub use keepalived::Keepalived;
pub use kernels::{on_debian_kernel, on_slow_kernel, on_uml, on_uml_with};
pub use lab::{Lab, Node};
pub use net::Net;
#[cfg(feature = "tokio")]
pub use network::with_net;
pub use network::{TestResult, in_own_network, sh};
pub use nginx::{Nginx, http_get};
pub use paths::Paths;
pub use ping::{Ping, Pings};
pub use process::Process;
pub use registry::Registry;
pub use wait::{eventually, wait_until};
pub use world::{Impossible, inside, possible, reexec, skipped, with_private_world};
