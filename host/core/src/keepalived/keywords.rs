//! keepalived's keywords that have no equivalent here, by the block that they stand in, each with what to do instead. Those that
//! have one are in [`super::translate`].

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

/// Keywords with what to do about them in Evenkeel.
type Words = &'static [(&'static str, &'static str)];

const MAIL: &str = "Evenkeel sends no mail: use [vrrp.notify], `evenkeel status --json` or the log";
const SNMP: &str = "Evenkeel has no SNMP: use `evenkeel status --json`";
const PROCESS: &str = "a matter of keepalived's own processes: Evenkeel is one process, which asks for real-time priority and locked memory for VRRP by itself";
const NETNS: &str = "start Evenkeel in the network namespace: `ip netns exec NAME evenkeel run`, or NetworkNamespacePath= of its systemd unit";
const FIFO: &str = "Evenkeel has no FIFOs: use the commands of [vrrp.notify]";
const NOT_NEEDED: &str = "not needed";
const STATIC: &str =
    "what does not move is the system's to set up (systemd-networkd, ifupdown, NetworkManager)";
const FIREWALL: &str = "Evenkeel adds no rules for virtual addresses: it does not need them";
const BFD: &str = "Evenkeel has no BFD: use a shorter advert_interval";
const USER: &str = "commands run as the user that Evenkeel runs as: change it with runuser(1) or setpriv(1) in the command";

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

/// In `global_defs`.
pub(super) const GLOBAL: Words = &[
    (
        "router_id",
        "a name for mail and logs; Evenkeel's log has the host's name already",
    ),
    ("notification_email", MAIL),
    ("notification_email_from", MAIL),
    ("smtp_server", MAIL),
    ("smtp_helo_name", MAIL),
    ("smtp_connect_timeout", MAIL),
    ("smtp_alert", MAIL),
    ("smtp_alert_vrrp", MAIL),
    ("smtp_alert_checker", MAIL),
    ("no_email_faults", MAIL),
    ("no_checker_emails", MAIL),
    ("email_faults", MAIL),
    (
        "checker_log_all_failures",
        "failures of checks are in the log; `--log debug` shows each",
    ),
    ("tmp_config_directory", PROCESS),
    ("config_save_dir", PROCESS),
    ("process_names", PROCESS),
    ("process_name", PROCESS),
    ("vrrp_process_name", PROCESS),
    ("checker_process_name", PROCESS),
    ("bfd_process_name", PROCESS),
    ("startup_script", "use ExecStartPre= of the systemd unit"),
    (
        "startup_script_timeout",
        "use TimeoutStartSec= of the systemd unit",
    ),
    ("shutdown_script", "use ExecStopPost= of the systemd unit"),
    (
        "shutdown_script_timeout",
        "use TimeoutStopSec= of the systemd unit",
    ),
    (
        "vrrp_mcast_group4",
        "adverts go to 224.0.0.18: take `peers` for other addresses",
    ),
    (
        "vrrp_mcast_group6",
        "adverts go to ff02::12: take `peers` for other addresses",
    ),
    (
        "default_interface",
        "for static addresses, which are the system's to set up; each [[vrrp]] names its interface",
    ),
    (
        "lvs_sync_daemon",
        "Evenkeel does not use IPVS; connections are not synchronised between directors",
    ),
    (
        "lvs_timeouts",
        "connections are conntrack's: set net.netfilter.nf_conntrack_tcp_timeout_established and the like",
    ),
    (
        "lvs_flush",
        "Evenkeel does not use IPVS, and puts its own table in order at the start",
    ),
    (
        "lvs_flush_on_stop",
        "rules stay when Evenkeel ends, so that connections go on; `evenkeel flush` removes them",
    ),
    (
        "lvs_flush_onstop",
        "rules stay when Evenkeel ends, so that connections go on; `evenkeel flush` removes them",
    ),
    (
        "vrrp_down_timer_adverts",
        "a backup waits for three adverts, as the RFCs say",
    ),
    ("vrrp_garp_interval", "announcements are not held back"),
    ("vrrp_gna_interval", "announcements are not held back"),
    (
        "vrrp_min_garp",
        "say it for each instance: `repeat = 1, delay = \"0s\"` in [vrrp.announce]",
    ),
    (
        "vrrp_garp_extra_if",
        "announcements go out where the address is",
    ),
    (
        "vrrp_lower_prio_no_advert",
        "a master answers adverts of lower priority with its own, as the RFCs say",
    ),
    (
        "vrrp_higher_prio_send_advert",
        "a master that hears a higher priority becomes backup and says no more, as the RFCs say",
    ),
    ("vrrp_iptables", FIREWALL),
    ("vrrp_ipsets", FIREWALL),
    ("nftables", FIREWALL),
    ("nftables_priority", FIREWALL),
    ("nftables_counters", FIREWALL),
    ("nftables_ifindex", FIREWALL),
    (
        "nftables_ipvs",
        "Evenkeel does not use IPVS: its own nftables table is `table`",
    ),
    ("nftables_ipvs_priority", "Evenkeel does not use IPVS"),
    (
        "nftables_ipvs_start_fwmark",
        "Evenkeel does not use IPVS, and keeps its marks to itself",
    ),
    (
        "disable_local_igmp",
        "Evenkeel joins the multicast group itself",
    ),
    (
        "vrrp_check_unicast_src",
        "with `peers`, adverts of others are dropped always",
    ),
    (
        "vrrp_skip_check_adv_addr",
        "adverts are checked always; a difference in the addresses is reported once",
    ),
    (
        "vrrp_strict",
        "nothing has to be switched on: what RFC 9568 forbids in an advert is dropped, except where keepalived needs it",
    ),
    (
        "vrrp_notify_priority_changes",
        "commands run on changes of the state only",
    ),
    ("max_auto_priority", PROCESS),
    ("min_auto_priority_delay", PROCESS),
    ("vrrp_priority", PROCESS),
    ("checker_priority", PROCESS),
    ("bfd_priority", PROCESS),
    ("vrrp_no_swap", PROCESS),
    ("checker_no_swap", PROCESS),
    ("bfd_no_swap", PROCESS),
    ("vrrp_cpu_affinity", PROCESS),
    ("checker_cpu_affinity", PROCESS),
    ("bfd_cpu_affinity", PROCESS),
    ("vrrp_rt_priority", PROCESS),
    ("checker_rt_priority", PROCESS),
    ("bfd_rt_priority", PROCESS),
    ("vrrp_rlimit_rttime", PROCESS),
    ("vrrp_rlimit_rtime", PROCESS),
    ("checker_rlimit_rttime", PROCESS),
    ("checker_rlimit_rtime", PROCESS),
    ("bfd_rlimit_rttime", PROCESS),
    ("bfd_rlimit_rtime", PROCESS),
    ("snmp_socket", SNMP),
    ("enable_snmp_keepalived", SNMP),
    ("enable_snmp_vrrp", SNMP),
    ("enable_snmp_checker", SNMP),
    ("enable_snmp_rfc", SNMP),
    ("enable_snmp_rfcv2", SNMP),
    ("enable_snmp_rfcv3", SNMP),
    ("enable_traps", SNMP),
    (
        "enable_dbus",
        "Evenkeel has no D-Bus interface: use `evenkeel status --json`",
    ),
    ("dbus_service_name", "Evenkeel has no D-Bus interface"),
    ("script_user", USER),
    (
        "enable_script_security",
        "Evenkeel does not look at who may write to a script: see to it that only root can",
    ),
    ("notify_fifo", FIFO),
    ("notify_fifo_script", FIFO),
    ("vrrp_notify_fifo", FIFO),
    ("vrrp_notify_fifo_script", FIFO),
    ("lvs_notify_fifo", FIFO),
    ("lvs_notify_fifo_script", FIFO),
    ("fifo_write_vrrp_states_on_reload", FIFO),
    ("dynamic_interfaces", "interfaces may come and go always"),
    ("vrrp_netlink_cmd_rcv_bufs", PROCESS),
    ("vrrp_netlink_cmd_rcv_bufs_force", PROCESS),
    ("vrrp_netlink_monitor_rcv_bufs", PROCESS),
    ("vrrp_netlink_monitor_rcv_bufs_force", PROCESS),
    ("lvs_netlink_cmd_rcv_bufs", PROCESS),
    ("lvs_netlink_cmd_rcv_bufs_force", PROCESS),
    ("lvs_netlink_monitor_rcv_bufs", PROCESS),
    ("lvs_netlink_monitor_rcv_bufs_force", PROCESS),
    ("process_monitor_rcv_bufs", PROCESS),
    ("process_monitor_rcv_bufs_force", PROCESS),
    ("vrrp_rx_bufs_policy", PROCESS),
    ("vrrp_rx_bufs_multiplier", PROCESS),
    ("rs_init_notifies", "servers have no notify commands"),
    ("umask", "use UMask= of the systemd unit"),
    (
        "vrrp_startup_delay",
        "an instance takes part as soon as its services are in the kernel; no sooner",
    ),
    (
        "log_unknown_vrids",
        "adverts of other virtual routers are passed over",
    ),
    (
        "vmac_prefix",
        "`virtual_mac` names the interface: vrrp.ROUTER_ID, or as written",
    ),
    (
        "vmac_addr_prefix",
        "`virtual_mac` names the interface: vrrp.ROUTER_ID, or as written",
    ),
    ("random_seed", PROCESS),
    (
        "reload_check_config",
        "a reload takes a configuration whole or not at all; `evenkeel check` looks at it before",
    ),
    (
        "include_check",
        "files that cannot be read are errors always",
    ),
    ("reload_time_file", "reload with a systemd timer"),
    ("reload_repeat", "reload with a systemd timer"),
    ("reload_file", PROCESS),
    ("data_use_instance", PROCESS),
    ("json_version", "use `evenkeel status --json`"),
    ("use_symlink_paths", PROCESS),
    ("state_dump_file", "use `evenkeel status --json`"),
    ("stats_dump_file", "use `evenkeel status --json`"),
    ("json_dump_file", "use `evenkeel status --json`"),
    ("lvs_id", "the old name of router_id"),
    ("checker_snmp", SNMP),
    (
        "vrrp_owner_ignore_adverts",
        "the owner of the addresses (priority 255) goes on whatever it hears",
    ),
];

/// In `vrrp_instance`.
pub(super) const INSTANCE: Words = &[
    (
        "state",
        "not needed: every director starts as backup, and the priorities decide",
    ),
    (
        "vrf",
        "put the VRF device in `interface` if adverts go through it",
    ),
    (
        "use_vmac_addr",
        "addresses on other interfaces than the adverts' keep those interfaces' own MAC address",
    ),
    ("vmac_xmit_base", "adverts leave by the interface itself"),
    (
        "use_ipvlan",
        "Evenkeel makes macvlan interfaces only: `virtual_mac = true`",
    ),
    (
        "dont_track_primary",
        "`interface` is watched always: adverts need it",
    ),
    ("track_primary", "`interface` is watched always"),
    ("track_bfd", BFD),
    (
        "mcast_dst_ip",
        "adverts go to the multicast group of the RFCs: take `peers` for other addresses",
    ),
    ("track_src_ip", "the source address is not watched"),
    (
        "check_unicast_src",
        "with `peers`, adverts of others are dropped always",
    ),
    (
        "unicast_fault_no_peer",
        "without `peers` adverts are multicast",
    ),
    ("unicast_ttl", "unicast adverts are sent with TTL 255"),
    (
        "old_unicast_checksum",
        "the checksum of keepalived before 1.3.6; see `checksum` for the two that are in use",
    ),
    ("garp_extra_if", "announcements go out where the address is"),
    (
        "down_timer_adverts",
        "a backup waits for three adverts, as the RFCs say",
    ),
    (
        "lower_prio_no_advert",
        "a master answers adverts of lower priority with its own, as the RFCs say",
    ),
    (
        "higher_prio_send_advert",
        "a master that hears a higher priority becomes backup and says no more, as the RFCs say",
    ),
    (
        "owner_ignore_adverts",
        "the owner of the addresses (priority 255) goes on whatever it hears",
    ),
    (
        "promote_secondaries",
        "set net.ipv4.conf.IFACE.promote_secondaries with sysctl",
    ),
    (
        "accept",
        "not needed: traffic to the addresses is accepted always",
    ),
    (
        "no_accept",
        "traffic to the addresses themselves is accepted always; drop it with an nftables rule of your own",
    ),
    (
        "skip_check_adv_addr",
        "adverts are checked always; a difference in the addresses is reported once",
    ),
    (
        "strict_mode",
        "what RFC 9568 forbids in an advert is dropped, except where keepalived needs it",
    ),
    ("debug", "use `--log debug`"),
    (
        "notify_master_rx_lower_pri",
        "no command runs for adverts of lower priority: they are in the log and in `status`",
    ),
    (
        "notify_deleted",
        "no command runs when an instance is taken out of the configuration; `stop` runs when the daemon ends",
    ),
    (
        "notify_priority_changes",
        "commands run on changes of the state only",
    ),
    ("smtp_alert", MAIL),
    ("kernel_rx_buf_size", PROCESS),
    ("linkbeat_use_polling", "links are watched through netlink"),
    (
        "lvs_sync_daemon_interface",
        "Evenkeel does not use IPVS; connections are not synchronised between directors",
    ),
    (
        "lvs_sync_daemon",
        "Evenkeel does not use IPVS; connections are not synchronised between directors",
    ),
    (
        "native_ipv6",
        "not needed: the family follows the addresses",
    ),
    (
        "garp_master_secondary_delay",
        "a later name of garp_master_delay",
    ),
    ("thread_timer_expired", PROCESS),
    ("timer_expired_backup", PROCESS),
];

/// In `vrrp_sync_group`.
pub(super) const GROUP: Words = &[
    ("track_bfd", BFD),
    ("smtp_alert", MAIL),
    (
        "global_tracking",
        "each instance tracks what it says itself; one in fault takes its group with it",
    ),
    (
        "sync_group_tracking_weight",
        "not needed: weights count for the instance that has them",
    ),
    (
        "notify_deleted",
        "no command runs when a group is taken out of the configuration",
    ),
    (
        "notify_priority_changes",
        "commands run on changes of the state only",
    ),
];

/// In `vrrp_script`.
pub(super) const SCRIPT: Words = &[
    ("user", USER),
    (
        "init_fail",
        "a script counts as well until it has failed `fall` times",
    ),
    (
        "reverse",
        "write a command that fails when this one succeeds",
    ),
];

/// In `vrrp_track_process`.
pub(super) const PROCESSES: Words = &[
    (
        "param_match",
        "a process is known by its name or path alone",
    ),
    (
        "quorum",
        "one process is enough: use a [[script]] to count them",
    ),
    (
        "quorum_max",
        "one process is enough: use a [[script]] to count them",
    ),
    ("fork_delay", "a process counts as soon as it is seen"),
    (
        "terminate_delay",
        "a process is missing as soon as it is not seen",
    ),
    ("delay", "a process counts as soon as it is seen"),
    (
        "full_command",
        "a process is known by its name or path alone",
    ),
];

/// In `track_file` and `vrrp_track_file`.
pub(super) const FILES: Words = &[("init_file", "the file is not made")];

/// In `virtual_server`.
pub(super) const SERVER: Words = &[
    (
        "persistence_engine",
        "no scheduler that keeps clients on their server is shipped yet",
    ),
    (
        "persistence_timeout",
        "no scheduler that keeps clients on their server is shipped yet; examples/sticky-scheduler shows how one is written",
    ),
    (
        "persistence_granularity",
        "no scheduler that keeps clients on their server is shipped yet",
    ),
    (
        "granularity",
        "no scheduler that keeps clients on their server is shipped yet",
    ),
    ("flag-1", "an option of IPVS's schedulers"),
    ("flag-2", "an option of IPVS's schedulers"),
    ("flag-3", "an option of IPVS's schedulers"),
    ("sh-port", "an option of IPVS's schedulers"),
    ("sh-fallback", "an option of IPVS's schedulers"),
    ("mh-port", "an option of IPVS's schedulers"),
    ("mh-fallback", "an option of IPVS's schedulers"),
    ("hashed", "an option of IPVS's schedulers"),
    (
        "ops",
        "each UDP flow stays with its server: one packet at a time is not possible",
    ),
    ("smtp_alert", MAIL),
    ("snmp_name", SNMP),
    (
        "omega",
        "servers have no notify commands that could run at the end",
    ),
    (
        "quorum_up",
        "no command runs for a service's quorum: track it with `track = [{ service = \"NAME\" }]` in a [[vrrp]] that has notify commands",
    ),
    (
        "quorum_down",
        "no command runs for a service's quorum: track it with `track = [{ service = \"NAME\" }]` in a [[vrrp]] that has notify commands",
    ),
    ("ip_family", "not needed: the family is that of the address"),
    (
        "sorry_server",
        "Evenkeel has no sorry server: add it as a [[service.server]] of its own to make up for that, or track the service, so that the other director takes over",
    ),
    ("sorry_server_inhibit", "Evenkeel has no sorry server"),
    ("sorry_server_lvs_method", "Evenkeel has no sorry server"),
    (
        "warmup",
        "the first checks are spread over their interval by themselves",
    ),
    (
        "nat_mask",
        "a keyword of keepalived before 1.4 that had no use with NAT",
    ),
    ("bind_if", "checks leave as the routing table says"),
    (
        "log_all_failures",
        "failures of checks are in the log; `--log debug` shows each",
    ),
    ("retry_on_delay_loop", "retries come after `retry_delay`"),
];

/// In `real_server`.
pub(super) const REAL: Words = &[
    (
        "notify_up",
        "servers have no notify commands: watch `evenkeel status --json` or the log",
    ),
    (
        "notify_down",
        "servers have no notify commands: watch `evenkeel status --json` or the log",
    ),
    ("uthreshold", "servers have no limit of connections"),
    ("lthreshold", "servers have no limit of connections"),
    ("smtp_alert", MAIL),
    ("snmp_name", SNMP),
    (
        "warmup",
        "the first checks are spread over their interval by themselves",
    ),
    (
        "log_all_failures",
        "failures of checks are in the log; `--log debug` shows each",
    ),
    ("PING_CHECK", "no plugin for ICMP is shipped yet"),
    ("UDP_CHECK", "no plugin for UDP is shipped yet"),
    ("DNS_CHECK", "no plugin for DNS is shipped yet"),
    (
        "MISC_CHECK",
        "Evenkeel runs no script as a check: write a plugin (sdk/), or take the tcp or http one",
    ),
    (
        "FILE_CHECK",
        "Evenkeel checks no files: change `weight`, and reload",
    ),
    ("BFD_CHECK", BFD),
];

/// In every checker.
pub(super) const CHECKER: Words = &[
    (
        "bindto",
        "checks leave from the address that the kernel chooses",
    ),
    (
        "bind_to",
        "checks leave from the address that the kernel chooses",
    ),
    ("bind_if", "checks leave as the routing table says"),
    (
        "bind_port",
        "checks leave from a port that the kernel chooses",
    ),
    ("fwmark", "packets of checks have no mark of their own"),
    (
        "warmup",
        "the first checks are spread over their interval by themselves",
    ),
    (
        "log_all_failures",
        "failures of checks are in the log; `--log debug` shows each",
    ),
    ("http_protocol", "requests are HTTP/1.1"),
    (
        "fast_recovery",
        "a server is used again after `rise` passed checks",
    ),
    (
        "enable_sni",
        "not needed: the server's name is sent always, if there is a virtualhost",
    ),
    ("tls_compliant", NOT_NEEDED),
    (
        "helo_name",
        "SMTP is not spoken: the server accepts the connection, or not",
    ),
    (
        "host",
        "the address of the check is `address` and `port` of [service.check]; write one check for each",
    ),
];

/// In `url` of an HTTP check.
pub(super) const URL: Words = &[
    (
        "digest",
        "the body's digest is not compared: have `contains` look for a text in it",
    ),
    ("regex_no_match", "`contains` is a text that must be there"),
    ("regex_options", "`contains` is a plain text"),
    ("regex_stack", "`contains` is a plain text"),
    (
        "regex_min_offset",
        "`contains` is looked for in the whole body",
    ),
    (
        "regex_max_offset",
        "`contains` is looked for in the whole body",
    ),
    ("tls_compliant", NOT_NEEDED),
];

/// Behind a virtual address.
pub(super) const ADDRESS: Words = &[
    ("brd", "not needed: no broadcast address is set"),
    ("broadcast", "not needed: no broadcast address is set"),
    ("peer", "addresses have no peer"),
    ("home", "the flag is not set"),
    ("-nodad", "the flag is not set"),
    ("nodad", "not needed"),
    ("mngtmpaddr", "the flag is not set"),
    ("noprefixroute", "the flag is not set"),
    ("autojoin", "the flag is not set"),
    (
        "no_track",
        "interfaces that addresses are on are watched always",
    ),
    ("track_group", STATIC),
    (
        "preferred_lft",
        "the kernel takes addresses away by itself if `address_lifetime` says so",
    ),
    (
        "use_vmac",
        "addresses on the adverts' interface are on the virtual MAC address's; others are not",
    ),
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
