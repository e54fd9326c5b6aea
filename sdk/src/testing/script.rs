//! A server that plays a part, for tests of checkers.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::time::Duration;

/// A checker that waits for something else is not waited for much longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a server says and hears, in turns, over TCP. At the end it closes; if it hears something else, it says so and
/// closes.
///
/// ```
/// use evenkeel_sdk::testing::Script;
///
/// let address = Script::new().says("220 mail\r\n").hears("QUIT\r\n").says("221 bye\r\n").start();
/// # use std::io::{Read, Write};
/// # let mut client = std::net::TcpStream::connect(address).unwrap();
/// # client.write_all(b"QUIT\r\n").unwrap();
/// # let mut all = String::new();
/// # client.read_to_string(&mut all).unwrap();
/// # assert_eq!(all, "220 mail\r\n221 bye\r\n");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Script(Vec<Turn>);

#[derive(Debug, Clone)]
enum Turn {
    Says(Vec<u8>),
    Hears(Vec<u8>),
}

impl Script {
    /// It says nothing and closes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Then it says this.
    #[must_use]
    pub fn says(mut self, text: impl AsRef<[u8]>) -> Self {
        self.0.push(Turn::Says(text.as_ref().to_vec()));
        self
    }

    /// Then it must hear this.
    #[must_use]
    pub fn hears(mut self, text: impl AsRef<[u8]>) -> Self {
        self.0.push(Turn::Hears(text.as_ref().to_vec()));
        self
    }

    /// Plays it to the next client, on a port of the loopback interface.
    ///
    /// # Panics
    /// There is no port.
    #[must_use]
    pub fn start(&self) -> SocketAddr {
        #[expect(clippy::expect_used, reason = "a test that cannot be made fails")]
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback interface");
        #[expect(clippy::expect_used, reason = "a test that cannot be made fails")]
        let address = listener.local_addr().expect("an address that is bound");
        let turns = self.0.clone();
        std::thread::spawn(move || play(&listener, &turns));
        address
    }
}

fn play(listener: &TcpListener, turns: &[Turn]) -> Option<()> {
    let (mut client, _) = listener.accept().ok()?;
    client.set_read_timeout(Some(PATIENCE)).ok()?;
    for turn in turns {
        match turn {
            Turn::Says(bytes) => client.write_all(bytes).ok()?,
            Turn::Hears(bytes) => {
                let mut heard = vec![0; bytes.len()];
                client.read_exact(&mut heard).ok()?;
                if heard != *bytes {
                    let words = String::from_utf8_lossy(&heard).into_owned();
                    client
                        .write_all(format!("what is {words:?}?\r\n").as_bytes())
                        .ok()?;
                    break;
                }
            }
        }
    }
    client.shutdown(Shutdown::Write).ok()?;
    // What is left unread would be answered by a reset, which overtakes what was said.
    client.read_to_end(&mut Vec::new()).ok().map(|_| ())
}
