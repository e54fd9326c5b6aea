//! A check and its times.

use std::collections::BTreeMap;
use std::time::Duration;

use super::optional::optional;
use super::plugin::{CheckName, Several};
use super::probe::Probe;
use super::reader::{Field, Reader, Wrong};
use super::schema::{CheckKeys, CheckTable, SharedCheckTable};
use super::tree::Span;
use super::unique::unique;
use super::units::in_words;
use super::uses::{Uses, Wanted};
use evenkeel_core::manifest::PluginKind;
use evenkeel_core::model::CheckTiming;

/// The timeout unless the interval is shorter.
const TIMEOUT: Duration = Duration::from_secs(3);

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
        .map(|table| match uses.shared(table) {
            Some(shared) => shared,
            None if uses.changes_shared(table) => {
                let what = "a [[check]], which is as it is wherever it is named";
                let help = "write its name alone, in place of the table; or another [[check]] of these keys";
                let at = &table.plugin.at;
                reader.wrong_at("plugin", at, Wrong::new(what, help));
                None
            }
            None => probe(table.keys(), uses, reader),
        })
        .collect();
    read.into_iter().collect()
}

/// The checks that services refer to, by name; `None` for those in which something is wrong.
pub(super) fn shared(
    tables: &[SharedCheckTable],
    uses: &mut Uses<'_>,
    reader: &mut Reader,
) -> BTreeMap<String, Option<Probe>> {
    let mut seen = BTreeMap::new();
    let mut checks = BTreeMap::new();
    for table in tables {
        let read = probe(table.keys(), uses, reader);
        let Some(CheckName(name)) = table.name.get() else {
            continue;
        };
        let what = "another [[check]] has this name";
        unique(
            &mut seen,
            name.clone(),
            "name",
            &table.name.at,
            what,
            reader,
        );
        let named = read.map(|probe| Probe {
            shared: Some(name.clone()),
            ..probe
        });
        checks.entry(name.clone()).or_insert(named);
    }
    checks
}

/// A [[check]] that nobody refers to is a slip.
pub(super) fn warn_of_unused(tables: &[SharedCheckTable], uses: &Uses<'_>, reader: &mut Reader) {
    for table in tables {
        if let Some(CheckName(name)) = table.name.get()
            && !uses.is_used(name)
        {
            let message = format!("check {name} is not used");
            let help = format!("write check = \"{name}\" in a [[service]] or [[service.server]]");
            reader.warning(&table.name.at, message, Some(help));
        }
    }
}

/// Understands a check. `None` if something in it is wrong, which has been reported then.
fn probe(table: CheckKeys<'_>, uses: &mut Uses<'_>, reader: &mut Reader) -> Option<Probe> {
    let timing = timing(table, reader);
    let plugin = match (table.plugin.get(), table.settings.get()) {
        (Some(name), Some(settings)) => {
            let wanted = Wanted {
                kind: PluginKind::Checker,
                name,
                at: &table.plugin.at,
                sha256: table.sha256,
            };
            uses.resolve(&wanted, settings, reader)
        }
        _ => None,
    };
    let address = table.address.get().map(|address| address.0);
    let port = table.port.get().and_then(|port| u16::try_from(port.0).ok());
    Some(Probe {
        shared: None,
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

fn timing(table: CheckKeys<'_>, reader: &mut Reader) -> Option<CheckTiming> {
    let interval = table.interval.get()?.0;
    let timeout = or(table.timeout, |timeout| timeout.0, TIMEOUT.min(interval))?;
    let timing = CheckTiming {
        interval,
        timeout,
        retries: table.retries.get()?.0,
        retry_delay: or(table.retry_delay, |delay| delay.0, timeout)?,
        rise: table.rise.get()?.0,
        alpha: *table.alpha.get()?,
        fast_interval: optional(table.fast_interval, |it| it.0)?,
        down_interval: optional(table.down_interval, |it| it.0)?,
        warmup: optional(table.warmup, |it| it.0)?,
    };
    if timing.timeout > timing.interval {
        let written = if table.timeout.written {
            table.timeout
        } else {
            return Some(timing);
        };
        let what = format!("longer than the interval of {}", in_words(timing.interval));
        slow(&timing, "timeout", &written.at, &what, reader);
    }
    if timing.fast_interval.is_some() && table.retry_delay.written {
        let message = format!(
            "retry_delay = {} means nothing beside fast_interval",
            reader.written(&table.retry_delay.at)
        );
        let help =
            "remove one of them: fast_interval also holds while a server that was down passes";
        reader.warning(&table.retry_delay.at, message, Some(help.to_owned()));
    }
    if timing.retries > 0 && timing.fast_interval.is_none() && timing.timeout > timing.retry_delay {
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
        fast_interval,
        ..
    } = *timing;
    let repetition = fast_interval.unwrap_or(retry_delay).max(timeout);
    let repetitions = repetition.saturating_mul(retries);
    interval.saturating_add(repetitions).saturating_add(timeout)
}
