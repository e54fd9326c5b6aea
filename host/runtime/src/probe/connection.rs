//! One connection of a check.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::client::TlsStream;

use super::place::{self, Place};
use super::reason::reason;
use super::tls;
use super::transport::{ProbeError, Transport};

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
}

impl Connection {
    pub(super) async fn open(
        address: SocketAddr,
        transport: &Transport,
    ) -> Result<Self, ProbeError> {
        let place = place::place()?;
        let stream = match transport {
            Transport::Udp => Stream::Udp(udp(address).await?),
            Transport::Tcp => Stream::Tcp(tcp(address).await?),
            Transport::Tls(options) => {
                let connector = tls::connector(options).await?;
                let name = tls::server_name(options, address)?;
                let tcp = tcp(address).await?;
                Stream::Tls(Box::new(
                    connector
                        .connect(name, tcp)
                        .await
                        .map_err(|e| handshake(&e))?,
                ))
            }
        };
        Ok(Self {
            stream,
            ended: false,
            _place: place,
        })
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
        }
        Ok(())
    }

    pub(super) async fn finish(&mut self) -> Result<(), ProbeError> {
        match &mut self.stream {
            Stream::Udp(_) => {}
            Stream::Tcp(stream) => stream.shutdown().await?,
            Stream::Tls(stream) => stream.shutdown().await?,
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
            Stream::Udp(_) => return,
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        if let Err(error) = stream.set_zero_linger() {
            tracing::debug!(%error, "a check's connection is closed without a reset");
        }
    }
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
