//! `evenkeel plugin run`: a plugin live, with a director, real servers and clients in a private network of this machine.
//!
//! ```text
//!  watch: source changed -> build -> file in the director's plugin directory   (this machine's network)
//!  ------------------------------------------------------------------------------------------------
//!  one thread, in a network namespace that goes with it:
//!    traffic: clients --connections--> virtual service --director (a child, `evenkeel run`)--> servers
//!    show: what was answered, and the director's status, each second
//! ```

mod director;
mod network;
mod scene;
mod show;
mod traffic;
mod watch;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use evenkeel_author::compile;
use evenkeel_runtime::PluginRuntime as _;
use tokio::time::Instant;

use crate::args::author::RunArgs;
use crate::commands::plugin::runtime::runtime;
use crate::commands::print;
use crate::exit::{self, Failed};
use director::Director;
use scene::{NETWORK, Subject};
use traffic::{Load, Traffic};

/// How often it is shown how everything is.
const SHOW: Duration = Duration::from_secs(1);
/// Runs a plugin until it is told to end.
///
/// # Errors
/// [`exit::CONFIG`] when the file is no usable plugin or the director refuses it; [`exit::FAILURE`] when there can be no
/// private network, or the director ends by itself.
pub(crate) fn run(args: &RunArgs) -> Result<()> {
    let subject = subject(args)?;
    let ended = Arc::new(AtomicBool::new(false));
    let directory = tempfile::Builder::new()
        .prefix("evenkeel-live.")
        .tempdir()
        .context("cannot make a directory")?;
    let plugins = directory.path().join("plugins");
    std::fs::create_dir(&plugins)?;
    watch::put(&subject.file, &plugins, &subject.name)?;
    let (news, told) = mpsc::channel();
    let watcher = match &subject.source {
        Some(source) if args.watch => {
            let (source, name, ended) = (source.clone(), subject.name.clone(), Arc::clone(&ended));
            let builder = watch::Builder::new(source, plugins, name);
            Some(thread::spawn(move || builder.run(&ended, &news)))
        }
        _ => None,
    };
    let own = directory.path();
    let outcome = network::in_private_network(NETWORK, move |runtime| {
        runtime.block_on(live(args, &subject, own, &told))
    });
    ended.store(true, Ordering::Relaxed);
    if let Some(watcher) = watcher {
        // It has looked for the last time within a moment, unless it builds: that ends with the compiler.
        let _ = watcher.join();
    }
    outcome
}

/// What is to be run; a directory is built first.
fn subject(args: &RunArgs) -> Result<Subject> {
    let (file, source) = if args.plugin.is_dir() {
        let built = compile::build(&args.plugin)?;
        (built.file, Some(args.plugin.clone()))
    } else {
        (args.plugin.clone(), None)
    };
    if args.watch && source.is_none() {
        let message = "--watch needs the directory of the plugin's source in place of its file";
        return Err(Failed::new(exit::USAGE, message).into());
    }
    let described = runtime(evenkeel_config::parse("", "").daemon())?
        .describe(&file)
        .map_err(|error| Failed::new(exit::CONFIG, error.to_string()))?;
    Ok(Subject {
        file,
        source,
        kind: described.info.kind,
        name: described.info.manifest.name,
    })
}

async fn live(
    args: &RunArgs,
    subject: &Subject,
    directory: &Path,
    told: &mpsc::Receiver<String>,
) -> Result<()> {
    let load = Load {
        rate: args.rate,
        lifetime: args.lifetime.into(),
        failures: args.failures,
    };
    let mut traffic = Traffic::start(args.servers, load)?;
    let mut director = Director::start(args, subject, directory)?;
    director.wait().await?;
    let begin = Instant::now();
    if !args.json {
        print(&introduction(args, subject))?;
    }
    traffic.begin();
    let end = args
        .seconds
        .map(|seconds| begin + Duration::from_secs(seconds));
    let mut tick = tokio::time::interval_at(begin + SHOW, SHOW);
    let mut view = show::View::default();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = tokio::signal::ctrl_c() => break,
        }
        for news in told.try_iter() {
            print(&show::news(&news, args.json))?;
        }
        let status = director.status().await?;
        print(&view.next(begin.elapsed(), &traffic.counts(), &status, args.json)?)?;
        if end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
    }
    director.stop().await?;
    print(&view.sum(&traffic.counts(), args.json))?;
    Ok(())
}

fn introduction(args: &RunArgs, subject: &Subject) -> String {
    format!(
        "{} {} runs in a private network: {} servers, {} connections/s of {} on average. Ctrl-C ends it.\n",
        subject.kind, subject.name, args.servers, args.rate, args.lifetime,
    )
}
