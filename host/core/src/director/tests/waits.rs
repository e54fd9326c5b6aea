//! A scheduler that fails when it decides a connection is left alone longer each time.

use super::*;

/// How long it takes until the failed scheduler is asked again.
fn wait(world: &mut World) -> Duration {
    let from = world.now;
    while world.served.is_empty() {
        world.now = world.director.poll_at().unwrap().max(world.now);
        world.settle();
    }
    world.now - from
}

fn per_connection() -> Service {
    Service {
        decision: Decision::PerConnection,
        ..service(80, &[1, 2])
    }
}

#[test]
fn waits_grow_until_a_connection_has_been_decided_and_not_only_planned_for() {
    let mut world = World::new(State::default());
    world.configure(vec![per_connection()], None);
    let mut last = Duration::ZERO;
    for _ in 0..5 {
        world.fail_a_pick();
        assert!(world.problem().is_some());
        let waited = wait(&mut world);
        assert!(waited > last, "{waited:?} after {last:?}");
        last = waited;
        // Plans are made meanwhile, and show nothing.
        world.pass(Duration::from_secs(3));
        let report = world.director.report().remove(0);
        assert_eq!(
            report.scheduler_meanwhile.unwrap(),
            "it runs again, and has decided no connection yet"
        );
    }
    world.decide_one();
    world.pass(Duration::from_secs(3));
    assert_eq!(world.problem(), None);
    world.fail_a_pick();
    assert!(wait(&mut world) < last);
}

impl World {
    fn flow(&self) -> Flow {
        Flow {
            protocol: Protocol::Udp,
            source: ([192, 0, 2, 1], 4000).into(),
            destination: key(80).socket_addr(),
        }
    }

    fn decide_one(&self) {
        let instance = &self.served[&key(80)].instance;
        instance.pick(&self.flow(), false, self.now).unwrap();
    }

    /// It fails in a decision, and nowhere else.
    fn fail_a_pick(&mut self) {
        self.broken.store(true, Ordering::Relaxed);
        let request = &self.served[&key(80)];
        let (service, generation) = (request.service, request.generation);
        // Flows that were placed a moment ago are not asked about again.
        self.now += Duration::from_secs(60);
        let request = &self.served[&key(80)];
        let problem = request
            .instance
            .pick(&self.flow(), false, self.now)
            .unwrap_err();
        self.broken.store(false, Ordering::Relaxed);
        let input = Input::VerdictFailed {
            service,
            generation,
            problem,
        };
        self.director.handle(input, self.now);
        self.settle();
    }
}
