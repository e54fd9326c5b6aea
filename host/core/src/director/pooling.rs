//! Which servers of a service take new connections, and with how much of their weight: backup servers, the sorry
//! server, servers that have just come back.

use std::time::Instant;

use tracing::{info, warn};

use super::machine::Director;
use super::server::RealServer;
use super::service::VirtualService;
use crate::model::{ServerRole, ServiceKey};
use crate::pool::{Duty, Member, Pool};
use crate::slow_start::{self, SlowStart};

/// The greatest weight that schedulers and IPVS are told.
const MAX_WEIGHT: u32 = 65_535;

/// What a review has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PoolChange {
    /// For the kernel, or for the scheduler.
    pub(super) changed: bool,
    /// Some server is to get less than before.
    pub(super) takes_less: bool,
}

/// In short, what a pool is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum PoolState {
    #[default]
    Regular,
    Backups,
    Sorry,
    Forced,
}

impl VirtualService {
    /// A server's checks say that it is up again, or that it is not.
    pub(super) fn came_or_went(&mut self, index: usize, came: bool, now: Instant) {
        let whole = self.spec.pool.slow_start;
        if let Some(server) = self.servers.get_mut(index) {
            server.slow_start = whole
                .filter(|_| came)
                .map(|whole| SlowStart::new(now, whole));
        }
    }

    /// Looks at all of its servers, after something about one of them has changed, or time has passed.
    pub(super) fn review_pool(&mut self, now: Instant) -> PoolChange {
        let roles = self.servers.iter().map(|it| it.spec.role);
        let pooled = Pool::is_wanted(&self.spec, roles);
        let starting = self.servers.iter().any(|it| it.slow_start.is_some());
        if !pooled && !starting && self.pool.is_none() && !self.scaled {
            return PoolChange::default();
        }
        let before: Vec<(bool, u32)> = self.servers.iter().map(RealServer::for_plans).collect();
        self.grow(now);
        if pooled {
            let members: Vec<Member> = self.servers.iter().map(RealServer::as_member).collect();
            let pool = self.pool.get_or_insert_default();
            let duties = pool.decide(&self.spec, &members);
            self.take_duties(&duties);
        } else {
            self.pool = None;
            self.servers
                .iter_mut()
                .for_each(|it| it.duty = Duty::Serves);
        }
        let after = self.servers.iter().map(RealServer::for_plans);
        let mut change = PoolChange::default();
        for (before, after) in before.into_iter().zip(after) {
            change.changed |= before != after;
            change.takes_less |= after.1 < before.1;
        }
        change
    }

    /// The weights of servers that have just come back. Small weights are multiplied for as long: of a weight of 1 there
    /// are no shares.
    fn grow(&mut self, now: Instant) {
        let mut any = false;
        for server in &mut self.servers {
            server.steps = server.slow_start.and_then(|it| it.steps(now));
            if server.steps.is_none() {
                server.slow_start = None;
            }
            any |= server.steps.is_some();
        }
        let greatest = self.servers.iter().map(|it| it.spec.weight).max();
        let scale = (MAX_WEIGHT / greatest.unwrap_or(1).max(1)).clamp(1, slow_start::STEPS);
        let scale = if any { scale } else { 1 };
        self.servers.iter_mut().for_each(|it| it.scale = scale);
        self.scaled = scale > 1;
    }

    fn take_duties(&mut self, duties: &[Duty]) {
        let before = self.pool_state();
        for (server, duty) in self.servers.iter_mut().zip(duties) {
            server.duty = *duty;
        }
        let after = self.pool_state();
        if before != after {
            self.log(before, after);
        }
    }

    fn pool_state(&self) -> PoolState {
        let serves = |role| {
            let mut servers = self.servers.iter().filter(|it| it.spec.role == role);
            servers.any(|it| it.duty == Duty::Serves)
        };
        if self.servers.iter().any(|it| it.duty == Duty::Forced) {
            PoolState::Forced
        } else if serves(ServerRole::Sorry) && !serves(ServerRole::Regular) {
            PoolState::Sorry
        } else if serves(ServerRole::Backup) {
            PoolState::Backups
        } else {
            PoolState::Regular
        }
    }

    fn log(&self, before: PoolState, after: PoolState) {
        let service = &self.spec.name;
        let regular = self
            .servers
            .iter()
            .filter(|it| it.spec.role == ServerRole::Regular);
        let (mut all, mut up) = (0_u32, 0_u32);
        for server in regular {
            all += 1;
            up += u32::from(server.up() && server.healthy_weight() > 0);
        }
        match after {
            PoolState::Regular => info!(
                service,
                up,
                of = all,
                "enough servers are up again: only they are used"
            ),
            PoolState::Backups if before == PoolState::Sorry => info!(
                service,
                up,
                of = all,
                "servers are up again, with backup servers among them: the sorry server is not used"
            ),
            PoolState::Backups => warn!(
                service,
                up,
                of = all,
                "too few servers are up: the backup servers are used, too"
            ),
            PoolState::Sorry => warn!(
                service,
                up,
                of = all,
                "the servers that are up do not have the quorum: the sorry server is used"
            ),
            PoolState::Forced => warn!(
                service,
                of = all,
                "no server is up: servers are used although they fail their checks"
            ),
        }
    }

    /// When a server that has just come back is to get more.
    fn grows_at(&self, now: Instant) -> Option<Instant> {
        let starting = self.servers.iter().filter_map(|it| it.slow_start);
        starting.map(|it| it.poll_at(now)).min()
    }
}

impl Director {
    /// Which of its servers a service uses, and how much, may have changed.
    pub(super) fn review_pool(&mut self, key: ServiceKey, now: Instant) -> PoolChange {
        let service = self.services.get_mut(&key);
        let change = service.map_or_else(PoolChange::default, |it| it.review_pool(now));
        self.wake_to_grow(key, now);
        change
    }

    /// Servers that have just come back get more later.
    pub(super) fn wake_to_grow(&mut self, key: ServiceKey, now: Instant) {
        let service = self.services.get(&key);
        match service.and_then(|it| it.grows_at(now)) {
            Some(at) => self.growing.set(key, at),
            None => self.growing.clear(key),
        }
    }

    /// Servers that have come back get more by now.
    pub(super) fn grow_servers(&mut self, now: Instant) {
        while let Some(key) = self.growing.pop(now) {
            let change = self.review_pool(key, now);
            if change.changed {
                self.servers_changed(key, change.takes_less);
            }
        }
    }
}
