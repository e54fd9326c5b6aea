//! Calls of schedulers: WebAssembly beside native.

use std::time::Duration;

use evenkeel_author::bench::{PICKS, SERVERS, Subject, picks, turns};
use evenkeel_core::model::Sandbox;
use evenkeel_runtime::PluginRuntime as _;
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};
use serde_json::{Value, json};

use super::{Options, Result};

const SCHEDULERS: [&str; 6] = ["rr", "lc", "wlc", "p2c", "maglev", "lblc"];

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
        let picks = picks(plugins[0].as_ref());
        for servers in SERVERS {
            let [wasm, native] = &plugins;
            let mut both = [
                Subject::new(wasm.as_ref(), servers)?,
                Subject::new(native.as_ref(), servers)?,
            ];
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
