//! Healthy is a broker that accepts a session of MQTT 3.1.1.

use evenkeel_sdk::{
    CheckError, Dialogue, HealthChecker, Secret, Target, TlsOptions, Verdict, register_checker,
    settings, shown,
};

/// The longest text of the protocol, whose length takes two bytes.
const LONGEST: usize = 65_535;

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// The client identifier. If left out, the broker chooses one.
        client_id: String = "",
        /// The user name.
        username: Option<String>,
        /// The password. Needs username.
        password: Option<Secret>,
        /// Whether to speak TLS.
        tls: bool = false,
        /// Whether the server's certificate must be valid and for its name.
        tls_verify: bool = true,
        /// The name for TLS (SNI, certificate); the server's address if left out.
        sni: Option<String>,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Mqtt {
    /// The packet CONNECT, which may have a password in it.
    connect: Packet,
    tls: Option<TlsOptions>,
}

/// Bytes that no log shows.
struct Packet(Vec<u8>);

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packet(..)")
    }
}

impl HealthChecker for Mqtt {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        if settings.password.is_some() && settings.username.is_none() {
            return Err("password needs username".to_owned());
        }
        if !settings.tls && settings.sni.is_some() {
            return Err("sni needs tls = true".to_owned());
        }
        let password = settings.password.as_ref().map(Secret::expose);
        let user = settings.username.as_deref();
        Ok(Self {
            connect: Packet(connect(&settings.client_id, user, password)?),
            tls: settings
                .tls
                .then(|| TlsOptions::named(settings.sni, settings.tls_verify)),
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let mut broker = Dialogue::connect(target, self.tls.as_ref())?;
        broker.send(&self.connect.0)?;
        let answer = broker.exactly("CONNACK", 4)?;
        // Type 2, two bytes more: whether a session was kept, and the return code.
        let [0x20, 2, _, code] = answer[..] else {
            let got = shown(&answer);
            return Err(CheckError::new(format!(
                "CONNACK: got {got}, which is none"
            )));
        };
        if code != 0 {
            let why = refusal(code);
            return Err(CheckError::new(format!(
                "CONNACK: refused with {code}, {why}"
            )));
        }
        // DISCONNECT, so that the broker does not log a broken connection. It has answered well in any case.
        drop(broker.send([0xe0, 0]));
        Ok(Verdict::Healthy)
    }
}

/// What a return code of CONNACK means (MQTT 3.1.1, section 3.2.2.3).
fn refusal(code: u8) -> &'static str {
    match code {
        1 => "unacceptable protocol version",
        2 => "client identifier rejected",
        3 => "server unavailable",
        4 => "bad user name or password",
        5 => "not authorized",
        _ => "a code that MQTT 3.1.1 does not have",
    }
}

/// The packet CONNECT, for a clean session (MQTT 3.1.1, section 3.1).
fn connect(client: &str, user: Option<&str>, password: Option<&str>) -> Result<Vec<u8>, String> {
    const CLEAN: u8 = 0x02;
    const USER: u8 = 0x80;
    const PASSWORD: u8 = 0x40;
    // Seconds; the connection does not last that long.
    const KEEP_ALIVE: u8 = 30;
    let mut flags = CLEAN;
    let mut body = Vec::new();
    put(&mut body, "client-id", client)?;
    if let Some(user) = user {
        flags |= USER;
        put(&mut body, "username", user)?;
    }
    if let Some(password) = password {
        flags |= PASSWORD;
        put(&mut body, "password", password)?;
    }
    let mut packet = vec![0x10];
    length(&mut packet, 10 + body.len());
    packet.extend(b"\x00\x04MQTT\x04");
    packet.extend([flags, 0, KEEP_ALIVE]);
    packet.extend(body);
    Ok(packet)
}

/// A text after its length in two bytes.
fn put(body: &mut Vec<u8>, key: &str, text: &str) -> Result<(), String> {
    let length = u16::try_from(text.len())
        .map_err(|_| format!("{key} has {} bytes: {LONGEST} are the most", text.len()))?;
    body.extend(length.to_be_bytes());
    body.extend(text.as_bytes());
    Ok(())
}

/// Seven bits in a byte, the lowest first (MQTT 3.1.1, section 2.2.3).
fn length(packet: &mut Vec<u8>, mut length: usize) {
    loop {
        let [low, ..] = (length & 0x7f).to_le_bytes();
        length >>= 7;
        packet.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}

register_checker!(Mqtt, "mqtt", "a broker accepts a session of MQTT 3.1.1");

#[cfg(test)]
mod tests;
