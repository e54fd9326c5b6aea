//! Dumps of a set's elements.

use std::io;

use netlink_bindings::nftables::PushSetelemListAttrs;
use netlink_bindings::utils::{IterableChunks, find_attr};

use super::element::Element;
use super::set::Set;
use super::socket::Netfilter;
use super::wire::{Head, Message, flags, kind};

/// Dumps a set's elements.
pub(super) fn elements(
    socket: &mut Netfilter,
    table: &str,
    set: Set,
    mut each: impl FnMut(Option<Element>),
) -> io::Result<()> {
    let name_set = |buf: &mut Vec<u8>| {
        PushSetelemListAttrs::new(buf)
            .push_table_bytes(table.as_bytes())
            .push_set_bytes(set.name().as_bytes())
            .end_nested();
    };
    socket.ask(
        Head::new(kind::GET_ELEMENT, flags::DUMP),
        name_set,
        |answer| {
            each_element(answer, set, &mut each);
        },
    )
}

/// The elements in one answer; `None`: not one that we would write.
pub(super) fn each_element(answer: &Message<'_>, set: Set, mut each: impl FnMut(Option<Element>)) {
    let list = find_attr(answer.attributes(), 3).unwrap_or_default();
    for (_, attributes) in IterableChunks::new(list) {
        each(Element::parse(set, attributes));
    }
}

/// Whether the table or set is not there.
pub(super) fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
