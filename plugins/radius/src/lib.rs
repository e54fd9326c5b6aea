//! Healthy is a RADIUS server that answers, and proves that it knows the secret.

use std::io::{self, Read as _, Write as _};

use evenkeel_sdk::{
    CheckError, Connection, HealthChecker, Secret, Target, Verdict, choice, random,
    register_checker, settings, shown,
};

mod packet;

use packet::{Answer, Request};

/// The longest packet (RFC 2865, section 3).
const LONGEST: usize = 4096;

choice! {
    /// Which answers to a login are good.
    pub enum Expect {
        /// Any: the server is alive.
        Answer = "answer",
        /// The user is let in.
        Accept = "accept",
    }
}

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// The secret that the server shares with the director.
        secret: Secret,
        /// The user to ask for. If left out, the server is asked for its status (Status-Server). Needs password.
        user: Option<String>,
        /// The user's password. Needs user.
        password: Option<Secret>,
        /// With user: whether any answer is good ("answer"), or the user must be let in ("accept").
        expect: Expect = Expect::Answer,
        /// What the director calls itself (NAS-Identifier).
        nas_identifier: String = "evenkeel",
    }
}

/// The checker.
#[derive(Debug)]
pub struct Radius {
    secret: Secret,
    user: Option<(String, Secret)>,
    expect: Expect,
    nas: String,
}

impl HealthChecker for Radius {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        if settings.secret.expose().is_empty() {
            return Err("the secret is empty".to_owned());
        }
        let user = match (settings.user, settings.password) {
            (None, None) => None,
            (Some(user), Some(password)) => Some((user, password)),
            (Some(_), None) => return Err("user needs password".to_owned()),
            (None, Some(_)) => return Err("password needs user".to_owned()),
        };
        if user.is_none() && settings.expect == Expect::Accept {
            return Err("expect = \"accept\" needs user".to_owned());
        }
        let names = [
            ("nas-identifier", Some(&settings.nas_identifier)),
            ("user", user.as_ref().map(|(name, _)| name)),
        ];
        for (key, name) in names {
            if let Some(name) = name.filter(|it| !(1..=packet::LONGEST_TEXT).contains(&it.len())) {
                return Err(format!(
                    "{key} cannot be {name:?}: wanted 1 to {} bytes",
                    packet::LONGEST_TEXT
                ));
            }
        }
        if let Some((_, password)) = &user
            && password.expose().len() > packet::LONGEST_PASSWORD
        {
            return Err(format!(
                "the password is too long: {} bytes are the most",
                packet::LONGEST_PASSWORD
            ));
        }
        Ok(Self {
            secret: settings.secret,
            user,
            expect: settings.expect,
            nas: settings.nas_identifier,
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let [id, ..] = random().to_le_bytes();
        let authenticator = u128::from(random()) << 64 | u128::from(random());
        let secret = self.secret.expose().as_bytes();
        let request = Request::new(id, authenticator.to_le_bytes(), secret);
        let asked = match &self.user {
            Some((user, password)) => request.login(&self.nas, user, password.expose()),
            None => request.status(&self.nas),
        };
        let mut socket = target.connect_udp()?;
        socket.write_all(&asked)?;
        let bytes = answer(&mut socket, id)?;
        let answer = request.answer(&bytes).map_err(CheckError::new)?;
        self.judge(&answer)
    }
}

impl Radius {
    fn judge(&self, answer: &Answer<'_>) -> Result<Verdict, CheckError> {
        let login = self.user.is_some();
        match answer.code {
            packet::ACCEPT => Ok(Verdict::Healthy),
            packet::ACCOUNTING if !login => Ok(Verdict::Healthy),
            packet::REJECT | packet::CHALLENGE if login && self.expect == Expect::Answer => {
                Ok(Verdict::Healthy)
            }
            code => {
                let mut reason = format!("expected Access-Accept, got {}", packet::name(code));
                if let Some(message) = answer.message() {
                    reason = format!("{reason}, {}", shown(message));
                }
                Err(CheckError::new(reason))
            }
        }
    }
}

/// The datagram that has the request's number: others, which may come late, are passed over.
fn answer(socket: &mut Connection, id: u8) -> Result<Vec<u8>, CheckError> {
    let mut answer = vec![0; LONGEST];
    loop {
        let length = socket.read(&mut answer).map_err(silent)?;
        let read = answer.get(..length).unwrap_or_default();
        if read.get(1).is_none_or(|is| *is == id) {
            return Ok(read.to_vec());
        }
    }
}

/// A server drops what it cannot trust without a word, so that silence has more than one cause.
fn silent(error: io::Error) -> CheckError {
    if error.kind() == io::ErrorKind::TimedOut {
        return CheckError::new(
            "no answer: the server is silent, does not know the director as a client, or has another secret",
        );
    }
    error.into()
}

register_checker!(
    Radius,
    "radius",
    "a RADIUS server answers, and proves that it knows the secret"
);

#[cfg(test)]
mod tests;
