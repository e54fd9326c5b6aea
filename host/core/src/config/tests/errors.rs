//! Configurations that are wrong.

use super::fixture::report;

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let text = r#"plugin_dir = ["/opt/plugins"]
socket = 5
resync = 30

[sandbox]
memory = "64MB"
call_time = "20s"

[[service]]
name = "web front"
listen = "10.10.54.151"
protocol = "TCP"
scheduler = { plugin = "wr" }
delay_loop = 6
check = { plugin = "tcp", interval = 6, timeout = "3", retries = "3", retry_delay = "1.5s" }

[[service.server]]
addres = "172.16.50.157:80"
weight = 70000

[[service.server]]
address = "localhost:80"
check = { plugin = "http", settings = { pat = "/", redirects = "yes" } }

[[service]]
name = "dns"
listen = "224.0.0.1:53"
protocol = "udp"
scheduler = "tcp"
prefix = 24

[[service]]
name = "dns"
listen = "10.0.0.1:53"
server = [{ address = "10.0.0.1:53" }, { address = "[2001:db8::1]:53" }]
"#;
    insta::assert_snapshot!(report(text));
}
