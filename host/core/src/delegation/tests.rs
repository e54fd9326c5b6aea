use parking_lot::Mutex;

use super::*;
use crate::connections::Counts;
use crate::manifest::{Facts, SettingKind, SettingSpec, SettingValue};
use crate::plan::{PlannedGroups, Run};
use crate::scheduler::BackendFacts;
use crate::state::Selector;

fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

fn backends(active: &[u32]) -> Vec<SchedulerBackend> {
    (1..)
        .zip(active)
        .map(|(n, active)| {
            let address = ([10, 0, 0, 1], u16::try_from(n).unwrap()).into();
            let mut backend = SchedulerBackend::new(id(n), format!("rs{n}"), address, 1);
            backend.facts = facts(*active);
            backend
        })
        .collect()
}

fn facts(active: u32) -> BackendFacts {
    BackendFacts {
        counts: Counts {
            active,
            ..Counts::default()
        },
        ..BackendFacts::default()
    }
}

fn manifest(name: &str) -> Manifest {
    Manifest {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        summary: String::new(),
        settings: vec![SettingSpec {
            key: "of".to_owned(),
            doc: String::new(),
            kind: SettingKind::Text,
            default: Some(SettingValue::Text("default".to_owned())),
            required: false,
        }],
        abilities: Some(Abilities {
            decisions: vec![Decision::Plan],
            facts: Facts {
                connections: name == "least",
                ..Facts::default()
            },
            deterministic: false,
            stateless: false,
            labels: Vec::new(),
            delegates: Vec::new(),
        }),
    }
}

/// All slots to the server with the fewest connections. Remembers how many instances it has had, and their settings.
struct Least {
    manifest: Manifest,
    made: Mutex<Vec<Vec<Setting>>>,
}

impl SchedulerPlugin for Least {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn scheduler(
        &self,
        _: &ServiceContext,
        settings: &[Setting],
    ) -> Result<Box<dyn Scheduler>, PluginError> {
        self.made.lock().push(settings.to_vec());
        Ok(Box::new(Told(Vec::new())))
    }
}

struct Told(Vec<SchedulerBackend>);

impl Scheduler for Told {
    fn set_backends(&mut self, backends: &[SchedulerBackend]) -> Result<(), PluginError> {
        self.0 = backends.to_vec();
        Ok(())
    }

    fn set_loads(&mut self, _: &[Load]) -> Result<(), PluginError> {
        Ok(())
    }

    fn make_plan(&mut self) -> Result<Plan, PluginError> {
        let least = self.0.iter().min_by_key(|it| it.facts.counts.active);
        Ok(least.map_or(Plan::None, |it| Plan::Table {
            slots: vec![Run {
                id: it.id,
                width: 1,
            }],
            selector: Selector::Sequence,
            refresh_ms: Some(500),
        }))
    }

    fn pick(&mut self, _: &Flow) -> Result<Option<BackendId>, PluginError> {
        Ok(None)
    }
}

/// Leaves servers to other schedulers, group by group.
struct Leaving(Vec<(&'static str, Vec<u32>)>);

impl Scheduler for Leaving {
    fn set_backends(&mut self, _: &[SchedulerBackend]) -> Result<(), PluginError> {
        Ok(())
    }

    fn set_loads(&mut self, _: &[Load]) -> Result<(), PluginError> {
        Ok(())
    }

    fn make_plan(&mut self) -> Result<Plan, PluginError> {
        let groups = self.0.iter().map(|(name, servers)| PlannedGroup::Delegate {
            scheduler: (*name).to_owned(),
            servers: servers.iter().map(|n| id(*n)).collect(),
        });
        Ok(Plan::Groups(PlannedGroups {
            groups: groups.collect(),
            rules: Vec::new(),
            refresh_ms: Some(900),
        }))
    }

    fn pick(&mut self, _: &Flow) -> Result<Option<BackendId>, PluginError> {
        Ok(None)
    }
}

fn least() -> Arc<Least> {
    Arc::new(Least {
        manifest: manifest("least"),
        made: Mutex::default(),
    })
}

fn leaving(groups: Vec<(&'static str, Vec<u32>)>, to: &Arc<Least>) -> DelegatingScheduler {
    let delegates = Delegates::from([("least".to_owned(), Arc::clone(to) as _)]);
    let inner = Box::new(Leaving(groups));
    DelegatingScheduler::new(inner, ServiceContext::trial("web"), delegates)
}

/// The one server of each group.
fn servers(plan: &Plan) -> Vec<Option<u32>> {
    let Plan::Groups(groups) = plan else {
        panic!("{plan:?}");
    };
    let server = |group: &PlannedGroup| match group {
        PlannedGroup::Servers(table) => Some(table.slots[0].id.get()),
        _ => None,
    };
    groups.groups.iter().map(server).collect()
}

#[test]
fn each_group_is_planned_for_by_an_instance_of_its_own_that_knows_its_servers_alone() {
    let plugin = least();
    let mut scheduler = leaving(vec![("least", vec![1, 2]), ("least", vec![3])], &plugin);
    scheduler.set_backends(&backends(&[5, 3, 0])).unwrap();
    let plan = scheduler.make_plan().unwrap();
    assert_eq!(servers(&plan), [Some(2), Some(3)]);
    assert_eq!(plan.refresh_ms(), Some(500));
    let load = Load {
        id: id(2),
        facts: facts(9),
    };
    scheduler.set_loads(&[load]).unwrap();
    assert_eq!(servers(&scheduler.make_plan().unwrap()), [Some(1), Some(3)]);
    let made = plugin.made.lock();
    assert_eq!(made.len(), 2);
    assert_eq!(made[0][0].value, SettingValue::Text("default".to_owned()));
}

#[test]
fn what_names_no_delegate_is_left_for_the_check_of_the_plan() {
    let mut scheduler = leaving(vec![("other", vec![1])], &least());
    scheduler.set_backends(&backends(&[0])).unwrap();
    let plan = scheduler.make_plan().unwrap();
    let error = plan.spread(&[id(1)].into()).unwrap_err().to_string();
    assert!(error.contains("other"), "{error}");
}

#[test]
fn a_server_that_was_not_given_is_an_error_that_names_the_delegate() {
    let mut scheduler = leaving(vec![("least", vec![7])], &least());
    scheduler.set_backends(&backends(&[0])).unwrap();
    let error = scheduler.make_plan().unwrap_err().to_string();
    assert!(error.contains("plugin least 1.0.0"), "{error}");
    assert!(error.contains("backend 7 was not given"), "{error}");
}

#[test]
fn facts_that_delegates_want_are_wanted_and_only_schedulers_without_delegates_can_be_one() {
    let delegates = Delegates::from([("least".to_owned(), least() as _)]);
    let plain = manifest("plain");
    let with = with_delegates(&plain, &delegates);
    assert!(with.abilities.unwrap().facts.connections);
    assert_eq!(can_be_delegate(&plain), Ok(()));
    let wrong = |change: fn(&mut Manifest)| {
        let mut manifest = manifest("plain");
        change(&mut manifest);
        can_be_delegate(&manifest).unwrap_err()
    };
    assert_eq!(wrong(|it| it.abilities = None), "is no scheduler");
    assert_eq!(
        wrong(|it| it.settings[0].required = true),
        "cannot do without the setting of"
    );
    let own = wrong(|it| {
        it.abilities.as_mut().unwrap().delegates = vec!["rr".to_owned()];
    });
    assert_eq!(own, "has delegates itself");
    let decides = wrong(|it| {
        it.abilities.as_mut().unwrap().decisions = vec![Decision::PerConnection];
    });
    assert_eq!(decides, "makes no plans");
}
