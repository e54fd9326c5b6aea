//! Interfaces between which established flows may take the short way.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};

use super::{AddressError, Addresses};

impl Addresses {
    /// The interfaces that a flowtable can be given, by name, with their numbers: those of the kind of Ethernet that are up.
    ///
    /// Not the ports of a bridge, a bond or a VRF, nor a VRF itself: packets are routed by what is above them. A flowtable that has a bridge's
    /// ports would send past the bridge, to the port and the hardware address that were right when the flow began.
    ///
    /// # Errors
    /// [`AddressError::Read`].
    pub async fn offloadable(&self) -> Result<BTreeMap<String, u32>, AddressError> {
        let read = |source| AddressError::Read {
            what: "interfaces",
            source,
        };
        let mut links = std::pin::pin!(self.handle.link().get().execute());
        let mut interfaces = BTreeMap::new();
        while let Some(link) = links.try_next().await.map_err(read)? {
            interfaces.extend(name_if_offloadable(&link).map(|name| (name, link.header.index)));
        }
        Ok(interfaces)
    }
}

fn name_if_offloadable(link: &LinkMessage) -> Option<String> {
    let header = &link.header;
    if header.link_layer_type != LinkLayerType::Ether || !header.flags.contains(LinkFlags::Up) {
        return None;
    }
    let mut name = None;
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(word) => name = Some(word.clone()),
            LinkAttribute::Controller(_) => return None,
            LinkAttribute::LinkInfo(infos) if infos.contains(&LinkInfo::Kind(InfoKind::Vrf)) => {
                return None;
            }
            _ => {}
        }
    }
    name
}
