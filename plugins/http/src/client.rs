//! Whoever asks a server, whatever the version of HTTP.

use evenkeel_sdk::{CheckError, Connection, Target, TlsOptions};

use crate::certificate;
use crate::head::Head;
use crate::request::Request;
use crate::search::Search;

/// Asks, and reads the answer.
pub(crate) trait Client {
    /// Sends a request and reads the answer up to its body. `last`: there will be no other one.
    fn ask(&mut self, request: &Request, last: bool) -> Result<Head, CheckError>;

    /// Reads the body until `search` knows enough. `Ok(false)`: it has come to its end before.
    fn read(&mut self, search: &mut dyn Search) -> Result<bool, CheckError>;

    /// Nobody wants more of that answer: the next request may come.
    fn done(&mut self);
}

/// Makes connections to the server of one check.
pub(crate) struct Connector<'a> {
    pub(crate) target: &'a Target<'a>,
    tls: Option<&'a TlsOptions>,
    /// Days below which a certificate is worth a warning.
    warn_days: Option<u32>,
    /// Whether its certificate was looked at.
    seen: bool,
}

impl<'a> Connector<'a> {
    pub(crate) fn new(
        target: &'a Target<'a>,
        tls: Option<&'a TlsOptions>,
        warn_days: Option<u32>,
    ) -> Self {
        Self {
            target,
            tls,
            warn_days,
            seen: false,
        }
    }

    pub(crate) fn connect(&mut self) -> Result<Connection, CheckError> {
        let Some(options) = self.tls else {
            return Ok(self.target.connect_tcp()?);
        };
        let connection = self.target.connect_tls(options)?;
        // A certificate that cannot be understood says nothing.
        if !self.seen
            && let Ok(Some(shown)) = connection.peer_certificate()
        {
            certificate::tell(self.target, &shown, self.warn_days);
        }
        self.seen = true;
        Ok(connection)
    }
}
