//! What this machine offers to the data plane. Nothing is changed, except that the module `ip_vs` may have been loaded.

use evenkeel_ipvs::modules::{self, Presence};
use evenkeel_ipvs::{Client, Error};

use super::rules::{self, Table};
use super::sysctl;
use crate::{Probe, Problem};

/// The schedulers by which plans are approximated.
const SCHEDULERS: [&str; 4] = ["rr", "wrr", "sh", "mh"];

pub(super) fn probe(client: &mut Client) -> Probe {
    let mut problems = Vec::new();
    let version = match client.info() {
        Ok(info) => format!(
            "IPVS {} ({} rows for connections)",
            info.version, info.table_size
        ),
        Err(error) => {
            problems.push(fatal(&error));
            "IPVS not tried".to_owned()
        }
    };
    let (mut there, mut absent) = (Vec::new(), Vec::new());
    for name in SCHEDULERS {
        match modules::presence(&modules::of_scheduler(name)) {
            Presence::Loaded | Presence::Loadable => there.push(name),
            Presence::Missing => absent.push(name),
        }
    }
    if !absent.is_empty() {
        let modules: Vec<String> = absent.iter().map(|it| modules::of_scheduler(it)).collect();
        problems.push(Problem {
            fatal: false,
            what: format!(
                "the kernel has no scheduler {}: services whose plan takes it are refused",
                absent.join(", ")
            ),
            remedy: format!(
                "install the modules of kernel {} that have {}",
                modules::release(),
                modules.join(", ")
            ),
        });
    }
    if !sysctl::is_there(sysctl::EXPIRE_NODEST) {
        problems.push(Problem {
            fatal: false,
            what: "net.ipv4.vs.expire_nodest_conn cannot be set here: flows of a removed server are dropped, not spread anew".to_owned(),
            remedy: "run where /proc/sys/net/ipv4/vs is".to_owned(),
        });
    }
    let nat = match rules::supported(Table::Nat) {
        Ok(()) => "snat and hairpin by iptables".to_owned(),
        Err(why) => format!("no snat and hairpin ({why})"),
    };
    let queues = match rules::supported(Table::Mangle) {
        Ok(()) => "queues by iptables' NFQUEUE".to_owned(),
        Err(why) => format!("no queues for packets ({why})"),
    };
    let schedulers = match there.as_slice() {
        [] => "no scheduler".to_owned(),
        names => format!("schedulers {}", names.join(", ")),
    };
    Probe {
        summary: format!(
            "ipvs: {version}, kernel {}, {schedulers}, {nat}, {queues}",
            modules::release()
        ),
        problems,
    }
}

fn fatal(error: &Error) -> Problem {
    Problem {
        fatal: true,
        what: error.to_string(),
        remedy: "run as root or with CAP_NET_ADMIN, on a kernel with IPVS".to_owned(),
    }
}
