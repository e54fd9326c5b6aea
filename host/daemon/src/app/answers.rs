//! What is asked over the control socket.

use std::time::Instant;

use evenkeel_core::vrrp::Command;
use tokio::sync::oneshot;

use super::App;
use crate::control::{Answer, Asked, Order, Request};
use crate::counting;
use crate::status::service::ServiceStatus;
use crate::status::{Status, vrrp};

impl App {
    pub(super) fn answer(&mut self, question: Asked) {
        match question.request {
            Request::Status => self.answer_status(question.reply),
            Request::Vrrp { order, instance } => {
                let command = match order {
                    Order::Resign => Command::Resign,
                    Order::Resume => Command::Resume,
                };
                let answer = match self.redundancy.command(instance, command) {
                    Ok(()) => Answer::Done,
                    Err(message) => Answer::Error { message },
                };
                // Whoever asked may have gone.
                let _ = question.reply.send(answer);
            }
        }
    }

    fn answer_status(&mut self, reply: oneshot::Sender<Answer>) {
        let now = Instant::now();
        self.take_snapshots(now);
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            up_seconds: now.duration_since(self.started).as_secs(),
            config: self.config.clone(),
            reload_problem: self.reload_problem.clone(),
            dataplane: self.kind.to_string(),
            dataplane_why: self.why.clone(),
            table: self.daemon.table.clone(),
            settled: self.director.settled(),
            kernel: self.kernel.report(),
            network_problem: self.network.problem(),
            vrrp: vrrp::report(&self.redundancy),
            connection_sync: self.synchroniser.report(),
            counting: self.counting.report().map(Into::into),
            queue_problem: self.queues.problem(),
            services: self
                .director
                .report()
                .into_iter()
                .map(|report| ServiceStatus::new(report, now))
                .collect(),
        };
        status.mark_suspended(&self.may_rest, self.probers.suspended());
        for (key, service) in self.director.keys().zip(&mut status.services) {
            // Not while the queue is served and the kernel not told yet.
            if self.director.serves_queue(key) {
                service.queue = self.queues.report(key);
            }
        }
        let counters = self.kernel.counters();
        let counted = status.counting.is_some();
        let connections = self
            .counting
            .data_plane_counts()
            .then(|| self.kernel.connections());
        tokio::spawn(async move {
            status.count(&counters.await);
            if let Some(connections) = connections {
                status.count_connections(&connections.await);
            } else if !counted {
                let counts = tokio::task::spawn_blocking(counting::once).await;
                status.count_connections(&counts.unwrap_or_default());
            }
            // Whoever asked may have gone.
            let _ = reply.send(Answer::Status(Box::new(status)));
        });
    }
}
