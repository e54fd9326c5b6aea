//! Sending Ethernet frames.

use std::io;

use socket2::{Domain, SockAddr, Socket, Type};

/// A packet socket that sends Ethernet frames and takes none. Never waits.
pub(super) struct FrameSocket(Socket);

impl FrameSocket {
    /// Opens one. Takes `CAP_NET_RAW`.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn open() -> io::Result<Self> {
        let kind = Type::RAW.nonblocking().cloexec();
        // Protocol 0: the kernel hands it no frames.
        Socket::new(Domain::PACKET, kind, None).map(Self)
    }

    /// Sends a whole frame out of the interface of this index.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn send(&self, index: u32, frame: &[u8]) -> io::Result<()> {
        let index = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.0.send_to(frame, &packet_address(index)?).map(drop)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "17 and 20")]
fn packet_address(index: i32) -> io::Result<SockAddr> {
    const FAMILY: libc::sa_family_t = libc::AF_PACKET as libc::sa_family_t;
    const LENGTH: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    #[expect(
        unsafe_code,
        reason = "socket2 has no safe way to make a packet address"
    )]
    // SAFETY: the storage is zeroed and larger than a sockaddr_ll, for which all zeros is valid; family and length are
    // set.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let address = &mut *storage.cast::<libc::sockaddr_ll>();
            address.sll_family = FAMILY;
            address.sll_ifindex = index;
            *length = LENGTH;
            Ok(())
        })
    }?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anyhow::{Context as _, Result};
    use evenkeel_tests::{Capture, Lab, eventually, isolated};
    use nix::net::if_::if_nametoindex;

    use super::super::frames::announcement;
    use super::*;

    #[test]
    fn a_frame_arrives_as_it_was_sent() -> Result<()> {
        isolated(|| {
            let lab = Lab::new()?;
            let (a, b) = (lab.node("a")?, lab.node("b")?);
            lab.cable(&a, "eth0", &b, "eth0")?;
            let capture = Capture::start(&b)?;
            let frame = announcement("10.9.0.100".parse()?, [2, 0, 0, 0, 0, 7], false);
            // The kernel throws frames away until it has noticed that the cable is in, which takes a moment.
            eventually("the frame", Duration::from_secs(20), || {
                a.enter(|| -> Result<()> {
                    let index = if_nametoindex("eth0")?;
                    FrameSocket::open()?.send(index, &frame).context("not sent")
                })??;
                let seen = capture.frames().iter().any(|seen| seen.bytes == frame);
                Ok(seen.then_some(()))
            })
        })
    }
}
