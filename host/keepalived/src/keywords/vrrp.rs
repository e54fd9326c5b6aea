//! What instances, groups and what they track say.

use super::words::{BFD, MAIL, PROCESS, STATIC, USER, Words};

/// In `vrrp_instance`.
pub(crate) const INSTANCE: Words = &[
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
    ("lvs_sync_daemon", "a keyword of global_defs"),
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
pub(crate) const GROUP: Words = &[
    ("track_bfd", BFD),
    ("smtp_alert", MAIL),
    (
        "global_tracking",
        "each instance tracks what it says itself; one in fault takes its group with it",
    ),
    (
        "sync_group_tracking_weight",
        "not needed: what one instance tracks counts for its group",
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
pub(crate) const SCRIPT: Words = &[
    ("user", USER),
    ("init_fail", "the first result of a script counts at once"),
    (
        "reverse",
        "keepalived takes it behind a weight only: write `weight N reverse`",
    ),
];

/// In `vrrp_track_process`.
pub(crate) const PROCESSES: Words = &[
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
pub(crate) const FILES: Words = &[("init_file", "the file is not made")];

/// Behind a virtual address.
pub(crate) const ADDRESS: Words = &[
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
