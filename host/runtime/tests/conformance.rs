//! Every shipped scheduler behaves alike in both runtimes, as the host expects of it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
mod pair;

use std::path::Path;
use std::time::Duration;

use evenkeel_core::connections::Counts;
use evenkeel_core::manifest::{Decision, Setting, SettingKind, SettingValue};
use evenkeel_core::model::Protocol;
use evenkeel_core::plan::Plan;
use evenkeel_core::scheduler::Traffic;
use evenkeel_core::signals::Signals;
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::{
    BackendFacts, Failure, Load, Plugin, PluginError, Scheduler, ServiceContext,
};
use pair::{Both, DRAWS, Family, Pair, id};

const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

fn load(n: u32, active: u32, inactive: u32, latency: Option<u64>) -> Load {
    let counts = Counts {
        active,
        inactive,
        total: u64::from(active) * 3,
        ..Counts::default()
    };
    Load {
        id: id(n),
        facts: BackendFacts {
            counts,
            latency: latency.map(Duration::from_micros),
            signals: Signals::new([("load".to_owned(), f64::from(active))]),
            per_minute: active / 2,
            failed: u64::from(active) + 1,
            traffic: active.is_multiple_of(2).then(|| Traffic {
                to_backend: u64::from(active) * 100,
                to_clients: u64::from(active) * 900,
            }),
        },
    }
}

#[test]
fn a_scheduler_says_the_same_of_itself_in_both_runtimes() {
    for pair in Pair::shipped() {
        assert_eq!(pair.wasm.manifest(), pair.native.manifest());
        assert_eq!(pair.wasm.manifest().name, pair.name);
        assert_eq!(pair.wasm.kind(), pair.native.kind());
        assert_eq!(pair.wasm.contract(), pair.native.contract());
        assert!(pair.native.checker(&[]).is_err());
    }
}

/// What its README says of it: when to use it, its settings, how it is followed (the default first), and where it
/// comes from.
#[test]
fn the_readme_of_a_scheduler_says_what_the_module_says() {
    for pair in Pair::shipped() {
        let name = &pair.name;
        let file = format!("../../plugins/{name}/README.md");
        let text = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(text).unwrap();
        let part = |title: &str| {
            let (_, rest) = text
                .split_once(&format!("**{title}**"))
                .unwrap_or_else(|| panic!("{name} has no {title:?}"));
            rest.split("\n\n**").next().unwrap().replace('`', "")
        };
        assert!(part("When to use it:").len() > 20, "{name}");
        assert!(part("Source:").len() > 20, "{name}");
        let manifest = pair.wasm.manifest();
        let decisions = part("Decisions:");
        let offered = &manifest.abilities.as_ref().unwrap().decisions;
        let first = format!(" {}", offered[0]);
        assert!(decisions.starts_with(&first), "{name}: {decisions}");
        for decision in [Decision::Plan, Decision::PerConnection] {
            let named = decisions.contains(&decision.to_string());
            assert!(named || !offered.contains(&decision), "{name}: {decisions}");
        }
        let default = decisions.contains("(default");
        assert_eq!(default, offered.len() > 1, "{name}: {decisions}");
        assert_eq!(
            decisions.contains(&format!("{first} only")),
            offered.len() == 1,
            "{name}: {decisions}"
        );
        if manifest.settings.is_empty() {
            assert!(part("Settings:").contains("none"), "{name}");
        }
        for spec in &manifest.settings {
            let row = format!("| {} |", spec.key);
            assert!(part("Settings").contains(&row), "{name}: {}", spec.key);
        }
    }
}

/// Plans and picks of servers that have no connections yet.
fn serve(both: &mut Both, family: Family, weights: &[u32]) {
    let when = format!("{family:?}, {} servers", weights.len());
    both.set_backends(&family.servers(weights));
    let plan = both.plan(&when);
    let taking = weights.iter().any(|weight| *weight > 0);
    assert!(
        !taking || plan != Plan::None,
        "{}, {when}: refuses",
        both.name
    );
    if !both.picks() {
        return;
    }
    for client in 0..40 {
        for protocol in PROTOCOLS {
            let flow = family.flow(protocol, client, 1024 + 7);
            let picked = both.pick(&flow, &when);
            // Some refuse a client whose server has no weight, and ovf when as many connections are open as the
            // weights say, as IPVS does. There are none at first; its own picks count.
            let first = client == 0 && protocol == Protocol::Tcp;
            if first && weights.iter().all(|weight| *weight > 0) && !weights.is_empty() {
                assert!(
                    picked.iter().all(Option::is_some),
                    "{}, {when}: {flow:?}",
                    both.name
                );
            }
        }
    }
}

#[test]
fn any_number_of_servers_of_any_weight_is_served_and_they_may_leave_and_come_back() {
    let mut random = fastrand::Rng::with_seed(1);
    let thousand: Vec<u32> = (0..1000).map(|_| random.u32(1..=65_535)).collect();
    let sets: [&[u32]; 13] = [
        &[],
        &[1],
        &[0],
        &[0, 0, 0],
        &[1, 1],
        &[65_535, 1],
        &[65_535, 65_534],
        &thousand[..16],
        &thousand,
        &[1; 1000],
        &[],
        &[3, 0, 2],
        &[1, 2, 3],
    ];
    for pair in Pair::shipped() {
        for family in [Family::V4, Family::V6] {
            let mut both = pair.start();
            for weights in sets {
                serve(&mut both, family, weights);
            }
            // The middle one is away.
            let mut servers = family.servers(&[1, 2, 3]);
            servers.remove(1);
            both.set_backends(&servers);
            both.plan("one left");
            serve(&mut both, family, &[1, 2, 3]);
        }
    }
}

/// A scheduler may be told of servers that have left meanwhile.
#[test]
fn counts_of_servers_that_it_was_not_given_are_ignored() {
    let family = Family::V4;
    for pair in Pair::shipped() {
        let (mut told, mut other) = (pair.start(), pair.start());
        let known = [load(1, 9, 3, Some(4000)), load(3, 1, 70, Some(900))];
        let unknown = [load(4, 5, 5, Some(10)), load(0x00ff_ffff, 9, 9, None)];
        for both in [&mut told, &mut other] {
            both.set_backends(&family.servers(&[3, 1, 2]));
            both.set_loads(&known);
        }
        told.set_loads(&unknown);
        told.set_loads(&[]);
        // These latencies are the first ones, so nothing decays yet.
        let plans = [told.plan("told"), other.plan("not told")];
        assert_eq!(plans[0], plans[1], "{}", pair.name);
        if told.picks() && !DRAWS.contains(&&*pair.name) {
            let flow = family.flow(Protocol::Udp, 5, 9);
            let picked = [told.pick(&flow, "told"), other.pick(&flow, "not told")];
            assert_eq!(picked[0], picked[1], "{}", pair.name);
        }
    }
}

/// Anything that can happen to a service, in any order.
fn live(both: &mut Both, family: Family, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    both.set_backends(&family.servers(&[1, 2, 3, 4]));
    for step in 0..200 {
        let when = format!("seed {seed}, step {step}");
        match random.u32(0..10) {
            0 => {
                let share = random.f32();
                let most = [1, 5, 65_535][random.usize(0..3)];
                let mut servers = Vec::new();
                for n in 1..=12 {
                    if random.f32() <= share {
                        servers.push(family.server(n, random.u32(0..=most)));
                    }
                }
                both.set_backends(&servers);
            }
            1..4 => {
                let loads: Vec<Load> = (0..random.u32(0..6))
                    .map(|_| {
                        let latency = random.bool().then(|| random.u64(0..5_000_000));
                        let active = [3, 100, u32::MAX][random.usize(0..3)];
                        let active = random.u32(0..=active);
                        load(random.u32(1..=14), active, random.u32(..), latency)
                    })
                    .collect();
                both.set_loads(&loads);
            }
            4..6 => {
                both.plan(&when);
            }
            _ if both.picks() => {
                let protocol = PROTOCOLS[random.usize(0..2)];
                let flow = family.flow(protocol, random.u32(0..50), random.u16(1..));
                both.pick(&flow, &when);
            }
            _ => {}
        }
    }
}

#[test]
fn whatever_happens_both_runtimes_decide_alike_and_never_for_a_server_that_takes_nothing() {
    for pair in Pair::shipped() {
        for seed in 1..=4 {
            let family = [Family::V4, Family::V6][usize::from(seed % 2 == 0)];
            live(&mut pair.start(), family, seed);
        }
    }
}

/// 20,000 draws: the shares of two fair runs differ by 0.005 in the standard deviation, at most.
#[test]
fn those_that_draw_pick_each_server_as_often_in_both_runtimes() {
    const DRAWN: u16 = 20_000;
    let family = Family::V4;
    let (mut drawing, flow) = (0, family.flow(Protocol::Tcp, 1, 1));
    for pair in Pair::shipped() {
        if !DRAWS.contains(&&*pair.name) {
            continue;
        }
        drawing += 1;
        let mut both = pair.start();
        both.set_backends(&family.servers(&[1, 2, 3, 4, 5]));
        both.set_loads(&[load(5, 4, 0, None), load(4, 2, 9, None)]);
        both.plan("before");
        let mut counts = [[0_u16; 6]; 2];
        for _ in 0..DRAWN {
            let picked = both.pick(&flow, "drawing");
            for (counts, picked) in counts.iter_mut().zip(picked) {
                counts[usize::try_from(picked.unwrap().get()).unwrap()] += 1;
            }
        }
        let [wasm, native] = counts;
        for (a, b) in wasm.iter().zip(native) {
            let differ = f64::from(a.abs_diff(b)) / f64::from(DRAWN);
            assert!(differ < 0.05, "{}: {counts:?}", pair.name);
        }
        let picked = wasm.iter().filter(|count| **count > 0).count();
        assert!(picked >= 3, "{}: {counts:?}", pair.name);
    }
    assert_eq!(drawing, DRAWS.len());
}

fn refusal(plugin: &dyn Plugin, settings: &[Setting]) -> Option<PluginError> {
    plugin
        .scheduler(&ServiceContext::trial("web"), settings)
        .err()
}

/// The host checks settings against the manifest. What is of another kind is refused by the plugin too; what is out
/// of range is taken or refused, in both the same way.
#[test]
fn settings_that_do_not_fit_are_refused_alike() {
    let mut tried = 0;
    for pair in Pair::shipped() {
        let defaults = pair.defaults();
        assert_eq!(refusal(&*pair.wasm, &defaults), None);
        assert_eq!(refusal(&*pair.native, &defaults), None);
        for spec in &pair.wasm.manifest().settings {
            let mut wrong = vec![SettingValue::TextList(vec!["ä".to_owned()])];
            if let SettingKind::Integer { min, max } = spec.kind {
                wrong.extend(
                    [min.checked_sub(1), max.checked_add(1)]
                        .map(|value| SettingValue::Integer(value.unwrap_or_default())),
                );
            }
            if let SettingKind::Choice(_) = spec.kind {
                wrong.push(SettingValue::Text("no such word".to_owned()));
            }
            for value in wrong {
                let mut settings = defaults.clone();
                settings.retain(|setting| setting.key != spec.key);
                settings.push(Setting {
                    key: spec.key.clone(),
                    value: value.clone(),
                });
                let error = refusal(&*pair.wasm, &settings);
                assert_eq!(error, refusal(&*pair.native, &settings));
                let failure = error.map(|error| error.failure);
                let taken = failure.is_none() && matches!(value, SettingValue::Integer(_));
                assert!(
                    taken || matches!(failure, Some(Failure::Settings(_))),
                    "{}, {} = {value:?}: {failure:?}",
                    pair.name,
                    spec.key
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 10, "only {tried}");
}

/// Every later call fails as the first did.
fn is_ended(scheduler: &mut dyn Scheduler, failure: &Failure) {
    let flow = Family::V4.flow(Protocol::Tcp, 1, 1);
    let errors = [
        scheduler.make_plan().err(),
        scheduler.pick(&flow).err(),
        scheduler.set_backends(&[]).err(),
        scheduler.set_loads(&[]).err(),
    ];
    for error in errors {
        assert_eq!(&error.unwrap().failure, failure);
    }
}

fn misbehaving(plugin: &dyn Plugin, how: &str) -> Box<dyn Scheduler> {
    let specs = plugin.manifest().settings.iter();
    let settings: Vec<Setting> = specs
        .filter_map(|spec| {
            let value = match &*spec.key {
                "how" => Some(SettingValue::Text(how.to_owned())),
                _ => spec.default.clone(),
            };
            Some(Setting {
                key: spec.key.clone(),
                value: value?,
            })
        })
        .collect();
    let mut scheduler = plugin
        .scheduler(&ServiceContext::trial("web"), &settings)
        .unwrap();
    let servers = Family::V4.servers(&[1, 1]);
    scheduler.set_backends(&servers).unwrap();
    scheduler
}

#[test]
fn a_panic_is_an_error_that_ends_the_instance_and_no_other() {
    let (wasm, native) = (pair::wasm(), NativeRuntime::trusting_everyone());
    let (plan, pick) = ("misbehave", "misbehave-pick");
    let [plan, pick] = [plan, pick].map(|name| {
        let pair = Pair::of_tests(&wasm, &native, name);
        [pair.wasm, pair.native]
    });
    let flow = Family::V6.flow(Protocol::Udp, 1, 1);
    for plugin in plan {
        let mut other = misbehaving(&*plugin, "behave");
        let mut scheduler = misbehaving(&*plugin, "panic");
        let failure = scheduler.make_plan().unwrap_err().failure;
        assert!(matches!(failure, Failure::Trap(_)), "{failure:?}");
        assert!(failure.to_string().contains("misbehaving on purpose"));
        is_ended(&mut *scheduler, &failure);
        assert!(matches!(other.make_plan().unwrap(), Plan::Table { .. }));
    }
    for plugin in pick {
        let mut other = misbehaving(&*plugin, "behave");
        let mut scheduler = misbehaving(&*plugin, "panic");
        assert_eq!(scheduler.make_plan().unwrap(), Plan::PerConnection);
        let failure = scheduler.pick(&flow).unwrap_err().failure;
        assert!(matches!(failure, Failure::Trap(_)), "{failure:?}");
        assert!(failure.to_string().contains("misbehave-pick does"));
        is_ended(&mut *scheduler, &failure);
        assert_eq!(other.pick(&flow).unwrap(), Some(id(1)));
        // The host checks what they answer; both tell it.
        let picked = misbehaving(&*plugin, "bad-backend").pick(&flow).unwrap();
        assert_eq!(picked, Some(id(0x00ab_cdef)));
        assert_eq!(misbehaving(&*plugin, "refuse").pick(&flow).unwrap(), None);
    }
}

/// As `ipvs_vectors` has it of WebAssembly.
#[test]
fn native_schedulers_decide_as_ipvs_did() {
    let runtime = NativeRuntime::trusting_everyone();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/ipvs");
    let mut played = 0;
    for pair in Pair::shipped() {
        if !vectors.join(format!("{}.json", pair.name)).exists() {
            continue;
        }
        let file = |name: &str| pair::file("native", &format!("{name}.so"));
        let differences = common::replay(&runtime, file, &pair.name);
        let differences = common::unexpected(&pair.name, differences);
        assert!(differences.is_empty(), "{}", differences.join("\n"));
        played += 1;
    }
    assert!(played >= 13, "only {played} schedulers have vectors");
}
