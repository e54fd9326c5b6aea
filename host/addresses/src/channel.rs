//! A channel between threads of different priority.
//!
//! Usual channels make the reader wait, spinning or yielding, for a writer that was interrupted half-way. Where the
//! reader has real-time priority and there is one processor, such a writer never goes on. Here the reader only tries. A
//! writer that may not wait uses [`Sender::try_send`].

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parking_lot::Mutex;

/// A new channel: the end that is written to, which can be cloned, and the one that is read.
///
/// # Errors
/// When there are no more file descriptors.
pub fn channel<T>() -> std::io::Result<(Sender<T>, Receiver<T>)> {
    let (wakeup, woken) = UnixStream::pair()?;
    wakeup.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    let queue = Arc::new(Mutex::new(VecDeque::new()));
    let sender = Sender {
        queue: Arc::clone(&queue),
        wakeup: Arc::new(wakeup),
    };
    Ok((sender, Receiver { queue, woken }))
}

/// Starts a thread that hands what is sent to `deliver`, in order: for what may wait when the sender may not. It ends
/// when all senders are gone and everything is delivered.
///
/// # Errors
/// When the system gives no thread or file descriptors.
pub fn forwarder<T: Send + 'static>(
    name: &str,
    mut deliver: impl FnMut(T) + Send + 'static,
) -> std::io::Result<Sender<T>> {
    let (sender, mut receiver) = channel()?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            while let Some(messages) = receiver.wait() {
                messages.into_iter().for_each(&mut deliver);
            }
        })?;
    Ok(sender)
}

/// Where messages are put in.
#[derive(Debug)]
pub struct Sender<T> {
    queue: Arc<Mutex<VecDeque<T>>>,
    wakeup: Arc<UnixStream>,
}

impl<T> Sender<T> {
    /// Puts a message in. Waits only while another one is being put in or taken out.
    pub fn send(&self, message: T) {
        self.queue.lock().push_back(message);
        self.wake();
    }

    /// Puts several in, unless that would mean waiting: then they stay in `messages`, and `false` comes back.
    #[must_use = "messages may be left"]
    pub fn try_send(&self, messages: &mut VecDeque<T>) -> bool {
        if messages.is_empty() {
            return true;
        }
        let Some(mut queue) = self.queue.try_lock() else {
            return false;
        };
        queue.append(messages);
        drop(queue);
        self.wake();
        true
    }

    fn wake(&self) {
        // A full socket has woken the reader already; a closed one has no reader.
        let _ = (&*self.wakeup).write(&[1]);
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            queue: Arc::clone(&self.queue),
            wakeup: Arc::clone(&self.wakeup),
        }
    }
}

/// Where messages are taken out. Its file descriptor is readable when there may be some, and when all senders are gone.
#[derive(Debug)]
pub struct Receiver<T> {
    queue: Arc<Mutex<VecDeque<T>>>,
    woken: UnixStream,
}

/// What [`Receiver::take`] found.
#[derive(Debug)]
pub enum Taken<T> {
    /// All messages that were there.
    Messages(VecDeque<T>),
    /// A sender is at the queue just now, and wakes the reader when it is done.
    Busy,
    /// All senders are gone, and their messages are taken.
    Closed,
}

impl<T> Receiver<T> {
    /// Takes all messages out, without waiting.
    pub fn take(&mut self) -> Taken<T> {
        // First the wakeups, then the queue: a message that comes between them wakes the next call.
        let closed = drain(|wakeups| self.woken.read(wakeups));
        take(&self.queue, closed)
    }

    /// Waits for messages, on a thread that may; `None`: there will be none any more.
    pub fn wait(&mut self) -> Option<VecDeque<T>> {
        loop {
            match self.take() {
                Taken::Messages(messages) if messages.is_empty() => {
                    let mut woken = [PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
                    // Interrupted or not, it looks.
                    let _ = poll(&mut woken, PollTimeout::NONE);
                }
                Taken::Messages(messages) => return Some(messages),
                Taken::Busy => std::thread::sleep(Duration::from_millis(1)),
                Taken::Closed => return None,
            }
        }
    }
}

fn take<T>(queue: &Mutex<VecDeque<T>>, closed: bool) -> Taken<T> {
    let Some(mut queue) = queue.try_lock() else {
        return Taken::Busy;
    };
    let messages = std::mem::take(&mut *queue);
    if closed && messages.is_empty() {
        Taken::Closed
    } else {
        Taken::Messages(messages)
    }
}

/// Takes all wakeups; `true`: all senders are gone.
fn drain(mut read: impl FnMut(&mut [u8]) -> std::io::Result<usize>) -> bool {
    let mut wakeups = [0; 256];
    loop {
        match read(&mut wakeups) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

impl<T> AsFd for Receiver<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }
}

/// A [`Receiver`] of a tokio runtime's.
#[derive(Debug)]
pub(crate) struct AsyncReceiver<T> {
    queue: Arc<Mutex<VecDeque<T>>>,
    woken: tokio::net::UnixStream,
}

impl<T> AsyncReceiver<T> {
    /// Call it inside the runtime.
    ///
    /// # Errors
    /// When the runtime cannot wait for the file descriptor.
    pub(crate) fn new(receiver: Receiver<T>) -> std::io::Result<Self> {
        Ok(Self {
            queue: receiver.queue,
            woken: tokio::net::UnixStream::from_std(receiver.woken)?,
        })
    }

    /// Waits for messages; `None`: there will be none any more. Cancel-safe: messages are taken in the moment in which
    /// they are returned.
    pub(crate) async fn recv(&mut self) -> Option<VecDeque<T>> {
        loop {
            self.woken.readable().await.ok()?;
            let closed = drain(|wakeups| self.woken.try_read(wakeups));
            match take(&self.queue, closed) {
                Taken::Messages(messages) if messages.is_empty() => {}
                Taken::Messages(messages) => return Some(messages),
                // The sender wakes this end once more when it is done.
                Taken::Busy => {}
                Taken::Closed => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_in_order() {
        let (sender, mut receiver) = channel().unwrap();
        sender.send(1);
        assert!(sender.clone().try_send(&mut VecDeque::from([2, 3])));
        let Taken::Messages(messages) = receiver.take() else {
            panic!("there are messages");
        };
        assert_eq!(messages, [1, 2, 3]);
    }

    #[test]
    fn a_queue_in_use_makes_neither_end_wait() {
        let (sender, mut receiver) = channel().unwrap();
        let queue = Arc::clone(&sender.queue);
        let held = queue.lock();
        let mut messages = VecDeque::from([1]);
        assert!(!sender.try_send(&mut messages));
        assert_eq!(messages, [1], "nothing is lost");
        assert!(matches!(receiver.take(), Taken::Busy));
        drop(held);
        assert!(sender.try_send(&mut messages));
        assert!(matches!(receiver.take(), Taken::Messages(m) if m == [1]));
    }

    #[test]
    fn a_queue_that_nobody_writes_to_any_more_is_closed() {
        let (sender, mut receiver) = channel::<u8>().unwrap();
        sender.send(1);
        drop(sender);
        assert_eq!(receiver.wait(), Some(VecDeque::from([1])));
        assert_eq!(receiver.wait(), None);
    }

    #[test]
    fn a_runtime_gets_what_is_sent_and_the_end() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(async {
            let (sender, receiver) = channel().unwrap();
            let mut receiver = AsyncReceiver::new(receiver).unwrap();
            let writer = std::thread::spawn(move || {
                for number in 0..1000 {
                    sender.send(number);
                }
            });
            let mut all = Vec::new();
            while let Some(messages) = receiver.recv().await {
                all.extend(messages);
            }
            writer.join().unwrap();
            assert!(all.into_iter().eq(0..1000));
        });
    }
}
