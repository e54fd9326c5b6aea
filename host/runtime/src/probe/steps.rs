//! What a check has done on the network, step by step, each with its time: for whoever wants to know where it spends it.

use std::time::Duration;

use tokio::time::Instant;

use super::doing::Doing;
use super::transport::ProbeError;
use crate::Step;

/// Steps that are kept; a check that does more is known by its first ones.
const MAX: usize = 64;

/// The steps of one check. Two that are alike, one after the other, are one.
#[derive(Debug, Default)]
pub(super) struct Steps {
    done: Vec<Step>,
    under_way: Option<(&'static str, Instant)>,
    /// Whether there were more.
    full: bool,
}

impl Steps {
    /// Something begins.
    pub(super) fn begin(&mut self, doing: Doing, now: Instant) {
        self.under_way = Some((name(doing), now));
    }

    /// What is under way has ended.
    pub(super) fn end<T>(&mut self, result: &Result<T, ProbeError>, now: Instant) {
        let failed = result.as_ref().err().map(words);
        if let Some((what, began)) = self.under_way.take() {
            self.add(what, now.saturating_duration_since(began), failed);
        }
    }

    /// So many bytes were sent or received in the step that was last.
    pub(super) fn bytes(&mut self, bytes: usize) {
        if let Some(step) = self.done.last_mut().filter(|_| !self.full) {
            step.bytes = step.bytes.saturating_add(bytes as u64);
        }
    }

    /// All, with the one that is under way.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Step> {
        if let Some((what, began)) = self.under_way.take() {
            let took = now.saturating_duration_since(began);
            self.add(what, took, Some("did not end in time".to_owned()));
        }
        std::mem::take(&mut self.done)
    }

    fn add(&mut self, what: &'static str, took: Duration, failed: Option<String>) {
        if let Some(last) = self.done.last_mut()
            && last.what == what
            && last.failed.is_none()
            && failed.is_none()
        {
            last.times += 1;
            last.took += took;
            return;
        }
        self.full = self.done.len() >= MAX;
        if !self.full {
            self.done.push(Step {
                what,
                times: 1,
                took,
                bytes: 0,
                failed,
            });
        }
    }
}

fn name(doing: Doing) -> &'static str {
    match doing {
        Doing::Nothing => "nothing",
        Doing::Connecting => "connect",
        Doing::Greeting => "TLS",
        Doing::Pinging => "echo",
        Doing::Running => "command",
        Doing::Looking => "file",
        Doing::Reading => "read",
        Doing::Writing => "write",
        Doing::Finishing => "end",
    }
}

fn words(error: &ProbeError) -> String {
    let fixed = match error {
        ProbeError::Refused => "connection refused",
        ProbeError::Unreachable => "unreachable",
        ProbeError::Reset => "connection reset",
        ProbeError::TimedOut => "timed out",
        ProbeError::Limit => "more than a check may do",
        ProbeError::Own(text) | ProbeError::Tls(text) | ProbeError::Other(text) => text,
    };
    fixed.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn steps_that_are_alike_are_one_and_what_is_cut_off_is_said() {
        let start = Instant::now();
        let mut steps = Steps::default();
        steps.begin(Doing::Connecting, start);
        steps.end(&Ok(()), start + MS);
        for n in [2, 4] {
            steps.begin(Doing::Reading, start + n * MS);
            steps.end(&Ok(()), start + (n + 1) * MS);
            steps.bytes(100);
        }
        steps.begin(Doing::Reading, start + 5 * MS);
        let steps = steps.take(start + 9 * MS);
        let said: Vec<_> = steps
            .iter()
            .map(|it| (it.what, it.times, it.took, it.bytes, it.failed.is_some()))
            .collect();
        assert_eq!(
            said,
            [
                ("connect", 1, MS, 0, false),
                ("read", 2, 2 * MS, 200, false),
                ("read", 1, 4 * MS, 0, true)
            ]
        );
    }

    #[test]
    fn a_check_that_does_ever_more_is_known_by_its_first_steps() {
        let now = Instant::now();
        let mut steps = Steps::default();
        for n in 0..1000 {
            let doing = [Doing::Reading, Doing::Writing][n % 2];
            steps.begin(doing, now);
            steps.end(&Ok(()), now);
        }
        assert_eq!(steps.take(now).len(), MAX);
    }
}
