//! Healthy is a gRPC server that says it is serving, by the protocol for health checks (`grpc.health.v1.Health`).

use evenkeel_http2::{Field, Http2, value};
use evenkeel_sdk::{
    CheckError, Connection, FileText, HealthChecker, Identity, Secret, Target, TlsOptions, Verdict,
    register_checker, settings, shown,
};

mod message;
mod status;

/// The method that is called.
const METHOD: &str = "/grpc.health.v1.Health/Check";
/// The most bytes of an answer.
const MAX_ANSWER: usize = 64 * 1024;
/// The most bytes of a service's name.
const MAX_SERVICE: usize = 1024;

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// Which of the server's services is asked for, such as "shop.v1.Orders"; the server as a whole if left out.
        service: String = "",
        /// The name that the server is asked by (:authority); its address if left out.
        host: Option<String>,
        /// Whether to speak TLS: 1.3, or 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305.
        tls: bool = false,
        /// Whether the server's certificate must be valid and for its name.
        tls_verify: bool = true,
        /// The name for TLS (SNI, certificate); the one of host if left out.
        sni: Option<String>,
        /// Certificates of authorities, in PEM, in place of the machine's.
        tls_authorities: Option<FileText>,
        /// A client certificate for servers that ask for one, in PEM, with those between it and its authority. Needs
        /// tls-key.
        tls_certificate: Option<FileText>,
        /// The private key of tls-certificate, in PEM without a password.
        tls_key: Option<Secret>,
        /// The metadata "authorization", such as "Bearer ...", all of it.
        authorization: Option<Secret>,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Grpc {
    service: String,
    host: Option<String>,
    tls: Option<TlsOptions>,
    authorization: Option<Secret>,
}

impl HealthChecker for Grpc {
    type Settings = Settings;

    fn new(mut settings: Settings) -> Result<Self, String> {
        let tls = tls(&mut settings)?;
        if settings.service.len() > MAX_SERVICE {
            return Err(format!("service has more than {MAX_SERVICE} bytes"));
        }
        let is_name = |it: &String| !it.is_empty() && it.bytes().all(|it| it.is_ascii_graphic());
        if let Some(host) = settings.host.as_ref().filter(|it| !is_name(it)) {
            return Err(format!(
                "host cannot be {host:?}: wanted a name, or name:port"
            ));
        }
        let is_line = |it: u8| it == b' ' || it.is_ascii_graphic();
        if let Some(secret) = &settings.authorization
            && !secret.expose().bytes().all(is_line)
        {
            return Err("authorization is not one line of printable ASCII".into());
        }
        Ok(Self {
            service: settings.service,
            host: settings.host,
            tls,
            authorization: settings.authorization,
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let connection = match &self.tls {
            Some(options) => target.connect_tls(options)?,
            None => target.connect_tcp()?,
        };
        // For schedulers and metrics; a certificate that cannot be understood says nothing.
        if let Ok(Some(certificate)) = connection.peer_certificate() {
            let days = i32::try_from(certificate.days_left()).unwrap_or(i32::MAX);
            target.report("certificate-days", f64::from(days));
        }
        let mut http = Http2::new(connection);
        let sent = self.ask(&mut http, target);
        let (code, fields) = match (sent, http.head()) {
            // Without an answer, what went wrong first is the reason.
            (Err(error), Err(_)) => return Err(error),
            (_, head) => head?,
        };
        let body = body(&mut http, code, &fields)?;
        // A server that has no more to say than an error sends it at once.
        let all = [http.trailers(), &fields];
        let said = |name: &str| all.iter().find_map(|it| value(it, name));
        status::judge(said("grpc-status"), said("grpc-message"))?;
        self.verdict(message::status(&body)?)
    }
}

impl Grpc {
    /// Sends the call.
    fn ask(&self, http: &mut Http2<Connection>, target: &Target<'_>) -> Result<(), CheckError> {
        let authority = match &self.host {
            Some(host) => host.clone(),
            None => target.endpoint().to_string(),
        };
        // Milliseconds, in 8 digits at most.
        let timeout = format!("{}m", target.time_left().as_millis().clamp(1, 99_999_999));
        let mut fields = vec![
            (":method", "POST"),
            (":scheme", if self.tls.is_some() { "https" } else { "http" }),
            (":authority", &authority),
            (":path", METHOD),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            (
                "user-agent",
                concat!("evenkeel/", env!("CARGO_PKG_VERSION")),
            ),
            ("grpc-timeout", &timeout),
        ];
        if let Some(authorization) = &self.authorization {
            fields.push(("authorization", authorization.expose()));
        }
        Ok(http.request(&fields, &message::request(&self.service))?)
    }

    /// What a status means (grpc.health.v1, `ServingStatus`).
    fn verdict(&self, status: u64) -> Result<Verdict, CheckError> {
        let word = match status {
            1 => return Ok(Verdict::Healthy),
            0 => "UNKNOWN".to_owned(),
            2 => "NOT_SERVING".to_owned(),
            3 => "SERVICE_UNKNOWN".to_owned(),
            other => format!("{other}, which is no status"),
        };
        Err(CheckError::new(match &*self.service {
            "" => format!("the server is {word}"),
            service => format!("{service} is {word}"),
        }))
    }
}

/// Reads the answer's body, if it is one of gRPC.
fn body(http: &mut Http2<Connection>, code: u16, fields: &[Field]) -> Result<Vec<u8>, CheckError> {
    if code != 200 {
        return Err(CheckError::new(format!("HTTP status {code}, wanted 200")));
    }
    let kind = value(fields, "content-type").unwrap_or_default();
    if !kind.starts_with("application/grpc") {
        let kind = shown(kind.as_bytes());
        return Err(CheckError::new(format!(
            "the answer is not of gRPC, but of the type {kind}"
        )));
    }
    let mut body = Vec::new();
    while let Some(piece) = http.data()? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(CheckError::new("an answer of more than 64 KiB"));
        }
        body.extend(piece);
    }
    Ok(body)
}

/// What is configured of TLS; `None`: it is not spoken.
fn tls(settings: &mut Settings) -> Result<Option<TlsOptions>, String> {
    let identity = match (settings.tls_certificate.take(), settings.tls_key.take()) {
        (None, None) => None,
        (Some(FileText(certificates)), Some(key)) => Some(Identity { certificates, key }),
        (Some(_), None) => return Err("tls-certificate needs tls-key".into()),
        (None, Some(_)) => return Err("tls-key needs tls-certificate".into()),
    };
    let authorities = settings.tls_authorities.take();
    if !settings.tls {
        return match (identity, authorities) {
            (None, None) => Ok(None),
            _ => Err("what is set of TLS needs tls = true".into()),
        };
    }
    let name = settings
        .host
        .as_deref()
        .and_then(|host| host.split(':').next())
        .filter(|name| !name.is_empty() && !name.starts_with('['));
    Ok(Some(TlsOptions {
        server_name: settings.sni.take().or_else(|| name.map(str::to_owned)),
        verify: settings.tls_verify,
        alpn: vec!["h2".into()],
        authorities: authorities.map(|FileText(pem)| pem),
        identity,
    }))
}

register_checker!(
    Grpc,
    "grpc",
    "a gRPC server says that it, or a service of its, is serving"
);

#[cfg(test)]
mod tests;
