//! Whether a virtual service has enough servers.

use crate::model::Service;

/// A service's quorum, over the sum of the weights of its servers that are up.
///
/// Reached at `quorum + hysteresis`, lost below `quorum - hysteresis` or at 0 (keepalived `quorum`, `hysteresis`); in
/// between it stays what it was. A new service starts with what its servers' weights say without hysteresis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    reached: bool,
}

impl Quorum {
    /// Of a service that is new, with this sum of weights.
    #[must_use]
    pub fn new(service: &Service, weight: u64) -> Self {
        Self {
            reached: weight > 0 && weight >= u64::from(service.quorum),
        }
    }

    /// Whether there are enough.
    #[must_use]
    pub fn reached(self) -> bool {
        self.reached
    }

    /// Takes in the sum of weights now. Says whether that changed anything.
    pub fn update(&mut self, service: &Service, weight: u64) -> bool {
        let (quorum, hysteresis) = (u64::from(service.quorum), u64::from(service.hysteresis));
        let before = self.reached;
        self.reached = if before {
            weight > 0 && weight >= quorum.saturating_sub(hysteresis)
        } else {
            weight > 0 && weight >= quorum + hysteresis
        };
        before != self.reached
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use std::net::{Ipv4Addr, SocketAddr};

    use crate::model::{OnDown, OnDrain, PluginRef, PluginUse, Protocol, Service, ServiceKey};

    /// A service with such a quorum, and no servers.
    pub(crate) fn service(quorum: u32, hysteresis: u32) -> Service {
        let listen = SocketAddr::from((Ipv4Addr::new(10, 10, 54, 151), 80));
        Service {
            decision: crate::manifest::Decision::Plan,
            persistence: None,
            name: "web".into(),
            key: ServiceKey {
                addr: listen.ip(),
                port: listen.port(),
                protocol: Protocol::Tcp,
            },
            scheduler: PluginUse {
                plugin: PluginRef::Name("rr".into()),
                settings: Vec::new(),
            },
            snat: false,
            on_down: OnDown::Keep,
            on_drain: OnDrain::Keep,
            assign: None,
            quorum,
            hysteresis,
            second: None,
            max_moves: None,
            pool: Default::default(),
            notify: Default::default(),
            ha_suspend: false,
            servers: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::service;
    use super::*;

    #[test]
    fn a_quorum_is_reached_and_lost_with_hysteresis_around_it() {
        let service = service(4, 1);
        let mut quorum = Quorum::new(&service, 4);
        assert!(quorum.reached(), "a new service has no history");
        let steps = [
            (3, false, true),
            (2, true, false),
            (4, false, false),
            (5, true, true),
            (0, true, false),
        ];
        for (weight, changed, reached) in steps {
            assert_eq!(quorum.update(&service, weight), changed, "weight {weight}");
            assert_eq!(quorum.reached(), reached, "weight {weight}");
        }
    }

    #[test]
    fn a_service_without_any_weight_has_no_quorum_whatever_the_hysteresis() {
        let service = service(1, 0);
        assert!(!Quorum::new(&service, 0).reached());
        let mut quorum = Quorum::new(&service, 1);
        assert!(quorum.update(&service, 0));
        assert!(!quorum.reached());
    }
}
