//! What an instance holds of WASI: streams, which are two and always the same, and timers.

use std::collections::BTreeMap;

/// The number of what is no timer: of streams, and of what is ready at once.
pub(in crate::wasm) const NO_TIMER: u32 = 0;

/// How many an instance may hold at once. The host keeps each.
const MOST: u32 = 1_000;

/// Counts what an instance holds, and knows when its timers end.
#[derive(Debug, Default)]
pub(in crate::wasm) struct Handles {
    held: u32,
    last: u32,
    /// By number: nanoseconds of the monotonic clock.
    timers: BTreeMap<u32, u64>,
}

impl Handles {
    /// It gets one. The error says that it holds too many.
    pub(in crate::wasm) fn open(&mut self) -> Result<(), String> {
        if self.held >= MOST {
            return Err(format!(
                "it holds {MOST} streams and timers of WASI, and wants one more: it must drop those it no longer needs"
            ));
        }
        self.held += 1;
        Ok(())
    }

    /// It gets a timer that ends then; its number.
    pub(in crate::wasm) fn open_timer(&mut self, end: u64) -> Result<u32, String> {
        self.open()?;
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != NO_TIMER && !self.timers.contains_key(&self.last) {
                self.timers.insert(self.last, end);
                return Ok(self.last);
            }
        }
    }

    /// It has dropped the one of this number.
    pub(in crate::wasm) fn close(&mut self, number: u32) {
        self.timers.remove(&number);
        self.held = self.held.saturating_sub(1);
    }

    /// When that ends; what is no timer has ended.
    pub(in crate::wasm) fn end(&self, number: u32) -> u64 {
        self.timers.get(&number).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_drops_nothing_gets_no_more_and_who_does_goes_on_for_ever() {
        let mut handles = Handles::default();
        for _ in 0..3 * MOST {
            let timer = handles.open_timer(7).unwrap();
            assert_eq!(handles.end(timer), 7);
            handles.close(timer);
            assert_eq!(handles.end(timer), 0);
        }
        for _ in 0..MOST {
            handles.open().unwrap();
        }
        assert!(handles.open_timer(7).unwrap_err().contains("1000 streams"));
        handles.close(NO_TIMER);
        handles.open().unwrap();
    }
}
