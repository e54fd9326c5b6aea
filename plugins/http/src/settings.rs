//! What can be configured.

use evenkeel_sdk::{FileText, Secret, choice, settings};

use crate::method::Method;

choice! {
    /// What is spoken.
    pub enum Version {
        /// RFC 9112.
        One = "1.1",
        /// RFC 9113.
        Two = "2",
    }
}

choice! {
    /// What to do with a redirection.
    pub enum Redirects {
        /// It is an answer like others.
        Off = "off",
        /// Ask where it points to.
        Follow = "follow",
    }
}

settings! {
    /// One of several requests, as `{ path = "/a", status = "200" }`.
    #[derive(Debug)]
    pub struct Url {
        /// Path of the request, with its query if it has one.
        pub(crate) path: String,
        /// The Host header; that of the check if left out.
        pub(crate) host: Option<String>,
        /// Method of the request; that of the check if left out.
        pub(crate) method: Option<Method>,
        /// What a POST sends; that of the check if left out.
        pub(crate) body: Option<String>,
        /// Good statuses; those of the check if left out.
        pub(crate) status: Option<String>,
        /// Text that the body must contain.
        pub(crate) contains: Option<String>,
        /// A regular expression that the body must match, somewhere.
        pub(crate) regex: Option<String>,
        /// A regular expression that the body must not match anywhere.
        pub(crate) regex_absent: Option<String>,
        /// The MD5 sum of the body.
        #[pattern("[0-9A-Fa-f]{32}")]
        pub(crate) md5: Option<String>,
        /// The SHA-256 sum of the body.
        #[pattern("[0-9A-Fa-f]{64}")]
        pub(crate) sha256: Option<String>,
    }
}

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// What is spoken. "2" is negotiated over TLS (ALPN), and begun without asking over plain TCP.
        pub(crate) version: Version = Version::One,
        /// Path of the request, with its query if it has one.
        pub(crate) path: String = "/",
        /// The Host header; the server's address if left out.
        pub(crate) host: Option<String>,
        /// Method of the request.
        pub(crate) method: Method = Method::Get,
        /// What a POST sends. Say in headers what it is, such as "Content-Type: application/json".
        pub(crate) body: Option<String>,
        /// More headers, each as "Name: value".
        pub(crate) headers: Vec<String> = &[],
        /// Good statuses: numbers and ranges, with commas between them, such as "200,301-302".
        pub(crate) status: String = "200-399",
        /// Text that the body must contain. Without it the body is not read.
        pub(crate) contains: Option<String>,
        /// A regular expression that the body must match, somewhere. Without look-around and back-references.
        pub(crate) regex: Option<String>,
        /// A regular expression that the body must not match anywhere.
        pub(crate) regex_absent: Option<String>,
        /// The MD5 sum of the body, as keepalived's genhash prints it.
        #[pattern("[0-9A-Fa-f]{32}")]
        pub(crate) md5: Option<String>,
        /// The SHA-256 sum of the body, as sha256sum prints it.
        #[pattern("[0-9A-Fa-f]{64}")]
        pub(crate) sha256: Option<String>,
        /// Several requests, one after the other, in place of path and what is asked of its body: all must be answered
        /// well. They share a connection if the server keeps it.
        pub(crate) urls: Vec<Url>,
        /// Whether redirections are followed, 5 in a row at most and on this server alone: one to another host, port or
        /// scheme is a failure then.
        pub(crate) redirects: Redirects = Redirects::Off,
        /// Most bytes of the body that are read to find the text in it. With regex, regex-absent, md5 and sha256 it may
        /// be no longer.
        #[range(1..=16_777_216)]
        pub(crate) max_body: usize = 1 << 20,
        /// Whether to speak TLS: 1.3, or 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305.
        pub(crate) tls: bool = false,
        /// Whether the server's certificate must be valid and for its name. If not, any will do, also one that is too
        /// old or too short to be checked.
        pub(crate) tls_verify: bool = true,
        /// The name for TLS (SNI, certificate); the Host header's name if left out.
        pub(crate) sni: Option<String>,
        /// Certificates of authorities, in PEM, in place of the machine's.
        pub(crate) tls_authorities: Option<FileText>,
        /// A client certificate for servers that ask for one, in PEM, with those between it and its authority. Needs
        /// tls-key.
        pub(crate) tls_certificate: Option<FileText>,
        /// The private key of tls-certificate, in PEM without a password.
        pub(crate) tls_key: Option<Secret>,
        /// When the server's certificate is valid for fewer days, the log warns, once a day; the server stays healthy.
        #[range(1..=3650)]
        pub(crate) warn_days: Option<u32>,
        /// The User-Agent header.
        pub(crate) user_agent: String = concat!("evenkeel/", env!("CARGO_PKG_VERSION")),
        /// The Authorization header, such as "Bearer ..." or "Basic ...", all of it.
        pub(crate) authorization: Option<Secret>,
    }
}
