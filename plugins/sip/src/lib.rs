//! Healthy is a SIP server that answers OPTIONS with a good status.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use evenkeel_sdk::{
    CheckError, Dialogue, HealthChecker, Statuses, Target, Verdict, choice, random,
    register_checker, settings, shown,
};

mod message;

use message::{Answer, Ids};

/// The longest datagram, and the longest body of an answer that another one follows.
const LONGEST: usize = 32 * 1024;
/// An answer has no more headers.
const MOST_HEADERS: usize = 256;
/// What comes over a connection before an answer that is final.
const MOST_ANSWERS: usize = 16;
/// How long to wait before a datagram is sent once more: this, then twice as long, up to the most (RFC 3261, section
/// 17.1.2.2: T1 and T2).
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(4);

choice! {
    /// How the request is sent.
    pub enum Transport {
        /// In a datagram.
        Udp = "udp",
        /// Over a connection.
        Tcp = "tcp",
    }
}

/// Statuses of final answers (RFC 3261, section 7.2).
const FINAL: RangeInclusive<u16> = 200..=699;

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// Over which transport.
        transport: Transport = Transport::Udp,
        /// Whom OPTIONS is for, such as "sip:ping@example.org"; the server's address if left out.
        uri: Option<String>,
        /// Good statuses: numbers and ranges, with commas between them, such as "200,401-407".
        status: String = "200-299",
        /// The User-Agent header.
        user_agent: String = concat!("evenkeel/", env!("CARGO_PKG_VERSION")),
    }
}

/// The checker.
#[derive(Debug)]
pub struct Sip {
    transport: Transport,
    uri: Option<String>,
    statuses: Statuses,
    user_agent: String,
}

impl HealthChecker for Sip {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        if let Some(uri) = &settings.uri {
            let rest = uri.strip_prefix("sip:");
            let fits = |it: char| it.is_ascii_graphic() && !"<>\"".contains(it);
            if !rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(fits)) {
                return Err(format!(
                    "uri cannot be {uri:?}: wanted one such as \"sip:ping@example.org\""
                ));
            }
        }
        if settings.user_agent.contains(char::is_control) {
            return Err("user-agent must be one line".to_owned());
        }
        Ok(Self {
            transport: settings.transport,
            uri: settings.uri,
            statuses: Statuses::parse(&settings.status, &FINAL)?,
            user_agent: settings.user_agent,
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let ids = Ids::new(random(), random(), random());
        let answer = match self.transport {
            Transport::Udp => over_udp(target, &self.request(target.endpoint(), "UDP", &ids), &ids),
            Transport::Tcp => over_tcp(target, &self.request(target.endpoint(), "TCP", &ids), &ids),
        }?;
        if self.statuses.contains(answer.status) {
            return Ok(Verdict::Healthy);
        }
        Err(CheckError::new(format!(
            "status {}, {}, wanted {}",
            answer.status,
            shown(answer.phrase.as_bytes()),
            self.statuses
        )))
    }
}

impl Sip {
    fn request(&self, server: SocketAddr, transport: &str, ids: &Ids) -> String {
        let address = match transport {
            "TCP" => format!("sip:{server};transport=tcp"),
            _ => format!("sip:{server}"),
        };
        let uri = self.uri.as_deref().unwrap_or(&address);
        message::options(uri, transport, &self.user_agent, ids)
    }
}

/// The final answer. Answers to other requests, which may come late, are passed over.
fn over_udp(target: &Target<'_>, request: &str, ids: &Ids) -> Result<Answer, CheckError> {
    let mut socket = target.connect_udp()?;
    let mut datagram = vec![0; LONGEST];
    let mut wait = FIRST_WAIT;
    let mut others = false;
    socket.write_all(request.as_bytes())?;
    loop {
        socket.set_read_timeout(Some(wait));
        match socket.read(&mut datagram) {
            Ok(length) => {
                let answer = Answer::parse(datagram.get(..length).unwrap_or_default())?;
                if !answer.is_to(ids) {
                    others = true;
                } else if answer.is_provisional() {
                    wait = LONGEST_WAIT;
                } else {
                    return Ok(answer);
                }
            }
            Err(error) if error.kind() != ErrorKind::TimedOut => return Err(error.into()),
            Err(_) if target.time_left() > wait => {
                socket.write_all(request.as_bytes())?;
                wait = LONGEST_WAIT.min(wait * 2);
            }
            Err(_) if others => {
                return Err(CheckError::new(
                    "only answers that have another Call-ID or CSeq",
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Likewise. Over a connection that is this check's own, nobody else is answered.
fn over_tcp(target: &Target<'_>, request: &str, ids: &Ids) -> Result<Answer, CheckError> {
    let mut server = Dialogue::connect(target, None)?;
    server.send(request)?;
    for _ in 0..MOST_ANSWERS {
        let answer = head(&mut server)?;
        if !answer.is_to(ids) {
            return Err(CheckError::new(
                "the answer has another Call-ID or CSeq than the request",
            ));
        }
        if !answer.is_provisional() {
            return Ok(answer);
        }
        let body = answer.body.unwrap_or_default();
        if body > LONGEST {
            return Err(CheckError::new(format!("answer: a body of {body} bytes")));
        }
        server.exactly("answer", body)?;
    }
    Err(CheckError::new("many answers, and none that is final"))
}

/// The next answer, without its body.
fn head(server: &mut Dialogue) -> Result<Answer, CheckError> {
    let mut answer = Answer::new(&server.line("answer")?)?;
    for _ in 0..MOST_HEADERS {
        let line = server.line("answer")?;
        if line.is_empty() {
            return Ok(answer);
        }
        answer.header(&line)?;
    }
    Err(CheckError::new(format!(
        "answer: more than {MOST_HEADERS} headers"
    )))
}

register_checker!(
    Sip,
    "sip",
    "a SIP server answers OPTIONS with a good status"
);

#[cfg(test)]
mod tests;
