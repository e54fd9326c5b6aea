//! Healthy is a MySQL or MariaDB that greets, takes a login if there is a user, and is read-only or not as it should be.

use evenkeel_sdk::{
    CheckError, Dialogue, HealthChecker, Secret, Target, TlsOptions, Verdict, choice,
    register_checker, settings,
};

mod greeting;
mod login;
mod packet;
mod query;
mod refusal;

use greeting::Greeting;
use login::Login;

choice! {
    /// Whether to speak TLS.
    pub enum Tls {
        /// No.
        None = "none",
        /// After the greeting (SSLRequest).
        Required = "required",
    }
}

choice! {
    /// Whether the server must be read-only.
    pub enum ReadOnly {
        /// Either will do: it is not asked.
        Any = "any",
        /// It must take writes, as a primary does.
        No = "no",
        /// It must not, as a replica does.
        Yes = "yes",
    }
}

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// The user to log in with. If left out, only the greeting is read.
        user: Option<String>,
        /// The user's password; none if left out. Needs user.
        password: Option<Secret>,
        /// Whether the server must be read-only (read_only): "any", "no", or "yes". Needs user.
        read_only: ReadOnly = ReadOnly::Any,
        /// Whether to speak TLS: "none", or "required". Needs user.
        tls: Tls = Tls::None,
        /// Whether the server's certificate must be valid and for its name.
        tls_verify: bool = true,
        /// The name for TLS (SNI, certificate); the server's address if left out.
        sni: Option<String>,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Mysql {
    login: Option<Login>,
    read_only: ReadOnly,
    tls: Option<TlsOptions>,
}

impl HealthChecker for Mysql {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let tls = settings.tls == Tls::Required;
        if !tls && settings.sni.is_some() {
            return Err("sni needs tls = \"required\"".to_owned());
        }
        let needs = [
            ("password", settings.password.is_some()),
            ("read-only", settings.read_only != ReadOnly::Any),
            ("tls", tls),
        ];
        if let (None, Some((key, _))) = (&settings.user, needs.iter().find(|(_, set)| *set)) {
            return Err(format!("{key} needs user"));
        }
        let login = settings
            .user
            .map(|user| Login::new(user, settings.password));
        Ok(Self {
            login: login.transpose()?,
            read_only: settings.read_only,
            tls: tls.then(|| TlsOptions::named(settings.sni, settings.tls_verify)),
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let mut server = Dialogue::connect(target, None)?;
        let greeting = Greeting::read(&mut server)?;
        let Some(login) = &self.login else {
            return Ok(Verdict::Healthy);
        };
        login.log_in(&mut server, &greeting, self.tls.as_ref())?;
        let verdict = self.judge(&mut server);
        // Without it the server logs a broken connection. It has answered in any case.
        drop(server.send(packet::packet(0, &[packet::COM_QUIT])));
        verdict
    }
}

impl Mysql {
    fn judge(&self, server: &mut Dialogue) -> Result<Verdict, CheckError> {
        if self.read_only == ReadOnly::Any {
            return Ok(Verdict::Healthy);
        }
        let wanted = self.read_only == ReadOnly::Yes;
        match query::is_read_only(server)? {
            is if is == wanted => Ok(Verdict::Healthy),
            true => Err(CheckError::new(
                "it is read-only, wanted a server that takes writes",
            )),
            false => Err(CheckError::new(
                "it takes writes, wanted a server that is read-only",
            )),
        }
    }
}

register_checker!(
    Mysql,
    "mysql",
    "MySQL or MariaDB greets, takes a login, and is read-only or not as it should"
);

#[cfg(test)]
mod tests;
