//! The network as one check sees it: connections to its one target, within its limits, until its deadline.
//!
//! Knows nothing of plugins' code; every runtime offers checkers these operations and no others.

mod certificate;
mod clock;
mod connection;
mod doing;
mod echo;
mod means;
mod place;
mod reason;
mod shortage;
mod steps;
mod tls;
mod transport;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::model::Sandbox;
use evenkeel_core::signals::{self, Signals};
use tokio::time::Instant;

use crate::rights::CommandEnd;
use crate::{Step, Target, Verdict};
pub(crate) use certificate::Certificate;
use clock::Clock;
use connection::Connection;
use doing::Doing;
pub(crate) use means::Means;
use steps::Steps;
pub use tls::tls_with_anyone;
pub(crate) use transport::{ProbeError, TlsIdentity, TlsOptions, Transport};

/// The most bytes that one read returns.
const READ: usize = 64 << 10;
/// The most bytes that a checker may keep about a target.
const SESSION: usize = 64 << 10;

/// The I/O of one check.
#[derive(Debug)]
pub(crate) struct Probe {
    target: Target,
    /// What it may do beside connecting.
    means: Arc<Means>,
    clock: Clock,
    connections_left: u32,
    bytes_left: u64,
    /// By numbers that are never used again within the check.
    connections: BTreeMap<u32, Connection>,
    last: u32,
    doing: Doing,
    steps: Steps,
    /// What this machine lacked for an operation, unless a connection was made since.
    shortage: Option<String>,
    signals: BTreeMap<String, f64>,
    /// What the checker wants to keep; `None`: what it has kept before.
    stored: Option<Vec<u8>>,
}

impl Probe {
    pub(crate) fn new(
        target: Target,
        deadline: Instant,
        sandbox: &Sandbox,
        means: &Arc<Means>,
    ) -> Self {
        Self {
            target,
            means: Arc::clone(means),
            clock: Clock::new(deadline),
            connections_left: sandbox.check_connections,
            bytes_left: sandbox.check_bytes,
            connections: BTreeMap::new(),
            last: 0,
            doing: Doing::Nothing,
            steps: Steps::default(),
            shortage: None,
            signals: BTreeMap::new(),
            stored: None,
        }
    }

    /// What the checker has kept about the target.
    pub(crate) fn session(&self) -> Option<&[u8]> {
        let kept = self.stored.as_deref().or(self.target.session.as_deref());
        kept.filter(|bytes| !bytes.is_empty())
    }

    /// The checker keeps something about the target. Says why it is not taken.
    pub(crate) fn keep(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        if bytes.len() > SESSION {
            let length = bytes.len();
            return Err(format!("has {length} bytes; {SESSION} are allowed"));
        }
        self.stored = Some(bytes);
        Ok(())
    }

    /// What the checker has kept in this check.
    pub(crate) fn into_stored(self) -> Option<Vec<u8>> {
        self.stored
    }

    /// What was done, once.
    pub(crate) fn take_steps(&mut self) -> Vec<Step> {
        self.steps.take(Instant::now())
    }

    /// The checker reports a number beside its verdict. Says why it is not taken.
    pub(crate) fn report(&mut self, name: String, value: f64) -> Result<(), String> {
        signals::put(&mut self.signals, name, value)
    }

    /// What the checker has reported.
    pub(crate) fn signals(&self) -> Signals {
        self.signals.clone().into()
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Until the deadline.
    pub(crate) fn time_left(&self) -> Duration {
        self.clock.left()
    }

    /// Connections that are still open.
    pub(crate) fn open(&self) -> usize {
        self.connections.len()
    }

    /// What the checker's verdict means: where it has found its target unfit, it does not know whether that was this
    /// machine's doing.
    pub(crate) fn judge(&self, verdict: Verdict, timeout: Duration) -> Verdict {
        let Verdict::Unhealthy(reason) = verdict else {
            return verdict;
        };
        if let Some(shortage) = &self.shortage {
            return Verdict::Unknown(format!("on this machine {shortage}"));
        }
        if self.clock.has_expired() {
            return self.out_of_time(timeout);
        }
        if self.clock.is_unanswered() {
            return Verdict::Unanswered(reason);
        }
        Verdict::Unhealthy(reason)
    }

    /// The verdict of a check that reached none in `timeout`.
    pub(crate) fn out_of_time(&self, timeout: Duration) -> Verdict {
        if self.doing == Doing::Nothing || !self.clock.was_fair() {
            return Verdict::Unknown(format!(
                "this machine is too busy: in the {timeout:?} of a check, the server was waited for no longer than {:?}",
                self.clock.waited()
            ));
        }
        Verdict::Unanswered(format!(
            "timed out after {timeout:?} {} {}",
            self.doing, self.target.address
        ))
    }

    /// How an operation has ended. Keeps in mind what this machine lacks.
    fn noted<T>(&mut self, result: Result<T, ProbeError>) -> Result<T, ProbeError> {
        self.steps.end(&result, Instant::now());
        if let Err(ProbeError::Own(shortage)) = &result {
            self.shortage = Some(shortage.clone());
        }
        result
    }

    /// Opens a connection and returns its number.
    pub(crate) async fn connect(
        &mut self,
        transport: &Transport,
        timeout: Option<Duration>,
    ) -> Result<u32, ProbeError> {
        self.take_connection()?;
        let address = self.target.address;
        self.doing = Doing::Connecting;
        self.steps.begin(Doing::Connecting, Instant::now());
        // Of TLS: when there was a connection for it.
        let mut connected = None;
        let opened = self
            .clock
            .within(
                timeout,
                Connection::open(address, transport, &mut connected),
            )
            .await;
        if let Some(connected) = connected {
            self.steps.end(&Ok(()), connected);
            self.steps.begin(Doing::Greeting, connected);
        }
        let connection = self.noted(opened)?;
        self.shortage = None;
        self.doing = Doing::Nothing;
        self.last += 1;
        self.connections.insert(self.last, connection);
        Ok(self.last)
    }

    /// Makes a connection of TCP one of TLS.
    pub(crate) async fn start_tls(
        &mut self,
        connection: u32,
        options: &TlsOptions,
        timeout: Option<Duration>,
    ) -> Result<(), ProbeError> {
        let address = self.target.address;
        let connection = self.connections.get_mut(&connection).ok_or_else(closed)?;
        self.doing = Doing::Greeting;
        self.steps.begin(Doing::Greeting, Instant::now());
        let started = self
            .clock
            .within(timeout, connection.start_tls(address, options))
            .await;
        self.noted(started)?;
        self.doing = Doing::Nothing;
        Ok(())
    }

    /// The certificate that the server has shown on a connection; `None`: it is not one of TLS.
    pub(crate) fn peer_certificate(
        &self,
        connection: u32,
    ) -> Result<Option<Certificate>, ProbeError> {
        let connection = self.connections.get(&connection).ok_or_else(closed)?;
        let der = connection.peer_certificate();
        der.map(Certificate::read).transpose()
    }

    /// Sends an ICMP echo request with so many bytes of data and waits for its answer. Counts as a connection, and its
    /// bytes count.
    pub(crate) async fn echo(
        &mut self,
        bytes: usize,
        timeout: Option<Duration>,
    ) -> Result<Duration, ProbeError> {
        self.means.icmp()?;
        if bytes > echo::MAX_DATA {
            let most = echo::MAX_DATA;
            return Err(ProbeError::Other(format!(
                "an echo request of {bytes} bytes; {most} are allowed"
            )));
        }
        self.take_connection()?;
        self.bytes_left = self
            .bytes_left
            .checked_sub(bytes as u64)
            .ok_or(ProbeError::Limit)?;
        self.doing = Doing::Pinging;
        self.steps.begin(Doing::Pinging, Instant::now());
        let echoed = self
            .clock
            .within(timeout, echo::echo(self.target.address.ip(), bytes))
            .await;
        let time = self.noted(echoed)?;
        self.shortage = None;
        self.doing = Doing::Nothing;
        Ok(time)
    }

    /// Runs the command of the plugin's settings, and waits for its end. Counts as a connection.
    pub(crate) async fn run(
        &mut self,
        timeout: Option<Duration>,
    ) -> Result<CommandEnd, ProbeError> {
        let means = Arc::clone(&self.means);
        let (command, commands) = means.command()?;
        self.take_connection()?;
        let turn = means.turn(&self.target, self.clock.left()).await;
        let turn = self.noted(turn)?;
        let order = means.order(command, &self.target, turn);
        self.doing = Doing::Running;
        self.steps.begin(Doing::Running, Instant::now());
        let run = async { commands.run(order).await.map_err(ProbeError::Other) };
        let ended = self.clock.within(timeout, run).await;
        self.steps.end(&ended, Instant::now());
        let ended = ended?;
        self.doing = Doing::Nothing;
        Ok(ended)
    }

    /// The number in the file of the plugin's settings. Counts as a connection.
    pub(crate) async fn number(&mut self) -> Result<i64, ProbeError> {
        let means = Arc::clone(&self.means);
        let path = means.file()?.to_owned();
        self.take_connection()?;
        let turn = means.turn(&self.target, self.clock.left()).await;
        let turn = self.noted(turn)?;
        self.doing = Doing::Looking;
        self.steps.begin(Doing::Looking, Instant::now());
        let read = self.clock.within(None, means::number(path, turn)).await;
        let number = self.noted(read)?;
        self.doing = Doing::Nothing;
        Ok(number)
    }

    fn take_connection(&mut self) -> Result<(), ProbeError> {
        let left = self.connections_left.checked_sub(1);
        self.connections_left = left.ok_or(ProbeError::Limit)?;
        Ok(())
    }

    /// Reads up to `max` bytes. Empty: the peer has ended its side.
    pub(crate) async fn read(
        &mut self,
        connection: u32,
        max: usize,
        timeout: Option<Duration>,
    ) -> Result<Vec<u8>, ProbeError> {
        let connection = self.connections.get_mut(&connection).ok_or_else(closed)?;
        let allowed = usize::try_from(self.bytes_left).unwrap_or(usize::MAX);
        if allowed == 0 {
            return Err(ProbeError::Limit);
        }
        if max == 0 {
            return Err(ProbeError::Other(
                "asked to read at most 0 bytes".to_owned(),
            ));
        }
        let mut bytes = vec![0; max.min(allowed).min(READ)];
        self.doing = Doing::Reading;
        self.steps.begin(Doing::Reading, Instant::now());
        let read = self.clock.within(timeout, connection.read(&mut bytes));
        let read = read.await;
        let length = self.noted(read)?;
        self.doing = Doing::Nothing;
        bytes.truncate(length);
        self.steps.bytes(length);
        self.bytes_left = self.bytes_left.saturating_sub(length as u64);
        Ok(bytes)
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write(
        &mut self,
        connection: u32,
        bytes: &[u8],
        timeout: Option<Duration>,
    ) -> Result<(), ProbeError> {
        let connection = self.connections.get_mut(&connection).ok_or_else(closed)?;
        self.bytes_left = self
            .bytes_left
            .checked_sub(bytes.len() as u64)
            .ok_or(ProbeError::Limit)?;
        self.doing = Doing::Writing;
        self.steps.begin(Doing::Writing, Instant::now());
        let written = self.clock.within(timeout, connection.write(bytes)).await;
        self.noted(written)?;
        self.steps.bytes(bytes.len());
        self.doing = Doing::Nothing;
        Ok(())
    }

    /// Ends the writing side.
    pub(crate) async fn finish(&mut self, connection: u32) -> Result<(), ProbeError> {
        let connection = self.connections.get_mut(&connection).ok_or_else(closed)?;
        self.doing = Doing::Finishing;
        self.steps.begin(Doing::Finishing, Instant::now());
        let finished = self.clock.within(None, connection.finish()).await;
        self.noted(finished)?;
        self.doing = Doing::Nothing;
        Ok(())
    }

    /// Closes a connection; one that is closed already stays so.
    pub(crate) fn close(&mut self, connection: u32) {
        self.connections.remove(&connection);
    }
}

fn closed() -> ProbeError {
    ProbeError::Other("this connection is closed".to_owned())
}
