//! Healthy is a PostgreSQL that takes clients: it answers a start-up message, as pg_isready goes by.

use evenkeel_sdk::{
    CheckError, Dialogue, HealthChecker, Target, TlsOptions, Verdict, choice, register_checker,
    settings, shown,
};

/// The version of the protocol, 3.0.
const VERSION: u32 = 196_608;
/// What asks for TLS in place of a version.
const WANT_TLS: u32 = 80_877_103;
/// The longest answer to a start-up message that is read.
const LONGEST: usize = 16 * 1024;

choice! {
    /// Whether to speak TLS.
    pub enum Tls {
        /// No.
        None = "none",
        /// After the server has agreed to it (SSLRequest), as all versions of PostgreSQL do.
        Required = "required",
    }
}

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// The user to start with. There need not be one of that name: nobody logs in.
        user: String = "evenkeel",
        /// The database to start with; the one that is called as the user if left out.
        database: Option<String>,
        /// Whether to speak TLS: "none", or "required".
        tls: Tls = Tls::None,
        /// Whether the server's certificate must be valid and for its name.
        tls_verify: bool = true,
        /// The name for TLS (SNI, certificate); the server's address if left out.
        sni: Option<String>,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Postgres {
    startup: Vec<u8>,
    tls: Option<TlsOptions>,
}

impl HealthChecker for Postgres {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let tls = settings.tls == Tls::Required;
        if !tls && settings.sni.is_some() {
            return Err("sni needs tls = \"required\"".to_owned());
        }
        Ok(Self {
            startup: startup(&settings.user, settings.database.as_deref())?,
            tls: tls.then(|| TlsOptions::named(settings.sni, settings.tls_verify)),
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let mut server = Dialogue::over(target.connect_tcp()?);
        if let Some(options) = &self.tls {
            server.send(message(None, &WANT_TLS.to_be_bytes()))?;
            let answer = server.exactly("SSLRequest", 1)?;
            if answer != b"S" {
                let got = shown(&answer);
                return Err(CheckError::new(format!(
                    "SSLRequest: expected \"S\", got {got}"
                )));
            }
            server.start_tls(options)?;
        }
        server.send(&self.startup)?;
        let head = server.exactly("start-up", 5)?;
        let (kind, length) = match head[..] {
            [kind @ (b'R' | b'E'), a, b, c, d] => (kind, u32::from_be_bytes([a, b, c, d])),
            _ => {
                let got = shown(&head);
                return Err(CheckError::new(format!(
                    "start-up: got {got}, which is not PostgreSQL"
                )));
            }
        };
        let length = usize::try_from(length)?;
        if !(4..=LONGEST).contains(&length) {
            return Err(CheckError::new(format!(
                "start-up: a message of {length} bytes"
            )));
        }
        let body = server.exactly("start-up", length - 4)?;
        if kind == b'E' {
            takes_clients(&body)?;
        } else {
            // Terminate. It has answered well in any case.
            drop(server.send(message(Some(b'X'), &[])));
        }
        Ok(Verdict::Healthy)
    }
}

/// Whether a server that sends this error takes clients, only not this one: the user (class 28) or the database (class
/// 3D) is not known. While it starts, recovers or ends, it answers 57P03; with too many clients, 53300.
fn takes_clients(body: &[u8]) -> Result<(), CheckError> {
    // Fields are a letter and a text, each of which a zero ends.
    let field = |letter: u8| {
        let mut fields = body.split(|byte| *byte == 0);
        let found = fields.find_map(|field| field.strip_prefix(&[letter]));
        String::from_utf8_lossy(found.unwrap_or_default()).into_owned()
    };
    let code = field(b'C');
    if code.starts_with("28") || code.starts_with("3D") {
        return Ok(());
    }
    let message = shown(field(b'M').as_bytes());
    Err(CheckError::new(format!(
        "start-up: refused with {code}, {message}"
    )))
}

fn startup(user: &str, database: Option<&str>) -> Result<Vec<u8>, String> {
    let mut body = VERSION.to_be_bytes().to_vec();
    for (key, value) in [("user", Some(user)), ("database", database)] {
        let Some(value) = value else { continue };
        if value.is_empty() || value.len() > 255 || value.contains('\0') {
            return Err(format!(
                "{key} cannot be {value:?}: wanted a name of 1 to 255 bytes"
            ));
        }
        for text in [key, value] {
            body.extend(text.as_bytes());
            body.push(0);
        }
    }
    body.push(0);
    Ok(message(None, &body))
}

/// A message: its type, if it is not a client's first one, and its length with that of the length.
fn message(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    let mut message: Vec<u8> = kind.into_iter().collect();
    message.extend(length.to_be_bytes());
    message.extend(body);
    message
}

register_checker!(Postgres, "postgres", "PostgreSQL takes clients");

#[cfg(test)]
mod tests;
