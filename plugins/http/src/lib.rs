//! Healthy is who answers an HTTP/1.1 request with a good status and, if asked for, the right text.

use std::io::{self, Read};

use evenkeel_sdk::{
    Certificate, CheckError, Connection, FileText, HealthChecker, Identity, Secret, Target,
    TlsOptions, Verdict, register_checker, settings,
};

mod body;
mod head;
mod method;
mod request;
mod status;
mod whole;
mod wire;

pub use self::method::Method;
use self::request::Request;
use self::status::Statuses;
use self::whole::Whole;
use self::wire::Wire;

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// Path of the request, with its query if it has one.
        path: String = "/",
        /// The Host header; the server's address if left out.
        host: Option<String>,
        /// Method of the request.
        method: Method = Method::Get,
        /// Good statuses: numbers and ranges, with commas between them, such as "200,301-302".
        status: String = "200-399",
        /// Text that the body must contain. Without it the body is not read.
        contains: Option<String>,
        /// A regular expression that the body must match, somewhere. Without look-around and back-references.
        regex: Option<String>,
        /// A regular expression that the body must not match anywhere.
        regex_absent: Option<String>,
        /// The MD5 sum of the body, as keepalived's genhash prints it.
        #[pattern("[0-9A-Fa-f]{32}")]
        md5: Option<String>,
        /// Most bytes of the body that are read to find the text in it. With regex, regex-absent and md5 it may be no
        /// longer.
        #[range(1..=16_777_216)]
        max_body: usize = 1 << 20,
        /// Whether to speak TLS: 1.3, or 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305.
        tls: bool = false,
        /// Whether the server's certificate must be valid and for its name. If not, any will do, also one that is too
        /// old or too short to be checked.
        tls_verify: bool = true,
        /// The name for TLS (SNI, certificate); the Host header's name if left out.
        sni: Option<String>,
        /// Certificates of authorities, in PEM, in place of the machine's.
        tls_authorities: Option<FileText>,
        /// A client certificate for servers that ask for one, in PEM, with those between it and its authority. Needs
        /// tls-key.
        tls_certificate: Option<FileText>,
        /// The private key of tls-certificate, in PEM without a password.
        tls_key: Option<Secret>,
        /// The User-Agent header.
        user_agent: String = concat!("evenkeel/", env!("CARGO_PKG_VERSION")),
        /// The Authorization header, such as "Bearer ..." or "Basic ...", all of it.
        authorization: Option<Secret>,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Http {
    request: Request,
    statuses: Statuses,
    contains: Option<String>,
    /// What is asked of the body as a whole, `contains` with it.
    whole: Option<Whole>,
    max_body: usize,
    tls: Option<TlsOptions>,
}

impl HealthChecker for Http {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let whole = Whole::new(
            settings.contains.as_deref(),
            settings.regex.as_deref(),
            settings.regex_absent.as_deref(),
            settings.md5.as_deref(),
        )?;
        if (settings.contains.is_some() || whole.is_some()) && settings.method == Method::Head {
            return Err("an answer to HEAD has no body: contains, regex, regex-absent and md5 need method = \"GET\"".into());
        }
        let identity = match (settings.tls_certificate, settings.tls_key) {
            (None, None) => None,
            (Some(FileText(certificates)), Some(key)) => Some(Identity { certificates, key }),
            (Some(_), None) => return Err("tls-certificate needs tls-key".into()),
            (None, Some(_)) => return Err("tls-key needs tls-certificate".into()),
        };
        if !settings.tls && (identity.is_some() || settings.tls_authorities.is_some()) {
            return Err("what is set of TLS needs tls = true".into());
        }
        let tls = settings.tls.then(|| TlsOptions {
            server_name: settings.sni.or_else(|| {
                settings
                    .host
                    .as_deref()
                    .and_then(request::name_of)
                    .map(str::to_owned)
            }),
            verify: settings.tls_verify,
            alpn: vec!["http/1.1".into()],
            authorities: settings.tls_authorities.map(|FileText(pem)| pem),
            identity,
        });
        Ok(Self {
            statuses: settings.status.parse()?,
            contains: settings.contains.filter(|text| !text.is_empty()),
            whole,
            max_body: settings.max_body,
            request: Request::new(
                settings.method,
                settings.path,
                settings.host,
                settings.user_agent,
                tls.is_some(),
            )?
            .authorized(settings.authorization)?,
            tls,
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let mut connection = self.connect(target)?;
        // For schedulers and metrics; a certificate that cannot be understood says nothing.
        if self.tls.is_some()
            && let Ok(Some(certificate)) = connection.peer_certificate()
        {
            target.report("certificate-days", f64::from(days_left(&certificate)));
        }
        let sent = self.request.send(&mut connection, target.endpoint());
        self.answer(sent, connection)
    }
}

/// Whole days until the certificate ends; negative: since it has.
fn days_left(certificate: &Certificate) -> i32 {
    i32::try_from(certificate.days_left()).unwrap_or(i32::MAX)
}

impl Http {
    /// Reads the answer, whatever became of the request: a server may answer and be gone before it has taken it.
    fn answer(&self, sent: io::Result<()>, from: impl Read) -> Result<Verdict, CheckError> {
        let verdict = self.judge(from);
        match (sent, verdict) {
            // Without an answer, what went wrong first is the reason.
            (Err(error), Err(_)) => Err(error.into()),
            (_, verdict) => verdict,
        }
    }

    fn judge(&self, from: impl Read) -> Result<Verdict, CheckError> {
        let mut wire = Wire::new(from);
        let head = head::read(&mut wire)?;
        if !self.statuses.contains(head.status) {
            let reason = format!("status {}, wanted {}", head.status, self.statuses);
            return Ok(Verdict::Unhealthy(reason));
        }
        if let Some(whole) = &self.whole {
            whole.judge(&mut wire, &head, self.max_body)?;
        } else if let Some(text) = &self.contains {
            body::find(&mut wire, &head, text, self.max_body)?;
        }
        Ok(Verdict::Healthy)
    }

    fn connect(&self, target: &Target<'_>) -> Result<Connection, CheckError> {
        Ok(match &self.tls {
            Some(options) => target.connect_tls(options)?,
            None => target.connect_tcp()?,
        })
    }
}

register_checker!(
    Http,
    "http",
    "an HTTP request is answered with a good status and text"
);

#[cfg(test)]
mod tests;
