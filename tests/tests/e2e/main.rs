//! Everything that a user does, end to end, each test in a network of its own. In one program: each would be linked
//! for itself.

#[path = "../support/mod.rs"]
mod support;

mod announce;
mod article;
mod attacks;
mod author;
mod checkers;
mod cli;
mod counting;
mod facts;
mod files;
mod genhash;
mod groups;
mod hanging;
mod hashing;
mod health;
mod import;
mod interop;
mod lab;
mod languages;
mod live;
mod local_checks;
mod misbehaving_servers;
mod native;
mod new_addresses;
mod numbers;
mod only_nftables;
mod per_connection;
mod persistence;
mod plugin_files;
mod plugins;
mod pools;
mod real_servers;
mod reconfigure;
mod registry;
mod schedulers;
mod second;
mod server_check;
mod signals;
mod signatures;
mod spread;
mod survive;
mod swap;
mod vrrp_failover;
mod vrrp_handover;
mod vrrp_leftovers;
mod vrrp_mismatches;
mod vrrp_settings;
mod vrrp_tracking;
mod vrrp_trouble;
mod why;
