//! One connection of a check.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::place::{self, Place};
use super::reason::reason;
use super::tls;
use super::transport::{ProbeError, TlsOptions, Transport};

/// Closed when dropped.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    /// The peer has ended its side.
    ended: bool,
    /// Given back when it is closed.
    _place: Place,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Udp(UdpSocket),
    Tls(Box<TlsStream<TcpStream>>),
    /// A handshake has failed, or was given up.
    Broken,
}

impl Connection {
    /// `connected`: with TLS, when its handshake has begun.
    pub(super) async fn open(
        address: SocketAddr,
        transport: &Transport,
        connected: &mut Option<Instant>,
    ) -> Result<Self, ProbeError> {
        let place = place::place()?;
        let stream = match transport {
            Transport::Udp => Stream::Udp(udp(address).await?),
            Transport::Tcp => Stream::Tcp(tcp(address).await?),
            Transport::Tls(options) => {
                let handshake = Handshake::prepare(options, address).await?;
                let tcp = tcp(address).await?;
                *connected = Some(Instant::now());
                handshake.make(tcp).await?
            }
        };
        Ok(Self {
            stream,
            ended: false,
            _place: place,
        })
    }

    /// Makes a connection of TCP one of TLS. After a failure it is of no more use.
    pub(super) async fn start_tls(
        &mut self,
        address: SocketAddr,
        options: &TlsOptions,
    ) -> Result<(), ProbeError> {
        let handshake = Handshake::prepare(options, address).await?;
        match mem::replace(&mut self.stream, Stream::Broken) {
            Stream::Tcp(tcp) => {
                self.stream = handshake.make(tcp).await?;
                Ok(())
            }
            other => {
                self.stream = other;
                let what = "TLS begins on a connection of TCP, and once";
                Err(ProbeError::Other(what.to_owned()))
            }
        }
    }

    /// The certificate that the server has shown for itself, if it is a connection of TLS.
    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        let Stream::Tls(stream) = &self.stream else {
            return None;
        };
        let certificates = stream.get_ref().1.peer_certificates()?;
        certificates.first().map(|certificate| &**certificate)
    }

    pub(super) async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, ProbeError> {
        let length = match &mut self.stream {
            // Each read is one datagram, and an empty one ends nothing.
            Stream::Udp(socket) => return Ok(socket.recv(bytes).await?),
            Stream::Tcp(stream) => stream.read(bytes).await?,
            Stream::Tls(stream) => match stream.read(bytes).await {
                // Without close_notify; many servers do so, and the checker has what was sent.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                result => result?,
            },
            Stream::Broken => return Err(broken()),
        };
        self.ended |= length == 0;
        Ok(length)
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), ProbeError> {
        match &mut self.stream {
            Stream::Udp(socket) => {
                socket.send(bytes).await?;
            }
            Stream::Tcp(stream) => stream.write_all(bytes).await?,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await?;
            }
            Stream::Broken => return Err(broken()),
        }
        Ok(())
    }

    pub(super) async fn finish(&mut self) -> Result<(), ProbeError> {
        match &mut self.stream {
            Stream::Udp(_) => {}
            Stream::Tcp(stream) => stream.shutdown().await?,
            Stream::Tls(stream) => stream.shutdown().await?,
            Stream::Broken => return Err(broken()),
        }
        Ok(())
    }
}

impl Drop for Connection {
    /// Ends with a reset unless the peer has closed first. The end that closes first keeps the connection for a
    /// minute (TIME-WAIT, RFC 9293 section 3.6); with thousands of checks every few seconds that would be a hundred
    /// thousand of them on the director, each with an entry in conntrack too.
    fn drop(&mut self) {
        let stream = match &self.stream {
            _ if self.ended => return,
            Stream::Udp(_) | Stream::Broken => return,
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        if let Err(error) = stream.set_zero_linger() {
            tracing::debug!(%error, "a check's connection is closed without a reset");
        }
    }
}

/// What a handshake needs, had before there is a connection that waits for it.
struct Handshake {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Handshake {
    async fn prepare(options: &TlsOptions, address: SocketAddr) -> Result<Self, ProbeError> {
        Ok(Self {
            connector: tls::connector(options).await?,
            name: tls::server_name(options, address)?,
        })
    }

    async fn make(self, tcp: TcpStream) -> Result<Stream, ProbeError> {
        let stream = self.connector.connect(self.name, tcp).await;
        stream
            .map(|it| Stream::Tls(Box::new(it)))
            .map_err(|error| handshake(&error))
    }
}

fn broken() -> ProbeError {
    ProbeError::Other("there is no connection any more: TLS did not begin".to_owned())
}

async fn tcp(address: SocketAddr) -> Result<TcpStream, ProbeError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A socket that takes datagrams of `address` only. Whether anyone is there shows when it is used: ICMP's answer to
/// what was sent comes as the error of a later operation.
async fn udp(address: SocketAddr) -> Result<UdpSocket, ProbeError> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    Ok(socket)
}

fn handshake(error: &io::Error) -> ProbeError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return ProbeError::Tls("the server ended the connection during the handshake".to_owned());
    }
    match error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>())
    {
        Some(error) => ProbeError::Tls(reason(error)),
        None => io::Error::from(error.kind()).into(),
    }
}
