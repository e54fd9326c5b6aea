//! Servers, each with a manner of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a server does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Nobody listens.
    Refuses,
    /// Takes it, and says nothing.
    Silent,
    /// Ends it at once.
    Closes,
    /// Breaks it off at once.
    Resets,
    /// Sends what means nothing, and ends it.
    Garbage,
    /// Sends what means nothing, without end.
    Endless,
    /// Sends a byte now and then.
    Slow,
    /// Sends back what it gets.
    Echoes,
    /// Answers as a web server does.
    Http,
}

impl Manner {
    pub(super) const ALL: [Self; 9] = [
        Self::Refuses,
        Self::Silent,
        Self::Closes,
        Self::Resets,
        Self::Garbage,
        Self::Endless,
        Self::Slow,
        Self::Echoes,
        Self::Http,
    ];

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Refuses => "nobody listens",
            Self::Silent => "a silent server",
            Self::Closes => "one that hangs up",
            Self::Resets => "one that resets",
            Self::Garbage => "one that sends garbage",
            Self::Endless => "one that sends without end",
            Self::Slow => "one that sends byte by byte",
            Self::Echoes => "one that echoes",
            Self::Http => "a web server",
        }
    }

    async fn serve(self, mut client: TcpStream) -> io::Result<()> {
        match self {
            Self::Refuses | Self::Closes => {}
            Self::Silent => {
                client.read_to_end(&mut Vec::new()).await?;
            }
            Self::Resets => client.set_zero_linger()?,
            Self::Garbage => client.write_all(&garbage()).await?,
            Self::Endless => loop {
                client.write_all(&garbage()).await?;
            },
            Self::Slow => loop {
                client.write_all(b"2").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            },
            Self::Echoes => {
                let (mut from, mut to) = client.split();
                tokio::io::copy(&mut from, &mut to).await?;
            }
            Self::Http => {
                let mut head = [0; 4096];
                if client.read(&mut head).await? > 0 {
                    let answer =
                        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                    client.write_all(answer.as_bytes()).await?;
                }
            }
        }
        Ok(())
    }
}

/// Bytes of every value.
fn garbage() -> Vec<u8> {
    (0..=u8::MAX).rev().cycle().take(4096).collect()
}

/// A running server; it ends when this is dropped.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    task: Option<JoinHandle<()>>,
}

impl Peer {
    pub(super) async fn new(manner: Manner) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        if manner == Manner::Refuses {
            return Ok(Self {
                address,
                task: None,
            });
        }
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // That the checker has hung up is no error.
                tokio::spawn(async move { drop(manner.serve(client).await) });
            }
        });
        Ok(Self {
            address,
            task: Some(task),
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
