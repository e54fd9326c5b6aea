//! Healthy is a Redis that answers PING, and has the role that it should have.

use evenkeel_sdk::{
    CheckError, Dialogue, HealthChecker, Secret, Target, TlsOptions, Verdict, choice,
    register_checker, settings, shown,
};

choice! {
    /// Which role a server must have.
    pub enum Role {
        /// Any.
        Any = "any",
        /// It takes writes.
        Master = "master",
        /// It follows a master, and is connected with it.
        Replica = "replica",
    }
}

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// The password for AUTH.
        password: Option<Secret>,
        /// The user for AUTH (Redis 6); without it the default one. Needs password.
        username: Option<String>,
        /// Which role the server must have.
        role: Role = Role::Any,
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
pub struct Redis {
    /// The command, if there is a password.
    auth: Option<Secret>,
    role: Role,
    tls: Option<TlsOptions>,
}

impl HealthChecker for Redis {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let auth = match (settings.username, settings.password) {
            (None, None) => None,
            (Some(_), None) => return Err("username needs password".to_owned()),
            (user, Some(password)) => {
                let words = ["AUTH"].into_iter().chain(user.as_deref());
                let words: Vec<&str> = words.chain([password.expose()]).collect();
                Some(Secret::new(command(&words)))
            }
        };
        if !settings.tls && settings.sni.is_some() {
            return Err("sni needs tls = true".to_owned());
        }
        Ok(Self {
            auth,
            role: settings.role,
            tls: settings
                .tls
                .then(|| TlsOptions::named(settings.sni, settings.tls_verify)),
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let mut server = Dialogue::connect(target, self.tls.as_ref())?;
        if let Some(auth) = &self.auth {
            server.send(auth.expose())?;
            server.line_with("AUTH", "+OK")?;
        }
        server.send(command(&["PING"]))?;
        server.line_with("PING", "+PONG")?;
        if self.role != Role::Any {
            self.has_role(&mut server)?;
        }
        Ok(Verdict::Healthy)
    }
}

impl Redis {
    fn has_role(&self, server: &mut Dialogue) -> Result<(), CheckError> {
        server.send(command(&["ROLE"]))?;
        let role = role(server)?;
        let wanted = match self.role {
            Role::Any => return Ok(()),
            Role::Master => "master",
            Role::Replica => "slave",
        };
        if role.name != wanted {
            let got = shown(role.name.as_bytes());
            return Err(CheckError::new(format!(
                "role: expected \"{wanted}\", got {got}"
            )));
        }
        match role.link.as_deref() {
            Some(link) if self.role == Role::Replica && link != "connected" => {
                Err(CheckError::new(format!(
                    "it is a replica whose link to its master is {}",
                    shown(link.as_bytes())
                )))
            }
            _ => Ok(()),
        }
    }
}

/// As the protocol writes commands (RESP): an array of strings, each with its length.
fn command(words: &[&str]) -> String {
    let strings = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()));
    let strings: String = strings.collect();
    format!("*{}\r\n{strings}", words.len())
}

struct Found {
    name: String,
    /// Of a replica: the state of its link.
    link: Option<String>,
}

/// The answer to ROLE: an array whose first element is the role; a replica's fourth one is the state of its link.
fn role(server: &mut Dialogue) -> Result<Found, CheckError> {
    let head = server.line_with("ROLE", "*")?;
    let elements: usize = head.get(1..).unwrap_or_default().parse()?;
    let mut found = Found {
        name: string(server)?,
        link: None,
    };
    if found.name == "slave" && elements >= 4 {
        string(server)?;
        server.line_with("ROLE", ":")?;
        found.link = Some(string(server)?);
    }
    Ok(found)
}

fn string(server: &mut Dialogue) -> Result<String, CheckError> {
    let head = server.line_with("ROLE", "$")?;
    let length: usize = head.get(1..).unwrap_or_default().parse()?;
    let bytes = server.exactly("ROLE", length.saturating_add(2))?;
    let text = bytes.get(..length).unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

register_checker!(
    Redis,
    "redis",
    "Redis answers PING, and has the role that it should have"
);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_sdk::SettingValue;
    use evenkeel_sdk::testing::{Script, check};

    use super::*;

    fn against(script: &Script, settings: &[(&str, SettingValue)]) -> Result<Verdict, String> {
        check::<Redis>(settings, script.start(), Duration::from_secs(3))
    }

    fn unhealthy(reason: &str) -> Result<Verdict, String> {
        Ok(Verdict::Unhealthy(reason.to_owned()))
    }

    fn pinged() -> Script {
        Script::new()
            .hears("*1\r\n$4\r\nPING\r\n")
            .says("+PONG\r\n")
    }

    fn with_role(answer: &str) -> Script {
        pinged().hears("*1\r\n$4\r\nROLE\r\n").says(answer)
    }

    const MASTER: &str = "*3\r\n$6\r\nmaster\r\n:3129659\r\n*0\r\n";
    const REPLICA: &str =
        "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n$9\r\nconnected\r\n:3167038\r\n";

    #[test]
    fn a_server_that_answers_is_healthy_and_one_that_loads_is_not() {
        assert_eq!(against(&pinged(), &[]), Ok(Verdict::Healthy));
        let loading = Script::new()
            .hears("*1\r\n$4\r\nPING\r\n")
            .says("-LOADING Redis is loading\r\n");
        let reason = "PING: expected \"+PONG\", got \"-LOADING Redis is loading\"";
        assert_eq!(against(&loading, &[]), unhealthy(reason));
    }

    #[test]
    fn the_role_must_be_the_one_that_is_wanted() {
        let master = || [("role", "master".into())];
        let replica = || [("role", "replica".into())];
        assert_eq!(against(&with_role(MASTER), &master()), Ok(Verdict::Healthy));
        assert_eq!(
            against(&with_role(REPLICA), &replica()),
            Ok(Verdict::Healthy)
        );
        let reason = "role: expected \"master\", got \"slave\"";
        assert_eq!(against(&with_role(REPLICA), &master()), unhealthy(reason));
        let reason = "role: expected \"slave\", got \"master\"";
        assert_eq!(against(&with_role(MASTER), &replica()), unhealthy(reason));
        let cut = REPLICA.replace("$9\r\nconnected", "$7\r\nconnect");
        let reason = "it is a replica whose link to its master is \"connect\"";
        assert_eq!(against(&with_role(&cut), &replica()), unhealthy(reason));
    }

    #[test]
    fn the_password_is_sent_first() {
        assert_eq!(
            command(&["AUTH", "me", "se cret"]),
            "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$7\r\nse cret\r\n"
        );
        let refused = against(&pinged(), &[("username", "me".into())]).unwrap_err();
        assert!(refused.contains("username needs password"), "{refused}");
    }
}
