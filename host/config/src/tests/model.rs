//! Configurations that are right.

use std::path::PathBuf;
use std::time::Duration;

use super::fixture::{Shelf, model, resolve};
use crate::{AnyMachine, parse};
use evenkeel_core::manifest::SettingValue;
use evenkeel_core::model::{OnDown, PluginRef, Protocol, Sandbox};

const SHORTEST: &str = r#"
[[service]]
name = "web"
listen = "10.10.54.151:80"
server = [{ address = "172.16.50.157:8080" }]
"#;

#[test]
fn the_shortest_service_has_every_default() {
    let model = model(SHORTEST);
    let service = &model.services[0];
    assert_eq!(service.name, "web");
    assert_eq!(service.key.to_string(), "tcp 10.10.54.151:80");
    assert_eq!(service.scheduler.plugin, PluginRef::Name("rr".to_owned()));
    assert!(!service.snat);
    assert_eq!(service.on_down, OnDown::Keep);
    assert_eq!(service.assign, None);
    let server = &service.servers[0];
    assert_eq!(server.name, "172.16.50.157:8080");
    assert_eq!(server.weight, 1);
    assert!(server.labels.is_empty() && server.checks.is_empty());
}

#[test]
fn an_empty_file_gives_the_daemon_its_defaults() {
    let model = model("");
    assert_eq!(
        model.daemon.plugin_dirs,
        [
            PathBuf::from("/usr/local/lib/evenkeel/plugins"),
            "/usr/lib/evenkeel/plugins".into()
        ]
    );
    assert_eq!(model.daemon.cache_dir, PathBuf::from("/var/cache/evenkeel"));
    assert_eq!(model.daemon.state_dir, PathBuf::from("/var/lib/evenkeel"));
    assert_eq!(
        model.daemon.socket,
        PathBuf::from("/run/evenkeel/evenkeel.sock")
    );
    assert_eq!(model.daemon.table, "evenkeel");
    assert_eq!(model.daemon.resync, Duration::from_secs(30));
    assert_eq!(model.daemon.sandbox, Sandbox::default());
}

#[test]
fn relative_paths_start_from_the_directory_of_the_file() {
    let text = r#"
plugin_dirs = ["plugins", "/opt/plugins"]
socket = "run/lb.sock"
[[service]]
name = "web"
listen = "10.0.0.1:80"
scheduler = "./mine.wasm"
server = [{ address = "10.0.0.2:80" }]
"#;
    let parsed = parse("/etc/evenkeel/lb.toml", text);
    assert_eq!(
        parsed.daemon().plugin_dirs,
        [
            PathBuf::from("/etc/evenkeel/plugins"),
            "/opt/plugins".into()
        ]
    );
    assert_eq!(
        parsed.daemon().socket,
        PathBuf::from("/etc/evenkeel/run/lb.sock")
    );
    assert_eq!(
        parsed.plugin_refs(),
        [PluginRef::File("/etc/evenkeel/./mine.wasm".into())]
    );
    assert_eq!(
        parse("lb.toml", text).daemon().plugin_dirs[0],
        PathBuf::from("plugins")
    );
}

#[test]
fn the_daemons_settings_are_known_although_a_service_is_wrong() {
    let parsed = parse(
        "lb.toml",
        "table = \"mine\"\nresync = 7\n[[service]]\nname = 3\n",
    );
    assert_eq!(parsed.daemon().table, "mine");
    assert_eq!(parsed.daemon().resync, Duration::from_secs(30));
    assert!(parsed.resolve(&Shelf::new(), &AnyMachine).is_err());
}

#[test]
fn each_plugin_that_is_named_is_listed_once() {
    let text = r#"
[[service]]
name = "a"
listen = "10.0.0.1:80"
scheduler = { plugin = "wrr" }
check = [{ plugin = "tcp" }, { plugin = "http", settings = { path = "/" } }]
server = [{ address = "10.0.0.2:80", check = "x/y.wasm" }]
[[service]]
name = "b"
listen = "10.0.0.1:81"
check = "tcp"
server = [{ address = "10.0.0.2:80" }]
"#;
    let mut refs: Vec<String> = parse("/etc/lb.toml", text)
        .plugin_refs()
        .iter()
        .map(ToString::to_string)
        .collect();
    refs.sort();
    assert_eq!(refs, ["/etc/x/y.wasm", "http", "rr", "tcp", "wrr"]);
}

#[test]
fn udp_flows_of_a_failed_server_are_killed_unless_the_file_says_otherwise() {
    let text = SHORTEST.replace("[[service]]", "[[service]]\nprotocol = \"udp\"");
    assert_eq!(model(&text).services[0].on_down, OnDown::Kill);
    assert_eq!(model(&text).services[0].key.protocol, Protocol::Udp);
    let text = text.replace("[[service]]", "[[service]]\non_down = \"keep\"");
    assert_eq!(model(&text).services[0].on_down, OnDown::Keep);
}

#[test]
fn one_address_may_be_a_service_of_both_protocols() {
    let text = r#"
[[service]]
name = "dns-tcp"
listen = "[2001:db8::1]:53"
server = [{ address = "[2001:db8::2]:53" }]
[[service]]
name = "dns-udp"
listen = "[2001:db8::1]:53"
protocol = "udp"
server = [{ address = "[2001:db8::2]:53" }]
"#;
    assert_eq!(model(text).services.len(), 2);
}

#[test]
fn a_check_has_the_times_that_are_written_and_defaults_for_the_others() {
    let with = |check: &str| {
        let text = SHORTEST.replace("server =", &format!("check = {check}\nserver ="));
        model(&text).services[0].servers[0].checks[0].timing
    };
    let timing = with("\"tcp\"");
    assert_eq!(timing.interval, Duration::from_secs(6));
    assert_eq!(timing.timeout, Duration::from_secs(3));
    assert_eq!((timing.retries, timing.rise, timing.alpha), (3, 1, false));
    assert_eq!(timing.retry_delay, Duration::from_secs(3));
    let timing = with(r#"{ plugin = "tcp", interval = "500ms", rise = 2, alpha = true }"#);
    assert_eq!(timing.timeout, Duration::from_millis(500));
    assert_eq!(timing.retry_delay, Duration::from_millis(500));
    assert_eq!((timing.rise, timing.alpha), (2, true));
}

#[test]
fn a_check_goes_to_the_server_or_where_it_says() {
    let text = r#"
[[service]]
name = "web"
listen = "10.0.0.1:80"
check = [
    "tcp",
    { plugin = "tcp", port = 81 },
    { plugin = "tcp", address = "10.9.9.9" },
    { plugin = "tcp", address = "2001:db8::9", port = 82 },
]
server = [{ address = "10.0.0.2:8080" }]
"#;
    let model = model(text);
    let targets: Vec<String> = model.services[0].servers[0]
        .checks
        .iter()
        .map(|check| check.target.to_string())
        .collect();
    assert_eq!(
        targets,
        [
            "10.0.0.2:8080",
            "10.0.0.2:81",
            "10.9.9.9:8080",
            "[2001:db8::9]:82"
        ]
    );
}

#[test]
fn a_servers_own_checks_replace_the_services() {
    let text = r#"
[[service]]
name = "web"
listen = "10.0.0.1:80"
check = "tcp"
[[service.server]]
address = "10.0.0.2:80"
[[service.server]]
address = "10.0.0.3:80"
check = []
[[service.server]]
address = "10.0.0.4:80"
check = "none"
[[service.server]]
address = "10.0.0.5:80"
check = ["tcp", "tcp"]
"#;
    let counts: Vec<usize> = model(text).services[0]
        .servers
        .iter()
        .map(|server| server.checks.len())
        .collect();
    assert_eq!(counts, [1, 0, 0, 2]);
}

#[test]
fn settings_come_in_the_order_of_the_manifest_with_its_defaults() {
    let text = r#"
[[service]]
name = "web"
listen = "10.0.0.1:80"
scheduler = { plugin = "hash", settings = { spread = 2, slots = 7 } }
check = { plugin = "http", settings = { wait = "1s", status = ["200-299"], path = "/up" } }
server = [{ address = "10.0.0.2:80" }]
"#;
    let model = model(text);
    let service = &model.services[0];
    let values: Vec<_> = service
        .scheduler
        .settings
        .iter()
        .map(|s| s.value.clone())
        .collect();
    assert_eq!(
        values,
        [
            SettingValue::Text("source".to_owned()),
            SettingValue::Integer(7),
            SettingValue::Number(2.0)
        ]
    );
    let check: Vec<_> = service.servers[0].checks[0]
        .plugin
        .settings
        .iter()
        .map(|s| (s.key.as_str(), s.value.clone()))
        .collect();
    assert_eq!(
        check,
        [
            ("path", SettingValue::Text("/up".to_owned())),
            ("redirects", SettingValue::Boolean(false)),
            ("status", SettingValue::TextList(vec!["200-299".to_owned()])),
            ("wait", SettingValue::Duration(Duration::from_secs(1))),
        ]
    );
}

#[test]
fn an_address_is_put_on_an_interface_with_its_prefix() {
    let with = |keys: &str| {
        let text = SHORTEST.replace("server =", &format!("{keys}\nserver ="));
        let assign = model(&text).services[0].assign.clone().unwrap();
        (assign.interface, assign.addr.to_string(), assign.prefix)
    };
    assert_eq!(
        with("interface = \"eth0\""),
        ("eth0".into(), "10.10.54.151".into(), 32)
    );
    assert_eq!(with("interface = \"eth0\"\nprefix = 24").2, 24);
}

#[test]
fn the_sandbox_is_read_in_bytes_and_in_binary_units() {
    let text = "[sandbox]\nmemory = \"128MiB\"\ncheck_bytes = 5000\ncall_time = \"1s\"\n";
    let sandbox = model(text).daemon.sandbox;
    assert_eq!(sandbox.memory, 128 << 20);
    assert_eq!(sandbox.check_bytes, 5000);
    assert_eq!(sandbox.call_time, Duration::from_secs(1));
    assert_eq!(sandbox.instances, Sandbox::default().instances);
}

#[test]
fn warnings_come_with_the_model() {
    let text = SHORTEST.replace(
        "server =",
        "check = { plugin = \"tcp\", interval = \"1s\", timeout = \"2s\", retry_delay = \"500ms\" }\nserver =",
    );
    let (model, warnings) = resolve(&text).unwrap();
    assert_eq!(model.services.len(), 1);
    let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "/etc/lb.toml:5:54: warning: timeout = \"2s\": longer than the interval of 1s",
            "/etc/lb.toml:5:74: warning: retry_delay = \"500ms\": shorter than the timeout of 2s",
        ]
    );
    assert!(
        warnings[0]
            .help
            .as_deref()
            .unwrap()
            .ends_with("in the pool for 9s")
    );
}

#[test]
fn a_plugin_is_asked_once_whether_it_takes_the_same_settings() {
    let text = r#"
[[service]]
name = "a"
listen = "10.0.0.1:80"
check = ["tcp", "tcp", { plugin = "http", settings = { path = "/a" } }]
server = [{ address = "10.0.0.2:80", check = ["tcp"] }]
[[service]]
name = "b"
listen = "10.0.0.1:81"
check = { plugin = "http", settings = { path = "/b" } }
server = [{ address = "10.0.0.2:80" }]
"#;
    let shelf = Shelf::new();
    assert!(parse("lb.toml", text).resolve(&shelf, &shelf).is_ok());
    // rr, tcp, http with /a, http with /b
    assert_eq!(shelf.asked.get(), 4);
}

#[test]
fn backup_servers_the_sorry_server_and_shared_checks_are_in_the_model() {
    use evenkeel_core::model::{ChecksRequired, PoolRules, ServerRole, Service, WhenAllDown};

    let (model, warnings) = resolve(
        r#"
[[check]]
name = "web"
plugin = "tcp"
interval = "2s"
fast_interval = "500ms"
down_interval = "10s"
warmup = "0s"

[[service]]
name = "a"
listen = "10.0.0.1:80"
check = "web"
min_servers = 1
when_all_down = "use_last"
slow_start = "30s"
server = [{ address = "10.1.0.1:80" }, { address = "10.1.0.2:80", backup = true }]

[[service]]
name = "b"
listen = "10.0.0.1:81"
check = ["web", "tcp"]
checks_required = "any"
sorry_server = "10.1.0.9:80"
server = [{ address = "10.1.0.1:80" }, { address = "10.1.0.2:80", checks_required = 2 }]
"#,
    )
    .unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let [a, b] = model.services.as_slice() else {
        panic!("two services");
    };
    assert_eq!(
        a.pool,
        PoolRules {
            min_servers: Some(1),
            when_all_down: WhenAllDown::UseLast,
            slow_start: Some(Duration::from_secs(30)),
        }
    );
    let roles = |service: &Service| -> Vec<ServerRole> {
        service.servers.iter().map(|it| it.role).collect()
    };
    assert_eq!(roles(a), [ServerRole::Regular, ServerRole::Backup]);
    assert_eq!(
        roles(b),
        [ServerRole::Regular, ServerRole::Regular, ServerRole::Sorry]
    );
    let sorry = &b.servers[2];
    assert_eq!(
        (sorry.name.as_str(), sorry.checks.len()),
        ("10.1.0.9:80", 0)
    );
    let required: Vec<_> = b.servers.iter().map(|it| it.required).collect();
    assert_eq!(
        required,
        [
            ChecksRequired::Any,
            ChecksRequired::AtLeast(2),
            ChecksRequired::All
        ]
    );
    let check = &a.servers[0].checks[0];
    assert_eq!(check.shared.as_deref(), Some("web"));
    assert_eq!(check, &b.servers[0].checks[0], "it is the same");
    assert_eq!(b.servers[0].checks[1].shared, None);
    let times = (
        check.timing.fast_interval,
        check.timing.down_interval,
        check.timing.warmup,
    );
    let seconds = Duration::from_secs;
    assert_eq!(
        times,
        (
            Some(Duration::from_millis(500)),
            Some(seconds(10)),
            Some(seconds(0))
        )
    );
}
