//! What compiling may take.

use std::time::Duration;

/// Limits of one run of the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Processor time, in seconds.
    pub(super) processor: u64,
    /// Time by the clock: a busy machine may need several times the processor time.
    pub(super) clock: Duration,
    /// Address space, in bytes.
    pub(super) memory: u64,
    /// Size of the machine code, in bytes.
    pub(super) code: u64,
}

const MIB: u64 = 1 << 20;

impl Limits {
    /// For a file of so many bytes. On a fast machine an 18 MB Python needs 40 s, and 50 kB of Rust half a second; an
    /// emulated one takes hundreds of times as long for the latter.
    pub(super) fn of(size: usize) -> Self {
        let mib = u64::try_from(size).unwrap_or(u64::MAX).div_ceil(MIB);
        let processor = mib.saturating_mul(15).saturating_add(240).min(600);
        Self {
            processor,
            clock: Duration::from_secs(processor * 2),
            memory: mib
                .saturating_mul(200 * MIB)
                .saturating_add(1024 * MIB)
                .min(4096 * MIB),
            code: mib
                .saturating_mul(16 * MIB)
                .saturating_add(16 * MIB)
                .min(1024 * MIB),
        }
    }
}
