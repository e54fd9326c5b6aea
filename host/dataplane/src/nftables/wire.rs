//! The messages of nf_tables, as far as they are used here. Framing is [`evenkeel_netlink`]'s, attributes are those
//! of `netlink_bindings`.

pub(super) use evenkeel_netlink::attribute::get_text as text;
pub(super) use evenkeel_netlink::netfilter::{Head, INET, UNSPEC, put_request as message};
pub(super) use evenkeel_netlink::{Message, Messages, flags};

/// Types of messages: batches and nf_tables (`linux/netfilter/nf_tables.h`). A subsystem's number is the upper byte.
pub(super) mod kind {
    pub(in super::super) const BATCH_BEGIN: u16 = 16;
    pub(in super::super) const BATCH_END: u16 = 17;
    pub(in super::super) const NEW_TABLE: u16 = 0x0a00;
    pub(in super::super) const GET_TABLE: u16 = 0x0a01;
    pub(in super::super) const NEW_CHAIN: u16 = 0x0a03;
    pub(in super::super) const GET_CHAIN: u16 = 0x0a04;
    pub(in super::super) const DEL_CHAIN: u16 = 0x0a05;
    pub(in super::super) const NEW_RULE: u16 = 0x0a06;
    pub(in super::super) const GET_RULE: u16 = 0x0a07;
    pub(in super::super) const DEL_RULE: u16 = 0x0a08;
    pub(in super::super) const GET_SET: u16 = 0x0a0a;
    pub(in super::super) const NEW_ELEMENT: u16 = 0x0a0c;
    pub(in super::super) const GET_ELEMENT: u16 = 0x0a0d;
    pub(in super::super) const DEL_ELEMENT: u16 = 0x0a0e;
    pub(in super::super) const NEW_GENERATION: u16 = 0x0a0f;
    pub(in super::super) const GET_GENERATION: u16 = 0x0a10;
    pub(in super::super) const NEW_FLOWTABLE: u16 = 0x0a16;
    pub(in super::super) const GET_FLOWTABLE: u16 = 0x0a17;
    pub(in super::super) const DEL_FLOWTABLE: u16 = 0x0a18;
}

/// `NFNL_SUBSYS_NFTABLES`: whom a batch is for.
pub(super) const SUBSYS_NFTABLES: u16 = 10;
