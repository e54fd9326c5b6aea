//! Numbers for real servers. A number is the connection mark of established connections, so it stays with its server
//! for as long as the server is known, over restarts of the daemon too, and is not given to another one soon after.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::model::ServiceKey;
use crate::state::{BackendId, State};

/// Gives out [`BackendId`]s.
#[derive(Debug, Clone, Default)]
pub struct Ids {
    by_server: BTreeMap<(ServiceKey, SocketAddr), BackendId>,
    taken: std::collections::BTreeSet<BackendId>,
    last: u32,
}

impl Ids {
    /// Starts from what the kernel holds: those servers keep their numbers.
    #[must_use]
    pub fn adopt(state: &State) -> Self {
        let mut ids = Self::default();
        for (key, service) in &state.services {
            for (id, backend) in &service.backends {
                ids.by_server.insert((*key, backend.address), *id);
                ids.taken.insert(*id);
                ids.last = ids.last.max(id.get());
            }
        }
        ids
    }

    /// The number of a server of a service; a new one if it has none yet. `None` only if all 16,777,215 are taken.
    pub fn get(&mut self, key: ServiceKey, address: SocketAddr) -> Option<BackendId> {
        if let Some(id) = self.by_server.get(&(key, address)) {
            return Some(*id);
        }
        let id = self.next_free()?;
        self.by_server.insert((key, address), id);
        self.taken.insert(id);
        Some(id)
    }

    /// Forgets a server that is no longer configured.
    pub fn release(&mut self, key: ServiceKey, address: SocketAddr) {
        if let Some(id) = self.by_server.remove(&(key, address)) {
            self.taken.remove(&id);
        }
    }

    /// The lowest number after the last one given, going round: a released number rests as long as possible.
    fn next_free(&mut self) -> Option<BackendId> {
        for _ in 0..BackendId::MAX {
            self.last = if self.last >= BackendId::MAX {
                1
            } else {
                self.last + 1
            };
            let id = BackendId::new(self.last)?;
            if !self.taken.contains(&id) {
                return Some(id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Protocol;
    use crate::state::{ServiceState, Spread};

    fn key(port: u16) -> ServiceKey {
        ServiceKey {
            addr: [10, 0, 0, 1].into(),
            port,
            protocol: Protocol::Tcp,
        }
    }

    fn server(n: u8) -> SocketAddr {
        ([10, 1, 0, n], 80).into()
    }

    #[test]
    fn a_server_keeps_its_number_and_the_same_server_in_another_service_has_another() {
        let mut ids = Ids::default();
        let first = ids.get(key(80), server(1));
        assert_eq!(first, ids.get(key(80), server(1)));
        assert_ne!(first, ids.get(key(81), server(1)));
    }

    #[test]
    fn a_released_number_is_not_given_out_again_at_once() {
        let mut ids = Ids::default();
        let first = ids.get(key(80), server(1));
        ids.release(key(80), server(1));
        assert_ne!(first, ids.get(key(80), server(2)));
    }

    #[test]
    fn adopted_servers_keep_the_numbers_that_the_kernel_holds() {
        let id = BackendId::new(700).unwrap();
        let mut state = State::default();
        state.services.insert(
            key(80),
            ServiceState {
                snat: false,
                backends: [(id, server(1).into())].into(),
                spread: Spread::Refuse,
                persistence: None,
                queue: None,
            },
        );
        let mut ids = Ids::adopt(&state);
        assert_eq!(ids.get(key(80), server(1)), Some(id));
        assert_eq!(ids.get(key(80), server(2)), BackendId::new(701));
    }
}
