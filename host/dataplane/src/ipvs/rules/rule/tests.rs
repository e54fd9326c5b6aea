use proptest::prelude::*;

use super::*;

fn key(text: &str, protocol: Protocol) -> ServiceKey {
    let address: std::net::SocketAddr = text.parse().unwrap();
    ServiceKey {
        addr: address.ip(),
        port: address.port(),
        protocol,
    }
}

fn marked(v6: bool) -> ServiceKey {
    let addr: IpAddr = if v6 { [0_u8; 16].into() } else { [0; 4].into() };
    ServiceKey {
        addr,
        port: 0,
        protocol: Protocol::Fwmark(7.try_into().unwrap()),
    }
}

/// Rules of all shapes.
pub(crate) fn rules(place: Place) -> Vec<Rule> {
    let v6 = place.family == Family::V6;
    let (address, networks) = if v6 {
        ("[2001:db8::1]:80", ["fd00::/64", "::/0", "fd00::1/128"])
    } else {
        ("192.0.2.1:80", ["10.0.0.0/24", "0.0.0.0/0", "10.0.0.9/32"])
    };
    let kinds = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].map(|it| key(address, it));
    let keys = kinds.into_iter().chain([marked(v6)]);
    match place.table {
        Table::Nat => {
            let all_ports = ServiceKey {
                port: 0,
                ..key(address, Protocol::Tcp)
            };
            let hairpins = networks.map(|it| Rule::Hairpin(it.parse().unwrap()));
            keys.chain([all_ports])
                .map(Rule::Snat)
                .chain(hairpins)
                .collect()
        }
        Table::Mangle => {
            let queues = keys
                .zip(0..)
                .map(|(key, queue)| Rule::Queue(key, Queue(queue)));
            queues.chain([Rule::Alive]).collect()
        }
    }
}

#[test]
fn rules_are_as_iptables_save_prints_them() {
    let (v4, v6) = (Family::V4, Family::V6);
    let web = key("10.0.0.1:80", Protocol::Tcp);
    let said = |rule: Rule, family| rule.words(family).join(" ");
    assert_eq!(
        said(Rule::Snat(web), v4),
        "-m ipvs --vproto 6 --vaddr 10.0.0.1 --vport 80 --vmethod MASQ -j MASQUERADE"
    );
    assert_eq!(
        said(Rule::Hairpin("10.0.0.0/24".parse().unwrap()), v4),
        "-s 10.0.0.0/24 -d 10.0.0.0/24 -m ipvs --vmethod MASQ -j MASQUERADE"
    );
    assert_eq!(
        said(Rule::Alive, v6),
        "-m mark --mark 0x45766b6c -m recent --set --name evenkeel --mask :: --rsource"
    );
    assert_eq!(
        said(Rule::Queue(web, Queue(7)), v4),
        "-d 10.0.0.1/32 -p tcp -m tcp --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW \
         -m recent --rcheck --seconds 1 --name evenkeel --mask 0.0.0.0 --rsource -j NFQUEUE --queue-num 7 --queue-bypass"
    );
    assert_eq!(
        said(Rule::Queue(marked(false), Queue(7)), v4),
        "-m mark --mark 0x7 -m conntrack --ctstate NEW -m recent --rcheck --seconds 1 --name evenkeel \
         --mask 0.0.0.0 --rsource -j NFQUEUE --queue-num 7 --queue-bypass"
    );
}

#[test]
fn every_rule_is_read_back_as_it_was_written_and_not_with_a_word_changed() {
    for place in Place::ALL {
        for rule in rules(place) {
            let words = rule.words(place.family);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            assert_eq!(Rule::read(&words, place), Some(rule));
            for at in 0..words.len() {
                let mut changed = words.clone();
                changed[at] = "x";
                assert_eq!(Rule::read(&changed, place), None, "{changed:?}");
                let mut shorter = words.clone();
                shorter.remove(at);
                assert_ne!(Rule::read(&shorter, place), Some(rule), "{shorter:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_words_panic(
        words in prop::collection::vec("(-j|-s|-d|-p|--mark|--vaddr|--vport|--vproto|NFQUEUE|MASQUERADE|0x7|10.0.0.0/24|tcp|[a-z0-9.:/]{0,6})", 0..12),
        place in prop::sample::select(Place::ALL.to_vec()),
    ) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let _ = Rule::read(&words, place);
    }
}
