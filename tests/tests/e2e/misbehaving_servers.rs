//! Servers that do what no server should, and every checker that asks them: none hangs past its timeout, none fails
//! itself, none keeps others from being checked, and each failure has a reason that a person understands.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::support::{PATIENCE, Service};
use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{Article, Evenkeel, Node, isolated};
use serde_json::Value;

/// Every checker that goes by TCP. What is asked for is what none of these servers says.
const CHECKS: [&str; 30] = [
    r#"plugin = "tcp", settings = { send = "hello\r\n", expect = "welcome" }"#,
    r#"plugin = "tcp", settings = { tls = true, tls-verify = false }"#,
    r#"plugin = "http""#,
    r#"plugin = "http", settings = { contains = "welcome" }"#,
    r#"plugin = "http", settings = { tls = true, tls-verify = false }"#,
    r#"plugin = "http", settings = { redirects = "follow", urls = [{ path = "/a", contains = "welcome" }, { path = "/b" }] }"#,
    r#"plugin = "http", settings = { version = "2" }"#,
    r#"plugin = "grpc""#,
    r#"plugin = "grpc", settings = { tls = true, tls-verify = false }"#,
    r#"plugin = "dns", settings = { transport = "tcp" }"#,
    r#"plugin = "smtp""#,
    r#"plugin = "smtp", settings = { tls = "starttls" }"#,
    r#"plugin = "smtp", settings = { tls = "implicit", tls-verify = false }"#,
    r#"plugin = "imap", settings = { tls = "starttls" }"#,
    r#"plugin = "pop3", settings = { tls = "starttls" }"#,
    r#"plugin = "agent""#,
    r#"plugin = "redis""#,
    r#"plugin = "redis", settings = { role = "master" }"#,
    r#"plugin = "redis", settings = { tls = true, tls-verify = false }"#,
    r#"plugin = "memcached""#,
    r#"plugin = "ssh""#,
    r#"plugin = "mqtt""#,
    r#"plugin = "postgres""#,
    r#"plugin = "postgres", settings = { tls = "required", tls-verify = false }"#,
    r#"plugin = "mysql""#,
    r#"plugin = "mysql", settings = { user = "health", tls = "required", tls-verify = false }"#,
    r#"plugin = "ldap""#,
    r#"plugin = "ldap", settings = { tls = "starttls" }"#,
    r#"plugin = "ldap", settings = { tls = "implicit", tls-verify = false }"#,
    r#"plugin = "sip", settings = { transport = "tcp" }"#,
];

/// What is done with a client.
type Deed = fn(&mut TcpStream) -> std::io::Result<()>;

/// What servers do, and what it is called.
const SERVERS: [(&str, Deed); 9] = [
    ("silent", |client| {
        client.read_to_end(&mut Vec::new()).map(drop)
    }),
    ("closes at once", |_| Ok(())),
    ("closes in the middle", |client| {
        client.write_all(b"HTTP/1.1 2")
    }),
    ("garbage", |client| {
        client.write_all(b"\x00\xff\x1b[31m\x80garbage\r\n\x07\r\n\r\n")
    }),
    ("drips", |client| {
        loop {
            client.write_all(b"2")?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }),
    ("endless", |client| {
        loop {
            client.write_all(&[b'x'; 4096])?;
        }
    }),
    ("endless lines", |client| {
        loop {
            client.write_all(&b"220-mail\r\n".repeat(400))?;
        }
    }),
    ("endless headers", |client| {
        client.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            client.write_all(&b"x-header: y\r\n".repeat(300))?;
        }
    }),
    // A record of a handshake (RFC 8446, section 5.1) of which the rest never comes.
    ("unfinished TLS", |client| {
        client.write_all(&[0x16, 3, 3, 0x10, 0, 2])?;
        client.read_to_end(&mut Vec::new()).map(drop)
    }),
];

/// Serves each client on a thread of its own, for as long as the test's process runs.
fn serve(node: &Node, address: SocketAddr, with: Deed) -> Result<()> {
    let listener = node.enter(|| TcpListener::bind(address))??;
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = client.set_read_timeout(Some(PATIENCE));
                let _ = client.set_write_timeout(Some(PATIENCE));
                // The client goes when it has had enough.
                let _ = with(&mut client);
            });
        }
    });
    Ok(())
}

/// How many checks have told something about the server.
fn told(check: &Value) -> u64 {
    let count = |key: &str| check[key].as_u64().unwrap_or_default();
    count("checks").saturating_sub(count("unknown"))
}

/// Whether an operator can read it: words, and nothing that makes a terminal do something.
fn is_readable(reason: &str) -> bool {
    let words = reason.contains(' ') && reason.len() > 5;
    let debug = ["Os {", "kind:", "Error(", "None", "unwrap"];
    words && !reason.contains(char::is_control) && !debug.iter().any(|it| reason.contains(it))
}

#[test]
fn no_checker_hangs_or_fails_whatever_a_server_does_and_each_says_why() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let mut names = vec!["nobody listens"];
        for (n, (name, with)) in SERVERS.into_iter().enumerate() {
            serve(
                &net.servers[0],
                net.server(0, 2001 + u16::try_from(n)?),
                with,
            )?;
            names.push(name);
        }
        // One service for each checker, with a server for each kind.
        let mut text = String::new();
        for (n, check) in CHECKS.into_iter().enumerate() {
            let n = u16::try_from(n)?;
            let servers = (0..names.len()).map(|kind| {
                let port = 2000 + u16::try_from(kind).unwrap_or_default();
                net.server(0, port)
            });
            text += &Service::new(&format!("s{n}"), net.vip(1000 + n))
                .with(&format!(
                    "check = {{ {check}, alpha = true, interval = \"1s\", timeout = \"700ms\", retries = 0 }}"
                ))
                .servers(servers)
                .text();
        }
        let mut evenkeel = Evenkeel::new(&net.director, &text)?;
        evenkeel.start()?;
        let checks = |status: &Value| -> Vec<(String, Value)> {
            let mut all = Vec::new();
            for (n, check) in CHECKS.iter().enumerate() {
                for (kind, name) in names.iter().enumerate() {
                    let found = &status["services"][n]["servers"][kind]["checks"][0];
                    all.push((format!("{check}: {name}"), found.clone()));
                }
            }
            all
        };
        evenkeel
            .wait_status(
                "each has been checked three times",
                PATIENCE * 2,
                |status| {
                    checks(status)
                        .iter()
                        .all(|(_, it)| told(it) >= 3 && it["state"] != "unknown")
                },
            )
            .with_context(|| {
                let status = evenkeel.status().unwrap_or_default();
                let mut late = checks(&status);
                late.retain(|(_, it)| told(it) < 3);
                format!("{late:#?}")
            })?;
        for (what, found) in checks(&evenkeel.status()?) {
            let reason = found["reason"].as_str().unwrap_or_default();
            // An answer of HTTP without an end of its headers is none, and one that is good at first is so.
            ensure!(found["state"] == "down", "{what}: {found:#}");
            ensure!(is_readable(reason), "{what}: {reason:?}");
        }
        // A busy machine may keep a checker waiting; nothing else is the checker's own.
        let log = evenkeel.log();
        let own = log
            .lines()
            .filter(|line| line.contains("checker plugin failed"));
        let own: Vec<&str> = own.filter(|line| !line.contains("too busy")).collect();
        ensure!(own.is_empty(), "{own:#?}");
        Ok(())
    })
}
