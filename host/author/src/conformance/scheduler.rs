//! What a scheduler has to bear.

mod instance;

use std::collections::BTreeMap;

use evenkeel_core::manifest::Setting;
use evenkeel_core::model::Sandbox;
use evenkeel_core::state::{BackendId, Spread};
use evenkeel_runtime::{Backend, Failure, Plugin, ServiceContext};

use self::instance::Instance;
use super::report::Report;
use super::servers::{flow, load, server, servers};
use crate::settings::Variants;

/// Random changes of one run.
const CHANGES: u32 = 500;
/// Plans that one instance makes in a row.
const PLANS: u32 = 2000;

/// Tries everything.
pub(super) fn run(
    plugin: &dyn Plugin,
    settings: &Variants,
    sandbox: &Sandbox,
    report: &mut Report,
) {
    report.case("settings of every kind", every_setting(plugin, settings));
    let start = || Instance::new(plugin, &settings.base);
    let thousand = vec![1; 1000];
    let sets: [(&str, &[u32]); 6] = [
        ("no servers", &[]),
        ("one server", &[1]),
        ("all weights 0", &[0, 0, 0]),
        ("some weights 0", &[0, 3, 0, 1]),
        ("the greatest weights", &[65_535, 65_535, 1]),
        ("1,000 servers", &thousand),
    ];
    for (name, weights) in sets {
        let tried = start().and_then(|mut it| it.serve(&servers(weights)));
        report.case(name, tried.map(|spread| of_slots(spread.as_ref())));
    }
    let seed = report.seed;
    let changes =
        start().and_then(|mut it| random_changes(&mut it, seed).map(|()| it.times(sandbox)));
    report.case(
        "random changes",
        changes.map(|times| format!("{CHANGES} of them; {times}")),
    );
    let plans = start().and_then(|mut it| many_plans(&mut it));
    report.case("many plans of one instance", plans);

    let again = [0, 1].map(|_| start().and_then(|mut it| history(&mut it, seed)));
    if let [Ok(first), Ok(second)] = again {
        let same = first == second;
        let words = if same {
            "yes: two directors that are told the same agree"
        } else {
            "no: it draws, or goes by the time; two directors need not agree about a client"
        };
        report.note("the same is decided twice", words.to_owned());
    }
    if let Ok(Some(shares)) = start().and_then(|mut it| shares(&mut it)) {
        report.note("shares of weights 1, 2, 3, 4", shares);
    }
}

/// It takes settings or says why not; and having taken them, it serves.
fn every_setting(plugin: &dyn Plugin, settings: &Variants) -> Result<String, String> {
    if plugin.manifest().settings.is_empty() {
        return Ok("it has none".to_owned());
    }
    let base = ("as it is tested with".to_owned(), settings.base.clone());
    let all = std::iter::once(&base).chain(&settings.others);
    let mut refused = Vec::new();
    let mut tried = 0_u32;
    for (words, settings) in all {
        tried += 1;
        match accepts(plugin, settings).map_err(|error| format!("{words}: {error}"))? {
            Accepted::Yes => {}
            Accepted::Refused(reason) if reason.trim().is_empty() => {
                return Err(format!(
                    "{words}: refused without a reason, which the user needs"
                ));
            }
            Accepted::Refused(reason) => refused.push(format!("{words} ({reason})")),
        }
    }
    let mut text = format!("{tried} tried");
    if !refused.is_empty() {
        text.push_str(&format!(", it refuses {}", refused.join("; ")));
    }
    Ok(text)
}

enum Accepted {
    Yes,
    Refused(String),
}

fn accepts(plugin: &dyn Plugin, settings: &[Setting]) -> Result<Accepted, String> {
    match plugin.scheduler(&ServiceContext::trial("test"), settings) {
        Err(error) => match error.failure {
            Failure::Settings(reason) => Ok(Accepted::Refused(reason)),
            other => Err(other.to_string()),
        },
        Ok(_) => {
            Instance::new(plugin, settings)?.serve(&servers(&[1, 2, 3]))?;
            Ok(Accepted::Yes)
        }
    }
}

/// Servers come, go, drain and are loaded, in any order.
fn random_changes(instance: &mut Instance, seed: u64) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut now: BTreeMap<u32, Backend> = BTreeMap::new();
    for change in 0..CHANGES {
        let n = random.u32(1..=20);
        match random.u32(0..10) {
            0..4 => {
                let weight = [0, 1, 5, 65_535][random.usize(0..4)];
                now.extend(server(n, weight).map(|server| (n, server)));
            }
            4..6 => drop(now.remove(&n)),
            6 => now.clear(),
            _ => {
                // Also of a server that has just gone.
                let id = BackendId::new(n).ok_or("no number")?;
                instance.loads(&[load(id, &mut random)])?;
            }
        }
        let servers: Vec<Backend> = now.values().cloned().collect();
        instance.serve(&servers).map_err(|error| {
            format!(
                "seed {seed}, change {change}, {} servers: {error}",
                servers.len()
            )
        })?;
    }
    Ok(())
}

/// One that keeps what it needs no more comes to its limit of memory here.
fn many_plans(instance: &mut Instance) -> Result<String, String> {
    let servers = servers(&[5; 100]);
    instance.told(&servers)?;
    for plan in 0..PLANS {
        instance
            .plan(&servers)
            .map_err(|error| format!("plan {plan}: {error}"))?;
    }
    Ok(format!("{PLANS} plans of 100 servers"))
}

/// All that it decides in a short life.
fn history(instance: &mut Instance, seed: u64) -> Result<Vec<Decided>, String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut decided = Vec::new();
    for weights in [&[1, 2, 3][..], &[1, 2], &[4, 0, 1, 1], &[7; 16]] {
        let servers = servers(weights);
        instance.told(&servers)?;
        for server in &servers {
            instance.loads(&[load(server.id, &mut random)])?;
        }
        decided.push(Decided::Spread(instance.plan(&servers)?));
        for _ in 0..20 {
            decided.push(Decided::Pick(instance.pick(&flow(&mut random), &servers)?));
        }
    }
    Ok(decided)
}

#[derive(Debug, PartialEq)]
enum Decided {
    Spread(Option<Spread>),
    Pick(Option<BackendId>),
}

/// What servers of different weight get, in percent: of the plan's slots, or of picks.
fn shares(instance: &mut Instance) -> Result<Option<String>, String> {
    let servers = servers(&[1, 2, 3, 4]);
    instance.told(&servers)?;
    let mut got: BTreeMap<BackendId, u32> = BTreeMap::new();
    let by = match instance.plan(&servers)? {
        Some(spread) => {
            let Spread::Slots { slots, .. } = &*spread.flat() else {
                return Ok(None);
            };
            slots
                .iter()
                .for_each(|id| *got.entry(*id).or_default() += 1);
            "of a plan's slots"
        }
        None => {
            let mut random = fastrand::Rng::with_seed(1);
            for _ in 0..1000 {
                let picked = instance.pick(&flow(&mut random), &servers)?;
                picked
                    .into_iter()
                    .for_each(|id| *got.entry(id).or_default() += 1);
            }
            "of 1,000 picks"
        }
    };
    let all = f64::from(got.values().sum::<u32>().max(1));
    let share = |server: &Backend| {
        let got = got.get(&server.id).copied().unwrap_or_default();
        format!("{:.0} %", 100.0 * f64::from(got) / all)
    };
    let shares: Vec<String> = servers.iter().map(share).collect();
    Ok(Some(format!("{} {by}", shares.join(", "))))
}

fn of_slots(spread: Option<&Spread>) -> String {
    match spread {
        None => "it decides each connection".to_owned(),
        Some(Spread::Refuse) => "connections are refused".to_owned(),
        Some(Spread::Slots { slots, .. }) => format!("{} slots", slots.len()),
        Some(Spread::Groups(groups)) => {
            format!("{} slots in {} groups", groups.slots(), groups.groups.len())
        }
    }
}
