//! Healthy is an LDAP server that takes a bind, and has an entry if it is to.

use evenkeel_sdk::{
    CheckError, Dialogue, HealthChecker, Secret, Target, TlsOptions, Verdict, choice,
    register_checker, settings,
};

mod ber;
mod message;
mod result;

use message::{Message, read};

choice! {
    /// Whether and when TLS is spoken.
    pub enum Tls {
        /// Not at all.
        No = "no",
        /// After StartTLS (RFC 4511, section 4.14).
        Starttls = "starttls",
        /// From the beginning, as on port 636.
        Implicit = "implicit",
    }
}

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// Who binds: a name such as "cn=health,dc=example,dc=org". If left out, the bind is anonymous. Needs password.
        bind_dn: Option<String>,
        /// The password. Needs bind-dn.
        password: Option<Secret>,
        /// The entry that must be there and be shown to who binds; "" is the root, which describes the server.
        base: Option<String>,
        /// Whether and when TLS is spoken.
        tls: Tls = Tls::No,
        /// Whether the server's certificate must be valid and for its name.
        tls_verify: bool = true,
        /// The name for TLS (SNI, certificate); the server's address if left out.
        sni: Option<String>,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Ldap {
    name: String,
    password: Secret,
    base: Option<String>,
    tls: Tls,
    options: TlsOptions,
}

impl HealthChecker for Ldap {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        if settings.tls == Tls::No && settings.sni.is_some() {
            return Err("sni needs tls = \"starttls\" or \"implicit\"".to_owned());
        }
        let (name, password) = match (settings.bind_dn, settings.password) {
            (None, None) => (String::new(), Secret::new("")),
            // Servers take a bind with a part of it for an anonymous one (RFC 4513, section 5.1.2).
            (Some(name), _) if name.is_empty() => {
                return Err("bind-dn cannot be \"\": leave it out for an anonymous bind".to_owned());
            }
            (Some(_), Some(password)) if password.expose().is_empty() => {
                return Err("the password is empty".to_owned());
            }
            (Some(name), Some(password)) => (name, password),
            (Some(_), None) => return Err("bind-dn needs password".to_owned()),
            (None, Some(_)) => return Err("password needs bind-dn".to_owned()),
        };
        Ok(Self {
            name,
            password,
            base: settings.base,
            tls: settings.tls,
            options: TlsOptions::named(settings.sni, settings.tls_verify),
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let at_once = (self.tls == Tls::Implicit).then_some(&self.options);
        let mut server = Dialogue::connect(target, at_once)?;
        if self.tls == Tls::Starttls {
            server.send(message::start_tls())?;
            let answer = read(&mut server, "StartTLS", message::START_TLS)?;
            result::of(answer.parts(), message::EXTENDED_RESPONSE, "StartTLS")?;
            server.start_tls(&self.options)?;
        }
        server.send(message::bind(&self.name, self.password.expose()))?;
        let answer = read(&mut server, "bind", message::BIND)?;
        result::of(answer.parts(), message::BIND_RESPONSE, "bind")?;
        let verdict = match &self.base {
            Some(base) => search(&mut server, base),
            None => Ok(Verdict::Healthy),
        };
        // It has no answer, and it has answered in any case.
        drop(server.send(message::unbind()));
        verdict
    }
}

/// Whether the entry is there.
fn search(server: &mut Dialogue, base: &str) -> Result<Verdict, CheckError> {
    server.send(message::search(base))?;
    let mut found = false;
    loop {
        let answer = read(server, "search", message::SEARCH)?;
        match answer {
            // A scope of one entry has one at most.
            Message {
                kind: message::ENTRY,
                ..
            } if !found => found = true,
            Message {
                kind: message::ENTRY,
                ..
            } => {
                return Err(CheckError::new(
                    "search: more than the entry that was asked for",
                ));
            }
            _ => {
                result::of(answer.parts(), message::DONE, "search")?;
                break;
            }
        }
    }
    if found {
        Ok(Verdict::Healthy)
    } else {
        Err(CheckError::new(
            "search: the entry is not shown to who has bound",
        ))
    }
}

register_checker!(
    Ldap,
    "ldap",
    "an LDAP server takes a bind, and has an entry if it is to"
);

#[cfg(test)]
mod tests;
