//! A target with real sockets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::target::{RawConnection, RawTarget, Transport};
use crate::target_error::{Doing, TargetError};

/// A server, for one check.
pub(super) struct Peer {
    address: SocketAddr,
    deadline: Instant,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, timeout: Duration) -> Self {
        Self {
            address,
            deadline: Instant::now() + timeout,
        }
    }
}

impl RawTarget for Peer {
    fn name(&self) -> String {
        self.address.to_string()
    }

    fn endpoint(&self) -> SocketAddr {
        self.address
    }

    fn report(&self, name: &str, value: f64) {
        super::host::report(name, value);
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn connect(
        &self,
        transport: &Transport<'_>,
        timeout: Option<Duration>,
    ) -> Result<Box<dyn RawConnection>, TargetError> {
        let failed = |error: io::Error| explain(&error, Doing::Connecting);
        let allowed = allowed(self.deadline, timeout, Doing::Connecting)?;
        match transport {
            Transport::Tcp => {
                let socket = TcpStream::connect_timeout(&self.address, allowed).map_err(failed)?;
                Ok(Box::new(Tcp {
                    socket,
                    deadline: self.deadline,
                }))
            }
            Transport::Udp => {
                let any = if self.address.is_ipv4() {
                    "0.0.0.0:0"
                } else {
                    "[::]:0"
                };
                let socket = UdpSocket::bind(any).map_err(failed)?;
                socket.connect(self.address).map_err(failed)?;
                Ok(Box::new(Udp {
                    socket,
                    deadline: self.deadline,
                }))
            }
            Transport::Tls(options) => Err(TargetError::without_tls(options)),
        }
    }
}

struct Tcp {
    socket: TcpStream,
    deadline: Instant,
}

impl RawConnection for Tcp {
    fn read(&mut self, max: u32, timeout: Option<Duration>) -> Result<Vec<u8>, TargetError> {
        let allowed = allowed(self.deadline, timeout, Doing::Reading)?;
        let read = |socket: &mut TcpStream| {
            socket.set_read_timeout(Some(allowed))?;
            let mut bytes = vec![0; room(max)];
            let length = socket.read(&mut bytes)?;
            bytes.truncate(length);
            Ok(bytes)
        };
        read(&mut self.socket).map_err(|error| explain(&error, Doing::Reading))
    }

    fn write(&mut self, bytes: &[u8], timeout: Option<Duration>) -> Result<(), TargetError> {
        let allowed = allowed(self.deadline, timeout, Doing::Writing)?;
        self.socket
            .set_write_timeout(Some(allowed))
            .and_then(|()| self.socket.write_all(bytes))
            .map_err(|error| explain(&error, Doing::Writing))
    }

    fn finish(&mut self) -> Result<(), TargetError> {
        self.socket
            .shutdown(Shutdown::Write)
            .map_err(|error| explain(&error, Doing::Writing))
    }
}

struct Udp {
    socket: UdpSocket,
    deadline: Instant,
}

impl RawConnection for Udp {
    fn read(&mut self, max: u32, timeout: Option<Duration>) -> Result<Vec<u8>, TargetError> {
        let allowed = allowed(self.deadline, timeout, Doing::Reading)?;
        let read = |socket: &UdpSocket| {
            socket.set_read_timeout(Some(allowed))?;
            let mut bytes = vec![0; room(max)];
            let length = socket.recv(&mut bytes)?;
            bytes.truncate(length);
            Ok(bytes)
        };
        read(&self.socket).map_err(|error| explain(&error, Doing::Reading))
    }

    fn write(&mut self, bytes: &[u8], timeout: Option<Duration>) -> Result<(), TargetError> {
        let allowed = allowed(self.deadline, timeout, Doing::Writing)?;
        self.socket
            .set_write_timeout(Some(allowed))
            .and_then(|()| self.socket.send(bytes))
            .map(|_| ())
            .map_err(|error| explain(&error, Doing::Writing))
    }

    fn finish(&mut self) -> Result<(), TargetError> {
        Ok(())
    }
}

/// How many bytes one read takes at most, as in the host.
fn room(max: u32) -> usize {
    usize::try_from(max).unwrap_or(usize::MAX).min(65_536)
}

/// The time that a call may take, which is never nothing.
fn allowed(
    deadline: Instant,
    timeout: Option<Duration>,
    doing: Doing,
) -> Result<Duration, TargetError> {
    let left = deadline.saturating_duration_since(Instant::now());
    let allowed = timeout.map_or(left, |timeout| timeout.min(left));
    if allowed.is_zero() {
        Err(TargetError::TimedOut(doing))
    } else {
        Ok(allowed)
    }
}

/// A system's error in the contract's words.
fn explain(error: &io::Error, doing: Doing) -> TargetError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => TargetError::Refused,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => TargetError::Unreachable,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected => TargetError::Reset,
        // A socket's timeout passes as `WouldBlock`.
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => TargetError::TimedOut(doing),
        _ => TargetError::Other(error.to_string()),
    }
}
