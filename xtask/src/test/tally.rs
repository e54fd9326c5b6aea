//! Adding up what test runners report.

use std::ops::AddAssign;

/// How many tests passed, failed and did not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// What one line of a runner's output reports, if it is one of those that sum up: nextest's `Summary [..] 12 tests
/// run: 11 passed, 1 failed, 2 skipped` or libtest's `test result: ok. 3 passed; 0 failed; 1 ignored; ...`. What
/// nextest shows of a test that has failed is indented: it may be the words of a libtest, whose failure is counted
/// already.
pub(crate) fn summary(line: &str) -> Option<Tally> {
    let counts = if line.trim_start().starts_with("Summary [") {
        line.split_once("run:")?.1
    } else {
        line.strip_prefix("test result: ")?.split_once(". ")?.1
    };
    let mut tally = Tally::default();
    for part in counts.split([',', ';', '(', ')']) {
        let mut words = part.split_whitespace();
        let (Some(count), Some(what)) = (words.next(), words.next()) else {
            continue;
        };
        let Ok(count) = count.parse::<usize>() else {
            continue;
        };
        match what {
            "passed" => tally.passed += count,
            "failed" | "timed" | "exec" => tally.failed += count,
            "skipped" | "ignored" => tally.skipped += count,
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_runners_summaries_are_understood() {
        let line = "     Summary [   1.727s] 15 tests run: 12 passed (1 slow), 2 failed, 1 timed out, 3 skipped";
        assert_eq!(
            summary(line),
            Some(Tally {
                passed: 12,
                failed: 3,
                skipped: 3
            })
        );
        let line = "test result: FAILED. 10 passed; 1 failed; 2 ignored; 0 measured; 4 filtered out; finished in 2s";
        assert_eq!(
            summary(line),
            Some(Tally {
                passed: 10,
                failed: 1,
                skipped: 2
            })
        );
    }

    #[test]
    fn other_lines_report_nothing() {
        assert_eq!(
            summary("    test result: FAILED. 0 passed; 1 failed; 0 ignored"),
            None,
            "shown by nextest"
        );
        assert_eq!(
            summary("        PASS [   0.024s] ( 2/12) evenkeel-tests::lab a_test"),
            None
        );
        assert_eq!(summary("running 3 tests"), None);
    }
}
