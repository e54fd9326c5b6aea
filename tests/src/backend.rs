//! Servers that say who they are.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::lab::Node;

/// How often a server without work looks whether it is to stop.
const IDLE: Duration = Duration::from_millis(2);

/// A small server inside the test's own process. Dropping it closes its socket, as the end of a real server would.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    answered: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Backend {
    /// A TCP server that answers every connection with its name and closes it.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn tcp(node: &Node, address: SocketAddr, name: &str) -> Result<Self> {
        let listener = node
            .enter(|| TcpListener::bind(address))?
            .with_context(|| format!("{}: cannot listen on {address}", node.name()))?;
        listener.set_nonblocking(true)?;
        let name = name.to_owned();
        Self::serve(address, move || match listener.accept() {
            Ok((mut connection, _)) => {
                connection.set_nonblocking(false)?;
                // A client that has gone is no concern of the server's.
                let _ = connection.write_all(name.as_bytes());
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            // Such as a connection that was reset before it was accepted.
            Err(_) => Ok(true),
        })
    }

    /// A TCP server that greets every connection with its name and keeps it open until the client or the server ends.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn holding(node: &Node, address: SocketAddr, name: &str) -> Result<Self> {
        let listener = node
            .enter(|| TcpListener::bind(address))?
            .with_context(|| format!("{}: cannot listen on {address}", node.name()))?;
        listener.set_nonblocking(true)?;
        let name = name.to_owned();
        let mut open: Vec<TcpStream> = Vec::new();
        Self::serve(address, move || {
            // A client that has ended its side has closed.
            open.retain_mut(|connection| {
                let read = connection.read(&mut [0; 16]);
                matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
            });
            match listener.accept() {
                Ok((mut connection, _)) => {
                    // A client that has gone is no concern of the server's.
                    let _ = connection.write_all(name.as_bytes());
                    connection.set_nonblocking(true)?;
                    open.push(connection);
                    Ok(true)
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
                Err(_) => Ok(true),
            }
        })
    }

    /// A UDP server that answers every datagram with its name, a space and the datagram.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn udp(node: &Node, address: SocketAddr, name: &str) -> Result<Self> {
        let socket = node
            .enter(|| UdpSocket::bind(address))?
            .with_context(|| format!("{}: cannot bind {address}", node.name()))?;
        socket.set_nonblocking(true)?;
        let name = name.to_owned();
        let mut datagram = vec![0; 65_536];
        Self::serve(address, move || match socket.recv_from(&mut datagram) {
            Ok((length, client)) => {
                let answer = [name.as_bytes(), b" ", &datagram[..length]].concat();
                let _ = socket.send_to(&answer, client);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            // Such as an ICMP error for an earlier answer.
            Err(_) => Ok(true),
        })
    }

    /// `step` says whether there was something to do.
    fn serve(
        address: SocketAddr,
        mut step: impl FnMut() -> Result<bool> + Send + 'static,
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let (told, count) = (Arc::clone(&stop), Arc::clone(&answered));
        let thread = thread::Builder::new()
            .name(format!("backend {address}"))
            .spawn(move || {
                while !told.load(Ordering::Relaxed) {
                    if step()? {
                        count.fetch_add(1, Ordering::Relaxed);
                    } else {
                        thread::sleep(IDLE);
                    }
                }
                Ok(())
            })?;
        Ok(Self {
            address,
            answered,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections or datagrams it has answered; health checks count too.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The socket is closed when this returns. A thread that failed has closed it already.
            let _ = thread.join();
        }
    }
}
