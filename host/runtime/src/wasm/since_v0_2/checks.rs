//! What checkers are offered beyond plain connections: TLS with all its options, ICMP, a command, a file, a
//! session and signals.

use std::time::Duration;

use wasmtime::component::Resource;

use super::checker::evenkeel::plugin::target_io::{Connection, Error};
use super::checker::evenkeel::plugin::{command, icmp, session, signals, tls, watched};
use super::target_io::{milliseconds, probe};
use crate::probe::{Certificate, TlsIdentity, TlsOptions};
use crate::wasm::state::State;

fn whole_milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<tls::Options> for TlsOptions {
    fn from(options: tls::Options) -> Self {
        let identity = |it: tls::Identity| TlsIdentity {
            certificates: it.certificates,
            key: it.key,
        };
        Self {
            server_name: options.server_name,
            verify: options.verify,
            alpn: options.alpn,
            authorities: options.authorities,
            identity: options.identity.map(identity),
        }
    }
}

impl From<Certificate> for tls::Certificate {
    fn from(certificate: Certificate) -> Self {
        Self {
            not_before: whole_milliseconds(certificate.not_before),
            not_after: whole_milliseconds(certificate.not_after),
            subject: certificate.subject,
            issuer: certificate.issuer,
            names: certificate.names,
            der: certificate.der,
        }
    }
}

impl tls::Host for State {
    async fn start(
        &mut self,
        connection: Resource<Connection>,
        options: tls::Options,
        timeout_ms: Option<u32>,
    ) -> Result<(), Error> {
        let (connection, timeout) = (connection.rep(), milliseconds(timeout_ms));
        Ok(probe(self)?
            .start_tls(connection, &options.into(), timeout)
            .await?)
    }

    fn peer_certificate(
        &mut self,
        connection: Resource<Connection>,
    ) -> Result<Option<tls::Certificate>, Error> {
        let certificate = probe(self)?.peer_certificate(connection.rep())?;
        Ok(certificate.map(Into::into))
    }
}

impl icmp::Host for State {
    async fn echo(&mut self, bytes: u32, timeout_ms: Option<u32>) -> Result<u32, Error> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let time = probe(self)?.echo(bytes, milliseconds(timeout_ms)).await?;
        Ok(u32::try_from(time.as_micros()).unwrap_or(u32::MAX))
    }
}

impl command::Host for State {
    async fn run(&mut self, timeout_ms: Option<u32>) -> Result<command::Outcome, Error> {
        let ended = probe(self)?.run(milliseconds(timeout_ms)).await?;
        Ok(command::Outcome {
            code: ended.code,
            output: String::from_utf8_lossy(&ended.output).into_owned(),
        })
    }
}

impl watched::Host for State {
    async fn number(&mut self) -> Result<i64, Error> {
        Ok(probe(self)?.number().await?)
    }
}

impl session::Host for State {
    fn load(&mut self) -> Option<Vec<u8>> {
        let probe = self.probe.as_deref()?;
        probe.session().map(<[u8]>::to_vec)
    }

    fn store(&mut self, bytes: Vec<u8>) {
        self.keep_session(bytes);
    }
}

impl signals::Host for State {
    fn report(&mut self, name: String, value: f64) {
        self.report_signal(name, value);
    }
}
