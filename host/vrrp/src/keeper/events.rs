//! Learning that the machine has changed.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::machine::is_our_rule;
use super::{KeeperError, PROTOCOL};

/// Changes come in swarms (an interface with all its addresses); one look after them is enough.
const SETTLE: Duration = Duration::from_millis(10);

/// But a swarm without end is not waited out.
const SETTLE_AT_MOST: Duration = Duration::from_millis(100);

/// Between two attempts to open the socket. The keeper looks by itself from time to time, too.
const AGAIN: Duration = Duration::from_secs(3);

/// Tells when something that matters to virtual addresses has changed, whoever did it.
pub(super) struct Events {
    routing: bool,
    /// One item for each message that matters; ends when the socket fails.
    messages: BoxStream<'static, ()>,
    /// When the first change that was not told yet was noticed.
    noticed: Option<Instant>,
    /// The socket's task; ends with this.
    _connection: JoinSet<()>,
}

impl Events {
    /// Changes from now on will be told; look at the machine once after it. Routes and rules only where `routing` is set: there
    /// may be many of them. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`KeeperError::Socket`].
    pub(super) fn open(routing: bool) -> Result<Self, KeeperError> {
        let mut groups = vec![
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
        ];
        if routing {
            groups.extend([
                MulticastGroup::Ipv4Route,
                MulticastGroup::Ipv6Route,
                MulticastGroup::Ipv4Rule,
                MulticastGroup::Ipv6Rule,
            ]);
        }
        let (connection, _, messages) =
            rtnetlink::new_multicast_connection(&groups).map_err(KeeperError::Socket)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let messages = messages
            .filter_map(|(message, _)| std::future::ready(matters(&message.payload).then_some(())))
            .boxed();
        Ok(Self {
            routing,
            messages,
            noticed: None,
            _connection: tasks,
        })
    }

    /// Waits for a change. Several in a short time are one, and so is a socket that failed and was opened again. Cancel-safe: a
    /// change that was noticed is told by the next call.
    pub(super) async fn changed(&mut self) {
        let first = match self.noticed {
            Some(first) => first,
            None => {
                if self.messages.next().await.is_none() {
                    self.open_again().await;
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
                    self.open_again().await;
                    break;
                }
            }
        }
        self.noticed = None;
    }

    async fn open_again(&mut self) {
        loop {
            match Self::open(self.routing) {
                Ok(events) => {
                    *self = events;
                    return;
                }
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}

/// Messages that were lost may have told of a change.
fn matters(payload: &NetlinkPayload<RouteNetlinkMessage>) -> bool {
    match payload {
        NetlinkPayload::Overrun(_) => true,
        NetlinkPayload::InnerMessage(message) => match message {
            RouteNetlinkMessage::NewAddress(_)
            | RouteNetlinkMessage::DelAddress(_)
            | RouteNetlinkMessage::NewLink(_)
            | RouteNetlinkMessage::DelLink(_) => true,
            RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route) => {
                u8::from(route.header.protocol) == PROTOCOL
            }
            RouteNetlinkMessage::NewRule(rule) | RouteNetlinkMessage::DelRule(rule) => {
                is_our_rule(rule)
            }
            _ => false,
        },
        _ => false,
    }
}
