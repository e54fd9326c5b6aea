//! Configurations that are wrong.

use super::fixture::{Shelf, report, resolve};
use crate::{AnyMachine, parse_bytes, parse_translated};

/// The reports of all cases, one after the other.
pub(super) fn reports<T: AsRef<str>>(cases: impl IntoIterator<Item = T>) -> String {
    let reports: Vec<String> = cases
        .into_iter()
        .map(|text| report(text.as_ref()))
        .collect();
    reports.join("\n----\n")
}

/// A service with these keys.
fn service(keys: &str) -> String {
    format!("[[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\n{keys}")
}

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

#[test]
fn syntax_errors_are_explained_and_what_only_follows_from_them_is_not_reported() {
    let cases = [
        "[[service]]\nname = \"a\"\nlisten = 10.0.0.1:80\nsnat = 3\n",
        "[[service]]\nname = web\nlisten \"10.0.0.1:80\"\n",
        "[[service]]\nname = \"web\ncheck = {plugin=\"tcp\", interval = 6s}\nwieght = 3\n",
        "[[service]\nname = \"web\"\n[sandbox]\nmemory = 1\n",
        "plugin_dirs = [\"a\", \"b\"\ntable = \"x\"\n",
        "table = \n",
        "snat = True\nresync = 99999999999999999999\nsocket = 1__2\n",
        "socket = \"\\q\"\ntable = 'x\nresync = 1979-13-01\n",
        "= 5\n[]\n[a.]\n",
        "virtual_server 10.0.0.1 80 {\n  delay_loop 6\n}\n",
        "sandbox = 3\n[sandbox.memory]\nx = 3\n",
        "key: value\n - 3\n",
        "table = \"a\"\rsocket = \"b\"",
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn what_is_defined_twice_points_at_the_first() {
    let cases = [
        "table = \"a\"\ntable = \"b\"\n",
        "[sandbox]\ncall_time = \"1s\"\n[sandbox]\nmemory = 1\n",
        "[[service]]\nname = \"a\"\n[[service]]\nname = \"b\"\nscheduler = { plugin = \"rr\", plugin = \"wrr\" }\nname = \"c\"\n",
        "[[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\nserver = [{ address = \"10.0.0.2:80\" }]\n\
         [[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\nserver = [{ address = \"10.0.0.2:80\" }]\n",
        "[[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\nserver = [\n  { address = \"10.0.0.2:80\", name = \"x\" },\n  \
         { address = \"10.0.0.2:80\", name = \"x\" },\n]\n",
        "[[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\ninterface = \"eth0\"\nserver = [{ address = \"10.0.0.2:80\" }]\n\
         [[service]]\nname = \"b\"\nlisten = \"10.0.0.1:81\"\ninterface = \"eth1\"\nserver = [{ address = \"10.0.0.2:80\" }]\n",
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn tables_in_the_wrong_form_say_the_right_one() {
    let cases = [
        "[service]\nname = \"x\"\n",
        "service = 5\n",
        "service = [5]\n",
        "[[sandbox]]\n",
        &service("[service.server]\naddress = \"10.0.0.2:80\"\n"),
        &service("server = []\n"),
        &service("server = [\"10.0.0.2:80\"]\n"),
        &service(
            "scheduler = [\"rr\"]\ncheck = 3\n[[service.server]]\naddress = \"10.0.0.2:80\"\nlabels = \"a\"\n",
        ),
        &service(
            "scheduler = {}\ncheck = [{}, 3]\n[[service.server]]\naddress = \"10.0.0.2:80\"\nlabels = { cpus = 8 }\n",
        ),
        &service("server = [{ address = \"10.0.0.2:80\" }]\nresync = \"3s\"\nweight = 1\n"),
        &service("server = [{ address = \"10.0.0.2:80\" }]\nlb_algo = \"rr\"\nalpha = true\n"),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn addresses_that_cannot_be_used_say_why() {
    let listen = [
        "10.0.0.1",
        "2001:db8::1",
        "2001:db8::1:80",
        "[2001:db8::1]",
        "[10.0.0.1]:80",
        "10.0.0.1:0",
        "10.0.0.1:70000",
        "10.0.0.1:http",
        "0.0.0.0:80",
        "255.255.255.255:80",
        "224.0.0.1:80",
        "240.0.0.1:80",
        "[::]:80",
        "[ff02::1]:80",
        "[fe80::1]:80",
        "[fe80::1%2]:80",
        "[::ffff:10.0.0.1]:80",
        "example.org:80",
        "10.0.0.1/24:80",
        "",
        ":80",
        "10.0.0.1 80",
        "10.0.0:80",
    ];
    let cases = listen.map(|listen| {
        format!("[[service]]\nname = \"a\"\nlisten = \"{listen}\"\nserver = [{{ address = \"10.9.0.2:80\" }}]\n")
    });
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn values_that_a_key_does_not_take_say_which_ones_it_takes() {
    let top = [
        "resync = 30",
        "resync = 1.5",
        "resync = -1",
        "resync = \"30\"",
        "resync = \"1.5s\"",
        "resync = \"5 parsecs\"",
        "resync = \"\"",
        "resync = \"s\"",
        "resync = \"1ms\"",
        "resync = \"99999999999999999999s\"",
        "resync = true",
        "resync = 1979-05-27",
        "table = \"my table\"",
        "table = \"\"",
        "socket = \"\"",
        "plugin_dirs = \"/opt\"",
        "plugin_dirs = [\"/opt\", 3]",
        "cache_dir = []",
        "dataplane = \"ip_vs\"",
        "offload = true",
        "sandbox = { memory = \"64MB\", table_elements = 0, check_connections = \"5\", check_bytes = -1 }",
        "sandbox = { memory = \"1TiB\", instances = 1.5, check_bytes = \"99999999999999999999GiB\" }",
    ];
    let server = "server = [{ address = \"10.9.0.2:80\" }]\n";
    let service = [
        "snat = \"yes\"",
        "snat = 1",
        "on_down = \"Keep\"",
        "protocol = \"icmp\"",
        "forward = \"gre\"",
        "inhibit_on_failure = \"on\"",
        "fwmark = 0",
        "family = \"v4\"",
        "interface = \"a/b\"",
        "interface = \"0123456789abcdef\"",
        "prefix = 24",
        "interface = \"eth0\"\nprefix = 33",
        "interface = \"eth0\"\nprefix = 0",
        "check = { plugin = \"tcp\", port = 0, address = \"10.0.0.1:80\", rise = 0 }",
        "check = { plugin = \"tcp\", interval = \"1ms\", timeout = \"2d\", retries = 99999 }",
        "check = { plugin = \"tcp\", address = \"a.example\" }",
    ]
    .map(|keys| format!("[[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\n{keys}\n{server}"));
    let cases = top.into_iter().map(str::to_owned).chain(service);
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn plugins_and_settings_that_do_not_fit_say_what_there_is() {
    let cases = [
        "scheduler = \"wlc\"", "scheduler = \"rrr\"", "scheduler = \"http\"", "scheduler = \"WRR\"", "scheduler = \"\"",
        "scheduler = \"twice\"", "scheduler = \"./bad.wasm\"", "scheduler = \"none.wasm\"", "check = \"rr\"",
        "scheduler = { plugin = \"rr\", settings = { weight = 1 } }",
        "scheduler = { plugin = \"hash\", settings = { by = \"Source\", slots = 0, spread = nan, sloots = 1 } }",
        "scheduler = { plugin = \"hash\", settings = { by = 1, slots = \"5\", spread = \"1\" } }",
        "scheduler = { plugin = \"hash\", settings = [] }",
        "check = \"http\"",
        "check = { plugin = \"http\", settings = { path = 3, redirects = \"on\", status = \"200\", wait = 5 } }",
        "scheduler = { plugin = \"hash\", settings = { by = \"source\", spread = 0.25 } }",
        "scheduler = { plugin = \"hash\", settings = { by = \"source\", spread = 10 } }",
        "check = { plugin = \"http\", settings = { path = \"/\", status = [200], wait = \"1500us\" } }",
        "check = { plugin = \"http\", settings = { path = \"/\", wait = \"5ms\" } }",
        "check = { plugin = \"http\", settings = { path = \"up\" } }",
        "check = [\"missing\", \"tcp\", \"missing\", \"missing\", \"missing\", \"missing\"]",
    ]
    .map(|keys| {
        format!("[[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\n{keys}\nserver = [{{ address = \"10.9.0.2:80\" }}]\n")
    });
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn a_file_that_is_not_utf_8_says_where() {
    let parsed = parse_bytes("lb.toml", b"table = \"a\"\n# caf\xe9\nresync = 3\n");
    let report = parsed.resolve(&Shelf::new(), &AnyMachine).unwrap_err();
    let texts: Vec<String> = report.errors().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "lb.toml:2:6: not UTF-8",
            "lb.toml:3:10: resync = 3: a duration needs a unit"
        ]
    );
}

#[test]
fn columns_count_characters_and_long_lines_are_shown_in_part() {
    let text = format!(
        "plugin_dirs = [\"/größe\", 7, \"{}\", \u{1b}]\n",
        "x".repeat(300)
    );
    let report = report(&text);
    assert!(
        report.lines().all(|line| line.chars().count() < 200),
        "{report}"
    );
    assert!(!report.contains('\u{1b}'), "{report}");
    let text = "plugin_dirs = [\"/größe\", 7]\n";
    assert!(
        resolve(text)
            .unwrap_err()
            .to_string()
            .starts_with("/etc/lb.toml: 1 error")
    );
    assert!(
        super::fixture::report(text)
            .starts_with("/etc/lb.toml:1:26: plugin_dirs[1] = 7: expected a path\n")
    );
}

#[test]
fn a_server_that_is_a_virtual_service_itself_gives_a_warning() {
    let text = service("server = [{ address = \"10.0.0.9:80\" }]\n")
        + "[[service]]\nname = \"b\"\nlisten = \"10.0.0.9:80\"\nserver = [{ address = \"10.9.0.2:80\" }]\n";
    let (_, warnings) = resolve(&text).unwrap();
    let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["/etc/lb.toml:4:23: warning: address = \"10.0.0.9:80\": a virtual service's address"]
    );
}

#[test]
fn miette_shows_the_same_places() {
    let report = resolve("resync = 3\ntable = 4\n").unwrap_err();
    let spans: Vec<String> = miette::Diagnostic::related(&report)
        .unwrap()
        .map(|error| {
            let label = error.labels().unwrap().next().unwrap();
            let source = error
                .source_code()
                .unwrap()
                .read_span(label.inner(), 0, 0)
                .unwrap();
            format!(
                "{} {}",
                source.line(),
                String::from_utf8_lossy(source.data()).trim_end()
            )
        })
        .collect();
    assert_eq!(spans, ["0 3", "1 4"]);
}

#[test]
fn mistakes_in_a_translated_file_name_the_line_that_they_came_from() {
    let toml = "# made from lb.conf\n[[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\nresync = 3\n\
                [[service]]\nname = \"a\"\nlisten = \"10.0.0.1\"\n\n";
    let at = |file: &str, line| Some((file.to_owned(), line));
    let origin = vec![
        None,
        at("lb.conf", 4),
        None,
        at("lb.conf", 5),
        None,
        at("more.conf", 1),
    ];
    let report = parse_translated("lb.conf", toml, origin)
        .resolve(&Shelf::new(), &AnyMachine)
        .unwrap_err();
    insta::assert_snapshot!(report.render());
    let nothing_known = parse_translated("lb.conf", "resync = 3\n", Vec::new())
        .resolve(&Shelf::new(), &AnyMachine)
        .unwrap_err();
    assert_eq!(
        nothing_known.diagnostics[0].to_string(),
        "lb.conf: resync = 3: a duration needs a unit"
    );
}

#[test]
fn pools_that_cannot_be_meant_say_what_would_be_right() {
    let servers = |first: &str, second: &str| {
        format!(
            "[[service.server]]\naddress = \"10.1.0.1:80\"\n{first}\n[[service.server]]\naddress = \"10.1.0.2:80\"\n{second}\n"
        )
    };
    insta::assert_snapshot!(reports([
        service(&("min_servers = 1\n".to_owned() + &servers("", ""))),
        service(&("min_servers = 2\n".to_owned() + &servers("", "backup = true"))),
        service(&servers("backup = true", "backup = true")),
        service(&("sorry_server = \"10.1.0.1:80\"\n".to_owned() + &servers("", ""))),
        service(&("sorry_server = \"10.0.0.1:80\"\n".to_owned() + &servers("", ""))),
        service(&("sorry_server = \"[2001:db8::1]:80\"\n".to_owned() + &servers("", ""))),
        service(&("sorry_server = \"10.1.0.3\"\n".to_owned() + &servers("", ""))),
        service(
            &("sorry_server = \"10.1.0.3:80\"\nwhen_all_down = \"use_all\"\n".to_owned()
                + &servers("", ""))
        ),
        service(&("when_all_down = \"use\"\nslow_start = \"0s\"\n".to_owned() + &servers("", ""))),
        service(
            &("check = [\"tcp\", \"tcp\"]\nchecks_required = 3\n".to_owned() + &servers("", ""))
        ),
        service(
            &("check = [\"tcp\", \"tcp\"]\nchecks_required = 0\n".to_owned()
                + &servers("checks_required = \"some\"", ""))
        ),
    ]));
}

#[test]
fn shared_checks_are_named_once_and_used() {
    let with = |checks: &str, check: &str| {
        format!(
            "{checks}\n{}",
            service(&format!(
                "check = {check}\n[[service.server]]\naddress = \"10.1.0.1:80\"\n"
            ))
        )
    };
    let web = "[[check]]\nname = \"web\"\nplugin = \"tcp\"\ninterval = \"1s\"\n";
    insta::assert_snapshot!(reports([
        with(web, "\"wed\""),
        with(web, "{ plugin = \"web\", port = 81 }"),
        with(&format!("{web}{web}"), "\"web\""),
        with("[[check]]\nname = \"Web\"\nplugin = \"rr\"\n", "\"web\""),
        with(
            "[[check]]\nname = \"web\"\nplugin = \"tcp\"\ninteval = \"1s\"\n",
            "\"web\""
        ),
    ]));
    let (_, warnings) = resolve(&with(web, "\"tcp\"")).unwrap();
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    assert_eq!(warning.message, "check web is not used");
}
