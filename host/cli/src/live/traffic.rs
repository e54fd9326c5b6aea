//! Real servers, and clients that connect to the virtual service.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::scene::{SERVICE, server};

/// How long a client waits for anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of each round one server, in turn, is away for the second part.
const ROUND: Duration = Duration::from_secs(8);
const AWAY: Duration = Duration::from_secs(3);
/// Connections that clients have open at once, at most.
const OPEN: usize = 20_000;
/// Clients' addresses: the upper half of the private network.
const CLIENTS: Ipv4Addr = Ipv4Addr::new(10, 77, 128, 0);
const CLIENTS_MASK: u32 = 0x7fff;

/// What is done to the service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// New connections a second.
    pub(super) rate: u32,
    /// How long servers keep them open, on average; how long each is random (exponential).
    pub(super) lifetime: Duration,
    /// Whether servers fail, one after the other.
    pub(super) failures: bool,
}

/// What has become of connections since the start.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// By the server that has answered.
    pub(super) answered: BTreeMap<String, u64>,
    /// By why there was no answer.
    pub(super) failed: BTreeMap<String, u64>,
}

/// Servers and clients; they end with this.
pub(super) struct Traffic {
    load: Load,
    counts: Arc<Mutex<Counts>>,
    tasks: JoinSet<()>,
}

impl Traffic {
    /// Starts the servers; call it inside a runtime.
    pub(super) fn start(servers: u8, load: Load) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let counts = Arc::new(Mutex::new(Counts::default()));
        for number in 0..servers {
            let name = format!("server{}", number + 1);
            counts.lock().answered.insert(name.clone(), 0);
            let listener =
                listen(server(number)).with_context(|| format!("{name} cannot listen"))?;
            let turn = load.failures.then_some((number, servers));
            tasks.spawn(serve(listener, server(number), name, load.lifetime, turn));
        }
        Ok(Self {
            load,
            counts,
            tasks,
        })
    }

    /// Starts the clients.
    pub(super) fn begin(&mut self) {
        let (load, counts) = (self.load, Arc::clone(&self.counts));
        self.tasks.spawn(clients(load, counts));
    }

    /// What has become of connections so far.
    pub(super) fn counts(&self) -> Counts {
        self.counts.lock().clone()
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

/// Answers each connection with its name and keeps it for a time. `turn`: its number and how many there are, if it
/// fails when it is its turn.
async fn serve(
    mut listener: TcpListener,
    address: SocketAddr,
    name: String,
    lifetime: Duration,
    turn: Option<(u8, u8)>,
) {
    let begin = Instant::now();
    let mut open = JoinSet::new();
    for round in 1_u32.. {
        let end = begin + ROUND * round;
        accept_until(end - AWAY, &listener, &mut open, (&name, lifetime)).await;
        if turn.is_none_or(|(own, all)| (round - 1) % u32::from(all) != u32::from(own)) {
            accept_until(end, &listener, &mut open, (&name, lifetime)).await;
            continue;
        }
        // With all its connections.
        drop(listener);
        open.abort_all();
        sleep_until(end).await;
        listener = match listen(address) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "{name} cannot listen again"),
        };
    }
}

async fn accept_until(
    end: Instant,
    listener: &TcpListener,
    open: &mut JoinSet<()>,
    (name, lifetime): (&str, Duration),
) {
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                open.spawn(answer(stream, name.to_owned(), random(lifetime)));
                while open.try_join_next().is_some() {}
            }
            () = sleep_until(end) => return,
        }
    }
}

async fn answer(mut stream: TcpStream, name: String, lifetime: Duration) {
    if stream
        .write_all(format!("{name}\n").as_bytes())
        .await
        .is_ok()
    {
        sleep(lifetime).await;
    }
}

/// Exponential with this mean.
fn random(mean: Duration) -> Duration {
    mean.mul_f64(-(1.0 - fastrand::f64()).ln())
}

async fn clients(load: Load, counts: Arc<Mutex<Counts>>) {
    let pause = Duration::from_secs(1) / load.rate.max(1);
    let mut next = Instant::now();
    let mut open = JoinSet::new();
    loop {
        next += random(pause);
        sleep_until(next).await;
        while open.try_join_next().is_some() {}
        let counts = Arc::clone(&counts);
        if open.len() >= OPEN {
            count(
                &counts,
                Err("too many connections are open already".to_owned()),
            );
            continue;
        }
        open.spawn(async move {
            let stream = ask(&counts).await;
            // Until the server ends it.
            if let Some(mut stream) = stream {
                let _ = stream.read(&mut [0; 64]).await;
            }
        });
    }
}

/// One connection, from any client: counts who has answered it.
async fn ask(counts: &Mutex<Counts>) -> Option<TcpStream> {
    match timeout(PATIENCE, connect()).await {
        Ok(Ok((name, stream))) => {
            count(counts, Ok(name));
            Some(stream)
        }
        Ok(Err(error)) => {
            count(counts, Err(error.kind().to_string()));
            None
        }
        Err(_) => {
            count(counts, Err(format!("no answer within {PATIENCE:?}")));
            None
        }
    }
}

async fn connect() -> io::Result<(String, TcpStream)> {
    let client = Ipv4Addr::from_bits(CLIENTS.to_bits() | (fastrand::u32(..) & CLIENTS_MASK));
    let socket = TcpSocket::new_v4()?;
    socket.bind((client, 0).into())?;
    let mut stream = socket.connect(SERVICE).await?;
    let mut name = Vec::new();
    while name.last() != Some(&b'\n') {
        let byte = stream.read_u8().await?;
        name.push(byte);
        if name.len() > 64 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let name = String::from_utf8_lossy(&name).trim().to_owned();
    Ok((name, stream))
}

fn count(counts: &Mutex<Counts>, outcome: Result<String, String>) {
    let mut counts = counts.lock();
    let of = match outcome {
        Ok(server) => counts.answered.entry(server),
        Err(why) => counts.failed.entry(why),
    };
    *of.or_default() += 1;
}
