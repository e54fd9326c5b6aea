//! Clients that ask a server for its name.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, anyhow};
use socket2::{Domain, Socket, Type};

use crate::lab::Node;

/// A client on a machine of the lab. Asking means: connect, read to the end, and that is the server's name.
#[derive(Debug, Clone)]
pub struct Client {
    node: Node,
    source: Option<SocketAddr>,
    timeout: Duration,
}

impl Client {
    /// A client with any source address and port, and a timeout of 2 s.
    #[must_use]
    pub fn new(node: &Node) -> Self {
        Self {
            node: node.clone(),
            source: None,
            timeout: Duration::from_secs(2),
        }
    }

    /// Asks from this address.
    #[must_use]
    pub fn from_address(self, address: IpAddr) -> Self {
        self.from_socket(SocketAddr::new(address, 0))
    }

    /// Asks from this address and port. Port 0: any.
    #[must_use]
    pub fn from_socket(self, source: SocketAddr) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }

    /// How long connecting, and each wait for data, may take.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Asks once over TCP.
    ///
    /// # Errors
    /// As the system says: `ConnectionRefused`, `TimedOut` and so on.
    pub fn ask(&self, to: SocketAddr) -> io::Result<String> {
        self.enter(|| self.ask_here(to))
    }

    /// Asks over TCP, one connection after the other.
    pub fn ask_times(&self, to: SocketAddr, times: usize) -> io::Result<Vec<String>> {
        self.enter(|| (0..times).map(|_| self.ask_here(to)).collect())
    }

    /// Sends one datagram and waits for the answer `NAME DATAGRAM`; returns the name.
    ///
    /// # Errors
    /// As the system says; `InvalidData` if the answer is not to our datagram.
    pub fn ask_udp(&self, to: SocketAddr) -> io::Result<String> {
        self.enter(|| self.ask_udp_here(to))
    }

    /// Asks over UDP, every time from a new port unless one was chosen.
    ///
    /// # Errors
    /// The first failure.
    pub fn ask_udp_times(&self, to: SocketAddr, times: usize) -> io::Result<Vec<String>> {
        self.enter(|| (0..times).map(|_| self.ask_udp_here(to)).collect())
    }

    /// Opens a TCP connection and leaves it to the caller.
    ///
    /// # Errors
    /// As the system says.
    pub fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.enter(|| self.connect_here(to))
    }

    /// Opens a TCP connection to a server that greets with its name of one letter (see
    /// [`Backend::holding`](crate::Backend)); returns both.
    ///
    /// # Errors
    /// As the system says.
    pub fn hold(&self, to: SocketAddr) -> io::Result<(String, TcpStream)> {
        let mut connection = self.connect(to)?;
        connection.set_read_timeout(Some(self.timeout))?;
        let mut name = [0];
        connection.read_exact(&mut name)?;
        Ok((String::from_utf8_lossy(&name).into_owned(), connection))
    }

    /// Asks over TCP without end, `pause` after each answer, on a thread of its own.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn keep_asking(&self, to: SocketAddr, pause: Duration) -> Result<Stream> {
        let client = self.clone();
        self.keep(pause, move || client.ask_here(to))
    }

    /// Opens TCP connections without end and closes each at once, `pause` in between, on a thread of its own. Each
    /// successful answer is empty.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn keep_connecting(&self, to: SocketAddr, pause: Duration) -> Result<Stream> {
        let client = self.clone();
        self.keep(pause, move || {
            client.connect_here(to).map(|_| String::new())
        })
    }

    /// Asks over UDP without end, `pause` after each answer, on a thread of its own.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn keep_asking_udp(&self, to: SocketAddr, pause: Duration) -> Result<Stream> {
        let client = self.clone();
        self.keep(pause, move || client.ask_udp_here(to))
    }

    /// Calls `ask` on this client's machine without end, `pause` after each time, on a thread of its own.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn keep(
        &self,
        pause: Duration,
        mut ask: impl FnMut() -> io::Result<String> + Send + 'static,
    ) -> Result<Stream> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = self.node.background(move || {
            let mut answers = Vec::new();
            while !told.load(Ordering::Relaxed) {
                let (at, clock) = (Instant::now(), SystemTime::now());
                let result = ask();
                answers.push(Answer {
                    at,
                    clock,
                    took: at.elapsed(),
                    result,
                });
                thread::sleep(pause);
            }
            answers
        })?;
        Ok(Stream { stop, thread })
    }

    fn enter<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        self.node.enter(work).map_err(io::Error::other)?
    }

    fn ask_here(&self, to: SocketAddr) -> io::Result<String> {
        let mut connection = self.connect_here(to)?;
        let mut name = String::new();
        connection.read_to_string(&mut name).map_err(as_timeout)?;
        if name.is_empty() {
            return Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                "closed without an answer",
            ));
        }
        Ok(name)
    }

    fn connect_here(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.socket(to, Type::STREAM)?;
        socket.connect_timeout(&to.into(), self.timeout)?;
        Ok(socket.into())
    }

    fn ask_udp_here(&self, to: SocketAddr) -> io::Result<String> {
        let socket: UdpSocket = self.socket(to, Type::DGRAM)?.into();
        socket.connect(to)?;
        let question = format!("{:?}", Instant::now());
        socket.send(question.as_bytes())?;
        let mut answer = vec![0; 65_536];
        let length = socket.recv(&mut answer).map_err(as_timeout)?;
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        match answer.strip_suffix(&question) {
            Some(name) => Ok(name.trim_end().to_owned()),
            None => Err(io::Error::new(ErrorKind::InvalidData, answer)),
        }
    }

    fn socket(&self, to: SocketAddr, kind: Type) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(to), kind, None)?;
        socket.set_read_timeout(Some(self.timeout))?;
        socket.set_write_timeout(Some(self.timeout))?;
        if let Some(source) = self.source {
            socket.set_reuse_address(true)?;
            socket.bind(&source.into())?;
        }
        Ok(socket)
    }
}

/// A socket's timeout shows as `EAGAIN`.
pub(crate) fn as_timeout(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock {
        ErrorKind::TimedOut.into()
    } else {
        error
    }
}

/// One question of a [`Stream`] and what came of it.
#[derive(Debug)]
pub struct Answer {
    /// When it was asked.
    pub at: Instant,
    /// The same by the clock on the wall.
    pub clock: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// The server's name, or what failed.
    pub result: io::Result<String>,
}

/// A client that goes on asking until it is stopped.
#[derive(Debug)]
pub struct Stream {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Answer>>>,
}

impl Stream {
    /// Ends it and hands over all that it saw.
    ///
    /// # Errors
    /// When the client itself failed.
    pub fn stop(self) -> Result<Record> {
        self.stop.store(true, Ordering::Relaxed);
        let answers = self
            .thread
            .join()
            .map_err(|_| anyhow!("the client panicked"))??;
        Ok(Record { answers })
    }
}

/// All that a [`Stream`] saw, in order.
#[derive(Debug)]
pub struct Record {
    /// One for each question.
    pub answers: Vec<Answer>,
}

impl Record {
    /// The questions without an answer.
    pub fn failures(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| answer.result.is_err())
    }

    /// How many questions each server answered.
    #[must_use]
    pub fn spread(&self) -> BTreeMap<&str, usize> {
        let mut spread = BTreeMap::new();
        for name in self
            .answers
            .iter()
            .filter_map(|answer| answer.result.as_deref().ok())
        {
            *spread.entry(name).or_default() += 1;
        }
        spread
    }

    /// The longest that one question took, answered or not.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.answers
            .iter()
            .map(|answer| answer.took)
            .max()
            .unwrap_or_default()
    }

    /// From the first failure's question to the last failure's end. Zero if none failed.
    #[must_use]
    pub fn outage(&self) -> Duration {
        let first = self.failures().next().map(|answer| answer.at);
        let last = self.failures().last().map(|answer| answer.at + answer.took);
        match (first, last) {
            (Some(first), Some(last)) => last.duration_since(first),
            _ => Duration::ZERO,
        }
    }
}
