//! Another scheduler takes the place of the one that runs, or does not.

use super::*;
use crate::model::Share;
use crate::plugin::Failure;

/// What a plugin of these tests does, beside giving each server `width` slots.
#[derive(Clone)]
struct How {
    version: &'static str,
    width: u32,
    /// Its slots are in the servers' order, but for so many places.
    turned: usize,
    selector: Selector,
    decisions: Vec<Decision>,
    /// `None`: it hands nothing over.
    exports: Option<SavedState>,
    fails: Option<Where>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Where {
    Role,
    Export,
    Import,
    RefusesState,
    Backends,
    Plan,
    ForeignServer,
    NoSlots,
}

fn good(version: &'static str) -> How {
    How {
        version,
        width: 1,
        turned: 0,
        selector: Selector::Random,
        decisions: vec![Decision::Plan, Decision::PerConnection],
        exports: None,
        fails: None,
    }
}

#[derive(Default)]
struct Seen {
    imported: Vec<SavedState>,
    plans: u32,
}

struct Swappable {
    manifest: Manifest,
    how: How,
    seen: Arc<Mutex<Seen>>,
}

struct SwappableInstance {
    how: How,
    seen: Arc<Mutex<Seen>>,
    backends: Vec<SchedulerBackend>,
}

impl How {
    fn plugin(self) -> (Arc<dyn SchedulerPlugin>, Arc<Mutex<Seen>>) {
        let seen = Arc::<Mutex<Seen>>::default();
        let manifest = Manifest {
            abilities: Some(Abilities {
                decisions: self.decisions.clone(),
                facts: Facts::default(),
                deterministic: false,
                stateless: false,
                labels: Vec::new(),
                delegates: Vec::new(),
            }),
            name: "swapped".into(),
            version: self.version.into(),
            summary: String::new(),
            settings: Vec::new(),
        };
        let plugin = Swappable {
            manifest,
            how: self,
            seen: Arc::clone(&seen),
        };
        (Arc::new(plugin), seen)
    }
}

impl SchedulerPlugin for Swappable {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }
    fn scheduler(
        &self,
        _: &ServiceContext,
        _: &[Setting],
    ) -> Result<Box<dyn Scheduler>, PluginError> {
        Ok(Box::new(SwappableInstance {
            how: self.how.clone(),
            seen: Arc::clone(&self.seen),
            backends: Vec::new(),
        }))
    }
}

impl SwappableInstance {
    fn fails(&self, at: Where) -> Result<(), PluginError> {
        if self.how.fails == Some(at) {
            return Err(PluginError {
                plugin: "swapped".into(),
                version: self.how.version.into(),
                failure: Failure::Trap(format!("{at:?}")),
            });
        }
        Ok(())
    }
}

impl Scheduler for SwappableInstance {
    fn set_role(&mut self, _: DirectorRole) -> Result<(), PluginError> {
        self.fails(Where::Role)
    }
    fn set_backends(&mut self, backends: &[SchedulerBackend]) -> Result<(), PluginError> {
        self.backends = backends.to_vec();
        self.fails(Where::Backends)
    }
    fn set_loads(&mut self, _: &[Load]) -> Result<(), PluginError> {
        Ok(())
    }
    fn make_plan(&mut self) -> Result<Plan, PluginError> {
        self.seen.lock().plans += 1;
        self.fails(Where::Plan)?;
        let taking = self.backends.iter().filter(|it| it.weight > 0);
        let width = self.how.width;
        let mut slots: Vec<Run> = taking.map(|it| Run { id: it.id, width }).collect();
        match self.how.fails {
            Some(Where::ForeignServer) => slots[0].id = BackendId::new(999).unwrap(),
            Some(Where::NoSlots) => slots.clear(),
            _ => {}
        }
        let turned = self.how.turned % slots.len().max(1);
        slots.rotate_left(turned);
        Ok(Plan::Table {
            slots,
            selector: self.how.selector,
            refresh_ms: None,
        })
    }
    fn pick(&mut self, _: &Flow) -> Result<Option<BackendId>, PluginError> {
        Ok(self.backends.last().map(|it| it.id))
    }
    fn export_state(&mut self) -> Result<Option<SavedState>, PluginError> {
        self.fails(Where::Export)?;
        Ok(self.how.exports.clone())
    }
    fn import_state(&mut self, state: &SavedState) -> Result<Result<(), String>, PluginError> {
        self.fails(Where::Import)?;
        if self.how.fails == Some(Where::RefusesState) {
            return Ok(Err("of another form".into()));
        }
        self.seen.lock().imported.push(state.clone());
        Ok(Ok(()))
    }
}

#[test]
fn state_is_kept_now_and_then_where_it_has_changed_and_given_to_the_first_scheduler_of_the_next_start()
 {
    let keeps = |text| How {
        exports: Some(state(text)),
        ..good("1.0.0")
    };
    let mut world = World::new(State::default());
    world.configure_with(service(80, &[1, 2]), &keeps("42").plugin().0);
    let kept = ("swapped".to_owned(), state("42"));
    assert_eq!(world.kept, std::slice::from_ref(&kept));
    for up in [false, true, false, true] {
        world.pass(Duration::from_secs(31));
        world.health(1, up);
    }
    assert_eq!(world.kept, [kept], "it has not changed");
    let last: Vec<_> = world.director.last_states();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].ask(), Some(state("42")));
    for (fails, imported) in [
        (None, vec![state("42")]),
        (Some(Where::RefusesState), vec![]),
    ] {
        let mut next = World::new(State::default());
        next.saved = Some(state("42"));
        let (plugin, seen) = How {
            fails,
            ..good("1.0.1")
        }
        .plugin();
        next.configure_with(service(80, &[1, 2]), &plugin);
        assert_eq!(seen.lock().imported, imported);
        assert_eq!(next.slots(), [1, 2]);
        assert_eq!(next.problem(), None);
    }
}

fn state(text: &str) -> SavedState {
    SavedState {
        version: 1,
        bytes: text.into(),
    }
}

impl World {
    /// A configuration in which the service has this plugin.
    pub(super) fn configure_with(&mut self, service: Service, plugin: &Arc<dyn SchedulerPlugin>) {
        let in_force = self.director.in_force();
        let mut config = self.config(vec![service.clone()]);
        let same = in_force
            .get(&service.key)
            .is_some_and(|(it, _)| Arc::ptr_eq(it, plugin));
        config.schedulers.clear();
        if !same {
            let scheduler = plugin.scheduler(&ServiceContext::trial("s"), &[]).unwrap();
            let new = NewScheduler {
                plugin: Arc::clone(plugin),
                settings: Vec::new(),
                scheduler,
                saved: self.saved.take(),
            };
            config.schedulers.insert(service.key, new);
        }
        self.director.configure(config, None, self.now);
        self.settle();
    }

    fn versions(&self) -> (String, Option<String>) {
        let report = self.director.report().remove(0);
        (report.scheduler_version, report.successor_problem)
    }

    /// Runs the jobs that were held back.
    pub(super) fn run_held(&mut self) {
        for (service, job) in self.held.take().unwrap() {
            let (generation, result) = (job.generation(), job.run());
            let done = Input::SchedulerDone {
                service,
                generation,
                result,
                took: self.took,
            };
            self.director.handle(done, self.now);
        }
        self.settle();
    }
}

#[test]
fn a_new_scheduler_takes_over_with_its_plan_and_the_state_of_the_one_before() {
    let mut world = World::new(State::default());
    let old = How {
        exports: Some(state("42")),
        ..good("1.0.0")
    };
    world.configure_with(service(80, &[1, 2, 3]), &old.plugin().0);
    assert_eq!(world.slots(), [1, 2, 3]);
    let (new, seen) = How {
        width: 2,
        ..good("2.0.0")
    }
    .plugin();
    world.configure_with(service(80, &[1, 2, 3]), &new);
    assert_eq!(world.slots(), [1, 1, 2, 2, 3, 3]);
    assert_eq!(world.versions(), ("2.0.0".to_owned(), None));
    assert_eq!(seen.lock().imported, [state("42")]);
    world.health(1, false);
    assert_eq!(world.slots(), [2, 2, 3, 3], "it decides from now on");
}

#[test]
fn whatever_fails_in_a_new_scheduler_the_one_before_goes_on_and_the_report_says_why() {
    let trap = |at: &str| format!("trapped: {at}");
    let cases = [
        (Where::Role, trap("Role")),
        (Where::Import, trap("Import")),
        (Where::Backends, trap("Backends")),
        (Where::Plan, trap("Plan")),
        (
            Where::ForeignServer,
            "the plan names backend 999, which the scheduler was not given (or no longer: it is down or removed)".to_owned(),
        ),
        (
            Where::NoSlots,
            "the plan has no slots (to refuse connections a scheduler answers \"none\")".to_owned(),
        ),
    ];
    for (at, why) in cases {
        let mut world = World::new(State::default());
        let old = How {
            exports: Some(state("42")),
            ..good("1.0.0")
        };
        let (old, seen) = old.plugin();
        world.configure_with(service(80, &[1, 2]), &old);
        let bad = How {
            fails: Some(at),
            width: 9,
            ..good("2.0.0")
        };
        world.configure_with(service(80, &[1, 2]), &bad.plugin().0);
        let problem = format!(
            "plugin swapped 2.0.0 does not take over, and plugin swapped 1.0.0 stays: {why}"
        );
        assert_eq!(
            world.versions(),
            ("1.0.0".to_owned(), Some(problem)),
            "{at:?}"
        );
        assert_eq!(world.problem(), None, "the one that decides works");
        assert_eq!(world.slots(), [1, 2]);
        let plans = seen.lock().plans;
        world.health(1, false);
        assert_eq!(world.slots(), [2]);
        assert!(seen.lock().plans > plans, "it is asked for plans still");
        // The configuration goes back to it.
        world.configure_with(service(80, &[1, 2]), &old);
        assert_eq!(world.versions(), ("1.0.0".to_owned(), None));
    }
}

#[test]
fn state_that_cannot_be_handed_over_or_is_refused_is_dropped_and_the_new_scheduler_takes_over() {
    for (old, new) in [
        (Some(Where::Export), None),
        (None, Some(Where::RefusesState)),
    ] {
        let mut world = World::new(State::default());
        let old = How {
            exports: Some(state("42")),
            fails: old,
            ..good("1.0.0")
        };
        world.configure_with(service(80, &[1, 2]), &old.plugin().0);
        let (new, seen) = How {
            fails: new,
            ..good("2.0.0")
        }
        .plugin();
        world.configure_with(service(80, &[1, 2]), &new);
        assert_eq!(world.versions(), ("2.0.0".to_owned(), None));
        assert_eq!(seen.lock().imported, []);
    }
}

#[test]
fn while_a_new_scheduler_is_tried_a_dead_server_leaves_and_the_successors_plan_is_without_it() {
    let mut world = World::new(State::default());
    world.configure_with(service(80, &[1, 2, 3]), &good("1.0.0").plugin().0);
    world.held = Some(Vec::new());
    let new = How {
        width: 2,
        ..good("2.0.0")
    };
    world.configure_with(service(80, &[1, 2, 3]), &new.plugin().0);
    assert_eq!(world.slots(), [1, 2, 3]);
    world.health(2, false);
    assert_eq!(world.slots(), [1, 3]);
    world.run_held();
    assert_eq!(world.slots(), [1, 1, 3, 3]);
    assert_eq!(world.versions().0, "2.0.0");
}

#[test]
fn of_two_new_schedulers_one_after_the_other_the_last_one_takes_over() {
    let mut world = World::new(State::default());
    world.configure_with(service(80, &[1, 2]), &good("1.0.0").plugin().0);
    world.held = Some(Vec::new());
    world.configure_with(service(80, &[1, 2]), &good("2.0.0").plugin().0);
    world.configure_with(service(80, &[1, 2]), &good("3.0.0").plugin().0);
    world.run_held();
    assert_eq!(world.versions(), ("3.0.0".to_owned(), None));
    assert_eq!(world.slots(), [1, 2]);
}

#[test]
fn a_new_scheduler_takes_the_place_of_one_that_has_failed() {
    let mut world = World::new(State::default());
    let bad = How {
        fails: Some(Where::Plan),
        ..good("1.0.0")
    };
    world.configure_with(service(80, &[1, 2]), &bad.plugin().0);
    assert!(world.problem().is_some());
    let report = world.director.report().remove(0);
    assert_eq!(
        report.scheduler_meanwhile.unwrap(),
        "it has given no plan that could stay: servers take turns, by weight"
    );
    let worse = How {
        fails: Some(Where::Backends),
        ..good("2.0.0")
    };
    world.configure_with(service(80, &[1, 2]), &worse.plugin().0);
    assert!(world.problem().is_some());
    assert!(world.versions().1.is_some());
    world.configure_with(service(80, &[1, 2]), &good("3.0.0").plugin().0);
    assert_eq!(world.problem(), None);
    assert_eq!(world.versions(), ("3.0.0".to_owned(), None));
    world.pass(Duration::from_secs(600));
    assert_eq!(
        world.versions().0,
        "3.0.0",
        "the failed one is not started again"
    );
}

fn decided(decision: Decision) -> Service {
    Service {
        decision,
        ..service(80, &[1, 2])
    }
}

#[test]
fn where_each_connection_is_decided_the_queue_stays_while_another_instance_takes_over() {
    let mut world = World::new(State::default());
    let spec = decided(Decision::PerConnection);
    world.configure_with(spec.clone(), &good("1.0.0").plugin().0);
    let queue = world.kernel.services[&key(80)].queue.unwrap();
    let first = world.served[&key(80)].generation;
    world.silent = true;
    world.configure_with(spec, &good("2.0.0").plugin().0);
    assert_eq!(world.kernel.services[&key(80)].queue, Some(queue));
    assert!(world.served[&key(80)].generation > first);
    // What the one before did last is of no interest any more.
    let late = Input::VerdictFailed {
        service: key(80),
        generation: first,
        problem: "late".to_owned(),
    };
    world.director.handle(late, world.now);
    world.settle();
    assert_eq!(world.problem(), None);
}

#[test]
fn a_new_scheduler_is_followed_otherwise_once_it_has_taken_over_and_not_before() {
    let mut world = World::new(State::default());
    world.configure_with(decided(Decision::Plan), &good("1.0.0").plugin().0);
    let bad = How {
        fails: Some(Where::Plan),
        ..good("2.0.0")
    };
    let queue = |world: &World| world.kernel.services[&key(80)].queue;
    world.configure_with(decided(Decision::PerConnection), &bad.plugin().0);
    assert_eq!(queue(&world), None);
    assert_eq!(world.director.report()[0].decision, Decision::Plan);
    world.configure_with(decided(Decision::PerConnection), &good("3.0.0").plugin().0);
    assert!(queue(&world).is_some());
    world.configure_with(decided(Decision::Plan), &good("4.0.0").plugin().0);
    assert_eq!(queue(&world), None);
    assert!(world.served.is_empty());
}

#[test]
fn a_service_that_goes_while_a_scheduler_is_tried_for_it_stays_gone() {
    let mut world = World::new(State::default());
    world.configure_with(service(80, &[1]), &good("1.0.0").plugin().0);
    world.held = Some(Vec::new());
    world.configure_with(service(80, &[1]), &good("2.0.0").plugin().0);
    let nothing = world.config(Vec::new());
    world.director.configure(nothing, None, world.now);
    world.settle();
    world.run_held();
    assert!(world.kernel.services.is_empty());
}

#[test]
fn what_was_tried_last_is_known_though_it_did_not_take_over() {
    let mut world = World::new(State::default());
    let (old, _) = good("1.0.0").plugin();
    world.configure_with(service(80, &[1]), &old);
    let bad = How {
        fails: Some(Where::Plan),
        ..good("2.0.0")
    };
    let (bad, _) = bad.plugin();
    world.configure_with(service(80, &[1]), &bad);
    let is = |which: &Arc<dyn SchedulerPlugin>,
              of: &BTreeMap<ServiceKey, (Arc<dyn SchedulerPlugin>, Vec<Setting>)>| {
        Arc::ptr_eq(which, &of[&key(80)].0)
    };
    assert!(is(&old, &world.director.in_force()));
    assert!(is(&bad, &world.director.tried_last()));
}

#[test]
fn a_scheduler_whose_plan_moves_more_clients_than_allowed_does_not_take_over() {
    let hashed = |version, turned| How {
        selector: Selector::HashSource,
        turned,
        ..good(version)
    };
    let mut world = World::new(State::default());
    let mut spec = service(80, &[1, 2, 3]);
    spec.max_moves = Share::new(500);
    world.configure_with(spec.clone(), &hashed("1.0.0", 0).plugin().0);
    assert_eq!(world.slots(), [1, 2, 3]);
    world.configure_with(spec.clone(), &hashed("2.0.0", 1).plugin().0);
    let (version, problem) = world.versions();
    assert_eq!(version, "1.0.0");
    assert_eq!(
        problem.unwrap(),
        "plugin swapped 2.0.0 does not take over, and plugin swapped 1.0.0 stays: the plan sends 100% of the clients \
         to another server without a reason, more than max_moves = 5%"
    );
    assert_eq!(world.slots(), [1, 2, 3]);
    // Without a limit it does.
    spec.max_moves = None;
    world.configure_with(spec, &hashed("3.0.0", 1).plugin().0);
    assert_eq!(world.slots(), [2, 3, 1]);
}

#[test]
fn a_plan_that_moves_more_clients_than_allowed_is_refused_and_the_scheduler_goes_on() {
    let mut world = World::new(State::default());
    let mut spec = service(80, &[1, 2, 3]);
    spec.max_moves = Share::new(500);
    let hashed = How {
        selector: Selector::HashSource,
        ..good("1.0.0")
    };
    let (plugin, _) = hashed.plugin();
    world.configure_with(spec.clone(), &plugin);
    // Slots in order: without the first server, the others' clients move, too.
    world.health(1, false);
    assert_eq!(
        world.slots(),
        [2, 2, 3],
        "the failed server's slots go to the others"
    );
    let report = world.director.report().remove(0);
    assert!(
        report
            .plan_refused
            .unwrap()
            .contains("more than max_moves = 5%")
    );
    assert_eq!(report.scheduler_problem, None);
    world.health(1, true);
    assert_eq!(world.slots(), [1, 2, 3]);
    assert_eq!(world.director.report()[0].plan_refused, None);
}
