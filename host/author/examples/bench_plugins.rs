//! How long plugins take: `cargo xtask bench plugins`. Options: `--json` (the calls of schedulers, as the last line),
//! `--target DIR` (with `plugins/` and `native/` in it), `--connection-us N` (what a connection costs the machine in
//! all).

#![expect(clippy::print_stdout, reason = "a measurement is printed")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_author::bench::{defaults, middle};
use evenkeel_core::model::Sandbox;
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};
use evenkeel_runtime::{Checker, Plugin, PluginRuntime as _, ServiceContext, Target, Verdict};
use tokio::net::{TcpListener, TcpStream};

#[path = "bench_plugins/calls.rs"]
mod calls;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Each figure is the median of as many as fit in this time.
const BUDGET: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::read()?;
    let plugins = options.target.join("plugins");
    let cache = tempfile::tempdir()?;
    let config = |cached: bool| WasmConfig {
        sandbox: Sandbox::default(),
        cache: if cached {
            CacheUse::Own(cache.path().join("cache"))
        } else {
            CacheUse::None
        },
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
                    .scheduler(&ServiceContext::trial("web"), &defaults(plugin.as_ref()))
                    .map(drop)
            })?,
        );
    }
    check(&fresh.load(&plugins.join("tcp.wasm"))?).await?;
    calls::run(&options)
}

/// What the command line says.
struct Options {
    json: bool,
    target: PathBuf,
    connection_us: f64,
}

impl Options {
    fn read() -> Result<Self> {
        let mut options = Self {
            json: false,
            target: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
            connection_us: 50.0,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match &*word {
                "--json" => options.json = true,
                "--target" => options.target = words.next().ok_or("which target?")?.into(),
                "--connection-us" => {
                    options.connection_us = words.next().ok_or("how many us?")?.parse()?;
                }
                other => return Err(format!("unknown option {other}").into()),
            }
        }
        Ok(options)
    }
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
        session: None,
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
    match checker.check(target, TIMEOUT).await?.verdict {
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

fn line(what: &str, time: Duration) {
    println!("{what:<40} {time:>12.1?}");
}
