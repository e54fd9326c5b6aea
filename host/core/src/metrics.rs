//! Metrics of a plugin's own: counters and gauges that it keeps under names of its choice, for `status`.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::signals::why_not;

/// The most metrics of one plugin in one service.
pub const MAX_METRICS: usize = 64;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// Only grows, until another instance takes over.
    Counter(u64),
    /// Goes up and down.
    Gauge(f64),
}

/// The metrics of one instance of a plugin, or of all checks with the same settings.
#[derive(Debug, Default)]
pub struct PluginMetrics(Mutex<BTreeMap<String, Metric>>);

impl PluginMetrics {
    /// Adds to a counter.
    ///
    /// # Errors
    /// Says why not: the name is none, is that of a gauge, or one too many.
    pub fn count(&self, name: &str, by: u64) -> Result<(), String> {
        self.with(name, 0.0, Metric::Counter(0), |metric| match metric {
            Metric::Counter(count) => {
                *count = count.saturating_add(by);
                Ok(())
            }
            Metric::Gauge(_) => Err("it is a gauge".to_owned()),
        })
    }

    /// Sets a gauge.
    ///
    /// # Errors
    /// As [`Self::count`]; or the value is not finite.
    pub fn gauge(&self, name: &str, value: f64) -> Result<(), String> {
        self.with(name, value, Metric::Gauge(value), |metric| match metric {
            Metric::Gauge(now) => {
                *now = value;
                Ok(())
            }
            Metric::Counter(_) => Err("it is a counter".to_owned()),
        })
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Metric> {
        self.0.lock().clone()
    }

    fn with(
        &self,
        name: &str,
        value: f64,
        new: Metric,
        change: impl FnOnce(&mut Metric) -> Result<(), String>,
    ) -> Result<(), String> {
        if let Some(why) = why_not(name, value) {
            return Err(why);
        }
        let mut metrics = self.0.lock();
        if let Some(metric) = metrics.get_mut(name) {
            return change(metric);
        }
        if metrics.len() >= MAX_METRICS {
            return Err(format!("there are {MAX_METRICS} already"));
        }
        change(metrics.entry(name.to_owned()).or_insert(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_gauges_are_what_they_were_set_to() {
        let metrics = PluginMetrics::default();
        metrics.count("picks", 2).unwrap();
        metrics.count("picks", 3).unwrap();
        metrics.gauge("target", 0.5).unwrap();
        metrics.gauge("target", -1.0).unwrap();
        metrics.count("most", u64::MAX).unwrap();
        metrics.count("most", 1).unwrap();
        let all = Vec::from_iter(metrics.all());
        let wanted = [
            ("most", Metric::Counter(u64::MAX)),
            ("picks", Metric::Counter(5)),
            ("target", Metric::Gauge(-1.0)),
        ];
        assert_eq!(all, wanted.map(|(name, metric)| (name.to_owned(), metric)));
    }

    #[test]
    fn what_is_refused_says_why_and_changes_nothing() {
        let metrics = PluginMetrics::default();
        metrics.count("picks", 1).unwrap();
        metrics.gauge("target", 1.0).unwrap();
        let before = metrics.all();
        for (refused, why) in [
            (metrics.count("target", 1), "it is a gauge"),
            (metrics.gauge("picks", 1.0), "it is a counter"),
            (metrics.gauge("target", f64::NAN), "not a number"),
            (metrics.count("two words", 1), "not of letters"),
        ] {
            let said = refused.unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        assert_eq!(metrics.all(), before);
        for number in 0..MAX_METRICS - 2 {
            metrics.count(&format!("n{number}"), 1).unwrap();
        }
        let said = metrics.count("one-more", 1).unwrap_err();
        assert!(said.contains("64 already"), "{said}");
        metrics.count("picks", 1).unwrap();
    }
}
