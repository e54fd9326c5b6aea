//! What is written twice: the first counts, the second is listed with its own line, and what comes of it is right.

use super::fixture::{model, note, notes, translated};
use evenkeel_core::model::{Protocol, ServiceKey};

const SERVER: &str = " protocol TCP\n lb_algo rr\n real_server 10.0.0.1 80 {\n }\n}\n";

#[test]
fn the_second_of_two_equal_real_servers_is_dropped() {
    let text = "virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n weight 2\n }\n real_server 10.0.0.2 80 {\n }\n real_server 10.0.0.1 80 {\n weight 5\n }\n real_server 10.0.0.1 81 {\n }\n real_server 10.0.0.2 {\n }\n}\n";
    let found = translated(text);
    let service = &model(&found).services[0];
    let servers: Vec<_> = service
        .servers
        .iter()
        .map(|it| (it.address.to_string(), it.weight))
        .collect();
    let wanted = [("10.0.0.1:80", 2), ("10.0.0.2:80", 1), ("10.0.0.1:81", 1)];
    assert_eq!(servers, wanted.map(|(at, weight)| (at.to_owned(), weight)));
    assert_eq!(
        note(&found, "10.0.0.1 80"),
        "k.conf:8: real_server: not carried over: 10.0.0.1 80 is there already, at k.conf:3: keepalived takes the first"
    );
    assert!(note(&found, "10.0.0.2 80").starts_with("k.conf:13: real_server"));
}

#[test]
fn the_second_of_two_equal_virtual_servers_is_dropped_and_another_protocol_is_another_one() {
    let one = format!("virtual_server 192.0.2.1 80 {{\n{SERVER}");
    let text = format!("{one}{one}{}", one.replace("TCP", "UDP"));
    let found = translated(&text);
    let keys: Vec<ServiceKey> = model(&found).services.iter().map(|it| it.key).collect();
    let protocols: Vec<Protocol> = keys.iter().map(|key| key.protocol).collect();
    assert_eq!(protocols, [Protocol::Tcp, Protocol::Udp]);
    assert_eq!(
        note(&found, "the same"),
        "k.conf:7: virtual_server: not carried over: 192.0.2.1 80: there is a virtual_server of the same at k.conf:1 already, and keepalived takes the first"
    );
    assert!(
        found
            .toml
            .contains("# Not carried over: virtual_server 192.0.2.1 80 { ... }")
    );
}

#[test]
fn what_a_group_names_twice_counts_once() {
    let group = "virtual_server_group G {\n 192.0.2.10 80\n 192.0.2.10 80\n 192.0.2.9-12 80\n fwmark 5\n fwmark 5\n}\n";
    let text = format!("{group}virtual_server group G {{\n{SERVER}");
    let found = translated(&text);
    assert_eq!(model(&found).services.len(), 5);
    let listed = [
        "k.conf:3: virtual_server_group: not carried over: 192.0.2.10 80: in the group already, at k.conf:2",
        "k.conf:4: virtual_server_group: not carried over: 192.0.2.10 80: in the group already, at k.conf:2",
        "k.conf:6: virtual_server_group: not carried over: fwmark 5: in the group already, at k.conf:5",
    ];
    for line in listed {
        assert_eq!(
            notes(&found).iter().filter(|it| *it == line).count(),
            1,
            "{line}"
        );
    }
}

#[test]
fn what_another_virtual_server_has_already_is_left_out_of_a_groups() {
    let group = "virtual_server_group G {\n 192.0.2.10 80\n 192.0.2.11 80\n}\n";
    let one = format!("virtual_server 192.0.2.10 80 {{\n{SERVER}");
    let text = format!("{group}{one}virtual_server group G {{\n{SERVER}");
    let found = translated(&text);
    let keys: Vec<String> = model(&found)
        .services
        .iter()
        .map(|it| it.key.socket_addr().to_string())
        .collect();
    assert_eq!(keys, ["192.0.2.10:80", "192.0.2.11:80"]);
    assert!(note(&found, "of the same").starts_with("k.conf:11: virtual_server: not carried over"));
}

#[test]
fn one_that_comes_to_nothing_takes_no_address() {
    let empty = "virtual_server 192.0.2.1 80 {\n protocol TCP\n}\n";
    let text = format!("{empty}virtual_server 192.0.2.1 80 {{\n{SERVER}");
    assert_eq!(model(&translated(&text)).services.len(), 1);
}

#[test]
fn of_two_blocks_with_one_name_the_first_counts() {
    let instance = |id: u8| {
        format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id {id}\n virtual_ipaddress {{\n 192.0.2.{id}\n }}\n track_script {{\n s\n }}\n}}\n"
        )
    };
    let script =
        |weight: i8| format!("vrrp_script s {{\n script /bin/true\n weight {weight}\n}}\n");
    let text = script(1) + &script(2) + &instance(1) + &instance(2);
    let found = translated(&text);
    let vrrp = model(&found).vrrp;
    assert_eq!((vrrp.instances.len(), vrrp.scripts.len()), (1, 1));
    assert_eq!(vrrp.instances[0].router_id, 1);
    assert_eq!(vrrp.instances[0].track[0].weight, 1);
    assert!(note(&found, "at k.conf:1:").starts_with("k.conf:5: vrrp_script: not carried over"));
    assert!(note(&found, "at k.conf:9:").starts_with("k.conf:19: vrrp_instance: not carried over"));
}
