//! A queue between threads of different priority.
//!
//! Usual channels make the reader wait, spinning or yielding, for a writer that was interrupted half-way. Where the reader has
//! real-time priority and there is one processor, such a writer never goes on. Here the reader only tries.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A new mailbox: the end that is written to, which can be cloned, and the one that is read.
///
/// # Errors
/// When there are no more file descriptors.
pub(crate) fn mailbox<T>() -> std::io::Result<(Sender<T>, Receiver<T>)> {
    let (bell, ear) = UnixStream::pair()?;
    bell.set_nonblocking(true)?;
    ear.set_nonblocking(true)?;
    let queue = Arc::new(Mutex::new(VecDeque::new()));
    let sender = Sender {
        queue: Arc::clone(&queue),
        bell: Arc::new(bell),
    };
    Ok((sender, Receiver { queue, ear }))
}

/// Where messages are put in.
pub(crate) struct Sender<T> {
    queue: Arc<Mutex<VecDeque<T>>>,
    bell: Arc<UnixStream>,
}

impl<T> Sender<T> {
    /// Puts a message in. Waits only while another one is being put in or taken out.
    pub(crate) fn send(&self, message: T) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(message);
        drop(queue);
        self.ring();
    }

    /// Puts several in, unless that would mean waiting: then they stay in `messages`, and `false` comes back.
    pub(crate) fn try_send(&self, messages: &mut VecDeque<T>) -> bool {
        if messages.is_empty() {
            return true;
        }
        match self.queue.try_lock() {
            Ok(mut queue) => queue.append(messages),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().append(messages),
            Err(TryLockError::WouldBlock) => return false,
        }
        self.ring();
        true
    }

    fn ring(&self) {
        // A full socket has rung already; a closed one has no reader.
        let _ = (&*self.bell).write(&[1]);
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            queue: Arc::clone(&self.queue),
            bell: Arc::clone(&self.bell),
        }
    }
}

/// Where messages are taken out. Its file descriptor is readable when there may be some, and when all senders are gone.
pub(crate) struct Receiver<T> {
    queue: Arc<Mutex<VecDeque<T>>>,
    ear: UnixStream,
}

/// What [`Receiver::take`] found.
pub(crate) enum Taken<T> {
    /// All messages that were there.
    Messages(VecDeque<T>),
    /// Someone is at the box just now: try again soon.
    Busy,
    /// All senders are gone, and with them their messages.
    Closed,
}

impl<T> Receiver<T> {
    /// Takes all messages out, without waiting.
    pub(crate) fn take(&mut self) -> Taken<T> {
        let mut rings = [0; 256];
        // First the bell, then the box: a message that comes between rings for the next time.
        let closed = matches!(self.ear.read(&mut rings), Ok(0));
        let messages = match self.queue.try_lock() {
            Ok(mut queue) => std::mem::take(&mut *queue),
            Err(TryLockError::Poisoned(poisoned)) => std::mem::take(&mut *poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => return Taken::Busy,
        };
        if closed && messages.is_empty() {
            Taken::Closed
        } else {
            Taken::Messages(messages)
        }
    }
}

impl<T> Receiver<T> {
    /// Waits for messages, on a thread that may; `None`: there will be none any more.
    pub(crate) fn wait(&mut self) -> Option<VecDeque<T>> {
        loop {
            match self.take() {
                Taken::Messages(messages) if messages.is_empty() => {
                    let mut bell = [PollFd::new(self.ear.as_fd(), PollFlags::POLLIN)];
                    // Interrupted or not, it looks.
                    let _ = poll(&mut bell, PollTimeout::NONE);
                }
                Taken::Messages(messages) => return Some(messages),
                Taken::Busy => std::thread::sleep(Duration::from_millis(1)),
                Taken::Closed => return None,
            }
        }
    }
}

impl<T> AsFd for Receiver<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ear.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_in_order() {
        let (sender, mut receiver) = mailbox().unwrap();
        sender.send(1);
        assert!(sender.clone().try_send(&mut VecDeque::from([2, 3])));
        let Taken::Messages(messages) = receiver.take() else {
            panic!("there are messages");
        };
        assert_eq!(messages, [1, 2, 3]);
    }

    #[test]
    fn a_box_in_use_makes_neither_end_wait() {
        let (sender, mut receiver) = mailbox().unwrap();
        let queue = Arc::clone(&sender.queue);
        let held = queue.lock().unwrap();
        let mut messages = VecDeque::from([1]);
        assert!(!sender.try_send(&mut messages));
        assert_eq!(messages, [1], "nothing is lost");
        assert!(matches!(receiver.take(), Taken::Busy));
        drop(held);
        assert!(sender.try_send(&mut messages));
        assert!(matches!(receiver.take(), Taken::Messages(m) if m == [1]));
    }

    #[test]
    fn a_box_that_nobody_writes_to_any_more_is_closed() {
        let (sender, mut receiver) = mailbox::<u8>().unwrap();
        sender.send(1);
        drop(sender);
        assert_eq!(receiver.wait(), Some(VecDeque::from([1])));
        assert_eq!(receiver.wait(), None);
    }
}
