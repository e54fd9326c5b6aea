//! Whether services have their quorum of servers. It is looked at once after everything that happened at one time, so
//! that VRRP is not told of what lasted for no time at all: a server that is new in the configuration counts as up until
//! its checker's word comes a moment later.

use super::event::Effect;
use super::machine::Director;
use super::notify::run;
use super::quorum::QuorumReview;
use super::server::RealServer;
use crate::model::{ServerRole, ServiceKey};
use crate::pool::Duty;

impl Director {
    /// Something may have changed the service's quorum.
    pub(super) fn review_quorum(&mut self, key: ServiceKey, why: impl FnOnce() -> String) {
        self.quorum_reviews
            .entry(key)
            .and_modify(QuorumReview::add)
            .or_insert_with(|| QuorumReview::new(why()));
    }

    /// Compares quorums with the servers as they are now, and tells what is new.
    pub(super) fn tell_quorums(&mut self) {
        for (key, review) in std::mem::take(&mut self.quorum_reviews) {
            let Some(service) = self.services.get_mut(&key) else {
                continue;
            };
            let weight = live_weight(&service.servers);
            let news = service.quorum.review(&service.spec, weight, &review);
            if let Some((name, reached)) = news {
                let notify = &service.spec.notify;
                let command = if reached {
                    &notify.quorum_up
                } else {
                    &notify.quorum_down
                };
                let run = run(name.clone(), command);
                self.effects.push(Effect::Quorum {
                    service: name,
                    reached,
                });
                self.effects.extend(run);
            }
        }
    }
}

/// The sum of the weights of the servers that are up. One that is at its upper threshold is. Backup servers count while
/// they are used, and the sorry server never.
fn live_weight(servers: &[RealServer]) -> u64 {
    let up = servers.iter().filter(|server| {
        server.up()
            && match server.spec.role {
                ServerRole::Regular => true,
                ServerRole::Backup => server.duty == Duty::Serves,
                ServerRole::Sorry => false,
            }
    });
    up.map(|server| u64::from(server.healthy_weight())).sum()
}
