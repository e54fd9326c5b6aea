//! Learning that the machine has changed.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use tokio::task::JoinSet;

use crate::error::AddressError;
use crate::machine::is_our_rule;
use crate::marks::PROTOCOL;

/// Between two attempts to open the socket. The address manager looks by itself from time to time, too.
const REOPEN_DELAY: Duration = Duration::from_secs(3);

/// Tells when interfaces, addresses, or the routes and rules of VRRP have changed, whoever did it.
pub(crate) struct MachineEvents {
    routing: bool,
    /// One item for each message that matters; ends when the socket fails.
    messages: BoxStream<'static, ()>,
    /// The socket's task; ends with this.
    _connection: JoinSet<()>,
}

impl MachineEvents {
    /// Changes from now on will be told; look at the machine once after it. Routes and rules only where `routing` is
    /// set: there may be many of them. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`AddressError::Socket`].
    pub(crate) fn open(routing: bool) -> Result<Self, AddressError> {
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
            rtnetlink::new_multicast_connection(&groups).map_err(AddressError::Socket)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let messages = messages
            .filter_map(|(message, _)| std::future::ready(matters(&message.payload).then_some(())))
            .boxed();
        Ok(Self {
            routing,
            messages,
            _connection: tasks,
        })
    }

    /// Waits for a change. A socket that failed and was opened again is one, too. Cancel-safe: what was not returned is
    /// told by the next call.
    pub(crate) async fn next(&mut self) {
        while self.messages.next().await.is_none() {
            match Self::open(self.routing) {
                Ok(events) => {
                    *self = events;
                    return;
                }
                // Broken off here, it begins with the attempt again.
                Err(_) => tokio::time::sleep(REOPEN_DELAY).await,
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
