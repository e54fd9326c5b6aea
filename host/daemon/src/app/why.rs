//! Where connections of a client go.

use std::time::Instant;

use evenkeel_core::model::ServiceKey;
use tokio::sync::oneshot;

use super::state::App;
use crate::why::{Client, Question, Sources, Why, build, look_up};

impl App {
    /// A task waits for what only the kernel knows.
    pub(super) fn answer_why(
        &self,
        question: &Question,
        reply: oneshot::Sender<Result<Box<Why>, String>>,
    ) {
        let (client, kind) = (question.client, self.kind);
        let of = |key: &ServiceKey| {
            let decides = self.director.decides(key, client.socket_addr())?;
            Some((decides, self.identity(key).cloned()))
        };
        let family = |key: &&ServiceKey| key.addr.is_ipv4() == client.address.is_ipv4();
        let keys = self.director.keys().filter(family);
        let mut services: Vec<_> = keys.filter_map(of).collect();
        if let Some(name) = &question.service {
            services.retain(|(decides, _)| decides.report.name == *name);
            if services.is_empty() {
                // Whoever asked may have gone.
                let _ = reply.send(Err(self.no_service(name, client)));
                return;
            }
        }
        let remembering: Vec<_> = services
            .iter()
            .filter_map(|(decides, _)| Some((decides.report.key, decides.report.persistence?)))
            .collect();
        let mut prefixes: Vec<u8> = remembering.iter().map(|(_, it)| it.prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        let remembered = self.kernel.remembered(client.address, remembering);
        let named = question.service.is_some();
        tokio::spawn(async move {
            let remembered = remembered.await;
            let looked =
                tokio::task::spawn_blocking(move || look_up(kind, client, &prefixes)).await;
            let sources = Sources {
                now: Instant::now(),
                client,
                kind,
                named,
                services,
                entries: looked.unwrap_or_default(),
                remembered,
            };
            let _ = reply.send(Ok(Box::new(build(sources))));
        });
    }

    /// Why a service cannot be asked about.
    fn no_service(&self, name: &str, client: Client) -> String {
        let mut names: Vec<String> = self
            .director
            .report()
            .into_iter()
            .map(|it| it.name)
            .collect();
        if names.iter().any(|it| it == name) {
            let family = if client.address.is_ipv4() {
                "IPv4"
            } else {
                "IPv6"
            };
            return format!("{client} does not reach {name}, whose address is none of {family}");
        }
        names.truncate(20);
        format!(
            "there is no service {name:?}; there are {}",
            names.join(", ")
        )
    }
}
