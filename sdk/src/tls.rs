//! TLS, as a checker wants it and as a server shows it. The host does the cryptography.

use std::time::Duration;

use crate::kept::Secret;

/// How [`Target::connect_tls`](crate::Target::connect_tls) does the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// The name for SNI and that the certificate must be for; `None`: the server's address.
    pub server_name: Option<String>,
    /// Whether the certificate must be valid, trusted and for that name.
    pub verify: bool,
    /// Protocols to offer (ALPN), the preferred one first.
    pub alpn: Vec<String>,
    /// Certificates of authorities in place of the machine's, in PEM.
    pub authorities: Option<String>,
    /// Who the checker is, for servers that ask for a certificate.
    pub identity: Option<Identity>,
}

/// A client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// In PEM: its own certificate first, then those between it and its authority.
    pub certificates: String,
    /// In PEM, without a password.
    pub key: Secret,
}

impl TlsOptions {
    /// For a server of this name (SNI, certificate; `None`: its address), whose certificate must be valid or need not be.
    /// The rest is the default.
    #[must_use]
    pub fn named(server_name: Option<String>, verify: bool) -> Self {
        Self {
            server_name,
            verify,
            ..Self::default()
        }
    }

    /// Whether they are such as a transport of the contract says.
    pub(crate) fn is_plain(&self) -> bool {
        self.authorities.is_none() && self.identity.is_none()
    }
}

/// What a server's certificate says (RFC 5280, section 4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Since when it is valid, from 1970-01-01 00:00 UTC on, as [`utc`](crate::utc) counts.
    pub not_before: Duration,
    /// Until when.
    pub not_after: Duration,
    /// Whose it is, as of RFC 4514: `CN=www.example.org`.
    pub subject: String,
    /// Who has signed it.
    pub issuer: String,
    /// Host names and addresses that it is for.
    pub names: Vec<String>,
    /// All of it, in DER.
    pub der: Vec<u8>,
}

impl Certificate {
    /// Whole days until it ends, by the clock of [`utc`](crate::utc); negative if it has.
    #[must_use]
    pub fn days_left(&self) -> i64 {
        const DAY: i64 = 86_400;
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let left = seconds(self.not_after).saturating_sub(seconds(crate::utc()));
        left.div_euclid(DAY)
    }
}

impl Default for TlsOptions {
    /// The server's address, verified, no ALPN.
    fn default() -> Self {
        Self {
            server_name: None,
            verify: true,
            alpn: Vec::new(),
            authorities: None,
            identity: None,
        }
    }
}
