//! Long downloads whose every byte is known, to see whether a connection survives.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::client::{Client, as_timeout};
use crate::lab::Node;

/// Bytes sent at a time.
const CHUNK: usize = 16 * 1024;
/// Length of the server's name at the front of a download, filled up with spaces.
const NAME: usize = 32;

/// A TCP server that sends every connection its name and then `length` bytes, spread evenly over `duration`.
#[derive(Debug)]
pub struct DownloadServer {
    stop: Arc<AtomicBool>,
    hurry: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DownloadServer {
    /// Starts it. Dropping it ends it and every download.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the name is longer than 32 bytes.
    pub fn new(
        node: &Node,
        address: SocketAddr,
        name: &str,
        length: usize,
        duration: Duration,
    ) -> Result<Self> {
        ensure!(name.len() <= NAME, "a name has {NAME} bytes at most");
        let listener = node
            .enter(|| TcpListener::bind(address))?
            .with_context(|| format!("{}: cannot listen on {address}", node.name()))?;
        listener.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let hurry = Arc::new(AtomicBool::new(false));
        let hurries = Arc::clone(&hurry);
        let front = format!("{name:NAME$}");
        let thread = thread::Builder::new()
            .name(format!("downloads {address}"))
            .spawn(move || {
                thread::scope(|scope| {
                    while !told.load(Ordering::Relaxed) {
                        if let Ok((connection, _)) = listener.accept() {
                            // A client that goes away ends its download.
                            scope.spawn(|| {
                                let pace = Pace {
                                    duration,
                                    hurries: &hurries,
                                };
                                send(connection, &front, length, pace, &told).ok()
                            });
                        } else {
                            thread::sleep(Duration::from_millis(2));
                        }
                    }
                });
            })?;
        Ok(Self {
            stop,
            hurry,
            thread: Some(thread),
        })
    }

    /// Sends what is left of every download as fast as it can: what a test wanted to do meanwhile is done.
    pub fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }
}

/// How fast a download goes.
#[derive(Debug, Clone, Copy)]
struct Pace<'a> {
    duration: Duration,
    hurries: &'a AtomicBool,
}

impl Drop for DownloadServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn send(
    mut connection: TcpStream,
    front: &str,
    length: usize,
    pace: Pace<'_>,
    stop: &AtomicBool,
) -> io::Result<()> {
    connection.set_nonblocking(false)?;
    connection.set_write_timeout(Some(Duration::from_secs(10)))?;
    connection.write_all(front.as_bytes())?;
    let start = Instant::now();
    let mut sent = 0;
    while sent < length && !stop.load(Ordering::Relaxed) {
        let chunk = CHUNK.min(length - sent);
        let bytes: Vec<u8> = (sent..sent + chunk).map(byte_at).collect();
        connection.write_all(&bytes)?;
        sent += chunk;
        #[expect(clippy::cast_precision_loss, reason = "only paces the download")]
        let due = pace.duration.mul_f64(sent as f64 / length as f64);
        if !pace.hurries.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
    }
    Ok(())
}

/// The byte at an offset: no two stretches of a download are alike (splitmix64 of the word's number).
fn byte_at(offset: usize) -> u8 {
    let mut word = (offset as u64 / 8).wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word.to_le_bytes()[offset % 8]
}

/// A download under way, on a thread of its own.
#[derive(Debug)]
pub struct Download {
    received: Arc<AtomicU64>,
    from: String,
    thread: JoinHandle<Result<()>>,
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes received, all of them as they should be.
    pub received: u64,
    /// Whether it has ended, well or not.
    pub ended: bool,
}

impl Download {
    /// Connects and waits for the server's name; the rest is received and compared with what it should be in the
    /// background.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn start(client: &Client, to: SocketAddr, length: usize) -> Result<Self> {
        let mut connection = client.connect(to)?;
        let mut front = [0; NAME];
        connection.read_exact(&mut front).map_err(as_timeout)?;
        let received = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&received);
        let thread = thread::Builder::new()
            .name(format!("download {to}"))
            .spawn(move || receive(connection, length, &count))?;
        let from = String::from_utf8_lossy(&front).trim_end().to_owned();
        Ok(Self {
            received,
            from,
            thread,
        })
    }

    /// The name of the server that sends.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            received: self.received.load(Ordering::Relaxed),
            ended: self.thread.is_finished(),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When a byte was wrong or missing, or none came for 10 s.
    pub fn finish(self) -> Result<()> {
        self.thread
            .join()
            .map_err(|_| anyhow!("the download panicked"))?
    }
}

fn receive(mut connection: TcpStream, length: usize, count: &AtomicU64) -> Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut bytes = vec![0; CHUNK];
    let mut received = 0;
    loop {
        let read = match connection.read(&mut bytes) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => bail!("after {received} of {length} bytes: {}", as_timeout(error)),
        };
        if let Some(wrong) = (0..read).find(|i| bytes[*i] != byte_at(received + i)) {
            bail!("byte {} is wrong", received + wrong);
        }
        received += read;
        count.store(received as u64, Ordering::Relaxed);
    }
    ensure!(
        received == length,
        "closed after {received} of {length} bytes"
    );
    Ok(())
}
