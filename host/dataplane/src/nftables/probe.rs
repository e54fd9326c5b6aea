//! What this machine offers to the data plane, found out without touching its rules: everything is tried in a network
//! namespace of its own.

use std::io;

use evenkeel_core::state::BackendId;

use super::feature_probe::{offload_support, queue_support};
use super::flows;
use super::nft::{self, Ourselves};
use super::queue::QueueForm;
use super::reference::Reference;
use super::socket::{Netfilter, io_error};
use crate::namespace::in_namespace;
use crate::{Error, Probe, Problem};

/// Where the kernel tells its version.
const RELEASE: &str = "/proc/sys/kernel/osrelease";

pub(super) fn probe() -> Probe {
    let mut problems = Vec::new();
    let nft = match nft::run(&Ourselves::default(), &["--version"], "") {
        Ok(version) => version
            .split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => {
            problems.push(fatal(&error, "install nft (Debian's package nftables)"));
            "no nft".to_owned()
        }
    };
    let kernel = std::fs::read_to_string(RELEASE).unwrap_or_default();
    let kernel = kernel.trim();
    let tried = if problems.is_empty() {
        probe_all(&mut problems)
    } else {
        "nothing probed"
    };
    Probe {
        summary: format!(
            "nftables: {nft}, kernel {kernel}, {tried}, {}, {}",
            queues(),
            flowtables()
        ),
        problems,
    }
}

/// How the kernel can queue new connections.
fn queues() -> String {
    match queue_support() {
        Ok(QueueForm::Nft) => "queues by nf_tables' queue".to_owned(),
        Ok(QueueForm::Compat) => "queues by iptables' NFQUEUE".to_owned(),
        Err(why) => format!("no queues for packets ({why})"),
    }
}

/// Whether established flows can be offloaded.
fn flowtables() -> String {
    match offload_support() {
        Ok(()) => "has flowtables".to_owned(),
        Err(why) => format!("no flowtables ({why})"),
    }
}

/// Loads the base ruleset and asks conntrack to end flows.
fn probe_all(problems: &mut Vec<Problem>) -> &'static str {
    let tried = match Reference::get() {
        Ok(Reference::Exact(_)) => "ruleset loaded in a namespace of its own",
        Ok(Reference::Outline) => {
            "ruleset not tried and its integrity checked by outline only (no namespace may be made: CAP_SYS_ADMIN)"
        }
        Err(error) => {
            let remedy = "use a kernel (5.10 or newer, with nf_tables, NAT, conntrack with marks, numgen and hash) and an nft \
                          (1.0.2 or newer) that can do this";
            problems.push(fatal(&error, remedy));
            return "ruleset refused";
        }
    };
    let flows = in_namespace(|| {
        let Some(id) = BackendId::new(BackendId::MAX) else {
            return Ok(());
        };
        flows::kill(&mut Netfilter::open()?, id).map_err(io_error("end flows by mark"))
    });
    if let Err(error) = flows {
        problems.push(Problem {
            fatal: false,
            what: format!("established flows cannot be ended: {error}"),
            remedy: "use a kernel with nf_conntrack_netlink and connection marks".to_owned(),
        });
    }
    if let Err(error) = Netfilter::open().and_then(|mut socket| allowed(&mut socket)) {
        problems.push(fatal(&error, "run as root or with CAP_NET_ADMIN"));
    }
    tried
}

/// Whether the tables of this namespace may be read, which takes what changing them takes.
fn allowed(socket: &mut Netfilter) -> Result<(), Error> {
    // No table can have an empty name.
    match super::read::table(socket, "") {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            Err(io_error("read the tables")(source))
        }
        _ => Ok(()),
    }
}

fn fatal(error: &Error, remedy: &str) -> Problem {
    Problem {
        fatal: true,
        what: error.to_string(),
        remedy: remedy.to_owned(),
    }
}
