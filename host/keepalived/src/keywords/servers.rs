//! What virtual servers, real servers and their checkers say.

use super::words::{BFD, MAIL, NOT_NEEDED, SNMP, Words};

/// In `virtual_server`.
pub(crate) const SERVER: Words = &[
    (
        "persistence_engine",
        "clients are known by their addresses: what is inside their packets (SIP) is not looked at",
    ),
    ("flag-3", "no scheduler of IPVS has a third flag"),
    ("hashed", "not needed: a mark of IPVS's own"),
    (
        "ops",
        "each UDP flow stays with its server: one packet at a time (IPVS's one-packet scheduling) is not possible",
    ),
    ("smtp_alert", MAIL),
    ("snmp_name", SNMP),
    (
        "ip_family",
        "not needed beside an address: the family is its own",
    ),
    (
        "sorry_server_inhibit",
        "the sorry server is out of the kernel's plan while it is not used; its connections go on",
    ),
    (
        "sorry_server_lvs_method",
        "the sorry server is reached as the service says",
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
pub(crate) const REAL: Words = &[
    ("smtp_alert", MAIL),
    ("snmp_name", SNMP),
    (
        "log_all_failures",
        "failures of checks are in the log; `--log debug` shows each",
    ),
    ("BFD_CHECK", BFD),
];

/// In every checker.
pub(crate) const CHECKER: Words = &[
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
        "host",
        "the address of the check is `address` and `port` of [service.check]; write one check for each",
    ),
];

/// In `url` of an HTTP check.
pub(crate) const URL: Words = &[
    (
        "regex_options",
        "patterns of the plugin http have no options of PCRE",
    ),
    (
        "regex_stack",
        "patterns of the plugin http have no options of PCRE",
    ),
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
