//! The I/O of checkers, which is the same in every contract. Compiled once for each: `super` is that contract's module.
//!
//! A target or connection is only a number to the guest; without a check under way every number is void.

use std::time::Duration;

use wasmtime::component::Resource;

use super::checker::evenkeel::plugin::target_io::{
    Connection, Endpoint, Error, Host, HostConnection, HostTarget, Target, Transport,
};
use super::values;
use crate::probe::{self, Probe, ProbeError};
use crate::wasm::state::State;

impl From<ProbeError> for Error {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Refused => Self::Refused,
            ProbeError::Unreachable => Self::Unreachable,
            ProbeError::Reset => Self::Reset,
            ProbeError::TimedOut => Self::TimedOut,
            ProbeError::Limit => Self::Limit,
            ProbeError::Own(text) => Self::Other(text),
            ProbeError::Tls(text) => Self::Tls(text),
            ProbeError::Other(text) => Self::Other(text),
        }
    }
}

impl From<Transport> for probe::Transport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Tcp,
            Transport::Udp => Self::Udp,
            Transport::Tls(options) => Self::Tls(probe::TlsOptions {
                server_name: options.server_name,
                verify: options.verify,
                alpn: options.alpn,
                authorities: None,
                identity: None,
            }),
        }
    }
}

pub(super) fn probe(state: &mut State) -> Result<&mut Probe, Error> {
    let probe = state.probe.as_deref_mut();
    probe.ok_or_else(|| Error::Other("no check is under way".to_owned()))
}

pub(super) fn milliseconds(timeout: Option<u32>) -> Option<Duration> {
    timeout.map(|timeout| Duration::from_millis(timeout.into()))
}

impl Host for State {}

impl HostTarget for State {
    fn name(&mut self, _target: Resource<Target>) -> String {
        probe(self)
            .map(|probe| probe.target().name.clone())
            .unwrap_or_default()
    }

    fn endpoint(&mut self, _target: Resource<Target>) -> Endpoint {
        let unspecified = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
        values::endpoint(probe(self).map_or(unspecified, |probe| probe.target().address))
    }

    fn time_left(&mut self, _target: Resource<Target>) -> u32 {
        let left = probe(self).map_or(Duration::ZERO, |probe| probe.time_left());
        u32::try_from(left.as_millis()).unwrap_or(u32::MAX)
    }

    async fn connect(
        &mut self,
        _target: Resource<Target>,
        transport: Transport,
        timeout_ms: Option<u32>,
    ) -> Result<Resource<Connection>, Error> {
        let number = probe(self)?
            .connect(&transport.into(), milliseconds(timeout_ms))
            .await?;
        Ok(Resource::new_own(number))
    }

    fn drop(&mut self, _target: Resource<Target>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl HostConnection for State {
    async fn read(
        &mut self,
        connection: Resource<Connection>,
        max: u32,
        timeout_ms: Option<u32>,
    ) -> Result<Vec<u8>, Error> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        Ok(probe(self)?
            .read(connection.rep(), max, milliseconds(timeout_ms))
            .await?)
    }

    async fn write(
        &mut self,
        connection: Resource<Connection>,
        bytes: Vec<u8>,
        timeout_ms: Option<u32>,
    ) -> Result<(), Error> {
        Ok(probe(self)?
            .write(connection.rep(), &bytes, milliseconds(timeout_ms))
            .await?)
    }

    async fn finish(&mut self, connection: Resource<Connection>) -> Result<(), Error> {
        Ok(probe(self)?.finish(connection.rep()).await?)
    }

    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        if let Some(probe) = &mut self.probe {
            probe.close(connection.rep());
        }
        Ok(())
    }
}
