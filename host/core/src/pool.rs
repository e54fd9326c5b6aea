//! Which of a service's real servers take new connections: regular ones, backup servers and the sorry server.
//!
//! ```text
//!  regular servers enough (min_servers, or the quorum):     regular ones serve, backups wait
//!  too few:                                                 backups serve, too
//!  those do not have the quorum together, and there is a
//!  sorry server:                                            it serves alone
//!  none is up, and there is no sorry server:                when_all_down
//! ```
//!
//! Pure: [`Pool::decide`] is given how the servers are, and says what each of them is to do.

use std::collections::BTreeSet;

use crate::model::{ServerRole, Service, WhenAllDown};
use crate::quorum::Quorum;
use crate::state::BackendId;

/// A server as far as its pool is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub id: BackendId,
    /// What it is in its service.
    pub role: ServerRole,
    /// Whether its checks hold it fit.
    pub up: bool,
    /// Its weight, less what the checkers take from it.
    pub weight: u32,
}

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duty {
    /// It takes new connections while it is up.
    #[default]
    Serves,
    /// It is not needed, or may not be used, for the time being: it takes no new connections.
    Waits,
    /// It takes new connections although it has failed, since all have.
    Forced,
}

/// The pool of one service.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    /// Whether the regular servers that are up have the quorum, where backup servers go by that.
    regular: Option<Quorum>,
    /// Whether these and the backup servers have it, where a sorry server goes by that.
    together: Option<Quorum>,
    /// Those that were up when any was.
    last_up: BTreeSet<BackendId>,
}

impl Pool {
    /// Whether the service has anything of this: otherwise every server serves.
    #[must_use]
    pub fn is_wanted(service: &Service, mut roles: impl Iterator<Item = ServerRole>) -> bool {
        service.pool.when_all_down != WhenAllDown::Refuse
            || roles.any(|role| role != ServerRole::Regular)
    }

    /// What each of the servers is to do, in their order.
    pub fn decide(&mut self, service: &Service, members: &[Member]) -> Vec<Duty> {
        let of = |role| move |it: &&Member| it.role == role && it.up && it.weight > 0;
        let weight = |role| -> u64 {
            let up = members.iter().filter(of(role));
            up.map(|it| u64::from(it.weight)).sum()
        };
        let (regular, backup) = (weight(ServerRole::Regular), weight(ServerRole::Backup));

        let by_quorum = follow(&mut self.regular, service, regular);
        let enough = match service.pool.min_servers {
            Some(least) => {
                let up = members.iter().filter(of(ServerRole::Regular)).count();
                u32::try_from(up).is_ok_and(|up| up >= least)
            }
            None => by_quorum,
        };
        let together = if enough { regular } else { regular + backup };
        let quorum = follow(&mut self.together, service, together);
        let has_sorry = members.iter().any(|it| it.role == ServerRole::Sorry);
        if !quorum && has_sorry {
            let duty = |it: &Member| match it.role {
                ServerRole::Sorry => Duty::Serves,
                ServerRole::Regular | ServerRole::Backup => Duty::Waits,
            };
            return members.iter().map(duty).collect();
        }
        if regular + backup == 0 {
            let forced = |it: &Member| match service.pool.when_all_down {
                WhenAllDown::Refuse => false,
                WhenAllDown::UseAll => true,
                WhenAllDown::UseLast => self.last_up.contains(&it.id),
            };
            let duty = |it: &Member| match it.role {
                ServerRole::Sorry => Duty::Waits,
                _ if !it.up && forced(it) => Duty::Forced,
                _ => Duty::Serves,
            };
            return members.iter().map(duty).collect();
        }
        let up = members.iter().filter(|it| it.up && it.weight > 0);
        let up = up.filter(|it| it.role != ServerRole::Sorry);
        self.last_up = up.map(|it| it.id).collect();
        let duty = |it: &Member| match it.role {
            ServerRole::Regular => Duty::Serves,
            ServerRole::Backup if !enough => Duty::Serves,
            ServerRole::Backup | ServerRole::Sorry => Duty::Waits,
        };
        members.iter().map(duty).collect()
    }
}

/// Takes in a sum of weights; says whether it is enough.
fn follow(state: &mut Option<Quorum>, service: &Service, weight: u64) -> bool {
    match state {
        Some(quorum) => {
            quorum.update(service, weight);
            quorum.reached()
        }
        None => state.insert(Quorum::new(service, weight)).reached(),
    }
}

#[cfg(test)]
mod tests;
