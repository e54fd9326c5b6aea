//! What ten thousand live schedulers cost: `cargo run --release -p evenkeel-runtime --example many [PLUGIN [COUNT]]`.

#![expect(clippy::print_stdout, reason = "a measurement is printed")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use evenkeel_core::manifest::Setting;
use evenkeel_core::model::Sandbox;
use evenkeel_core::state::BackendId;
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};
use evenkeel_runtime::{Backend, PluginRuntime as _, ServiceContext};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Backends of each scheduler.
const BACKENDS: u32 = 4;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "rr".to_owned());
    let count: usize = arguments.next().map_or(Ok(10_000), |count| count.parse())?;
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    let file: PathBuf = plugins.join(format!("{name}.wasm"));

    let runtime = WasmRuntime::new(WasmConfig {
        sandbox: Sandbox::default(),
        cache: CacheUse::None,
    })?;
    let plugin = runtime.load(&file)?;
    let settings: Vec<Setting> = plugin
        .manifest()
        .settings
        .iter()
        .filter_map(|spec| {
            Some(Setting {
                key: spec.key.clone(),
                value: spec.default.clone()?,
            })
        })
        .collect();
    let backends = (1..=BACKENDS)
        .map(|n| {
            let id = BackendId::new(n).ok_or("no number")?;
            let name = format!("server-{n}");
            let address = ([10, 0, 0, u8::try_from(n)?], 80).into();
            Ok(Backend::new(id, name, address, 1))
        })
        .collect::<Result<Vec<_>>>()?;
    let before = Process::now()?;
    let start = Instant::now();
    let mut schedulers = Vec::with_capacity(count);
    for n in 0..count {
        let mut scheduler =
            plugin.scheduler(&ServiceContext::trial(format!("service-{n}")), &settings)?;
        scheduler.set_backends(&backends)?;
        scheduler.make_plan()?;
        schedulers.push(scheduler);
    }
    let made = start.elapsed();
    let after = Process::now()?;
    let start = Instant::now();
    for scheduler in &mut schedulers {
        scheduler.make_plan()?;
    }
    let again = start.elapsed();

    let each = |kib: u64| format!("{} KiB", kib / count as u64);
    let n = u32::try_from(count)?;
    println!("{count} live \"{name}\" schedulers of {BACKENDS} backends");
    println!(
        "  made, with a first plan   {:?} ({:?} each)",
        made,
        made / n
    );
    println!(
        "  a plan of each once more  {:?} ({:?} each)",
        again,
        again / n
    );
    println!(
        "  resident                  {} MiB ({} each)",
        after.resident >> 10,
        each(after.resident - before.resident)
    );
    println!(
        "  page tables               {} MiB ({} each)",
        after.page_tables >> 10,
        each(after.page_tables - before.page_tables)
    );
    println!("  address space             {} MiB", after.space >> 10);
    println!(
        "  mappings                  {} (of 65530 by default)",
        after.mappings
    );
    let start = Instant::now();
    drop(schedulers);
    println!("  dropped                   {:?}", start.elapsed());
    Ok(())
}

/// What the kernel says of this process; memory in KiB.
struct Process {
    resident: u64,
    page_tables: u64,
    space: u64,
    mappings: usize,
}

impl Process {
    fn now() -> Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok())
                .unwrap_or(0)
        };
        Ok(Self {
            resident: field("VmRSS:"),
            page_tables: field("VmPTE:"),
            space: field("VmSize:"),
            mappings: std::fs::read_to_string("/proc/self/maps")?.lines().count(),
        })
    }
}
