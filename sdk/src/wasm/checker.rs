//! A checker's exports, and the target that it gets.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use super::bindings::checker::evenkeel::plugin::{signals, target_io, tls};
use super::bindings::checker::exports::evenkeel::plugin::health_checker as contract;
use super::bindings::scheduler::evenkeel::plugin::types;
use super::{convert, report_panics, target};
use crate::checker::HealthChecker;
use crate::glue::{CheckerGlue, CheckerInstance};
use crate::registered::{Registered, manifest};
use crate::target::{RawConnection, RawTarget, Transport};
use crate::target_error::{Doing, TargetError};
use crate::tls::{Certificate, TlsOptions};

thread_local! {
    /// The checker that this instance of the module is, once it is configured. (A module has one
    /// thread.)
    static INSTANCE: RefCell<Option<Box<dyn CheckerInstance>>> = const { RefCell::new(None) };
}

/// The contract's functions for one type of checker.
#[derive(Debug)]
pub struct CheckerPlugin<C>(PhantomData<C>);

impl<C: HealthChecker + Registered> contract::Guest for CheckerPlugin<C> {
    fn describe() -> types::Manifest {
        report_panics();
        manifest::<C, C::Settings>().into()
    }

    fn configure(settings: Vec<types::Setting>) -> Result<(), String> {
        report_panics();
        let glue = CheckerGlue::<C>::configure(convert::values(settings))?;
        INSTANCE.set(Some(Box::new(glue)));
        Ok(())
    }

    fn check(target: target_io::Target) -> contract::Verdict {
        INSTANCE.with_borrow_mut(|instance| match instance {
            Some(checker) => checker.check(&target).into(),
            None => contract::Verdict::Unhealthy("the checker was not configured".into()),
        })
    }
}

impl RawTarget for target_io::Target {
    fn name(&self) -> String {
        Self::name(self)
    }

    fn endpoint(&self) -> SocketAddr {
        Self::endpoint(self).into()
    }

    fn time_left(&self) -> Duration {
        Duration::from_millis(Self::time_left(self).into())
    }

    fn report(&self, name: &str, value: f64) {
        signals::report(name, value);
    }

    fn connect(
        &self,
        transport: &Transport<'_>,
        timeout: Option<Duration>,
    ) -> Result<Box<dyn RawConnection>, TargetError> {
        let transport = match transport {
            Transport::Tcp => target_io::Transport::Tcp,
            Transport::Udp => target_io::Transport::Udp,
            Transport::Tls(options) => target_io::Transport::Tls((*options).into()),
        };
        match Self::connect(self, &transport, timeout.map(target::millis)) {
            Ok(connection) => Ok(Box::new(connection)),
            Err(error) => Err(target::error(error, Doing::Connecting)),
        }
    }
}

impl RawConnection for target_io::Connection {
    fn read(&mut self, max: u32, timeout: Option<Duration>) -> Result<Vec<u8>, TargetError> {
        Self::read(self, max, timeout.map(target::millis))
            .map_err(|error| target::error(error, Doing::Reading))
    }

    fn write(&mut self, bytes: &[u8], timeout: Option<Duration>) -> Result<(), TargetError> {
        Self::write(self, bytes, timeout.map(target::millis))
            .map_err(|error| target::error(error, Doing::Writing))
    }

    fn finish(&mut self) -> Result<(), TargetError> {
        Self::finish(self).map_err(|error| target::error(error, Doing::Writing))
    }

    fn start_tls(
        &mut self,
        options: &TlsOptions,
        timeout: Option<Duration>,
    ) -> Result<(), TargetError> {
        tls::start(self, &options.into(), timeout.map(target::millis))
            .map_err(|error| target::error(error, Doing::Connecting))
    }

    fn peer_certificate(&self) -> Result<Option<Certificate>, TargetError> {
        let certificate = tls::peer_certificate(self);
        certificate
            .map(|it| it.map(Into::into))
            .map_err(|error| target::error(error, Doing::Reading))
    }
}
