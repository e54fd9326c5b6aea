//! The checks of a server, once, because somebody asks.

use std::sync::Arc;

use evenkeel_config::suggest;
use evenkeel_core::director::{ServerReport, ServiceReport};
use evenkeel_core::model::ChecksRequired;
use tokio::sync::oneshot;

use super::state::App;
use crate::check_now::{CheckedNow, Job, run};

impl App {
    /// A task runs them.
    pub(super) fn answer_check_now(
        &self,
        service: &str,
        server: &str,
        reply: oneshot::Sender<Result<Box<CheckedNow>, String>>,
    ) {
        match self.job(service, server) {
            Ok(job) => {
                let limits = Arc::clone(&self.limits);
                tokio::spawn(async move {
                    let answer = run(job, limits).await;
                    let _ = reply.send(Ok(Box::new(answer)));
                });
            }
            // Whoever asked may have gone.
            Err(message) => drop(reply.send(Err(message))),
        }
    }

    fn job(&self, service: &str, server: &str) -> Result<Job, String> {
        let reports = self.director.report();
        let (service, server) = find(&reports, service, server)?;
        let job = self.probers.job(&service.key, server.address);
        Ok(job.unwrap_or_else(|| Job {
            service: service.name.clone(),
            server: server.name.clone(),
            address: server.address.to_string(),
            required: ChecksRequired::All,
            checks: Vec::new(),
        }))
    }
}

/// The server of that name or address, or what may have been meant.
fn find<'a>(
    services: &'a [ServiceReport],
    service: &str,
    server: &str,
) -> Result<(&'a ServiceReport, &'a ServerReport), String> {
    let Some(found) = services.iter().find(|it| it.name == service) else {
        let names: Vec<&str> = services.iter().map(|it| it.name.as_str()).collect();
        let help = suggest(service, &names, "the services are");
        return Err(format!("there is no service {service:?}; {help}"));
    };
    let is_meant = |it: &&ServerReport| it.name == server || it.address.to_string() == server;
    let Some(meant) = found.servers.iter().find(is_meant) else {
        let names: Vec<&str> = found.servers.iter().map(|it| it.name.as_str()).collect();
        let help = suggest(server, &names, "its servers are");
        return Err(format!(
            "service {service} has no server {server:?}; {help}"
        ));
    };
    Ok((found, meant))
}
