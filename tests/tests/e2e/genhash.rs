//! `evenkeel genhash`: the sum of a page is the one that the `http` checker compares.

use std::process::Command;

use crate::support::{PATIENCE, QUICK, Service, servers};
use anyhow::Result;
use evenkeel_tests::{Article, Evenkeel, Nginx, Node, isolated_with};

/// Of "good\n", as md5sum prints it.
const SUM: &str = "d7f986677d9f563bd1794b09d82206a3";

/// What it prints.
fn genhash(evenkeel: &Evenkeel, node: &Node, words: &[&str]) -> Result<String> {
    let mut command: Command = evenkeel.command("genhash");
    command.args(words);
    let output = node.output(command)?;
    let all = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&all).trim().to_owned())
}

/// nginx with the page "good" over TCP and TLS.
fn nginx(node: &Node) -> Result<Nginx> {
    let at = |file: &str| node.dir().join(file).display().to_string();
    let (key, cert) = (at("key.pem"), at("cert.pem"));
    let subject = "/CN=server.test";
    let made = [
        "req", "-newkey", "rsa:2048", "-nodes", "-x509", "-subj", subject,
    ];
    node.run(
        "openssl",
        &[&made[..], &["-keyout", &key, "-out", &cert]].concat(),
    )?;
    let blocks = format!(
        "http {{ access_log off; default_type text/plain; server {{ listen 80; listen 443 ssl; \
         ssl_certificate {cert}; ssl_certificate_key {key}; location / {{ return 200 \"good\\n\"; }} \
         location /none {{ return 404 \"none\"; }} }} }}"
    );
    let ready = "127.0.0.1:80".parse()?;
    Nginx::with_config(node, "pages", &blocks, Some(ready))
}

#[test]
fn the_sum_that_it_prints_is_the_one_that_the_http_checker_wants() -> Result<()> {
    isolated_with(&["openssl"], || {
        let net = Article::new(1)?;
        let _nginx = nginx(&net.servers[0])?;
        let addresses = servers(&net, 80);
        let service = Service::new("web", net.vip(80))
            .with(&format!(
                "check = {{ plugin = \"http\", alpha = true, {QUICK}, settings = {{ md5 = \"{SUM}\" }} }}"
            ))
            .servers(addresses);
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        for words in [
            &["http://172.16.50.157/"][..],
            &["https://172.16.50.157/"],
            &["-s", "172.16.50.157", "-p", "80", "-u", "/"],
            &[
                "-S",
                "-s",
                "172.16.50.157",
                "-p",
                "443",
                "-u",
                "/",
                "-V",
                "server.test",
            ],
        ] {
            assert_eq!(genhash(&evenkeel, &net.director, words)?, SUM, "{words:?}");
        }
        let none = genhash(&evenkeel, &net.director, &["http://172.16.50.157/none"])?;
        assert!(none.contains("status 404"), "{none}");
        let closed = genhash(&evenkeel, &net.director, &["http://172.16.50.157:81/"])?;
        assert!(
            closed.contains("cannot connect to 172.16.50.157 port 81"),
            "{closed}"
        );
        let sha256 = ["--sum", "sha256", "http://172.16.50.157/"];
        assert_eq!(genhash(&evenkeel, &net.director, &sha256)?.len(), 64);
        evenkeel.start()?;
        evenkeel.wait_health("web", "172.16.50.157:80", "up", PATIENCE)?;
        Ok(())
    })
}
