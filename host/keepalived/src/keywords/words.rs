//! What to do in place of keywords that several blocks know.

/// Keywords with what to do about them in Evenkeel.
pub(crate) type Words = &'static [(&'static str, &'static str)];

pub(super) const MAIL: &str =
    "Evenkeel sends no mail: use [vrrp.notify], `evenkeel status --json` or the log";
pub(super) const SNMP: &str = "Evenkeel has no SNMP: use `evenkeel status --json`";
pub(super) const PROCESS: &str = "a matter of keepalived's own processes: Evenkeel is one process, which asks for real-time priority and locked memory for VRRP by itself";
pub(super) const NETNS: &str = "start Evenkeel in the network namespace: `ip netns exec NAME evenkeel run`, or NetworkNamespacePath= of its systemd unit";
pub(super) const FIFO: &str = "Evenkeel has no FIFOs: use the commands of [vrrp.notify]";
pub(super) const NOT_NEEDED: &str = "not needed";
pub(super) const STATIC: &str =
    "what does not move is the system's to set up (systemd-networkd, ifupdown, NetworkManager)";
pub(super) const FIREWALL: &str =
    "Evenkeel adds no rules for virtual addresses: it does not need them";
pub(super) const BFD: &str = "Evenkeel has no BFD: use a shorter advert_interval";
pub(super) const USER: &str = "commands run as the user that Evenkeel runs as: change it with runuser(1) or setpriv(1) in the command";
