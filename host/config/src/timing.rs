//! A check and its times.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::plugin::Several;
use super::reader::{Field, Reader};
use super::schema::CheckTable;
use super::tree::Span;
use super::units::in_words;
use super::uses::{Uses, Wanted};
use evenkeel_core::manifest::PluginKind;
use evenkeel_core::model::{Check, CheckTiming, PluginUse};

/// The timeout unless the interval is shorter.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A check before it is known which server it is for.
pub(super) struct Probe {
    plugin: PluginUse,
    timing: CheckTiming,
    address: Option<IpAddr>,
    port: Option<u16>,
}

impl Probe {
    /// The check of one server.
    pub(super) fn of(&self, server: SocketAddr) -> Check {
        let ip = self.address.unwrap_or(server.ip());
        let target = SocketAddr::new(ip, self.port.unwrap_or(server.port()));
        Check {
            plugin: self.plugin.clone(),
            target,
            timing: self.timing,
        }
    }
}

/// The checks; `None` if something in them is wrong.
pub(super) fn checks(
    field: &Field<Several<CheckTable>>,
    uses: &mut Uses<'_>,
    reader: &mut Reader,
) -> Option<Vec<Probe>> {
    if field.is_wrong() {
        return None;
    }
    let tables = field
        .get()
        .map(|several| several.0.as_slice())
        .unwrap_or_default();
    let read: Vec<Option<Probe>> = tables
        .iter()
        .map(|table| probe(table, uses, reader))
        .collect();
    read.into_iter().collect()
}

/// Understands a check. `None` if something in it is wrong, which has been reported then.
fn probe(table: &CheckTable, uses: &mut Uses<'_>, reader: &mut Reader) -> Option<Probe> {
    let timing = timing(table, reader);
    let plugin = match (table.plugin.get(), table.settings.get()) {
        (Some(name), Some(settings)) => {
            let wanted = Wanted {
                kind: PluginKind::Checker,
                name,
                at: &table.plugin.at,
                sha256: &table.sha256,
            };
            uses.resolve(&wanted, settings, reader)
        }
        _ => None,
    };
    let address = table.address.get().map(|address| address.0);
    let port = table.port.get().and_then(|port| u16::try_from(port.0).ok());
    Some(Probe {
        plugin: plugin?,
        timing: timing?,
        address,
        port,
    })
}

/// A value that is computed if it is not written; `None` if what is written is wrong.
fn or<T, V>(field: &Field<T>, value: fn(&T) -> V, otherwise: V) -> Option<V> {
    match field.get() {
        Some(written) => Some(value(written)),
        None if field.is_wrong() => None,
        None => Some(otherwise),
    }
}

fn timing(table: &CheckTable, reader: &mut Reader) -> Option<CheckTiming> {
    let interval = table.interval.get()?.0;
    let timeout = or(&table.timeout, |timeout| timeout.0, TIMEOUT.min(interval))?;
    let timing = CheckTiming {
        interval,
        timeout,
        retries: table.retries.get()?.0,
        retry_delay: or(&table.retry_delay, |delay| delay.0, timeout)?,
        rise: table.rise.get()?.0,
        alpha: *table.alpha.get()?,
    };
    if timing.timeout > timing.interval {
        let written = if table.timeout.written {
            &table.timeout
        } else {
            return Some(timing);
        };
        let what = format!("longer than the interval of {}", in_words(timing.interval));
        slow(&timing, "timeout", &written.at, &what, reader);
    }
    if timing.retries > 0 && timing.timeout > timing.retry_delay {
        let what = format!("shorter than the timeout of {}", in_words(timing.timeout));
        slow(&timing, "retry_delay", &table.retry_delay.at, &what, reader);
    }
    Some(timing)
}

fn slow(timing: &CheckTiming, key: &str, at: &Span, what: &str, reader: &mut Reader) {
    let message = format!("{key} = {}: {what}", reader.written(at));
    let help = format!(
        "a check that is not answered ends before the next one starts, so a server that is silent may stay in the pool for {}",
        in_words(detection(timing))
    );
    reader.warning(at, message, Some(help));
}

/// How long a server that stops answering stays in the pool at most: it may have passed a check just before.
fn detection(timing: &CheckTiming) -> Duration {
    let CheckTiming {
        interval,
        timeout,
        retries,
        retry_delay,
        ..
    } = *timing;
    let repetitions = retry_delay.max(timeout).saturating_mul(retries);
    interval.saturating_add(repetitions).saturating_add(timeout)
}
