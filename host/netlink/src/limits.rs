//! How long a socket waits, and how much it keeps.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// How long reading waits before it fails with `WouldBlock` (`SO_RCVTIMEO`): whole microseconds, and one at the least,
/// since with 0 it waits for ever.
///
/// # Errors
/// The kernel's.
pub fn receive_timeout(socket: &impl AsFd, time: Duration) -> io::Result<()> {
    let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX).max(1);
    let time = TimeVal::microseconds(micros);
    Ok(setsockopt(socket, sockopt::ReceiveTimeout, &time)?)
}

/// Bytes that may wait to be read: as many as wanted with `CAP_NET_ADMIN` (`SO_RCVBUFFORCE`), else as many as allowed.
///
/// # Errors
/// The kernel's.
pub fn receive_buffer(socket: &impl AsFd, bytes: usize) -> io::Result<()> {
    if setsockopt(socket, sockopt::RcvBufForce, &bytes).is_err() {
        setsockopt(socket, sockopt::RcvBuf, &bytes)?;
    }
    Ok(())
}

/// Bytes that one message to the kernel may have, likewise.
///
/// # Errors
/// The kernel's.
pub fn send_buffer(socket: &impl AsFd, bytes: usize) -> io::Result<()> {
    if setsockopt(socket, sockopt::SndBufForce, &bytes).is_err() {
        setsockopt(socket, sockopt::SndBuf, &bytes)?;
    }
    Ok(())
}
