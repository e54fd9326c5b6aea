//! A checker that does what no checker should, so that tests can see the host bear it.
use std::hint::black_box;
use std::io::{Read, Write};

use evenkeel_sdk::{
    CheckError, Connection, HealthChecker, Target, Verdict, choice, register_checker, settings,
    warn,
};

choice! {
    /// What it does in a check.
    pub enum How {
        /// Never ends, using the processor.
        Spin = "spin",
        /// Takes memory without end.
        Allocate = "allocate",
        /// Panics.
        Panic = "panic",
        /// Calls itself until the stack is used up.
        Recurse = "recurse",
        /// Opens connections until it gets no more.
        TooManyConnects = "too-many-connects",
        /// Keeps its first connection for the next check, and uses it there.
        KeepConnection = "keep-connection",
        /// Connects and reads for ever.
        Hang = "hang",
        /// Connects and reads for ever, whatever error comes.
        Stubborn = "stubborn",
        /// Connects and writes without end.
        Flood = "flood",
        /// Logs without end before it answers (a million messages), then says healthy.
        LogFlood = "log-flood",
        /// Says healthy and unhealthy in turn.
        Alternate = "alternate",
        /// Says degraded to 255 percent.
        Overdone = "overdone",
    }
}

settings! {
    /// What can be configured.
    pub struct Settings {
        /// What it does in a check.
        how: How,
    }
}

/// The checker.
pub struct Misbehave {
    how: How,
    checks: u32,
    kept: Option<Connection>,
}

impl HealthChecker for Misbehave {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self {
            how: settings.how,
            checks: 0,
            kept: None,
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        self.checks += 1;
        match self.how {
            How::Spin => spin(),
            How::Allocate => allocate(),
            How::Panic => panic!("misbehaving on purpose"),
            How::Recurse => {
                black_box(recurse(0));
            }
            How::TooManyConnects => {
                let mut open = Vec::new();
                loop {
                    open.push(target.connect_tcp()?);
                }
            }
            How::KeepConnection => return self.keep(target),
            How::Hang => {
                let mut connection = target.connect_tcp()?;
                let mut buffer = [0; 1024];
                loop {
                    black_box(connection.read(&mut buffer)?);
                }
            }
            How::Stubborn => {
                let mut connection = target.connect_tcp()?;
                loop {
                    let _ = black_box(connection.read(&mut [0; 1024]));
                }
            }
            How::Flood => {
                let mut connection = target.connect_tcp()?;
                loop {
                    connection.write_all(&[b'x'; 65_536])?;
                }
            }
            How::LogFlood => (0..1_000_000).for_each(|i| warn!("message {i} of a flood")),
            How::Alternate if self.checks.is_multiple_of(2) => {
                return Err(CheckError::new("every other time"));
            }
            How::Alternate => {}
            How::Overdone => return Ok(Verdict::Degraded(u8::MAX, String::new())),
        }
        Ok(Verdict::Healthy)
    }
}

impl Misbehave {
    /// Degraded, if the connection of an earlier check can still be used (which it must not be).
    fn keep(&mut self, target: &Target<'_>) -> Result<Verdict, CheckError> {
        if let Some(kept) = &mut self.kept {
            kept.write_all(b"still here\n")?;
            return Ok(Verdict::Degraded(1, String::new()));
        }
        self.kept = Some(target.connect_tcp()?);
        Ok(Verdict::Healthy)
    }
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn allocate() -> ! {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(vec![1; 1 << 20]);
        black_box(&kept);
    }
}

/// Its own result keeps the compiler from making a loop of it.
#[expect(unconditional_recursion, reason = "the point of it")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    black_box(recurse(depth + 1)) + frame[1]
}

register_checker!(Misbehave, "misbehave-check", "does what no checker should");

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_sdk::testing::check;
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    #[test]
    fn hang_lasts_until_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let timeout = Duration::from_millis(300);
        let start = Instant::now();
        let verdict = check::<Misbehave>(
            &[("how", "hang".into())],
            listener.local_addr().unwrap(),
            timeout,
        );
        assert!(matches!(verdict.unwrap(), Verdict::Unhealthy(_)));
        assert!(start.elapsed() >= timeout);
    }
}
