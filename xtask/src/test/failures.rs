//! Which tests failed and with what words, to be said again at the end, where it is looked for.

/// The lines of runners that name a test that failed (nextest's `FAIL [..] .. name`, libtest's list after `failures:`),
/// and the panics before them with the line after, each once and in order.
pub(super) fn failures<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |text: String| {
        if !found.contains(&text) {
            found.push(text);
        }
    };
    let (mut listing, mut panic) = (false, None);
    for line in lines {
        let line = line.trim_end();
        let text = line.trim_start();
        if let Some(panic) = panic.take() {
            add(format!("  {panic} {text}"));
        }
        // Between its name and that the thread may have its number.
        if text.starts_with("thread '") && text.contains(" panicked at ") {
            panic = Some(text.to_owned());
        }
        if ["FAIL [", "TIMEOUT [", "ABORT ["]
            .iter()
            .any(|it| text.starts_with(it))
            || text.starts_with("SIG") && text.contains("s] (")
        {
            let name = text.split_once(") ").map_or(text, |(_, name)| name);
            add(format!("FAILED: {}", name.trim()));
        }
        match line.strip_prefix("    ") {
            Some(name) if listing && !name.contains(' ') => add(format!("FAILED: {name}")),
            _ => listing = line == "failures:" || listing && line.is_empty(),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_that_failed_are_named_once_with_their_panics() {
        let nextest = "
        PASS [   0.5s] ( 1/3) krate tests::good
        FAIL [   0.5s] ( 2/3) krate tests::bad
  stdout ---
    failures:
        tests::bad
  stderr ---
    thread 'tests::bad' (2) panicked at src/left.rs:257:9:
    assertion failed: it
    stack backtrace:
     TIMEOUT [   9.5s] ( 3/3) krate tests::slow
        FAIL [   0.5s] ( 2/3) krate tests::bad";
        assert_eq!(
            failures(nextest.lines()),
            [
                "FAILED: krate tests::bad",
                "  thread 'tests::bad' (2) panicked at src/left.rs:257:9: assertion failed: it",
                "FAILED: krate tests::slow",
            ]
        );
        let libtest = "test a::good ... ok\r
thread 'a::bad' panicked at src/a.rs:2:9:\r
no answer\r

failures:\r

failures:\r
    a::bad\r
\r
test result: FAILED. 1 passed; 1 failed";
        assert_eq!(
            failures(libtest.lines()),
            [
                "  thread 'a::bad' panicked at src/a.rs:2:9: no answer",
                "FAILED: a::bad",
            ]
        );
    }
}
