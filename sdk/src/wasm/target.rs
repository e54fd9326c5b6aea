//! What a checker can do with its target, in the contract's types.

use std::time::Duration;

use super::bindings::checker::evenkeel::plugin::{command, icmp, session, target_io, tls, watched};
use crate::command::CommandEnd;
use crate::target_error::{Doing, TargetError};
use crate::tls::{Certificate, Identity, TlsOptions};

/// Whole milliseconds, rounded up, as many as the contract can say.
pub(super) fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

// Functions and no methods of what a target is: so a plugin imports what it calls.

pub(crate) fn echo(bytes: u32, timeout: Option<Duration>) -> Result<Duration, TargetError> {
    let micros = icmp::echo(bytes, timeout.map(millis))
        .map_err(|error| self::error(error, Doing::Pinging))?;
    Ok(Duration::from_micros(micros.into()))
}

pub(crate) fn run_command(timeout: Option<Duration>) -> Result<CommandEnd, TargetError> {
    let ended = command::run(timeout.map(millis));
    let ended = ended.map_err(|error| self::error(error, Doing::Running))?;
    Ok(CommandEnd {
        code: ended.code,
        output: ended.output,
    })
}

pub(crate) fn watched_number() -> Result<i64, TargetError> {
    watched::number().map_err(|error| self::error(error, Doing::Reading))
}

pub(crate) fn session() -> Option<Vec<u8>> {
    session::load()
}

pub(crate) fn set_session(bytes: &[u8]) {
    session::store(bytes);
}

impl From<&TlsOptions> for target_io::TlsOptions {
    fn from(options: &TlsOptions) -> Self {
        Self {
            server_name: options.server_name.clone(),
            verify: options.verify,
            alpn: options.alpn.clone(),
        }
    }
}

impl From<&TlsOptions> for tls::Options {
    fn from(options: &TlsOptions) -> Self {
        let identity = |it: &Identity| tls::Identity {
            certificates: it.certificates.clone(),
            key: it.key.expose().to_owned(),
        };
        Self {
            server_name: options.server_name.clone(),
            verify: options.verify,
            alpn: options.alpn.clone(),
            authorities: options.authorities.clone(),
            identity: options.identity.as_ref().map(identity),
        }
    }
}

impl From<tls::Certificate> for Certificate {
    fn from(certificate: tls::Certificate) -> Self {
        Self {
            not_before: Duration::from_millis(certificate.not_before),
            not_after: Duration::from_millis(certificate.not_after),
            subject: certificate.subject,
            issuer: certificate.issuer,
            names: certificate.names,
            der: certificate.der,
        }
    }
}

/// The contract does not say what took too long; who called knows.
pub(super) fn error(error: target_io::Error, doing: Doing) -> TargetError {
    match error {
        target_io::Error::Refused => TargetError::Refused,
        target_io::Error::Unreachable => TargetError::Unreachable,
        target_io::Error::Reset => TargetError::Reset,
        target_io::Error::TimedOut => TargetError::TimedOut(doing),
        target_io::Error::Limit => TargetError::Limit,
        target_io::Error::Tls(reason) => TargetError::Tls(reason),
        target_io::Error::Other(reason) => TargetError::Other(reason),
    }
}
