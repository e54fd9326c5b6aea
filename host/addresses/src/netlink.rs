//! One netlink socket: reading lists, and sending many changes without waiting for each.

use futures::{Stream, StreamExt};
use nix::errno::Errno;
use rtnetlink::Handle;
use rtnetlink::packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use tokio::task::{AbortHandle, JoinSet};

use crate::error::AddressError;

/// The socket. Works on the network namespace of the thread that opened it.
pub(crate) struct Netlink {
    handle: Handle,
    /// The socket's task.
    connection: AbortHandle,
    /// Ends the task with this.
    _tasks: JoinSet<()>,
}

/// A change, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RtnlRequest {
    pub(crate) message: RouteNetlinkMessage,
    /// `NLM_F_...`
    pub(crate) flags: u16,
}

impl Netlink {
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`AddressError::Socket`].
    pub(crate) fn open() -> Result<Self, AddressError> {
        // Strict, so that lists of routes can be asked for by protocol: a machine may have a million of others'.
        let opened = rtnetlink::new_connection_with_strict_check();
        opened.map(Self::of).map_err(AddressError::Socket)
    }

    /// One whose requests the kernel does not check strictly: for looking up single routes. Call it inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`AddressError::Socket`].
    pub(crate) fn open_lenient() -> Result<Self, AddressError> {
        let opened = rtnetlink::new_connection();
        opened.map(Self::of).map_err(AddressError::Socket)
    }

    fn of<T, U>((connection, handle, _): (T, Handle, U)) -> Self
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        let connection = tasks.spawn(connection);
        Self {
            handle,
            connection,
            _tasks: tasks,
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// A list of the kernel's.
    ///
    /// # Errors
    /// [`AddressError::Read`].
    pub(crate) async fn list(
        &self,
        what: &'static str,
        request: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, AddressError> {
        let failed = |why: String| AddressError::Read { what, why };
        let mut request = NetlinkMessage::from(request);
        request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let mut answers = self
            .handle
            .clone()
            .request(request)
            .map_err(|error| failed(error.to_string()))?;
        let mut list = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer.payload {
                NetlinkPayload::InnerMessage(message) => list.push(message),
                NetlinkPayload::Error(error) if error.code.is_some() => {
                    return Err(failed(errno(error.raw_code()).desc().to_owned()));
                }
                _ => {}
            }
        }
        if self.connection.is_finished() {
            return Err(failed("the netlink socket has failed".to_owned()));
        }
        Ok(list)
    }

    /// Sends all of it, one behind the other, and then waits for the answers, which have the order of the requests. The
    /// kernel carries them out in that order.
    pub(crate) async fn send(&self, requests: Vec<RtnlRequest>) -> Vec<Result<(), Errno>> {
        let mut handle = self.handle.clone();
        let answers: Vec<_> = requests
            .into_iter()
            .map(|RtnlRequest { message, flags }| {
                let mut request = NetlinkMessage::from(message);
                request.header.flags = flags;
                handle.request(request)
            })
            .collect();
        let mut results = Vec::with_capacity(answers.len());
        for answer in answers {
            results.push(match answer {
                Ok(mut answer) => self.result(&mut answer).await,
                Err(_) => Err(Errno::ENOTCONN),
            });
        }
        results
    }

    /// An acknowledgement is the mere end of the answer, as is the end of the socket.
    async fn result(
        &self,
        answer: &mut (impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Unpin),
    ) -> Result<(), Errno> {
        while let Some(message) = answer.next().await {
            if let NetlinkPayload::Error(error) = message.payload
                && error.code.is_some()
            {
                return Err(errno(error.raw_code()));
            }
        }
        if self.connection.is_finished() {
            return Err(Errno::ENOTCONN);
        }
        Ok(())
    }
}

/// Netlink has error numbers below zero.
fn errno(code: i32) -> Errno {
    Errno::from_raw(code.wrapping_neg())
}
