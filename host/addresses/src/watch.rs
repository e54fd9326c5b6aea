//! Learning that addresses or interfaces have changed.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::AddressError;

/// Changes come in swarms (an interface with all its addresses); one look after them is enough.
const SETTLE: Duration = Duration::from_millis(50);

/// But a swarm without end is not waited out.
const SETTLE_AT_MOST: Duration = Duration::from_millis(500);

/// Tells when addresses or interfaces of this machine have changed, whoever did it.
pub struct AddressWatch {
    /// One item for each message that matters; ends when the socket fails.
    messages: BoxStream<'static, ()>,
    /// When the first change that was not told yet was noticed.
    noticed: Option<Instant>,
    /// The socket's task; ends with this.
    _connection: JoinSet<()>,
}

impl AddressWatch {
    /// Changes from now on will be told; call it inside a tokio runtime, and look at the addresses once after it.
    ///
    /// # Errors
    /// [`AddressError::Socket`].
    pub fn open() -> Result<Self, AddressError> {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
        ];
        let (connection, _, messages) =
            rtnetlink::new_multicast_connection(&groups).map_err(AddressError::Socket)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let messages = messages
            .filter_map(|(message, _)| std::future::ready(matters(&message.payload).then_some(())))
            .boxed();
        Ok(Self {
            messages,
            noticed: None,
            _connection: tasks,
        })
    }

    /// Waits for a change. Several in a short time are one. Cancel-safe: a change that was noticed is told by the next call.
    ///
    /// # Errors
    /// [`AddressError::Socket`], when the socket failed and cannot be opened again. A failure that is mended counts as a change.
    pub async fn changed(&mut self) -> Result<(), AddressError> {
        let first = match self.noticed {
            Some(first) => first,
            None => {
                if self.messages.next().await.is_none() {
                    *self = Self::open()?;
                }
                *self.noticed.insert(Instant::now())
            }
        };
        let end = first + SETTLE_AT_MOST;
        loop {
            let quiet = (Instant::now() + SETTLE).min(end);
            match tokio::time::timeout_at(quiet, self.messages.next()).await {
                Ok(Some(())) if Instant::now() < end => {}
                Ok(Some(())) | Err(_) => break,
                Ok(None) => {
                    *self = Self::open()?;
                    break;
                }
            }
        }
        self.noticed = None;
        Ok(())
    }
}

/// Messages that were lost may have told of a change.
fn matters(payload: &NetlinkPayload<RouteNetlinkMessage>) -> bool {
    matches!(
        payload,
        NetlinkPayload::Overrun(_)
            | NetlinkPayload::InnerMessage(
                RouteNetlinkMessage::NewAddress(_)
                    | RouteNetlinkMessage::DelAddress(_)
                    | RouteNetlinkMessage::NewLink(_)
                    | RouteNetlinkMessage::DelLink(_)
            )
    )
}
