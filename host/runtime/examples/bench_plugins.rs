//! How long plugins take: `cargo run --release -p evenkeel-runtime --example bench_plugins`.

#![expect(clippy::print_stdout, reason = "a measurement is printed")]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::manifest::Setting;
use evenkeel_core::model::Sandbox;
use evenkeel_core::state::BackendId;
use evenkeel_runtime::wasm::{WasmConfig, WasmRuntime};
use evenkeel_runtime::{Backend, Checker, Load, Plugin, PluginRuntime as _, Target, Verdict};
use tokio::net::{TcpListener, TcpStream};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Each figure is the median of as many as fit in this time.
const BUDGET: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<()> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    let cache = tempfile::tempdir()?;
    let config = |cached: bool| WasmConfig {
        sandbox: Sandbox::default(),
        cache_dir: cached.then(|| cache.path().join("cache")),
    };
    let fresh = WasmRuntime::new(config(false))?;
    let cached = WasmRuntime::new(config(true))?;
    for name in ["rr", "wrr", "tcp", "http"] {
        let file = plugins.join(format!("{name}.wasm"));
        line(
            &format!("{name}: load, compiling"),
            median(|| fresh.load(&file).map(drop))?,
        );
        cached.load(&file)?;
        line(
            &format!("{name}: load, compiled before"),
            median(|| cached.load(&file).map(drop))?,
        );
    }
    for name in ["rr", "wrr"] {
        let plugin = fresh.load(&plugins.join(format!("{name}.wasm")))?;
        line(
            &format!("{name}: new scheduler"),
            median(|| {
                plugin
                    .scheduler("web", &defaults(plugin.as_ref()))
                    .map(drop)
            })?,
        );
        for count in [2, 16, 100, 1000] {
            schedule(name, plugin.as_ref(), count)?;
        }
    }
    check(&fresh.load(&plugins.join("tcp.wasm"))?).await
}

/// Every setting that has a default, as the configuration fills them in.
fn defaults(plugin: &dyn Plugin) -> Vec<Setting> {
    let settings = plugin.manifest().settings.iter();
    settings
        .filter_map(|spec| {
            Some(Setting {
                key: spec.key.clone(),
                value: spec.default.clone()?,
            })
        })
        .collect()
}

fn schedule(name: &str, plugin: &dyn Plugin, count: u32) -> Result<()> {
    let backends = (1..=count)
        .map(|n| {
            Ok(Backend {
                id: BackendId::new(n).ok_or("no number")?,
                name: format!("server-{n}"),
                address: (Ipv4Addr::from(0x0a00_0000 + n), 80).into(),
                weight: 1 + n % 5,
                facts: evenkeel_runtime::BackendFacts::default(),
                labels: Vec::new(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut scheduler = plugin.scheduler("web", &defaults(plugin))?;
    let set = median(|| scheduler.set_backends(&backends))?;
    line(&format!("{name}: set_backends, {count} backends"), set);
    let loads = [Load {
        id: backends[0].id,
        facts: evenkeel_runtime::BackendFacts {
            counts: evenkeel_core::connections::Counts {
                active: 1,
                ..Default::default()
            },
            latency: None,
        },
    }];
    line(
        &format!("{name}: set_loads of one, {count} backends"),
        median(|| scheduler.set_loads(&loads))?,
    );
    let plan = median(|| scheduler.make_plan().map(|plan| drop(black_box(plan))))?;
    line(&format!("{name}: make_plan, {count} backends"), plan);
    Ok(())
}

async fn check(plugin: &Arc<dyn Plugin>) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    let target = || Target {
        name: "server".to_owned(),
        address,
    };

    let mut times = Vec::new();
    let end = Instant::now() + BUDGET;
    while Instant::now() < end {
        let start = Instant::now();
        let stream = TcpStream::connect(address).await?;
        stream.set_zero_linger()?;
        drop(stream);
        times.push(start.elapsed());
    }
    line("a TCP connection without a plugin", middle(times));

    let mut times = Vec::new();
    let end = Instant::now() + BUDGET;
    while Instant::now() < end {
        let start = Instant::now();
        // No other checker is alive, so this one has an instance of its own.
        healthy(plugin.checker(&[])?.as_ref(), target()).await?;
        times.push(start.elapsed());
    }
    line("tcp check, fresh instance", middle(times));

    let checker = plugin.checker(&[])?;
    let mut times = Vec::new();
    let end = Instant::now() + BUDGET;
    while Instant::now() < end {
        let start = Instant::now();
        healthy(checker.as_ref(), target()).await?;
        times.push(start.elapsed());
    }
    line("tcp check, reused instance", middle(times));
    server.abort();
    Ok(())
}

async fn healthy(checker: &dyn Checker, target: Target) -> Result<()> {
    match checker.check(target, TIMEOUT).await? {
        Verdict::Healthy => Ok(()),
        verdict => Err(format!("{verdict:?}").into()),
    }
}

fn median<E>(
    mut run: impl FnMut() -> std::result::Result<(), E>,
) -> std::result::Result<Duration, E> {
    run()?;
    let mut times = Vec::new();
    let end = Instant::now() + BUDGET;
    while Instant::now() < end {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    Ok(middle(times))
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn line(what: &str, time: Duration) {
    println!("{what:<40} {time:>12.1?}");
}
