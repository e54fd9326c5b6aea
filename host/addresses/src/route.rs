//! How this machine reaches an address.

use std::net::IpAddr;

use futures::TryStreamExt;
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};

use crate::error::AddressError;

/// How packets to an address leave this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// They do not: it is this machine's own.
    Local,
    /// It is on a network of this machine: out of the interface of that number.
    Direct(u32),
    /// By another router, out of the interface of that number.
    Gateway(u32),
    /// There is no route, with the kernel's reason.
    None(String),
}

pub(super) async fn look_up(
    handle: &rtnetlink::Handle,
    to: IpAddr,
    mark: Option<u32>,
) -> Result<Route, AddressError> {
    let answer = request(handle, to, mark).await?;
    Ok(answer.map_or_else(Route::None, |answer| read(&answer)))
}

/// The address from which this machine's own connections come.
pub(super) async fn source(
    handle: &rtnetlink::Handle,
    to: IpAddr,
) -> Result<Option<IpAddr>, AddressError> {
    let answer = request(handle, to, None).await?;
    let attributes = answer.map(|answer| answer.attributes).unwrap_or_default();
    Ok(attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::PrefSource(RouteAddress::Inet(addr)) => Some(IpAddr::V4(*addr)),
        RouteAttribute::PrefSource(RouteAddress::Inet6(addr)) => Some(IpAddr::V6(*addr)),
        _ => None,
    }))
}

/// The kernel's answer, or its reason if there is no route.
async fn request(
    handle: &rtnetlink::Handle,
    to: IpAddr,
    mark: Option<u32>,
) -> Result<Result<RouteMessage, String>, AddressError> {
    let prefix = if to.is_ipv4() { 32 } else { 128 };
    let failed = |error: rtnetlink::Error| AddressError::Read {
        what: "routes",
        why: error.to_string(),
    };
    let mut message = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(to, prefix)
        .map_err(|error| failed(rtnetlink::Error::InvalidNla(error.to_string())))?
        .build();
    message.attributes.extend(mark.map(RouteAttribute::Mark));
    let mut answers = std::pin::pin!(handle.route().get(message).execute());
    match answers.try_next().await {
        Ok(Some(answer)) => Ok(Ok(answer)),
        Ok(None) => Ok(Err("no answer".to_owned())),
        // Routes of the types unreachable, prohibit and blackhole answer with an error too.
        Err(rtnetlink::Error::NetlinkError(error)) => Ok(Err(error.to_io().to_string())),
        Err(error) => Err(failed(error)),
    }
}

fn read(answer: &RouteMessage) -> Route {
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
