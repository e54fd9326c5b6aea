//! From a service's usable servers and its scheduler's plan to what the kernel should hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::groups::{Group, Groups, heirs};
use crate::manifest::Decision;
use crate::model::Forward;
use crate::movement::Weights;
use crate::plan::{MAX_SLOTS, Plan, PlanError};
use crate::state::{Backend, BackendId, Selector, ServiceState, Spread};

/// A real server as far as the kernel is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usable {
    /// Its number.
    pub id: BackendId,
    /// Where connections are sent.
    pub address: SocketAddr,
    /// How they get there.
    pub forward: Forward,
    /// Its weight now, after the checkers' word. 0: draining.
    pub weight: u32,
    /// Its thresholds (`upper`, `lower`); 0: none.
    pub thresholds: (u32, u32),
}

impl From<&Usable> for Backend {
    fn from(server: &Usable) -> Self {
        Self {
            address: server.address,
            forward: server.forward,
            weight: server.weight,
            upper_threshold: server.thresholds.0,
            lower_threshold: server.thresholds.1,
        }
    }
}

/// The weights of servers, which a plan is made for.
#[must_use]
pub fn weights(servers: &[Usable]) -> Weights {
    servers
        .iter()
        .map(|server| (server.id, server.weight))
        .collect()
}

/// What a scheduler's plan amounts to for the servers that it was given. `None` when none of them takes connections:
/// then there is nothing to plan, whatever the scheduler says; and `None` when the scheduler has no plan where it
/// decides each connection.
///
/// # Errors
/// When the plan does not fit the servers: see [`Plan::spread`]. A server of weight 0 may be in no slot
/// ([`PlanError::Draining`]).
pub fn accept(
    given: &[Usable],
    plan: &Plan,
    decision: Decision,
) -> Result<Option<Spread>, PlanError> {
    let taking: BTreeSet<BackendId> = given
        .iter()
        .filter(|s| s.weight > 0)
        .map(|s| s.id)
        .collect();
    let none_needed = decision == Decision::PerConnection && *plan == Plan::PerConnection;
    if taking.is_empty() || none_needed {
        Ok(None)
    } else {
        let v4 = given.iter().all(|server| server.address.is_ipv4());
        plan.spread(&taking)
            .map(|spread| Some(spread.in_family(v4)))
            .map_err(|error| named(error, given))
    }
}

/// The error with the server's address, where the number alone would not tell what is wrong.
fn named(error: PlanError, given: &[Usable]) -> PlanError {
    let PlanError::UnknownBackend(id) = error else {
        return error;
    };
    match given.iter().find(|server| server.id.get() == id) {
        Some(server) => PlanError::Draining {
            id,
            address: server.address,
        },
        None => error,
    }
}

/// What the kernel should hold for a service whose servers that are up are `up`, by the last good plan of its
/// scheduler.
///
/// A plan may be older than the servers: it was made before one failed, or its scheduler has failed since. So slots of
/// servers that take no connections any more are left out; in a hash table the others take them in turn, so that no
/// other client gets another server; in groups likewise, each for itself ([`Groups::without_failed`]). Where none remains,
/// or where there never was a plan, the servers share by weight.
/// Without a server that takes connections the service refuses.
#[must_use]
pub fn service_state(snat: bool, up: &[Usable], last_good: Option<&Spread>) -> ServiceState {
    let backends: BTreeMap<BackendId, Backend> = up.iter().map(|s| (s.id, s.into())).collect();
    let taking: BTreeSet<BackendId> = up.iter().filter(|s| s.weight > 0).map(|s| s.id).collect();
    let in_turn = || by_weight(up);
    let spread = match last_good {
        _ if taking.is_empty() => Spread::Refuse,
        Some(Spread::Refuse) => Spread::Refuse,
        None => in_turn(),
        Some(Spread::Slots { selector, slots }) => {
            match heirs(slots, *selector, |id| taking.contains(id)) {
                Some(slots) => Spread::Slots {
                    selector: *selector,
                    slots,
                },
                None => in_turn(),
            }
        }
        Some(Spread::Groups(groups)) => groups
            .without_failed(&taking)
            .map_or_else(in_turn, Spread::Groups),
    };
    ServiceState {
        snat,
        backends: backends.into(),
        spread,
        persistence: None,
        queue: None,
    }
}

/// Groups as they are to be when nobody will make another plan: what was in turn for the next moment only is by weight,
/// within each group. `servers`: with the weights that count.
#[must_use]
pub fn for_long(groups: &Groups, servers: &[Usable]) -> Groups {
    let mut groups = groups.clone();
    for group in &mut groups.groups {
        let Group::Servers { selector, slots } = group else {
            continue;
        };
        if *selector != Selector::Sequence {
            continue;
        }
        let own: Vec<Usable> = servers
            .iter()
            .filter(|it| it.weight > 0 && slots.contains(&it.id))
            .copied()
            .collect();
        if own.is_empty() {
            continue;
        }
        if let Spread::Slots {
            selector: as_weighted,
            slots: weighted,
        } = by_weight(&own)
        {
            (*selector, *slots) = (as_weighted, weighted);
        }
    }
    groups
}

/// The most slots that [`by_weight`] makes for each server.
const WIDTH: u32 = 64;

/// Without a scheduler's word: in turn if all weights are the same, else at random by weight.
fn by_weight(up: &[Usable]) -> Spread {
    let taking = || up.iter().filter(|s| s.weight > 0);
    let most = taking().map(|s| s.weight).max().unwrap_or(1);
    if taking().all(|s| s.weight == most) {
        return Spread::Slots {
            selector: Selector::Sequence,
            slots: taking().map(|s| s.id).collect(),
        };
    }
    let fits = usize::try_from(WIDTH.min(most)).unwrap_or(1) * taking().count() <= MAX_SLOTS;
    let scale = if fits { WIDTH.min(most) } else { 1 };
    let width = |weight: u32| (u64::from(weight) * u64::from(scale)).div_ceil(u64::from(most));
    Spread::Slots {
        selector: Selector::Random,
        slots: taking()
            .flat_map(|s| (0..width(s.weight)).map(|_| s.id))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Run;

    fn id(n: u32) -> BackendId {
        BackendId::new(n).unwrap()
    }

    fn server(n: u32, weight: u32) -> Usable {
        Usable {
            id: id(n),
            address: ([10, 1, 0, 1], u16::try_from(n).unwrap()).into(),
            forward: Forward::Nat,
            weight,
            thresholds: (0, 0),
        }
    }

    fn slots(ids: &[u32]) -> Spread {
        Spread::Slots {
            selector: Selector::Sequence,
            slots: ids.iter().map(|n| id(*n)).collect(),
        }
    }

    fn table(runs: &[(u32, u32)]) -> Plan {
        Plan::Table {
            slots: runs
                .iter()
                .map(|(n, width)| Run {
                    id: id(*n),
                    width: *width,
                })
                .collect(),
            selector: Selector::Sequence,
            refresh_ms: None,
        }
    }

    fn accept(given: &[Usable], plan: &Plan) -> Result<Option<Spread>, PlanError> {
        super::accept(given, plan, Decision::Plan)
    }

    #[test]
    fn runs_are_laid_out_in_order() {
        let plan = table(&[(1, 2), (2, 1), (1, 1)]);
        assert_eq!(
            accept(&[server(1, 3), server(2, 1)], &plan),
            Ok(Some(slots(&[1, 1, 2, 1])))
        );
    }

    #[test]
    fn one_slot_is_enough_for_one_server() {
        let many = table(&[(1, 7), (1, 13)]);
        let given = [server(1, 1), server(2, 1)];
        assert_eq!(accept(&given, &many), Ok(Some(slots(&[1]))));
    }

    #[test]
    fn a_plan_is_refused_that_names_a_draining_or_unknown_server_or_has_no_slots() {
        let given = [server(1, 1), server(2, 0)];
        assert_eq!(
            accept(&given, &table(&[(1, 1), (2, 1)])),
            Err(PlanError::Draining {
                id: 2,
                address: given[1].address
            })
        );
        assert_eq!(
            accept(&given, &table(&[(9, 1)])),
            Err(PlanError::UnknownBackend(9))
        );
        assert_eq!(
            accept(&given, &table(&[(1, 0)])),
            Err(PlanError::EmptyRun(1))
        );
        assert_eq!(accept(&given, &table(&[])), Err(PlanError::Empty));
        assert_eq!(
            accept(&given, &table(&[(1, u32::MAX), (1, u32::MAX)])),
            Err(PlanError::TooLarge(2 * u64::from(u32::MAX)))
        );
        assert_eq!(
            accept(&given, &Plan::PerConnection),
            Err(PlanError::PerConnection)
        );
    }

    #[test]
    fn where_no_server_takes_connections_no_plan_is_needed_and_the_service_refuses() {
        assert_eq!(accept(&[server(1, 0)], &table(&[])), Ok(None));
        let state = service_state(false, &[server(1, 0)], Some(&slots(&[1])));
        assert_eq!(state.spread, Spread::Refuse);
        assert_eq!(
            state.backends.len(),
            1,
            "a draining server keeps its connections"
        );
    }

    #[test]
    fn a_failed_server_leaves_the_slots_of_an_older_plan() {
        let state = service_state(false, &[server(2, 1)], Some(&slots(&[1, 2, 1])));
        assert_eq!(state.spread, slots(&[2]));
    }

    #[test]
    fn in_a_hash_table_the_slots_of_a_failed_server_go_to_the_others_in_turn_and_no_other_changes()
    {
        let hashed = |ids: &[u32]| Spread::Slots {
            selector: Selector::HashSource,
            slots: ids.iter().map(|n| id(*n)).collect(),
        };
        let up = [server(2, 1), server(3, 1)];
        let state = service_state(false, &up, Some(&hashed(&[1, 2, 3, 1, 2, 1])));
        assert_eq!(state.spread, hashed(&[2, 2, 3, 3, 2, 2]));
    }

    #[test]
    fn a_scheduler_that_decides_each_connection_needs_no_plan() {
        let given = [server(1, 1)];
        let decided = |plan| super::accept(&given, plan, Decision::PerConnection);
        assert_eq!(decided(&Plan::PerConnection), Ok(None));
        assert_eq!(decided(&table(&[(1, 1)])), Ok(Some(slots(&[1]))));
    }

    #[test]
    fn without_a_plan_servers_of_different_weight_share_at_random_by_weight() {
        let up = [
            server(1, 10_000),
            server(2, 5_000),
            server(3, 1),
            server(4, 0),
        ];
        let Spread::Slots { selector, slots } = service_state(false, &up, None).spread else {
            panic!("refused");
        };
        assert_eq!(selector, Selector::Random);
        let share = |n| slots.iter().filter(|it| **it == id(n)).count();
        assert_eq!([share(1), share(2), share(3), share(4)], [64, 32, 1, 0]);
    }

    #[test]
    fn servers_take_turns_where_an_older_plan_has_none_of_them() {
        let up = [server(2, 5), server(3, 5)];
        assert_eq!(
            service_state(false, &up, Some(&slots(&[1]))).spread,
            slots(&[2, 3])
        );
        assert_eq!(service_state(false, &up, None).spread, slots(&[2, 3]));
    }

    #[test]
    fn a_group_that_has_lost_all_its_servers_refuses_and_a_split_leads_to_the_others() {
        let turn = |ids: &[u32]| Group::Servers {
            selector: Selector::Sequence,
            slots: ids.iter().map(|n| id(*n)).collect(),
        };
        let split = |slots: &[usize]| Group::Split {
            selector: Selector::HashSource,
            slots: slots.to_vec(),
        };
        let spread = |groups: &[Group]| {
            Spread::Groups(Groups {
                groups: groups.to_vec(),
                clients: Vec::new(),
            })
        };
        let planned = spread(&[
            split(&[1, 2, 1, 3]),
            turn(&[1, 2]),
            turn(&[3]),
            Group::Refuse,
            turn(&[4, 1]),
        ]);
        let up = [server(1, 1), server(2, 1), server(4, 0)];
        let state = service_state(false, &up, Some(&planned));
        assert_eq!(
            state.spread,
            spread(&[
                // What the plan itself refuses stays refused.
                split(&[1, 1, 1, 3]),
                turn(&[1, 2]),
                Group::Refuse,
                Group::Refuse,
                turn(&[1]),
            ])
        );
        // None of them is left: the others take turns, whatever the group.
        let other = service_state(false, &[server(7, 1)], Some(&planned));
        assert_eq!(other.spread, slots(&[7]));
    }

    #[test]
    fn groups_that_stay_for_long_are_by_weight_each_for_itself() {
        let turn = |ids: &[u32]| Group::Servers {
            selector: Selector::Sequence,
            slots: ids.iter().map(|n| id(*n)).collect(),
        };
        let groups = Groups {
            groups: vec![turn(&[1, 2, 2, 2]), turn(&[3, 3, 4])],
            clients: Vec::new(),
        };
        let servers = [server(1, 1), server(2, 1), server(3, 2), server(4, 1)];
        let left = for_long(&groups, &servers);
        assert_eq!(left.groups[0], turn(&[1, 2]));
        let weighted = Group::Servers {
            selector: Selector::Random,
            slots: [3, 3, 4].map(id).to_vec(),
        };
        assert_eq!(left.groups[1], weighted);
    }

    #[test]
    fn a_scheduler_that_refuses_is_obeyed() {
        assert_eq!(
            service_state(false, &[server(1, 1)], Some(&Spread::Refuse)).spread,
            Spread::Refuse
        );
    }
}
