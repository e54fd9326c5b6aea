//! The thread that counts: reads events, has all connections read again when it must, and reports.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use evenkeel_core::connections::{Counts, Table};
use evenkeel_core::state::BackendId;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::{debug, warn};

use crate::dump::Dump;
use crate::events::Events;
use crate::reader::Reader;
use crate::setting::events_setting;
use crate::shared::{Options, Shared};

/// Changed counts are reported at most this often.
pub const REPORT_INTERVAL: Duration = Duration::from_millis(20);
/// After events more are left to gather for so long, so that many cost few wake-ups.
const GATHER_DELAY: Duration = Duration::from_millis(4);
/// Messages that are read before anything else gets its turn.
const MAX_EVENTS: u64 = 5_000;
/// Not all connections send events: this long after a dump comes the next.
const RESYNC: Duration = Duration::from_secs(30);
/// While somebody wants to know what is sent: events tell it of ended connections only.
const TRAFFIC_INTERVAL: Duration = Duration::from_secs(5);
/// Between two dumps there is at least so long, and so many times as long as the last took.
const MIN_PAUSE: Duration = Duration::from_millis(250);
const PAUSE_FACTOR: u32 = 4;
/// After a failure it is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The thread's own.
pub(crate) struct CountingThread<F> {
    options: Options,
    shared: Arc<Shared>,
    woken: UnixStream,
    report: F,
    reader: Reader,
    table: Table,
    /// Listening.
    events: Option<Events>,
    /// When all connections are to be read, or a failed beginning is tried again.
    due: Option<Instant>,
    /// When the last dump ended, and how long it took.
    last_dump: Option<(Instant, Duration)>,
    /// The last report, since listening began.
    reported: Option<Instant>,
    /// Whether a dump has been completed since then.
    complete: bool,
}

impl<F: FnMut(Vec<(BackendId, Counts)>)> CountingThread<F> {
    pub(crate) fn new(options: Options, shared: Arc<Shared>, woken: UnixStream, report: F) -> Self {
        Self {
            options,
            shared,
            woken,
            report,
            reader: Reader::default(),
            table: Table::default(),
            events: None,
            due: None,
            last_dump: None,
            reported: None,
            complete: false,
        }
    }

    /// Until the handle is dropped.
    pub(crate) fn run(mut self) {
        while !self.ended() {
            let elsewhere = self.shared.elsewhere.lock().take();
            if let Some(elsewhere) = elsewhere {
                self.table.set_elsewhere(elsewhere);
            }
            let wanted = self.shared.wanted.load(Ordering::Acquire);
            let busy = if wanted {
                self.work().unwrap_or_else(|error| {
                    self.fail(&error);
                    Busy::No
                })
            } else {
                // A failed beginning may be waiting for its next try.
                if self.events.is_some() || self.due.is_some() {
                    self.stop();
                }
                Busy::No
            };
            if let Err(error) = self.wait(busy) {
                warn!(%error, "connections are not counted any more");
                return;
            }
        }
    }

    fn ended(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }

    /// Does what there is to do now.
    fn work(&mut self) -> io::Result<Busy> {
        let now = Instant::now();
        if self.events.is_none() {
            if self.due.is_some_and(|due| now < due) {
                return Ok(Busy::No);
            }
            self.events = Some(Events::listen(self.options.buffer, self.options.filter)?);
            self.shared.report.lock().listening = true;
            self.due = Some(now);
        }
        if self.shared.again.swap(false, Ordering::AcqRel) {
            let soon = self.earliest();
            self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
        }
        let busy = self.read()?;
        // After an overrun, events come again only when all have been read: a dump before that would be in vain.
        if !matches!(busy, Busy::Full) && self.due.is_some_and(|due| now >= due) {
            self.dump()?;
        }
        self.report_changes();
        Ok(busy)
    }

    /// Reads what events wait.
    fn read(&mut self) -> io::Result<Busy> {
        let Some(events) = &mut self.events else {
            return Ok(Busy::No);
        };
        let table = &mut self.table;
        let read = events.read(&self.reader, MAX_EVENTS, |event| table.heard(event))?;
        let mut report = self.shared.report.lock();
        report.events += read.events;
        report.overruns += read.overruns;
        report.connections = self.table.len() as u64;
        drop(report);
        if read.overruns > 0 {
            debug!("events of connections were lost: all will be read");
            let soon = self.earliest();
            self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
        }
        Ok(match read {
            read if !read.empty => Busy::Full,
            read if read.events > 0 => Busy::Yes,
            _ => Busy::No,
        })
    }

    /// When there may be another dump.
    fn earliest(&self) -> Instant {
        self.last_dump.map_or_else(Instant::now, |(at, took)| {
            at + MIN_PAUSE.max(took.saturating_mul(PAUSE_FACTOR))
        })
    }

    /// Reads all connections, and events meanwhile, lest they overrun.
    fn dump(&mut self) -> io::Result<()> {
        let start = Instant::now();
        self.due = None;
        self.table.begin_dump();
        let mut dump = Dump::begin()?;
        loop {
            let table = &mut self.table;
            let more = dump.next(&self.reader, |it| {
                table.dumped(it.key, it.backend, it.phase, it.end.traffic);
            })?;
            if !more {
                break;
            }
            if self.ended() {
                return Ok(());
            }
            // An overrun in here makes the next one due.
            self.read()?;
        }
        self.table.finish_dump();
        self.complete = true;
        let took = start.elapsed();
        self.last_dump = Some((Instant::now(), took));
        let setting = events_setting();
        let again = match setting {
            _ if self.shared.traffic.load(Ordering::Acquire) => Some(TRAFFIC_INTERVAL),
            Ok(1) => None,
            _ => Some(RESYNC),
        };
        if let Some(again) = again {
            let soon = (Instant::now() + again).max(self.earliest());
            self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
        }
        if self.due.is_some() {
            // An overrun while it went on did not know yet when it would end.
            self.due = self.due.max(Some(self.earliest()));
        }
        let mut report = self.shared.report.lock();
        report.dumps += 1;
        report.last_dump = took;
        report.connections = self.table.len() as u64;
        report.problem = matches!(setting, Ok(0)).then(|| {
            format!(
                "net.netfilter.nf_conntrack_events is 0: connections are counted only every {} s",
                RESYNC.as_secs()
            )
        });
        Ok(())
    }

    /// Reports what has changed, if it is time.
    fn report_changes(&mut self) {
        let now = Instant::now();
        let first = self.reported.is_none();
        let early = (self.reported).is_some_and(|at| now.duration_since(at) < REPORT_INTERVAL);
        if self.complete && (first || self.table.has_changed() && !early) {
            self.reported = Some(now);
            (self.report)(self.table.take_changed());
        }
    }

    /// Listens no more.
    fn stop(&mut self) {
        self.events = None;
        self.due = None;
        self.reported = None;
        self.complete = false;
        self.table.clear();
        let mut report = self.shared.report.lock();
        report.listening = false;
        report.connections = 0;
        report.problem = None;
    }

    /// Begins anew in a while. What was reported stays as it is until then.
    fn fail(&mut self, error: &io::Error) {
        let mut report = self.shared.report.lock();
        if report.problem.is_none() {
            warn!(%error, "connections cannot be counted");
        }
        report.problem = Some(format!("connections cannot be counted: {error}"));
        report.listening = false;
        drop(report);
        self.events = None;
        self.complete = false;
        self.table.clear();
        self.due = Some(Instant::now() + RETRY_DELAY);
    }

    /// Waits until there is something to do.
    fn wait(&mut self, busy: Busy) -> io::Result<()> {
        let now = Instant::now();
        let report = (self.complete && self.table.has_changed())
            .then_some(self.reported)
            .flatten()
            .map(|at| at + REPORT_INTERVAL);
        let next = [self.due, report].into_iter().flatten().min();
        let until = next.map(|at| at.saturating_duration_since(now));
        let until = match busy {
            Busy::Full => return self.clear_wakeup(),
            Busy::Yes => Some(GATHER_DELAY.min(until.unwrap_or(GATHER_DELAY))),
            Busy::No => until,
        };
        let mut sources = vec![PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
        if let (Busy::No, Some(events)) = (busy, &self.events) {
            sources.push(PollFd::new(events.as_fd(), PollFlags::POLLIN));
        }
        // To the next millisecond, lest it turns in circles until then.
        let until = until.map_or(PollTimeout::NONE, |until| {
            PollTimeout::try_from(until + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut sources, until) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.clear_wakeup()
    }

    /// Takes what the handle sent to wake this thread.
    fn clear_wakeup(&mut self) -> io::Result<()> {
        match self.woken.read(&mut [0; 64]) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// How much events had to be read.
#[derive(Debug, Clone, Copy)]
enum Busy {
    No,
    Yes,
    /// There may be more.
    Full,
}
