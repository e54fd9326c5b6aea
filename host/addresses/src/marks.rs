//! How the kernel's entries that Evenkeel made are known again, by a later process too.

/// `IFA_PROTO` (`include/uapi/linux/if_addr.h`, Linux 5.18) of the addresses that are put on interfaces for services;
/// `ip address` shows it as `proto 0x65`.
pub const SERVICE_MARK: u8 = 0x65;

/// `IFA_PROTO` of the virtual addresses of VRRP; `ip address` shows it as `proto 0x66`.
pub const VRRP_MARK: u8 = 0x66;

/// The protocol number of the virtual routes and rules of VRRP (`rtm_protocol`, `FRA_PROTOCOL`); `ip route` shows it as
/// `proto 101`. `include/uapi/linux/rtnetlink.h` gives it to nobody else (keepalived has 18).
pub const PROTOCOL: u8 = 101;

/// What the alias (`IFLA_IFALIAS`, `ip link` shows it) of the macvlan interfaces of VRRP begins with.
pub(crate) const ALIAS: &str = "evenkeel vrrp";
