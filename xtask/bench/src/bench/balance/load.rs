//! Connections that come at random and stay for as long as their server likes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read as _};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use super::net::Stage;
use super::scenario::SERVERS;

const LISTENER: Token = Token(usize::MAX - 1);
/// How often open connections are counted.
const LOOK: Duration = Duration::from_millis(10);
/// The loops never sleep longer.
const PATIENCE: Duration = Duration::from_millis(5);

/// What comes, and how long it stays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// New connections per second, on average.
    pub(super) rate: u32,
    pub(super) seed: u64,
    /// How long is looked at, after a third as long to warm up.
    pub(super) time: Duration,
    /// Mean lifetimes at each server, in milliseconds.
    pub(super) lifetimes: [u32; SERVERS],
}

/// Open connections of each server, as the servers themselves count them.
#[derive(Debug, Default)]
pub(super) struct Samples {
    open: Vec<[usize; SERVERS]>,
    pub(super) connections: u64,
    pub(super) failed: u64,
    /// Connections of the run-up too.
    pub(super) all: u64,
}

/// How far servers are apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Imbalance {
    pub(super) mean: f64,
    pub(super) max: f64,
    /// Mean of the standard deviation.
    pub(super) deviation: f64,
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
impl Samples {
    pub(super) fn imbalance(&self, weights: &[u32; SERVERS]) -> Imbalance {
        let mut result = Imbalance {
            mean: 0.0,
            max: 0.0,
            deviation: 0.0,
        };
        for open in &self.open {
            let per_weight: Vec<f64> = open
                .iter()
                .zip(weights)
                .map(|(open, weight)| *open as f64 / f64::from(*weight))
                .collect();
            let most = per_weight.iter().copied().fold(0.0, f64::max);
            let fewest = per_weight.iter().copied().fold(f64::INFINITY, f64::min);
            let mean = per_weight.iter().sum::<f64>() / SERVERS as f64;
            let squares = per_weight.iter().map(|it| (it - mean).powi(2)).sum::<f64>();
            result.mean += most - fewest;
            result.max = result.max.max(most - fewest);
            result.deviation += (squares / SERVERS as f64).sqrt();
        }
        let samples = self.open.len().max(1) as f64;
        result.mean /= samples;
        result.deviation /= samples;
        result
    }

    pub(super) fn mean_open(&self) -> [f64; SERVERS] {
        let mut mean = [0.0; SERVERS];
        for open in &self.open {
            for (mean, open) in mean.iter_mut().zip(open) {
                *mean += *open as f64 / self.open.len() as f64;
            }
        }
        mean
    }
}

/// A pause or lifetime: exponentially distributed.
fn exponential(random: &mut fastrand::Rng, mean: Duration) -> Duration {
    mean.mul_f64(-(1.0 - random.f64()).ln())
}

impl Load {
    /// Lets it come.
    pub(super) fn run(&self, stage: &Stage<'_>) -> Result<Samples> {
        let stop = Arc::new(AtomicBool::new(false));
        let open: Arc<[AtomicUsize; SERVERS]> = Arc::default();
        let mut threads = Vec::new();
        for (number, (node, address)) in stage.servers().enumerate() {
            let listener = node.enter(|| listen(address))?.context("cannot listen")?;
            let (stop, open) = (Arc::clone(&stop), Arc::clone(&open));
            let mean = Duration::from_millis(self.lifetimes[number].into());
            let mut random = fastrand::Rng::with_seed(self.seed * 1000 + number as u64);
            threads.push(node.background(move || {
                serve(listener, &stop, &open[number], || {
                    exponential(&mut random, mean)
                })
            })?);
        }
        stage.wait_ready()?;
        let client = Arc::new(ClientCounts::default());
        let (stop_client, counts, load) = (Arc::clone(&stop), Arc::clone(&client), *self);
        let service = stage.service();
        threads.push(
            stage
                .client()
                .background(move || load.come(service, &stop_client, &counts))?,
        );
        std::thread::sleep(self.time / 3);
        let mut samples = Samples::default();
        let before = client.begun.load(Ordering::Relaxed);
        let start = Instant::now();
        while start.elapsed() < self.time {
            samples.open.push(std::array::from_fn(|number| {
                open[number].load(Ordering::Relaxed)
            }));
            std::thread::sleep(LOOK);
        }
        samples.connections = client.begun.load(Ordering::Relaxed) - before;
        samples.failed = client.failed.load(Ordering::Relaxed);
        samples.all = before + samples.connections;
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread
                .join()
                .map_err(|_| anyhow!("a client or server panicked"))???;
        }
        ensure!(samples.connections > 0, "no connection came through");
        Ok(samples)
    }

    /// The client: begins connections at random times, and ends each when its server has.
    fn come(&self, to: SocketAddr, stop: &AtomicBool, counts: &ClientCounts) -> Result<()> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mean = Duration::from_secs(1) / self.rate;
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(1024);
        let mut open = Slots::default();
        let mut next = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            while next <= now {
                next += exponential(&mut random, mean);
                let mut stream = connect(to)?;
                let slot = open.free();
                poll.registry()
                    .register(&mut stream, Token(slot), Interest::READABLE)?;
                open.put(slot, stream);
                counts.begun.fetch_add(1, Ordering::Relaxed);
            }
            let wait = next.saturating_duration_since(now).min(PATIENCE);
            poll.poll(&mut events, Some(wait))?;
            for event in &events {
                let slot = event.token().0;
                match open.get(slot).map(ended) {
                    Some(Ok(true)) => open.take(slot),
                    Some(Err(_)) => {
                        counts.failed.fetch_add(1, Ordering::Relaxed);
                        open.take(slot);
                    }
                    Some(Ok(false)) | None => {}
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct ClientCounts {
    begun: AtomicU64,
    failed: AtomicU64,
}

/// Connections by small numbers.
#[derive(Default)]
struct Slots {
    streams: Vec<Option<TcpStream>>,
    free: Vec<usize>,
}

impl Slots {
    fn free(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.streams.push(None);
            self.streams.len() - 1
        })
    }

    fn put(&mut self, slot: usize, stream: TcpStream) {
        if let Some(place) = self.streams.get_mut(slot) {
            *place = Some(stream);
        }
    }

    fn get(&mut self, slot: usize) -> Option<&mut TcpStream> {
        self.streams.get_mut(slot)?.as_mut()
    }

    fn take(&mut self, slot: usize) {
        if let Some(place) = self.streams.get_mut(slot)
            && place.take().is_some()
        {
            self.free.push(slot);
        }
    }
}

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // It is under way, or the events will tell.
    let _ = socket.connect(&to.into());
    Ok(TcpStream::from_std(socket.into()))
}

/// Whether the other side has ended the connection.
fn ended(stream: &mut TcpStream) -> io::Result<bool> {
    loop {
        match stream.read(&mut [0; 64]) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// A server: keeps each connection for its lifetime, and counts those that are open.
fn serve(
    listener: StdListener,
    stop: &AtomicBool,
    count: &AtomicUsize,
    mut lifetime: impl FnMut() -> Duration,
) -> Result<()> {
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut open = Slots::default();
    let mut ends: BinaryHeap<Reverse<(Instant, usize)>> = BinaryHeap::new();
    while !stop.load(Ordering::Relaxed) {
        poll.poll(&mut events, Some(PATIENCE))?;
        let now = Instant::now();
        while let Ok((client, _)) = listener.accept() {
            let slot = open.free();
            open.put(slot, client);
            ends.push(Reverse((now + lifetime(), slot)));
            count.fetch_add(1, Ordering::Relaxed);
        }
        while let Some(Reverse((at, slot))) = ends.peek().copied()
            && at <= now
        {
            ends.pop();
            open.take(slot);
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
