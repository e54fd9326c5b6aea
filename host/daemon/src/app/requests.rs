//! What is asked over the control socket.

use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::oneshot;

use super::state::App;
use crate::calls::Caller;
use crate::control::Request;
use crate::counting;
use crate::status::Status;
use crate::status::build::{Snapshot, Sources};
use crate::status::service::ServiceSnapshot;
use crate::status::vrrp::VrrpReport;

impl App {
    /// Answers a client of the control socket, which may have gone meanwhile.
    pub(super) fn answer(&mut self, request: Request) {
        match request {
            Request::Status { reply } => self.answer_status(reply),
            Request::Why { question, reply } => self.answer_why(&question, reply),
            Request::Check {
                service,
                server,
                reply,
            } => self.answer_check_now(&service, &server, reply),
            Request::Vrrp {
                command,
                instance,
                reply,
            } => {
                let _ = reply.send(self.redundancy.command(instance, command));
            }
        }
    }

    /// A task waits for what only the kernel knows.
    fn answer_status(&mut self, reply: oneshot::Sender<Box<Status>>) {
        let now = Instant::now();
        self.take_snapshots(now);
        let snapshot = self.snapshot(now);
        let elsewhere = self.director.servers_elsewhere();
        let counters = self.kernel.counters();
        let listening = snapshot.counting.is_some();
        let connections = self
            .counting
            .data_plane_counts()
            .then(|| self.kernel.connections());
        tokio::spawn(async move {
            let counters = counters.await;
            let mut connections = match connections {
                Some(connections) => Some(connections.await),
                None if listening => None,
                None => {
                    let counted = tokio::task::spawn_blocking(counting::once).await;
                    Some(counted.unwrap_or_default())
                }
            };
            if let Some(connections) = &mut connections {
                connections.retain(|id, _| !elsewhere.contains(id));
            }
            let sources = Sources {
                snapshot,
                counters,
                connections,
            };
            let _ = reply.send(Box::new(Status::build(sources)));
        });
    }

    fn snapshot(&self, now: Instant) -> Snapshot {
        let reports = self.director.report();
        let services = self.director.keys().zip(reports);
        let services = services.map(|(key, report)| ServiceSnapshot {
            report,
            // Not while the queue is served and the kernel not told yet.
            queue: (self.director.serves_queue(key))
                .then(|| self.queues.report(key))
                .flatten(),
            plugin: self.identity(key).cloned(),
            calls: (self.director.plugin(key))
                .map(|plugin| self.calls.report(key, Caller::First, plugin))
                .unwrap_or_default(),
            second_plugin: self.second_identity(key).cloned(),
            second_calls: (self.director.second_plugin(key))
                .map(|plugin| self.calls.report(key, Caller::Second, plugin))
                .unwrap_or_default(),
            suspended: self.probers.suspended().contains(key),
        });
        let mut kernel = self.kernel.report();
        let refusals = self.director.kernel_refusals();
        if kernel.problem.is_none() && !refusals.is_empty() {
            kernel.problem = Some(refusals.join("; "));
        }
        Snapshot {
            now,
            up: now.duration_since(self.started),
            config: self.reloader.file().to_owned(),
            reloading: self.reloader.under_way(now),
            reload_problem: self.reloader.problem().map(str::to_owned),
            plugin_problem: self.reloader.plugin_problem(),
            log_dropped: self.log_dropped.load(Ordering::Relaxed),
            dataplane: self.kind,
            dataplane_why: self.why.clone(),
            table: self.daemon.table.clone(),
            settled: self.director.settled() && !self.director.is_refused(),
            kernel,
            network_problem: self.network.problem(),
            forwarding_problem: self.forwarding.problem(),
            counting: self.counting.report(),
            queue_problem: self.queues.problem(),
            connection_table_problem: self.limits.problem(),
            checks: self.limits.checks(now),
            checker_metrics: self.probers.metrics(),
            vrrp: self.vrrp_report(),
            connection_sync: self.synchroniser.report(),
            services: services.collect(),
        }
    }

    /// `None` where no VRRP is configured.
    fn vrrp_report(&self) -> Option<VrrpReport> {
        if let Some(problem) = self.redundancy.problem() {
            return Some(VrrpReport::not_running(problem));
        }
        let configured = &self.redundancy.config().instances;
        let status = self.redundancy.status()?;
        Some(VrrpReport::new(configured, status))
    }
}
