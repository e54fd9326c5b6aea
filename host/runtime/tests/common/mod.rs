//! Plays what was recorded of IPVS (`tests/vectors/ipvs/README.md`) to a scheduler of any runtime.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_core::connections::Counts;
use evenkeel_core::manifest::{Decision, Setting, SettingValue};
use evenkeel_core::model::Protocol;
use evenkeel_core::plan::Plan;
use evenkeel_core::state::BackendId;
use evenkeel_core::threshold;
use evenkeel_runtime::{
    Backend, BackendFacts, Flow, Load, Plugin, PluginRuntime, Scheduler, ServiceContext,
};
use serde_json::Value;

/// Steps in which the module and IPVS chose differently, in words. Empty is good.
pub(crate) type Differences = Vec<String>;

/// Where IPVS and Evenkeel differ by design: see the README of the vectors.
const BY_DESIGN: [&str; 2] = ["lblc, \"thresholds\"", "sh, \"thresholds\""];

/// What differs without being meant to. What is meant to differ must do so.
pub(crate) fn unexpected(name: &str, differences: Differences) -> Differences {
    let (meant, other): (Differences, _) = differences
        .into_iter()
        .partition(|it| BY_DESIGN.iter().any(|known| it.starts_with(known)));
    let known = BY_DESIGN
        .iter()
        .any(|it| it.starts_with(&format!("{name},")));
    assert_eq!(known, !meant.is_empty(), "{name}: differences by design");
    other
}

/// Plays all scenarios of one scheduler. `file` finds a module's file by its name.
pub(crate) fn replay(
    runtime: &dyn PluginRuntime,
    file: impl Fn(&str) -> PathBuf,
    name: &str,
) -> Differences {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/vectors/ipvs")
        .join(format!("{name}.json"));
    let vectors: Value = serde_json::from_slice(&fs::read(recorded).unwrap()).unwrap();
    let plugin = runtime.load(&file(name)).unwrap();
    let scenarios = vectors["scenarios"].as_array().unwrap();
    assert!(scenarios.len() >= 5, "{name}: too few scenarios");
    let picks = plugin
        .manifest()
        .abilities
        .as_ref()
        .is_some_and(|it| it.decisions.contains(&Decision::PerConnection));
    scenarios
        .iter()
        .flat_map(|scenario| {
            let scheduler = plugin.scheduler(
                &ServiceContext::trial("web"),
                &settings(plugin.as_ref(), scenario),
            );
            let mut player = Player {
                scheduler: scheduler.unwrap(),
                servers: Vec::new(),
                full: BTreeMap::new(),
            };
            let mut differences = if picks {
                player.each(scenario)
            } else {
                player.rounds(scenario)
            };
            for difference in &mut differences {
                *difference = format!("{name}, {}: {difference}", scenario["name"]);
            }
            differences
        })
        .collect()
}

/// The scenario's, and the defaults of the rest.
fn settings(plugin: &dyn Plugin, scenario: &Value) -> Vec<Setting> {
    let specs = plugin.manifest().settings.iter();
    specs
        .filter_map(|spec| {
            let value = match &scenario["settings"][&spec.key] {
                Value::Bool(value) => Some(SettingValue::Boolean(*value)),
                Value::String(value) => Some(SettingValue::Text(value.clone())),
                Value::Null => spec.default.clone(),
                other => panic!("{}: {other}", spec.key),
            };
            Some(Setting {
                key: spec.key.clone(),
                value: value?,
            })
        })
        .collect()
}

struct Player {
    scheduler: Box<dyn Scheduler>,
    servers: Vec<Value>,
    full: BTreeMap<String, bool>,
}

impl Player {
    /// Every connection is given to the module.
    fn each(&mut self, scenario: &Value) -> Differences {
        self.change(&scenario["servers"]);
        let mut differences = Vec::new();
        for (n, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
            if step["servers"].is_array() {
                self.change(&step["servers"]);
                continue;
            }
            self.load(&step["counts"]);
            let picked = self.scheduler.pick(&flow(&step["flow"])).unwrap();
            let ours = picked.map(name);
            if ours.as_deref() != step["picked"].as_str() {
                differences.push(format!("step {n}: ours {ours:?}, {step}"));
            }
        }
        differences
    }

    /// For a module that only plans: between changes, IPVS goes round as the plan does. A fresh service begins where
    /// the plan begins (but wrr's where its servers' coming left it); after a change the kernel's counter and IPVS's
    /// position are anywhere.
    fn rounds(&mut self, scenario: &Value) -> Differences {
        self.change(&scenario["servers"]);
        let mut differences = Vec::new();
        let mut seen: Vec<Option<String>> = Vec::new();
        let mut plan = self.plan();
        let mut fresh = scenario["settings"]["order"] != "ipvs";
        for step in scenario["steps"].as_array().unwrap() {
            if step["servers"].is_array() {
                differences.extend(compare(&seen, &plan, fresh));
                (seen, fresh) = (Vec::new(), false);
                self.change(&step["servers"]);
                plan = self.plan();
                continue;
            }
            if self.load(&step["counts"]) {
                differences.extend(compare(&seen, &plan, fresh));
                (seen, fresh) = (Vec::new(), false);
                plan = self.plan();
            }
            seen.push(step["picked"].as_str().map(str::to_owned));
        }
        differences.extend(compare(&seen, &plan, fresh));
        differences
    }

    fn change(&mut self, servers: &Value) {
        self.servers = servers.as_array().unwrap().clone();
        // A threshold that is set anew is judged anew.
        self.full.clear();
        self.tell();
    }

    /// Gives the counts; and, where a server became full or not so any more, the weights: whether that happened.
    fn load(&mut self, counts: &Value) -> bool {
        let mut changed = false;
        let mut loads = Vec::new();
        for (server, counts) in self.servers.iter().zip(counts.as_array().unwrap()) {
            let count = |n: usize| u32::try_from(counts[n].as_u64().unwrap()).unwrap();
            let counts = Counts {
                active: count(0),
                inactive: count(1),
                total: 0,
                ..Counts::default()
            };
            let upper = server["upper"]
                .as_u64()
                .map(|it| u32::try_from(it).unwrap());
            let name = server["name"].as_str().unwrap();
            let was = self.full.get(name).copied().unwrap_or(false);
            let full = threshold::full(was, counts.all(), upper, None);
            changed |= was != full;
            self.full.insert(name.to_owned(), full);
            loads.push(Load {
                id: id(name),
                facts: BackendFacts {
                    counts,
                    ..BackendFacts::default()
                },
            });
        }
        if changed {
            self.tell();
        }
        self.scheduler.set_loads(&loads).unwrap();
        changed
    }

    fn tell(&mut self) {
        let servers = self.servers.iter().map(|server| {
            let name = server["name"].as_str().unwrap();
            let full = self.full.get(name).copied().unwrap_or(false);
            let weight = server["weight"].as_u64().unwrap();
            let weight = if full {
                0
            } else {
                u32::try_from(weight).unwrap()
            };
            let address = server["address"].as_str().unwrap().parse().unwrap();
            Backend::new(id(name), name, address, weight)
        });
        let servers: Vec<Backend> = servers.collect();
        self.scheduler.set_backends(&servers).unwrap();
        // The director asks for the plan that is to be fallen back to.
        self.scheduler.make_plan().unwrap();
    }

    fn plan(&mut self) -> Vec<Option<String>> {
        match self.scheduler.make_plan().unwrap() {
            Plan::Table { slots, .. } => slots
                .iter()
                .flat_map(|run| (0..run.width).map(|_| Some(name(run.id))))
                .collect(),
            Plan::None => vec![None],
            Plan::Groups(_) | Plan::PerConnection => panic!("a table is needed"),
        }
    }
}

fn compare(seen: &[Option<String>], plan: &[Option<String>], fresh: bool) -> Option<String> {
    let beginnings = if fresh { 1 } else { plan.len() };
    let same = |from: usize| {
        plan.iter()
            .cycle()
            .skip(from)
            .zip(seen)
            .all(|(ours, ipvs)| ours == ipvs)
    };
    (!(0..beginnings).any(same)).then(|| format!("ours {plan:?}, IPVS {seen:?}"))
}

fn id(name: &str) -> BackendId {
    BackendId::new(u32::from(name.as_bytes()[0] - b'a') + 1).unwrap()
}

fn name(id: BackendId) -> String {
    char::from(b'a' + u8::try_from(id.get() - 1).unwrap()).to_string()
}

fn flow(flow: &Value) -> Flow {
    let address = |key: &str| flow[key].as_str().unwrap().parse().unwrap();
    Flow {
        protocol: match flow["protocol"].as_str() {
            Some("udp") => Protocol::Udp,
            _ => Protocol::Tcp,
        },
        source: address("source"),
        destination: address("destination"),
    }
}
