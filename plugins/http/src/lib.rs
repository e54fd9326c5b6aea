//! Healthy is who answers HTTP requests with a good status and, if asked for, the right text.

use std::borrow::Cow;
use std::rc::Rc;

use evenkeel_sdk::{
    CheckError, FileText, HealthChecker, Identity, Target, TlsOptions, Verdict, register_checker,
};

mod body;
mod certificate;
mod client;
mod framing;
mod head;
mod method;
mod one;
mod redirect;
mod request;
mod search;
mod settings;
mod texts;
mod two;
mod wanted;
mod whole;
mod wire;

use self::client::{Client, Connector};
pub use self::method::Method;
use self::one::One;
use self::request::{Common, Request};
use self::settings::{Redirects, Url};
pub use self::settings::{Settings, Version};
use self::texts::Texts;
use self::two::Two;
use self::wanted::Wanted;

/// Redirections in a row that are followed.
const MOST_REDIRECTS: usize = 5;
/// Requests of one check.
const MOST_URLS: usize = 64;

/// The checker.
#[derive(Debug)]
pub struct Http {
    version: Version,
    asked: Vec<Asked>,
    follow: bool,
    tls: Option<TlsOptions>,
    warn_days: Option<u32>,
}

/// A request and what its answer must be.
#[derive(Debug)]
struct Asked {
    request: Request,
    wanted: Wanted,
}

impl HealthChecker for Http {
    type Settings = Settings;

    fn new(mut settings: Settings) -> Result<Self, String> {
        let tls = tls(&mut settings)?;
        if tls.is_none() && settings.warn_days.is_some() {
            return Err("what is set of TLS needs tls = true".into());
        }
        Ok(Self {
            version: settings.version,
            follow: settings.redirects == Redirects::Follow,
            warn_days: settings.warn_days,
            asked: asked(settings)?,
            tls,
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let connector = Connector::new(target, self.tls.as_ref(), self.warn_days);
        match self.version {
            Version::One => self.ask_all(target, &mut One::new(connector)),
            Version::Two => self.ask_all(target, &mut Two::new(connector)),
        }
    }
}

impl Http {
    fn ask_all(
        &self,
        target: &Target<'_>,
        client: &mut impl Client,
    ) -> Result<Verdict, CheckError> {
        for (n, asked) in self.asked.iter().enumerate() {
            let last = n + 1 == self.asked.len() && !self.follow;
            let answered = self.ask(target, client, asked, last);
            // Of several, which one.
            answered.map_err(|error| match &self.asked[..] {
                [_] => error,
                _ => CheckError::new(format!("{}: {error}", asked.request.path)),
            })?;
        }
        Ok(Verdict::Healthy)
    }

    fn ask(
        &self,
        target: &Target<'_>,
        client: &mut impl Client,
        asked: &Asked,
        last: bool,
    ) -> Result<(), CheckError> {
        let mut request = Cow::Borrowed(&asked.request);
        let mut followed = 0;
        loop {
            let head = client.ask(&request, last)?;
            let location = head
                .location
                .as_deref()
                .filter(|_| self.follow && matches!(head.status, 301 | 302 | 303 | 307 | 308));
            let Some(location) = location else {
                asked.wanted.judge(client, &head)?;
                if !last {
                    client.done();
                }
                return Ok(());
            };
            if followed == MOST_REDIRECTS {
                let reason = format!("more than {MOST_REDIRECTS} redirections");
                return Err(CheckError::new(reason));
            }
            followed += 1;
            let path = redirect::path(location, &request, target.endpoint())?;
            client.done();
            request = Cow::Owned(request.redirected(head.status, path));
        }
    }
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
    let host = settings.host.as_deref().and_then(request::name_of);
    let protocol = match settings.version {
        Version::One => "http/1.1",
        Version::Two => "h2",
    };
    Ok(Some(TlsOptions {
        server_name: settings.sni.take().or_else(|| host.map(str::to_owned)),
        verify: settings.tls_verify,
        alpn: vec![protocol.into()],
        authorities: authorities.map(|FileText(pem)| pem),
        identity,
    }))
}

/// All that is asked, in its order.
fn asked(settings: Settings) -> Result<Vec<Asked>, String> {
    let common = Rc::new(Common::new(
        settings.user_agent,
        settings.authorization,
        &settings.headers,
        settings.tls,
    )?);
    let texts = Texts {
        contains: settings.contains,
        regex: settings.regex,
        regex_absent: settings.regex_absent,
        md5: settings.md5,
        sha256: settings.sha256,
    };
    if settings.urls.is_empty() {
        let (method, host) = (settings.method, settings.host);
        return Ok(vec![Asked {
            request: Request::new(method, settings.path, host, settings.body, common)?,
            wanted: Wanted::new(method, &settings.status, texts, settings.max_body)?,
        }]);
    }
    if settings.path != "/" || !texts.is_empty() {
        return Err(
            "with urls, path, contains, regex, regex-absent, md5 and sha256 are said in its tables"
                .into(),
        );
    }
    if settings.urls.len() > MOST_URLS {
        let count = settings.urls.len();
        return Err(format!("{count} urls; {MOST_URLS} are possible"));
    }
    let one = |url: Url| {
        let method = url.method.unwrap_or(settings.method);
        let usual = settings.body.clone().filter(|_| method == Method::Post);
        let texts = Texts {
            contains: url.contains,
            regex: url.regex,
            regex_absent: url.regex_absent,
            md5: url.md5,
            sha256: url.sha256,
        };
        let host = url.host.or_else(|| settings.host.clone());
        let body = url.body.or(usual);
        let status = url.status.as_deref().unwrap_or(&settings.status);
        Ok(Asked {
            request: Request::new(method, url.path, host, body, Rc::clone(&common))?,
            wanted: Wanted::new(method, status, texts, settings.max_body)?,
        })
    };
    let numbered = settings.urls.into_iter().enumerate();
    numbered
        .map(|(n, url)| one(url).map_err(|why: String| format!("urls, table {}: {why}", n + 1)))
        .collect()
}

register_checker!(
    Http,
    "http",
    "HTTP requests are answered with a good status and text"
);

#[cfg(test)]
mod tests;
