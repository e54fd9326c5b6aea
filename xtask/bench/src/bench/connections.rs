//! New connections per second: connect, ask, read the answer up to its end, close. As with HTTP and `Connection:
//! close`, the server closes first.
//!
//! So no port of the client is left in TIME_WAIT, and a run is not a measurement of how many ports there are. Both
//! sides are event loops that do little else: what is between them is to be the slowest part.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use evenkeel_tests::Node;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

const QUESTION: &[u8] = b"?";
const ANSWER: &[u8] = b"an answer as short as a server's can be\n";
const LISTENER: Token = Token(usize::MAX - 1);
/// How long the loops sleep without news.
const PATIENCE: Duration = Duration::from_millis(50);
/// A connection that takes longer than this is given up and made anew.
const STUCK: Duration = Duration::from_millis(900);

/// A server on a machine of its own. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Result<()>>>>,
}

impl Server {
    pub(crate) fn start(node: &Node, address: SocketAddr) -> Result<Self> {
        let listener = node.enter(|| listen(address))?.context("cannot listen")?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = node.background(move || serve(listener, &told))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
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

fn serve(listener: StdListener, stop: &AtomicBool) -> Result<()> {
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: Vec<Option<TcpStream>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        poll.poll(&mut events, Some(PATIENCE))?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut client, _)) = listener.accept() {
                    let slot = free.pop().unwrap_or_else(|| {
                        clients.push(None);
                        clients.len() - 1
                    });
                    poll.registry()
                        .register(&mut client, Token(slot), Interest::READABLE)?;
                    clients[slot] = Some(client);
                }
            } else if let Some(place) = clients.get_mut(event.token().0)
                && let Some(client) = place
                && !answer(client)
            {
                *place = None;
                free.push(event.token().0);
            }
        }
    }
    Ok(())
}

/// Whether the client is still there and has not asked yet.
fn answer(client: &mut TcpStream) -> bool {
    let mut bytes = [0; 64];
    match client.read(&mut bytes) {
        Ok(0) => false,
        Ok(_) => {
            // Whether it went out or not, that was all.
            let _ = client.write_all(ANSWER);
            false
        }
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// What a run has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// Answered connections per second.
    pub(crate) per_second: f64,
    /// Connections that failed or got stuck.
    pub(crate) failed: u64,
}

/// Opens connections to the addresses in turn, `at_once` at a time, for `time`, after a short run-up.
///
/// One client on each core: a single one would be the slowest part itself, and what is between it and the servers
/// would have a core to spare.
pub(crate) fn measure(
    node: &Node,
    to: &[SocketAddr],
    at_once: usize,
    time: Duration,
) -> Result<Rate> {
    let clients = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let done = AtomicU64::new(0);
    let failed = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let rate = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| node.enter(|| ask(to, at_once / clients, &done, &failed, &stop)))
            })
            .collect();
        std::thread::sleep(time / 5);
        let (start, before) = (Instant::now(), done.load(Ordering::Relaxed));
        std::thread::sleep(time);
        let after = done.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let per_second = (after - before) as f64 / start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client
                .join()
                .map_err(|_| anyhow!("a client panicked"))???;
        }
        anyhow::Ok(Rate {
            per_second,
            failed: failed.load(Ordering::Relaxed),
        })
    })?;
    ensure!(rate.per_second > 0.0, "nothing answers at {to:?}");
    Ok(rate)
}

/// A connection under way.
struct Asking {
    stream: TcpStream,
    asked: bool,
    answered: bool,
    since: Instant,
}

fn ask(
    to: &[SocketAddr],
    at_once: usize,
    done: &AtomicU64,
    failed: &AtomicU64,
    stop: &AtomicBool,
) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(at_once);
    let mut connections = Vec::with_capacity(at_once);
    for slot in 0..at_once {
        connections.push(connect(&poll, to, slot)?);
    }
    let mut looked = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        poll.poll(&mut events, Some(PATIENCE))?;
        for event in &events {
            let slot = event.token().0;
            let result = go_on(&mut connections[slot], event.is_writable());
            match result {
                Ok(false) => continue,
                Ok(true) => done.fetch_add(1, Ordering::Relaxed),
                Err(_) => failed.fetch_add(1, Ordering::Relaxed),
            };
            connections[slot] = connect(&poll, to, slot)?;
        }
        if looked.elapsed() > STUCK / 3 {
            looked = Instant::now();
            for (slot, connection) in connections.iter_mut().enumerate() {
                if connection.since.elapsed() > STUCK {
                    failed.fetch_add(1, Ordering::Relaxed);
                    *connection = connect(&poll, to, slot)?;
                }
            }
        }
    }
    Ok(())
}

fn connect(poll: &Poll, to: &[SocketAddr], slot: usize) -> Result<Asking> {
    let to = to[slot % to.len()];
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // It is under way, or the events will tell.
    let _ = socket.connect(&to.into());
    let mut stream = TcpStream::from_std(socket.into());
    poll.registry().register(
        &mut stream,
        Token(slot),
        Interest::READABLE | Interest::WRITABLE,
    )?;
    Ok(Asking {
        stream,
        asked: false,
        answered: false,
        since: Instant::now(),
    })
}

/// Asks once connected; whether the whole answer is there.
fn go_on(asking: &mut Asking, writable: bool) -> io::Result<bool> {
    let mut bytes = [0; 64];
    loop {
        match asking.stream.read(&mut bytes) {
            Ok(0) if asking.answered => return Ok(true),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => asking.answered = true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    if writable && !asking.asked {
        asking.stream.write_all(QUESTION)?;
        asking.asked = true;
    }
    Ok(false)
}
