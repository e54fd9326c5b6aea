//! Calls of schedulers: WebAssembly beside native.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use evenkeel_core::connections::Counts;
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::{Protocol, Sandbox};
use evenkeel_core::state::BackendId;
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};
use evenkeel_runtime::{
    Backend, BackendFacts, Flow, Load, Plugin, PluginRuntime as _, Scheduler, ServiceContext,
};
use serde_json::{Value, json};

use super::{Options, Result, defaults, middle};

const SCHEDULERS: [&str; 6] = ["rr", "lc", "wlc", "p2c", "maglev", "lblc"];
const SERVERS: [u32; 4] = [2, 16, 100, 1000];
/// The two runtimes take turns, so that what else the machine does concerns both.
const TURNS: u32 = 5;
/// Of one runtime.
const TURN: Duration = Duration::from_millis(40);
/// Picks that are timed together: the clock costs about as much as one.
const PICKS: u32 = 20;

pub(super) fn run(options: &Options) -> Result<()> {
    let wasm = WasmRuntime::new(WasmConfig {
        // A call that takes long is to be measured, not ended.
        sandbox: Sandbox {
            call_time: Duration::from_secs(10),
            ..Sandbox::default()
        },
        cache: CacheUse::None,
    })?;
    let native = NativeRuntime::trusting_everyone();
    let share = |us: f64| 100.0 * us / options.connection_us;
    println!(
        "\nCalls of schedulers, medians in us. plan: a change and the plan after it; the change is one server's counts, or its weight for a\n\
         scheduler that does not go by counts. share: of the {} us that a connection costs in all, what a WebAssembly pick (native) takes\n\n\
         {:<7} {:>7} | {:>9} {:>9} {:>6} | {:>9} {:>9} {:>6} | {:>14}",
        options.connection_us,
        "",
        "servers",
        "plan wasm",
        "native",
        "ratio",
        "pick wasm",
        "native",
        "ratio",
        "share"
    );
    let mut report = Vec::new();
    for name in SCHEDULERS {
        let plugins = [
            wasm.load(&options.target.join(format!("plugins/{name}.wasm")))?,
            native.load(&options.target.join(format!("native/{name}.so")))?,
        ];
        let picks = plugins[0].manifest().abilities.as_ref();
        let picks = picks.is_some_and(|it| it.decisions.contains(&Decision::PerConnection));
        for servers in SERVERS {
            let mut both = Vec::new();
            for plugin in &plugins {
                both.push(Subject::new(plugin.as_ref(), servers)?);
            }
            let plan = turns(&mut both, 1, Subject::plan)?;
            let pick = if picks {
                Some(turns(&mut both, PICKS, Subject::pick)?)
            } else {
                None
            };
            let mut row = format!("{name:<7} {servers:>7} | {}", cells(plan));
            if let Some(pick) = pick {
                let shares = format!("{:.1} % ({:.1} %)", share(pick[0]), share(pick[1]));
                row += &format!(" | {} | {shares:>14}", cells(pick));
            }
            println!("{row}");
            report.push(json!({
                "scheduler": name,
                "servers": servers,
                "plan_us": { "wasm": plan[0], "native": plan[1] },
                "pick_us": pick.map(|it| json!({ "wasm": it[0], "native": it[1] })),
            }));
        }
    }
    if options.json {
        println!(
            "{}",
            json!({ "connection_us": options.connection_us, "calls": Value::from(report) })
        );
    }
    Ok(())
}

fn cells([wasm, native]: [f64; 2]) -> String {
    format!("{wasm:>9.2} {native:>9.2} {:>6.1}", wasm / native)
}

/// Medians for both, in us a call.
fn turns(
    subjects: &mut [Subject],
    calls: u32,
    call: fn(&mut Subject, u32) -> Result<()>,
) -> Result<[f64; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        for (subject, times) in subjects.iter_mut().zip(&mut times) {
            // What a change of the subject has thrown out of the caches comes back.
            call(subject, 0)?;
            let end = Instant::now() + TURN;
            while Instant::now() < end {
                let start = Instant::now();
                for number in 0..calls {
                    call(subject, number)?;
                }
                times.push(start.elapsed() / calls);
            }
        }
    }
    Ok(times.map(|times| middle(times).as_secs_f64() * 1e6))
}

/// A scheduler, and what it was told.
struct Subject {
    scheduler: Box<dyn Scheduler>,
    backends: Vec<Backend>,
    /// Whether it goes by counts.
    counting: bool,
    /// Calls so far.
    round: u32,
}

impl Subject {
    fn new(plugin: &dyn Plugin, servers: u32) -> Result<Self> {
        let backends = (1..=servers)
            .map(|n| {
                let id = BackendId::new(n).ok_or("no number")?;
                let address = (Ipv4Addr::from(0x0a00_0000 + n), 80).into();
                Ok(Backend {
                    facts: facts(n),
                    ..Backend::new(id, format!("server-{n}"), address, 1 + n % 5)
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut scheduler = plugin.scheduler(&ServiceContext::trial("web"), &defaults(plugin))?;
        scheduler.set_backends(&backends)?;
        scheduler.make_plan()?;
        let abilities = plugin.manifest().abilities.as_ref();
        Ok(Self {
            scheduler,
            backends,
            counting: abilities.is_some_and(|it| it.facts.connections),
            round: 0,
        })
    }

    fn next(&mut self) -> u32 {
        self.round = self.round.wrapping_add(1);
        self.round
    }

    /// A change and the plan after it, as the host has it.
    fn plan(&mut self, _: u32) -> Result<()> {
        let round = self.next();
        let at = usize::try_from(round)? % self.backends.len();
        let backend = &mut self.backends[at];
        if self.counting {
            let load = Load {
                id: backend.id,
                facts: facts(round),
            };
            self.scheduler.set_loads(&[load])?;
        } else {
            backend.weight = 1 + (backend.weight % 5);
            self.scheduler.set_backends(&self.backends)?;
        }
        drop(black_box(self.scheduler.make_plan()?));
        Ok(())
    }

    /// A connection of one of 65,536 clients.
    fn pick(&mut self, _: u32) -> Result<()> {
        let client = self.next() & 0xffff;
        let flow = Flow {
            protocol: Protocol::Tcp,
            source: (Ipv4Addr::from(0xac10_0000 | client), 40_000).into(),
            destination: (Ipv4Addr::new(10, 10, 54, 151), 80).into(),
        };
        let picked = self.scheduler.pick(black_box(&flow))?;
        picked.ok_or("it refused a connection")?;
        Ok(())
    }
}

/// Some connections; among many servers, not too many alike.
fn facts(number: u32) -> BackendFacts {
    BackendFacts {
        counts: Counts {
            active: 10 + number.wrapping_mul(2_654_435_761) % 50,
            ..Counts::default()
        },
        latency: None,
    }
}
