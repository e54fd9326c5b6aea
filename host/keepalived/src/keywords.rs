//! keepalived's keywords that have no equivalent here, by the block that they stand in, each with what to do instead.
//! Those that have one are in [`super::translate`].

mod global;
mod servers;
mod vrrp;
mod words;

pub(super) use global::GLOBAL;
pub(super) use servers::{CHECKER, REAL, SERVER, URL};
pub(super) use vrrp::{ADDRESS, FILES, GROUP, INSTANCE, PROCESSES, SCRIPT};
use words::{BFD, FIREWALL, NETNS, PROCESS, STATIC, Words};

/// The keywords at the top that begin a block or stand alone, and are translated.
pub(super) const TRANSLATED_TOP: &[&str] = &[
    "global_defs",
    "track_file",
    "virtual_server",
    "virtual_server_group",
    "vrrp_instance",
    "vrrp_script",
    "vrrp_sync_group",
    "vrrp_track_file",
    "vrrp_track_process",
];

pub(super) const TOP: Words = &[
    ("net_namespace", NETNS),
    ("net_namespace_ipvs", NETNS),
    ("namespace_with_ipsets", FIREWALL),
    (
        "instance",
        "the name of a keepalived among several: each Evenkeel runs in a network namespace of its own, with its own `socket`",
    ),
    (
        "use_pid_dir",
        "Evenkeel writes no PID files: systemd knows its process",
    ),
    ("linkbeat_use_polling", "links are watched through netlink"),
    ("linkbeat_interfaces", "links are watched through netlink"),
    (
        "interface_up_down_delays",
        "an interface counts from when the kernel says that it is up or down; take `preempt_delay` against links that bounce",
    ),
    ("child_wait_time", PROCESS),
    ("track_group", STATIC),
    ("static_ipaddress", STATIC),
    ("static_routes", STATIC),
    ("static_rules", STATIC),
    ("bfd_instance", BFD),
    (
        "garp_group",
        "Evenkeel does not hold announcements back: set fewer with [vrrp.announce]",
    ),
    ("SSL", "HTTPS checks have no client certificate"),
];

/// Keywords that only stand at the top: where one of them begins a block inside of another, that one was not closed.
pub(super) fn only_at_the_top(keyword: &str) -> bool {
    matches!(
        keyword,
        "global_defs"
            | "vrrp_instance"
            | "vrrp_script"
            | "vrrp_sync_group"
            | "vrrp_track_file"
            | "vrrp_track_process"
            | "virtual_server"
            | "virtual_server_group"
            | "static_ipaddress"
            | "static_routes"
            | "static_rules"
            | "bfd_instance"
    )
}

/// Whether a configuration of keepalived may begin with this word.
pub(super) fn is_top(word: &str) -> bool {
    TRANSLATED_TOP.contains(&word)
        || TOP.iter().any(|(known, _)| *known == word)
        || matches!(
            word,
            "include" | "includea" | "includeb" | "includem" | "includer" | "includew"
        )
}

/// Why a keyword is not carried over, if it is known in this block.
pub(super) fn why(words: Words, keyword: &str) -> Option<&'static str> {
    let found = words.iter().find(|(known, _)| *known == keyword);
    found.map(|(_, why)| *why)
}
