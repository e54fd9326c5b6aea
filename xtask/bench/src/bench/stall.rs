//! What new connections meet when the daemon that decides them hangs or dies: an attempt begins every 5 ms, whatever
//! became of the others.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use evenkeel_tests::{Article, Backend, Evenkeel, wait_until};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::json;
use socket2::{Domain, Socket, Type};

use super::release::paths;
use super::stats::median;

const PORT: u16 = 7000;
/// From the begin of one attempt to the next.
const PACE: Duration = Duration::from_millis(5);
/// An attempt that takes longer has waited for the kernel to send its first packet again, which it does after a second.
const AT_ONCE: Duration = Duration::from_millis(500);
const BEFORE: Duration = Duration::from_millis(500);
const AFTER: Duration = Duration::from_millis(2500);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often each is measured; medians count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// What happens to the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Stop,
    Kill,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Stop => "SIGSTOP",
            Self::Kill => "kill -9",
        }
    }
}

/// One attempt to connect.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    begun: Instant,
    /// How long it took; `None`: it failed.
    took: Option<Duration>,
}

pub(crate) fn run(options: &Options, as_json: bool) -> Result<()> {
    let net = Article::new(2)?;
    let _servers = (0..2)
        .map(|it| Backend::tcp(&net.servers[it], net.server(it, PORT), &it.to_string()))
        .collect::<Result<Vec<_>>>()?;
    let config = format!(
        "[[service]]\nname = \"web\"\nlisten = \"{}\"\nscheduler = \"lc\"\ndecision = \"per-connection\"\n\
         server = [{{ address = \"{}\" }}, {{ address = \"{}\" }}]\n",
        net.vip(PORT),
        net.server(0, PORT),
        net.server(1, PORT)
    );
    let mut evenkeel = Evenkeel::with_paths(&net.director, &config, paths())?;
    println!("an attempt to connect begins every 5 ms; each connection is decided by lc");
    let mut all = Vec::new();
    for event in [Event::Stop, Event::Kill] {
        let mut gaps = Vec::new();
        let (mut late, mut lost, mut attempts) = (0, 0, 0);
        for _ in 0..options.rounds {
            evenkeel.start()?;
            wait_until("the scheduler is asked", Duration::from_secs(20), || {
                Ok(evenkeel.status()?["services"][0]["queue"].is_object())
            })?;
            let (at, seen) = around(&net, || match event {
                Event::Stop => evenkeel.pause(),
                Event::Kill => evenkeel.kill9(),
            })?;
            if event == Event::Stop {
                evenkeel.resume()?;
                evenkeel.kill9()?;
            }
            let bad = |it: &&Attempt| it.took.is_none_or(|took| took > AT_ONCE);
            let last_bad = seen.iter().filter(bad).map(|it| it.begun).max();
            let gap = last_bad.map_or(Duration::ZERO, |it| it.saturating_duration_since(at));
            gaps.push(gap.as_secs_f64() * 1e3);
            lost += seen.iter().filter(|it| it.took.is_none()).count();
            late += seen
                .iter()
                .filter(bad)
                .filter(|it| it.took.is_some())
                .count();
            attempts += seen.len();
        }
        let worst = gaps.iter().copied().fold(0.0, f64::max);
        println!(
            "{}: attempts begun more than {:.0} ms after it succeed at once (median of {} rounds; the worst {worst:.0} ms{}); \
             of {attempts} attempts {late} waited for a retransmission, {lost} failed",
            event.name(),
            median(&gaps),
            options.rounds,
            if event == Event::Stop {
                "; aim: 200"
            } else {
                ""
            },
        );
        all.push(json!({ "event": event.name(), "gaps_ms": gaps, "late": late, "lost": lost }));
    }
    if as_json {
        println!("{}", serde_json::Value::from(all));
    }
    Ok(())
}

/// Attempts before and after something that is done meanwhile; when that was.
fn around(net: &Article, happen: impl FnOnce() -> Result<()>) -> Result<(Instant, Vec<Attempt>)> {
    let stop = Arc::new(AtomicBool::new(false));
    let (told, to) = (Arc::clone(&stop), net.vip(PORT));
    let client = net.client.background(move || attempts(to, &told))?;
    std::thread::sleep(BEFORE);
    let at = Instant::now();
    happen()?;
    std::thread::sleep(AFTER);
    stop.store(true, Ordering::Relaxed);
    let seen = client
        .join()
        .map_err(|_| anyhow!("the client panicked"))??;
    Ok((at, seen?))
}

fn attempts(to: SocketAddr, stop: &AtomicBool) -> Result<Vec<Attempt>> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let start = Instant::now();
    let mut next = start;
    // The last ones get their time too.
    let mut end = None;
    loop {
        let now = Instant::now();
        if stop.load(Ordering::Relaxed) && end.is_none() {
            end = Some(now + 2 * AT_ONCE + Duration::from_secs(1));
        }
        if end.is_some_and(|end| now >= end)
            || (end.is_some() && streams.iter().all(Option::is_none))
        {
            break;
        }
        if now >= next && end.is_none() {
            next += PACE;
            let mut stream = connect(to)?;
            poll.registry()
                .register(&mut stream, Token(streams.len()), Interest::WRITABLE)?;
            streams.push(Some(stream));
            attempts.push(Attempt {
                begun: now,
                took: None,
            });
        }
        let wait = next
            .saturating_duration_since(now)
            .max(Duration::from_millis(1));
        poll.poll(&mut events, Some(wait))?;
        for event in &events {
            let slot = event.token().0;
            let Some(place) = streams.get_mut(slot) else {
                continue;
            };
            if let Some(stream) = place.take()
                && let Ok(None) = stream.take_error()
                && stream.peer_addr().is_ok()
                && let Some(attempt) = attempts.get_mut(slot)
            {
                attempt.took = Some(attempt.begun.elapsed());
            }
        }
    }
    Ok(attempts)
}

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // It is under way, or the events will tell.
    let _ = socket.connect(&to.into());
    Ok(TcpStream::from_std(socket.into()))
}
