use evenkeel_core::model::Protocol;
use netlink_bindings::utils::find_attr;

use super::*;
use crate::nftables::chain::ChainRole;

fn examples() -> Vec<Element> {
    let key = |addr: &str, protocol| ServiceKey {
        addr: addr.parse().unwrap(),
        port: 443,
        protocol,
    };
    let to = |to: &str| to.parse().unwrap();
    let chain = |role, number| ServiceChain { role, number };
    vec![
        Element::Service {
            key: key("192.0.2.1", Protocol::Tcp),
            chain: ServiceChain::slots(12),
        },
        Element::Service {
            key: key("2001:db8::1", Protocol::Udp),
            chain: chain(ChainRole::Options, 0),
        },
        Element::Queue {
            key: key("192.0.2.1", Protocol::Tcp),
            chain: chain(ChainRole::Queue, 12),
        },
        Element::Queue {
            key: key("2001:db8::1", Protocol::Udp),
            chain: chain(ChainRole::Queue, 0),
        },
        Element::Slot {
            slot: 0x4000_0007,
            mark: 0x8000_0009,
        },
        Element::Backend {
            mark: 9,
            to: to("10.0.0.1:80"),
            chain: 3,
            count: 77,
        },
        Element::Backend {
            mark: 9,
            to: to("[fd00::1]:8080"),
            chain: 3,
            count: 1,
        },
        Element::Hairpin("10.0.0.0/8".parse().unwrap()),
        Element::Hairpin("10.0.0.1/32".parse().unwrap()),
        Element::Hairpin("::/0".parse().unwrap()),
        Element::Inner("10.1.0.0/16".parse().unwrap()),
        Element::Inner("fd00:1::/64".parse().unwrap()),
    ]
}

fn written(element: &Element) -> Vec<u8> {
    let mut buf = Vec::new();
    element
        .push(PushSetelemListElemAttrs::new(&mut buf), true)
        .end_nested();
    buf
}

#[test]
fn every_element_is_read_back_as_it_was_written() {
    for element in examples() {
        let buf = written(&element);
        let attributes = find_attr(&buf, 1).unwrap();
        assert_eq!(Element::parse(element.set(), attributes), Some(element));
    }
}

#[test]
fn an_element_of_another_shape_is_not_understood() {
    for element in examples() {
        let buf = written(&element);
        let attributes = find_attr(&buf, 1).unwrap();
        let others = Set::ALL.into_iter().filter(|set| *set != element.set());
        for set in others {
            if let Some(other) = Element::parse(set, attributes) {
                assert_ne!(other, element);
            }
        }
    }
}

#[test]
fn elements_are_written_as_nft_reads_them() {
    let text: Vec<_> = examples().iter().map(Element::text).collect();
    insta::assert_snapshot!(text.join("\n"));
}
