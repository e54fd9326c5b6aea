//! Schedulers that keep nothing between plans share instances.

use std::sync::Arc;

use evenkeel_core::manifest::{Setting, SettingValue};
use evenkeel_core::model::{Protocol, Sandbox};
use evenkeel_core::plan::Plan;

use crate::testing::{backends, load};
use crate::{Flow, Plugin, SavedState, Scheduler, ServiceContext};

fn scheduler(plugin: &Arc<dyn Plugin>, n: u32, settings: &[Setting]) -> Box<dyn Scheduler> {
    let context = ServiceContext::trial(format!("service-{n}"));
    plugin.scheduler(&context, settings).unwrap()
}

fn max_slots(slots: i64) -> [Setting; 2] {
    let setting = |key: &str, value| Setting {
        key: key.to_owned(),
        value,
    };
    [
        setting("max-slots", SettingValue::Integer(slots)),
        setting("order", SettingValue::Text("smooth".to_owned())),
    ]
}

fn width(plan: &Plan) -> u32 {
    match plan {
        Plan::Table { slots, .. } => slots.iter().map(|run| run.width).sum(),
        Plan::Groups(_) | Plan::PerConnection | Plan::None => 0,
    }
}

#[test]
fn hundreds_of_services_have_one_instance_and_each_its_own_settings_and_servers() {
    let plugin = load("wrr", Sandbox::default());
    let mut schedulers: Vec<_> = (1..=300)
        .map(|n| scheduler(&plugin, n, &max_slots(i64::from(n))))
        .collect();
    for (scheduler, n) in schedulers.iter_mut().zip(1..) {
        scheduler.set_backends(&backends(&[n, 1])).unwrap();
    }
    for _ in 0..2 {
        for (scheduler, n) in schedulers.iter_mut().zip(1..) {
            // n + 1 slots are one more than it may have, but for two servers' least.
            assert_eq!(width(&scheduler.make_plan().unwrap()), n.max(2), "{n}");
        }
    }
    assert_eq!(plugin.usage().unwrap().instances, 1);
}

#[test]
fn a_thousand_plans_later_another_instance_has_taken_its_place() {
    let plugin = load("rr", Sandbox::default());
    let mut rr = scheduler(&plugin, 1, &[]);
    rr.set_backends(&backends(&[1, 1])).unwrap();
    for _ in 0..2_500 {
        assert_eq!(width(&rr.make_plan().unwrap()), 2);
    }
    assert_eq!(plugin.usage().unwrap().instances, 1);
}

#[test]
fn one_that_decides_connections_has_an_instance_of_its_own_which_hears_of_changes() {
    let plugin = load("fo", Sandbox::default());
    let [mut one, mut other] = [1, 2].map(|n| scheduler(&plugin, n, &[]));
    one.set_backends(&backends(&[1, 2])).unwrap();
    other.set_backends(&backends(&[2, 1])).unwrap();
    let flow = Flow {
        protocol: Protocol::Tcp,
        source: "192.0.2.1:1".parse().unwrap(),
        destination: "192.0.2.2:80".parse().unwrap(),
    };
    let picked = |scheduler: &mut Box<dyn Scheduler>| scheduler.pick(&flow).unwrap().unwrap().get();
    assert_eq!((picked(&mut one), picked(&mut other)), (2, 1));
    assert_eq!(plugin.usage().unwrap().instances, 3);
    one.set_backends(&backends(&[2, 1])).unwrap();
    assert_eq!(picked(&mut one), 1);
    assert_eq!(width(&one.make_plan().unwrap()), 1);
    drop((one, other));
    assert_eq!(plugin.usage().unwrap().instances, 1);
}

#[test]
fn there_is_no_state_to_hand_over() {
    let plugin = load("rr", Sandbox::default());
    let mut rr = scheduler(&plugin, 1, &[]);
    assert_eq!(rr.export_state(), Ok(None));
    let state = SavedState {
        version: 1,
        bytes: vec![1],
    };
    let refused = rr.import_state(&state).unwrap();
    assert_eq!(refused, Err("it keeps no state".to_owned()));
    assert_eq!(rr.validate(&backends(&[1])), Ok(Ok(())));
}
