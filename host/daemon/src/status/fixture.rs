//! A status as tests have it: of a daemon without services, with nothing amiss.

use crate::driver::KernelReport;
use crate::punctuality::ChecksReport;
use crate::status::Status;

pub(crate) fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        pid: 1,
        up_seconds: 90_061,
        config: "/etc/evenkeel/evenkeel.toml".into(),
        reload_seconds: None,
        reload_problem: None,
        plugin_problem: None,
        log_dropped: 0,
        dataplane: "nftables".into(),
        dataplane_why: "it works on this machine".into(),
        table: "evenkeel".into(),
        settled: true,
        kernel: KernelReport::default(),
        network_problem: None,
        forwarding_problem: None,
        counting: None,
        queue_problem: None,
        connection_table_problem: None,
        checker_metrics: Vec::new(),
        checks: ChecksReport::default(),
        vrrp: None,
        connection_sync: None,
        services: Vec::new(),
    }
}
