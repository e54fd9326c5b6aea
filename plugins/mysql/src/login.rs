//! Logging in.

use evenkeel_sdk::{CheckError, Dialogue, Secret, TlsOptions, shown};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::greeting::{Greeting, PLUGIN_AUTH, PROTOCOL_41, SECURE_CONNECTION, SSL, TRANSACTIONS};
use crate::packet::{self, OK, Rest};
use crate::refusal::refused;

/// What the packets are called in reasons.
const LOGIN: &str = "login";
/// utf8_general_ci, which every version knows.
const CHARACTER_SET: u8 = 33;
/// The longest answers that the server may send, and does not.
const LONGEST_PACKET: u32 = 1 << 20;
/// Answers of a server that is not satisfied yet.
const MORE: u8 = 1;
const SWITCH: u8 = 0xfe;
/// What MORE says in caching_sha2_password: it knew the password's hash and all is well, or it did not.
const KNOWN: u8 = 3;
const NOT_KNOWN: u8 = 4;
/// So many packets at most: another method, and a word or two within it.
const MOST_ANSWERS: usize = 6;

/// How a password is shown to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Native,
    CachingSha2,
}

impl Method {
    fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"mysql_native_password" => Some(Self::Native),
            b"caching_sha2_password" => Some(Self::CachingSha2),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
        }
    }

    /// What is sent in the password's place, which the server can compare with what it has of it.
    fn scramble(self, password: &str, nonce: &[u8]) -> Vec<u8> {
        if password.is_empty() {
            return Vec::new();
        }
        match self {
            Self::Native => {
                let once = Sha1::digest(password);
                let mixed = Sha1::new()
                    .chain_update(nonce)
                    .chain_update(Sha1::digest(once));
                xor(&once, &mixed.finalize())
            }
            Self::CachingSha2 => {
                let once = Sha256::digest(password);
                let twice = Sha256::digest(once);
                let mixed = Sha256::new().chain_update(twice).chain_update(nonce);
                xor(&once, &mixed.finalize())
            }
        }
    }
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(a, b)| a ^ b).collect()
}

/// Who logs in.
#[derive(Debug)]
pub(crate) struct Login {
    user: String,
    password: Secret,
}

impl Login {
    pub(crate) fn new(user: String, password: Option<Secret>) -> Result<Self, String> {
        if user.is_empty() || user.len() > 255 || user.contains('\0') {
            return Err(format!(
                "user cannot be {user:?}: wanted a name of 1 to 255 bytes"
            ));
        }
        let password = password.unwrap_or_else(|| Secret::new(""));
        if password.expose().contains('\0') {
            return Err("password cannot have a zero in it".to_owned());
        }
        Ok(Self { user, password })
    }

    /// Logs in, over TLS if there are options for it.
    pub(crate) fn log_in(
        &self,
        server: &mut Dialogue,
        greeting: &Greeting,
        tls: Option<&TlsOptions>,
    ) -> Result<(), CheckError> {
        for (needed, what) in [
            (PROTOCOL_41 | SECURE_CONNECTION, "logins as of MySQL 4.1"),
            (if tls.is_some() { SSL } else { 0 }, "TLS"),
        ] {
            if greeting.capabilities & needed != needed {
                let version = shown(greeting.version.as_bytes());
                return Err(CheckError::new(format!(
                    "greeting: version {version} offers no {what}"
                )));
            }
        }
        let mut number = greeting.number.wrapping_add(1);
        if let Some(options) = tls {
            server.send(packet::packet(number, &head(greeting, true)))?;
            server.start_tls(options)?;
            number = number.wrapping_add(1);
        }
        // The server asks for another method if it wants one for this user.
        let method = Method::named(greeting.method.as_bytes()).unwrap_or(Method::Native);
        let response = self.response(greeting, method, tls.is_some());
        server.send(packet::packet(number, &response))?;
        self.satisfy(server, method, tls.is_some())
    }

    /// The packet that has the user's name (HandshakeResponse41).
    fn response(&self, greeting: &Greeting, method: Method, tls: bool) -> Vec<u8> {
        let scramble = method.scramble(self.password.expose(), &greeting.nonce);
        let mut response = head(greeting, tls);
        response.extend(self.user.as_bytes());
        response.push(0);
        response.extend(u8::try_from(scramble.len()));
        response.extend(scramble);
        if greeting.capabilities & PLUGIN_AUTH != 0 {
            response.extend(method.name().as_bytes());
            response.push(0);
        }
        response
    }

    /// Says what the server asks for, until it has no more questions.
    fn satisfy(
        &self,
        server: &mut Dialogue,
        mut method: Method,
        tls: bool,
    ) -> Result<(), CheckError> {
        for _ in 0..MOST_ANSWERS {
            let (number, payload) = packet::read(server, LOGIN)?;
            let answer = match payload[..] {
                [OK, ..] => return Ok(()),
                [packet::ERR, ref rest @ ..] => return Err(refused(LOGIN, rest)),
                [SWITCH, ref rest @ ..] => {
                    let nonce;
                    (method, nonce) = switch(rest)?;
                    method.scramble(self.password.expose(), nonce)
                }
                [MORE, KNOWN] if method == Method::CachingSha2 => continue,
                [MORE, NOT_KNOWN] if method == Method::CachingSha2 && tls => {
                    [self.password.expose().as_bytes(), &[0]].concat()
                }
                [MORE, NOT_KNOWN] if method == Method::CachingSha2 => {
                    return Err(CheckError::new(
                        "login: the server does not know the password's hash (caching_sha2_password) and wants the \
                         password itself, which is sent over TLS only: set tls = \"required\"",
                    ));
                }
                _ => {
                    let got = shown(&payload);
                    return Err(CheckError::new(format!(
                        "login: got {got}, which is no answer to it"
                    )));
                }
            };
            server.send(packet::packet(number.wrapping_add(1), &answer))?;
        }
        Err(CheckError::new("login: the server has no end of questions"))
    }
}

/// What the requests for TLS and for a login have in common.
fn head(greeting: &Greeting, tls: bool) -> Vec<u8> {
    let mut capabilities = PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION;
    capabilities |= greeting.capabilities & PLUGIN_AUTH;
    if tls {
        capabilities |= SSL;
    }
    let mut head = capabilities.to_le_bytes().to_vec();
    head.extend(LONGEST_PACKET.to_le_bytes());
    head.push(CHARACTER_SET);
    head.extend([0; 23]);
    head
}

/// The method that the server wants, and what the password is mixed with then.
fn switch(body: &[u8]) -> Result<(Method, &[u8]), CheckError> {
    let mut rest = Rest(body);
    // Without a name it is the method of MySQL 4.0.
    let name = rest.text().unwrap_or(b"mysql_old_password");
    let Some(method) = Method::named(name) else {
        return Err(CheckError::new(format!(
            "login: the server wants {} for this user, which is neither mysql_native_password nor \
             caching_sha2_password",
            shown(name)
        )));
    };
    let nonce = rest.0.strip_suffix(&[0]).unwrap_or(rest.0);
    Ok((method, nonce))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_sdk::testing::{Script, check};
    use evenkeel_sdk::{HealthChecker, Target, Verdict};

    use super::*;

    /// Computed with Python's hashlib from the protocol's description.
    const NONCE: &[u8] = b"abcdefghijklmnopqrst";

    #[test]
    fn passwords_are_mixed_as_others_do_it() {
        let hex = |digits: &str| evenkeel_sdk::hex(digits).unwrap();
        let native = Method::Native.scramble("secret", NONCE);
        assert_eq!(native, hex("8817c50fa779daef010ee7577825b0847df9842e"));
        let caching = Method::CachingSha2.scramble("secret", NONCE);
        assert_eq!(
            caching,
            hex("c76e2898612a4cf042c77fa8c4702c4c64c0c2c557c53c4d75595aaa6abae809")
        );
        assert!(Method::Native.scramble("", NONCE).is_empty());
    }

    #[test]
    fn a_server_may_ask_for_another_method() {
        let wanted = [b"caching_sha2_password\0", NONCE, b"\0"].concat();
        assert_eq!(switch(&wanted), Ok((Method::CachingSha2, NONCE)));
        let reason = "login: the server wants \"client_ed25519\" for this user, which is neither \
                      mysql_native_password nor caching_sha2_password";
        let error = switch(b"client_ed25519\0xyz").unwrap_err();
        assert_eq!(error.reason(), reason);
        let error = switch(b"").unwrap_err();
        assert!(error.reason().contains("mysql_old_password"), "{error}");
    }

    /// There is no TLS in native tests: this takes the connection for one.
    struct OverTls;

    impl HealthChecker for OverTls {
        type Settings = ();

        fn new((): ()) -> Result<Self, String> {
            Ok(Self)
        }

        fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
            let mut server = Dialogue::connect(target, None)?;
            let login = Login::new("u".to_owned(), Some(Secret::new("secret")));
            let login = login.map_err(CheckError::new)?;
            login.satisfy(&mut server, Method::CachingSha2, true)?;
            Ok(Verdict::Healthy)
        }
    }

    #[test]
    fn over_tls_the_password_itself_is_sent_if_it_is_asked_for() {
        let script = Script::new()
            .says(packet::packet(4, &[MORE, NOT_KNOWN]))
            .hears(b"\x07\0\0\x05secret\0")
            .says(packet::packet(6, &[OK, 0, 0, 2, 0, 0, 0]));
        let verdict = check::<OverTls>(&[], script.start(), Duration::from_secs(3));
        assert_eq!(verdict, Ok(Verdict::Healthy));
    }
}
