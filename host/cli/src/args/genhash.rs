//! The arguments of `evenkeel genhash`.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use hyper::Uri;

/// Shown below `genhash --help`.
pub(crate) const EXAMPLES: &str = "\
Examples:
  evenkeel genhash http://10.0.0.31:8080/ready
  evenkeel genhash https://10.0.0.31/ -V www.example.net     the page of that Host header
  evenkeel genhash -s 10.0.0.31 -p 80 -u /ready              as keepalived's genhash is called

Into the configuration:
  check = { plugin = \"http\", settings = { path = \"/ready\", md5 = \"...\" } }";

/// Which page, and which sum.
#[derive(Debug, Args)]
pub(crate) struct GenhashArgs {
    /// The page, such as http://HOST:PORT/PATH or https://HOST/PATH
    #[arg(required_unless_present = "server", conflicts_with_all = ["server", "port", "path", "tls"])]
    url: Option<String>,
    /// The sum: for the setting `md5` of the `http` checker, or for `sha256`.
    #[arg(long, value_enum, default_value_t = Sum::Md5)]
    pub(crate) sum: Sum,
    /// As keepalived's genhash: the server, in place of a URL.
    #[arg(short = 's', long, value_name = "HOST")]
    server: Option<String>,
    /// As keepalived's genhash: the port; 80, or 443 with TLS.
    #[arg(short = 'p', long)]
    port: Option<u16>,
    /// As keepalived's genhash: the path.
    #[arg(short = 'u', long = "url", value_name = "PATH", default_value = "/")]
    path: String,
    /// As keepalived's genhash: over TLS.
    #[arg(short = 'S', long = "use-ssl")]
    tls: bool,
    /// The Host header, and with TLS the name that the server is asked for: the `host` of the `http` checker.
    #[arg(short = 'V', long = "use-virtualhost", value_name = "NAME")]
    virtual_host: Option<String>,
}

/// How the body is summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sum {
    /// For `md5`, and for keepalived's `digest`.
    Md5,
    /// For `sha256`.
    Sha256,
}

/// Where the body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// Over TLS.
    pub(crate) tls: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// With the query.
    pub(crate) path: String,
    /// The Host header.
    pub(crate) host_header: String,
    /// The name for TLS.
    pub(crate) name: String,
}

impl GenhashArgs {
    /// The page that is meant.
    ///
    /// # Errors
    /// When it is not one of http or https.
    pub(crate) fn page(&self) -> anyhow::Result<Page> {
        let url = match (&self.url, &self.server) {
            (Some(url), _) => url.clone(),
            (None, Some(server)) => {
                let scheme = if self.tls { "https" } else { "http" };
                let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
                let server = if server.contains(':') {
                    format!("[{server}]")
                } else {
                    server.clone()
                };
                let slash = if self.path.starts_with('/') { "" } else { "/" };
                format!("{scheme}://{server}{port}{slash}{}", self.path)
            }
            (None, None) => bail!("which page? a URL, or -s HOST"),
        };
        let uri: Uri = url.parse().with_context(|| format!("{url:?} is no URL"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => bail!("{url:?}: expected http://... or https://..."),
        };
        let authority = uri.authority().context("a URL without a host")?;
        if authority.as_str().contains('@') {
            bail!("{url:?}: a user in a URL is not sent");
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let virtual_host = self.virtual_host.as_deref();
        Ok(Page {
            tls,
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            path: uri
                .path_and_query()
                .map_or("/", |it| it.as_str())
                .to_owned(),
            host_header: virtual_host.unwrap_or(authority.as_str()).to_owned(),
            name: virtual_host.map_or(&*host, without_port).to_owned(),
            host,
        })
    }
}

fn without_port(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: GenhashArgs,
    }

    fn page(words: &str) -> anyhow::Result<Page> {
        let words = std::iter::once("genhash").chain(words.split(' '));
        Cli::try_parse_from(words)?.args.page()
    }

    #[test]
    fn a_page_is_named_by_its_url_or_as_keepalived_s_genhash_has_it() {
        let by_url = page("http://10.0.0.31:8080/ready?x=1").unwrap();
        assert_eq!(by_url, page("-s 10.0.0.31 -p 8080 -u /ready?x=1").unwrap());
        assert_eq!(
            (&*by_url.host_header, by_url.port),
            ("10.0.0.31:8080", 8080)
        );
        let six = page("https://[2001:db8::1]/").unwrap();
        assert_eq!(six, page("-S -s 2001:db8::1 -u /").unwrap());
        assert_eq!((&*six.host, six.port, six.tls), ("2001:db8::1", 443, true));
        let named = page("https://10.0.0.31/ -V www.example.net:443").unwrap();
        assert_eq!(
            (&*named.host, &*named.host_header, &*named.name),
            ("10.0.0.31", "www.example.net:443", "www.example.net")
        );
        for wrong in [
            "ftp://a/",
            "a/b",
            "http://user@a/",
            "http://a/ -s b",
            "-p 80",
        ] {
            assert!(page(wrong).is_err(), "{wrong}");
        }
    }
}
