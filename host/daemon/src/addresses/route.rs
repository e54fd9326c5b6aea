//! How this machine reaches an address.

use std::net::IpAddr;

use futures::TryStreamExt;
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::route::{RouteAttribute, RouteMessage, RouteType};

use super::AddressError;

/// How packets to an address leave this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// They do not: it is this machine's own.
    Local,
    /// It is on a network of this machine: out of the interface of that number.
    Direct(u32),
    /// By another router, out of the interface of that number.
    Gateway(u32),
    /// There is no way, with the kernel's word.
    None(String),
}

pub(super) async fn look_up(
    handle: &rtnetlink::Handle,
    to: IpAddr,
    mark: Option<u32>,
) -> Result<Route, AddressError> {
    let prefix = if to.is_ipv4() { 32 } else { 128 };
    let read = |source| AddressError::Read {
        what: "routes",
        source,
    };
    let mut question = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(to, prefix)
        .map_err(|error| read(rtnetlink::Error::InvalidNla(error.to_string())))?
        .build();
    question.attributes.extend(mark.map(RouteAttribute::Mark));
    let mut answers = std::pin::pin!(handle.route().get(question).execute());
    match answers.try_next().await {
        Ok(Some(answer)) => Ok(understand(&answer)),
        Ok(None) => Ok(Route::None("no answer".to_owned())),
        // Routes of the types unreachable, prohibit and blackhole answer with an error too.
        Err(rtnetlink::Error::NetlinkError(message)) => {
            Ok(Route::None(message.to_io().to_string()))
        }
        Err(source) => Err(read(source)),
    }
}

fn understand(answer: &RouteMessage) -> Route {
    if answer.header.kind == RouteType::Local {
        return Route::Local;
    }
    let (mut interface, mut gateway) = (None, false);
    for attribute in &answer.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => gateway = true,
            _ => {}
        }
    }
    match (answer.header.kind, interface) {
        (RouteType::Unicast, Some(index)) if gateway => Route::Gateway(index),
        (RouteType::Unicast, Some(index)) => Route::Direct(index),
        (kind, _) => Route::None(format!("a route of type {kind:?}")),
    }
}
