//! The daemon's log lines on their way to standard error: whoever logs never waits for who reads.
//!
//! ```text
//! tasks, threads --lines--> queue (bounded by bytes) --> thread "log" --> standard error
//!                  '--> what has no room is dropped and counted
//! ```

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// What may wait for the reader, in bytes. Some ten thousand lines.
const MAX_BYTES: usize = 2 << 20;
/// What a line costs beside its text.
const LINE_BYTES: usize = 64;
/// How long the end of the daemon waits for the reader at most.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// Before another attempt to write to a descriptor that somebody has made non-blocking.
const FULL_DELAY: Duration = Duration::from_millis(20);

enum Order {
    Line(Box<[u8]>),
    /// Say when everything before it has been written.
    Flush(mpsc::Sender<()>),
}

#[derive(Default)]
struct Counts {
    /// Bytes that wait.
    waiting: AtomicUsize,
    /// Lines that were dropped or could not be written.
    dropped: Arc<AtomicU64>,
}

/// Where log lines go. Each write is one line; it returns at once and never fails.
#[derive(Clone)]
pub(crate) struct LogQueue {
    orders: mpsc::Sender<Order>,
    counts: Arc<Counts>,
}

impl LogQueue {
    /// Starts the thread that writes to `sink`, whose errors are counted and nothing else. `tell` has said in the log
    /// that so many lines were dropped; it is called on that thread, once there is room again.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(
        sink: impl Write + Send + 'static,
        tell: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let (orders, taken) = mpsc::channel();
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || drain(&taken, sink, &shared, &tell))?;
        Ok(Self { orders, counts })
    }

    /// Lines that were dropped since the start.
    pub(crate) fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.counts.dropped)
    }

    /// Waits until everything is written, but not longer than a second.
    pub(crate) fn flush(&self) {
        let (done, written) = mpsc::channel();
        if self.orders.send(Order::Flush(done)).is_ok() {
            // Who reads may have stopped for good.
            let _ = written.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

impl Write for LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let cost = line.len() + LINE_BYTES;
        let waiting = self.counts.waiting.fetch_add(cost, Ordering::Relaxed);
        let sent = waiting < MAX_BYTES && self.orders.send(Order::Line(line.into())).is_ok();
        if !sent {
            self.counts.waiting.fetch_sub(cost, Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn drain(
    orders: &mpsc::Receiver<Order>,
    mut sink: impl Write,
    counts: &Counts,
    tell: &impl Fn(u64),
) {
    // What was dropped and is told, or cannot be told since nothing can be written.
    let mut told = 0;
    while let Ok(order) = orders.recv() {
        let line = match order {
            Order::Line(line) => line,
            Order::Flush(done) => {
                // Who waited may have given up.
                let _ = done.send(());
                continue;
            }
        };
        if write_whole(&mut sink, &line).is_err() {
            counts.dropped.fetch_add(1, Ordering::Relaxed);
            told += 1;
        }
        let cost = line.len() + LINE_BYTES;
        let waiting = counts.waiting.fetch_sub(cost, Ordering::Relaxed) - cost;
        let dropped = counts.dropped.load(Ordering::Relaxed);
        if dropped > told && waiting < MAX_BYTES / 2 {
            tell(dropped - told);
            told = dropped;
        }
    }
}

/// As `write_all`, also where standard error is shared with a program that has made it non-blocking.
fn write_whole(sink: &mut impl Write, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match sink.write(text) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => text = text.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(FULL_DELAY);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
