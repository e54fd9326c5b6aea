//! A checker's only way out: the server that is to be judged.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use crate::command::CommandEnd;
use crate::target_error::TargetError;
use crate::tls::{Certificate, TlsOptions};

/// The server that is to be judged. A checker can connect to it and to nothing else. Every call ends
/// at the check's deadline at the latest.
pub struct Target<'a> {
    raw: &'a dyn RawTarget,
    connect_timeout: Option<Duration>,
}

impl<'a> Target<'a> {
    pub(crate) fn new(raw: &'a dyn RawTarget) -> Self {
        Self {
            raw,
            connect_timeout: None,
        }
    }

    /// The server's name in the configuration.
    #[must_use]
    pub fn name(&self) -> String {
        self.raw.name()
    }

    /// Where connections go.
    #[must_use]
    pub fn endpoint(&self) -> SocketAddr {
        self.raw.endpoint()
    }

    /// How long until the check's deadline. To the millisecond.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.raw.time_left()
    }

    /// How long connections to come may take to be established (TLS: the handshake included). `None`,
    /// which is so at the start: up to the deadline.
    pub fn set_connect_timeout(&mut self, timeout: Option<Duration>) {
        self.connect_timeout = timeout;
    }

    /// Reports a number about the server beside the verdict (a queue's length, processor load, a replica's lag), for
    /// schedulers that ask for [`Facts::SIGNALS`](crate::Facts::SIGNALS). The name is of at most 32 letters, digits,
    /// `-`, `_` and `.`, a letter first; a check may report 16 names, of which the last value counts. What is no such
    /// signal is left out, and the log says why.
    pub fn report(&self, name: &str, value: f64) {
        self.raw.report(name, value);
    }

    /// Opens a TCP connection.
    ///
    /// # Errors
    /// [`TargetError`] says why there is none.
    pub fn connect_tcp(&self) -> Result<Connection, TargetError> {
        self.connect(&Transport::Tcp)
    }

    /// Gets a UDP socket that talks to the server alone: each `write` sends one datagram, each `read`
    /// takes one (what does not fit into the buffer is lost).
    ///
    /// # Errors
    /// [`TargetError`] says why there is none.
    pub fn connect_udp(&self) -> Result<Connection, TargetError> {
        self.connect(&Transport::Udp)
    }

    /// Opens a TLS connection over TCP. The host does the cryptography and knows the trusted
    /// certificates.
    ///
    /// # Errors
    /// [`TargetError`] says why there is none; [`TargetError::Tls`] if the handshake failed.
    pub fn connect_tls(&self, options: &TlsOptions) -> Result<Connection, TargetError> {
        if options.is_plain() {
            return self.connect(&Transport::Tls(options));
        }
        let mut connection = self.connect_tcp()?;
        connection.raw.start_tls(options, self.connect_timeout)?;
        Ok(connection)
    }

    /// Sends one ICMP echo request with so many bytes of data, 1,400 at most, and waits for its answer as long as
    /// [`Self::set_connect_timeout`] says. Returns the round trip.
    ///
    /// # Errors
    /// [`TargetError::TimedOut`], if no answer comes; another [`TargetError`] says why there is none.
    pub fn echo(&self, bytes: u32) -> Result<Duration, TargetError> {
        #[cfg(target_family = "wasm")]
        return crate::wasm::echo(bytes, self.connect_timeout);
        #[cfg(not(target_family = "wasm"))]
        return crate::testing::echo(bytes, self.connect_timeout);
    }

    /// Runs the command that the plugin's setting `command` names (a `Vec<String>`: the whole path of the program, and its
    /// arguments), and waits for its end: as long as [`Self::set_connect_timeout`] says. The host looks at the setting, and
    /// runs what the configuration grants to the plugin (`[plugins.grants]`) and nothing else.
    ///
    /// # Errors
    /// [`TargetError::TimedOut`], if it takes too long; another [`TargetError`] says why it does not run.
    pub fn run_command(&self) -> Result<CommandEnd, TargetError> {
        #[cfg(target_family = "wasm")]
        return crate::wasm::run_command(self.connect_timeout);
        #[cfg(not(target_family = "wasm"))]
        return crate::testing::run_command();
    }

    /// The whole number that is now in the file that the plugin's setting `path` (a `String`) names, if the configuration
    /// grants that file to the plugin (`[plugins.grants]`).
    ///
    /// # Errors
    /// [`TargetError`] says why there is none.
    pub fn watched_number(&self) -> Result<i64, TargetError> {
        #[cfg(target_family = "wasm")]
        return crate::wasm::watched_number();
        #[cfg(not(target_family = "wasm"))]
        return crate::testing::watched_number();
    }

    /// What an earlier check of this server has kept by [`Self::set_session`]; `None`: nothing.
    #[must_use]
    pub fn session(&self) -> Option<Vec<u8>> {
        #[cfg(target_family = "wasm")]
        return crate::wasm::session();
        #[cfg(not(target_family = "wasm"))]
        return crate::testing::session(self.endpoint());
    }

    /// Keeps something about this server for the checks to come: a cursor, a cookie, what was seen last. At most
    /// 64 KiB, in the director's memory, until the check's configuration changes or the daemon ends. Nothing is kept
    /// of a check that runs into its deadline, and of empty bytes.
    pub fn set_session(&self, bytes: &[u8]) {
        #[cfg(target_family = "wasm")]
        crate::wasm::set_session(bytes);
        #[cfg(not(target_family = "wasm"))]
        crate::testing::set_session(self.endpoint(), bytes);
    }

    fn connect(&self, transport: &Transport<'_>) -> Result<Connection, TargetError> {
        let raw = self.raw.connect(transport, self.connect_timeout)?;
        Ok(Connection {
            raw,
            read_timeout: None,
            write_timeout: None,
        })
    }
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}

/// A connection to the server. Closed when dropped, and by the host when the check ends.
pub struct Connection {
    raw: Box<dyn RawConnection>,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

impl Connection {
    /// How long one `read` may take. `None`, which is so at the start: up to the deadline.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
    }

    /// How long one `write` may take. `None`, which is so at the start: up to the deadline.
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.write_timeout = timeout;
    }

    /// Does the handshake of TLS on a connection that [`Target::connect_tcp`] has made: at once, or after the server
    /// has agreed to it in plain text (STARTTLS). After a failure the connection is of no more use.
    ///
    /// # Errors
    /// [`TargetError::Tls`], if the handshake failed; another [`TargetError`] says what else went wrong.
    pub fn start_tls(&mut self, options: &TlsOptions) -> Result<(), TargetError> {
        self.raw.start_tls(options, self.read_timeout)
    }

    /// The certificate that the server has shown for itself; `None`: it is no connection of TLS.
    ///
    /// # Errors
    /// [`TargetError::Tls`], if it cannot be understood, as one of X.509 version 1 in some forms.
    pub fn peer_certificate(&self) -> Result<Option<Certificate>, TargetError> {
        self.raw.peer_certificate()
    }

    /// Says that nothing more will be sent; reading goes on.
    ///
    /// # Errors
    /// [`TargetError::Reset`], if the server has gone.
    pub fn finish(&mut self) -> Result<(), TargetError> {
        self.raw.finish()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Read for Connection {
    /// Waits for bytes; 0 means that the server closed its side (or an empty datagram).
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let max = u32::try_from(buf.len()).unwrap_or(u32::MAX);
        let bytes = self.raw.read(max, self.read_timeout)?;
        let Some(room) = buf.get_mut(..bytes.len()) else {
            return Err(
                TargetError::Other("the host read more than it was asked for".into()).into(),
            );
        };
        room.copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Write for Connection {
    /// Sends all of it.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.raw.write(buf, self.write_timeout)?;
        Ok(buf.len())
    }

    /// Does nothing: `write` has sent all.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a connection is made with.
pub(crate) enum Transport<'a> {
    Tcp,
    Udp,
    Tls(&'a TlsOptions),
}

/// A target, in a plugin or in a test.
pub(crate) trait RawTarget {
    fn name(&self) -> String;
    fn endpoint(&self) -> SocketAddr;
    fn report(&self, name: &str, value: f64);
    fn time_left(&self) -> Duration;
    fn connect(
        &self,
        transport: &Transport<'_>,
        timeout: Option<Duration>,
    ) -> Result<Box<dyn RawConnection>, TargetError>;
}

/// A connection, in a plugin or in a test.
pub(crate) trait RawConnection {
    fn read(&mut self, max: u32, timeout: Option<Duration>) -> Result<Vec<u8>, TargetError>;
    fn write(&mut self, bytes: &[u8], timeout: Option<Duration>) -> Result<(), TargetError>;
    fn finish(&mut self) -> Result<(), TargetError>;
    /// The host does TLS, and in a native test nobody.
    fn start_tls(
        &mut self,
        options: &TlsOptions,
        timeout: Option<Duration>,
    ) -> Result<(), TargetError> {
        let _ = timeout;
        Err(TargetError::without_tls(options))
    }
    fn peer_certificate(&self) -> Result<Option<Certificate>, TargetError> {
        Ok(None)
    }
}
