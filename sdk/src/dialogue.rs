//! Talking to a server in turns: for the many protocols in which a few lines tell whether it is well.

use std::fmt::Write as _;
use std::io::{self, Read, Write};

use crate::checker::CheckError;
use crate::target::{Connection, Target};
use crate::tls::{Certificate, TlsOptions};

/// Bytes to ask the connection for at a time.
const PIECE: usize = 4 * 1024;
/// A line or an answer is no longer.
const MAX_ANSWER: usize = 64 * 1024;
/// So much of what a server has said is in a reason.
const SHOWN: usize = 80;

/// A connection on which a checker says something and expects something.
///
/// Every call ends at the check's deadline at the latest, and nothing that a server says is longer than 64 KiB: a server
/// that sends without end is unhealthy. What it says is named in the reasons, so that they can be understood without the
/// protocol at hand: `greeting: expected 220, got "554 no service"`.
///
/// ```
/// use evenkeel_sdk::{CheckError, Dialogue, HealthChecker, Target, Verdict};
///
/// struct Smtp;
///
/// impl HealthChecker for Smtp {
///     type Settings = ();
///
///     fn new((): ()) -> Result<Self, String> {
///         Ok(Self)
///     }
///
///     fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
///         let mut smtp = Dialogue::over(target.connect_tcp()?);
///         smtp.reply("greeting", 220)?;
///         smtp.send("QUIT\r\n")?;
///         Ok(Verdict::Healthy)
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Dialogue {
    connection: Connection,
    /// What has arrived and was not used yet.
    buffer: Vec<u8>,
}

impl Dialogue {
    /// On a new connection, of TLS if there are options for it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn connect(target: &Target<'_>, tls: Option<&TlsOptions>) -> Result<Self, CheckError> {
        Ok(Self::over(match tls {
            Some(options) => target.connect_tls(options)?,
            None => target.connect_tcp()?,
        }))
    }

    /// On a connection of TCP or TLS.
    #[must_use]
    pub fn over(connection: Connection) -> Self {
        Self {
            connection,
            buffer: Vec::new(),
        }
    }

    /// Sends all of it.
    ///
    /// # Errors
    /// Why it cannot be sent.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), CheckError> {
        Ok(self.connection.write_all(bytes.as_ref())?)
    }

    /// The next line, without its end (LF, or CR and LF). `what` is what it is called in reasons.
    ///
    /// # Errors
    /// The server has closed before the end of the line, or the line is too long.
    pub fn line(&mut self, what: &str) -> Result<String, CheckError> {
        let mut searched = 0;
        loop {
            let rest = self.buffer.get(searched..).unwrap_or_default();
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=searched + end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            searched = self.buffer.len();
            if !self.more(what)? {
                return Err(self.closed(what));
            }
        }
    }

    /// The next bytes, so many.
    ///
    /// # Errors
    /// The server has closed before, or it is more than 64 KiB.
    pub fn exactly(&mut self, what: &str, length: usize) -> Result<Vec<u8>, CheckError> {
        while self.buffer.len() < length {
            if !self.more(what)? {
                return Err(self.closed(what));
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads until what has arrived satisfies `found`, which is given all of it since the last call that used something.
    /// All of it is used then.
    ///
    /// # Errors
    /// The server has closed, or has sent 64 KiB, and it does not; the reason has what came.
    pub fn until(
        &mut self,
        what: &str,
        mut found: impl FnMut(&[u8]) -> bool,
    ) -> Result<Vec<u8>, CheckError> {
        while !found(&self.buffer) {
            let more = self.more(what)?;
            if !more {
                return Err(CheckError::new(format!(
                    "{what}: not in what the server said, which was {}",
                    shown(&self.buffer)
                )));
            }
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// A reply as of SMTP (RFC 5321, section 4.2) and FTP: lines that begin with a code of three digits; of several all
    /// but the last have a `-` after it. Returns the lines without the code.
    ///
    /// # Errors
    /// It is another code, or no such reply: `greeting: expected 220, got "554 no service"`.
    pub fn reply(&mut self, what: &str, code: u16) -> Result<Vec<String>, CheckError> {
        let wanted = code.to_string();
        let mut lines = Vec::new();
        let mut length = 0;
        loop {
            let line = self.line(what)?;
            let rest = line.strip_prefix(&wanted);
            let (more, text) = match rest.and_then(|rest| rest.split_at_checked(1)) {
                Some(("-", text)) => (true, text),
                Some((" ", text)) => (false, text),
                None if rest.is_some() => (false, ""),
                _ => {
                    let got = shown(line.as_bytes());
                    return Err(CheckError::new(format!(
                        "{what}: expected {code}, got {got}"
                    )));
                }
            };
            lines.push(text.to_owned());
            length += line.len();
            if !more {
                return Ok(lines);
            }
            if length > MAX_ANSWER {
                return Err(too_long(what));
            }
        }
    }

    /// The next line, if it begins with this.
    ///
    /// # Errors
    /// It does not: `greeting: expected "+OK", got "-ERR busy"`.
    pub fn line_with(&mut self, what: &str, prefix: &str) -> Result<String, CheckError> {
        let line = self.line(what)?;
        if line.starts_with(prefix) {
            return Ok(line);
        }
        let got = shown(line.as_bytes());
        Err(CheckError::new(format!(
            "{what}: expected \"{prefix}\", got {got}"
        )))
    }

    /// Does the handshake of TLS (STARTTLS). What the server has said before it and was not used makes it fail: somebody
    /// else may have put it there.
    ///
    /// # Errors
    /// Why it failed.
    pub fn start_tls(&mut self, options: &TlsOptions) -> Result<(), CheckError> {
        if !self.buffer.is_empty() {
            return Err(CheckError::new(format!(
                "STARTTLS: the server has said more before TLS: {}",
                shown(&self.buffer)
            )));
        }
        Ok(self.connection.start_tls(options)?)
    }

    /// The connection, without what has arrived and was not used.
    #[must_use]
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    /// The certificate that the server has shown; `None`: it is no connection of TLS.
    ///
    /// # Errors
    /// It cannot be understood.
    pub fn peer_certificate(&self) -> Result<Option<Certificate>, CheckError> {
        Ok(self.connection.peer_certificate()?)
    }

    /// Waits for more; `false`: the server has closed.
    fn more(&mut self, what: &str) -> Result<bool, CheckError> {
        let before = self.buffer.len();
        if before >= MAX_ANSWER {
            return Err(too_long(what));
        }
        self.buffer.resize(before + PIECE, 0);
        let room = self.buffer.get_mut(before..).unwrap_or_default();
        let read = self.connection.read(room);
        self.buffer
            .truncate(before + read.as_ref().map_or(0, |length| *length));
        match read {
            Ok(length) => Ok(length > 0),
            Err(error) => Err(self.failed(what, &error)),
        }
    }

    fn failed(&self, what: &str, error: &io::Error) -> CheckError {
        let so_far = if self.buffer.is_empty() {
            String::new()
        } else {
            format!(", after {}", shown(&self.buffer))
        };
        CheckError::new(format!("{what}: {error}{so_far}"))
    }

    fn closed(&self, what: &str) -> CheckError {
        CheckError::new(if self.buffer.is_empty() {
            format!("{what}: the server closed the connection")
        } else {
            let came = shown(&self.buffer);
            format!("{what}: the server closed the connection after {came}")
        })
    }
}

fn too_long(what: &str) -> CheckError {
    CheckError::new(format!("{what}: more than 64 KiB without an end"))
}

/// What a server has said, as it may stand in a log: in quotes, short, and with what is no text as `\xNN`.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes.iter().take(SHOWN) {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            0x20..=0x7e => text.push(char::from(*byte)),
            byte => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push('"');
    if bytes.len() > SHOWN {
        let _ = write!(text, " and {} bytes more", bytes.len() - SHOWN);
    }
    text
}

/// Bytes as hexadecimal digits write them, two for each, with any blanks between them: `16 03 01`.
///
/// # Errors
/// What is wrong with them, for [`HealthChecker::new`](crate::HealthChecker::new).
pub fn hex(digits: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = digits.chars().filter(|it| !it.is_whitespace()).collect();
    let wrong = || "wanted hexadecimal digits, two for each byte, such as \"16 03 01\"".to_owned();
    if !digits.len().is_multiple_of(2) {
        return Err(wrong());
    }
    digits
        .chunks_exact(2)
        .map(|pair| {
            let value = pair
                .iter()
                .try_fold(0, |value, digit| Some(value * 16 + digit.to_digit(16)?));
            value.and_then(|it| u8::try_from(it).ok()).ok_or_else(wrong)
        })
        .collect()
}

#[cfg(test)]
mod tests;
