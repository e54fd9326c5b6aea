//! What checkers are offered beyond plain connections: certificates of the configuration's own, secrets, ICMP, a session.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::support::{PATIENCE, QUICK, Service, servers};
use anyhow::{Result, ensure};
use evenkeel_tests::{Article, Evenkeel, Nginx, Node, Paths, isolated};

/// Files of an authority, and of a server and a client whose certificates it has made.
struct Issued(PathBuf);

impl Issued {
    /// In a directory of its own; `openssl` makes them.
    fn new(node: &Node) -> Result<Self> {
        let issued = Self(node.dir().join("issued"));
        fs::create_dir_all(&issued.0)?;
        let new_key = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ];
        let authority = [
            "req",
            "-x509",
            "-subj",
            "/CN=authority",
            "-days",
            "30",
            "-keyout",
            &issued.at("ca.key"),
            "-out",
            &issued.at("ca.pem"),
        ]
        .map(str::to_owned);
        node.run(
            "openssl",
            &[&authority.each_ref().map(String::as_str)[..], &new_key].concat(),
        )?;
        for name in ["server", "client"] {
            let (key, request) = (issued.at(&format!("{name}.key")), issued.at("request"));
            let subject = format!("/CN={name}.test");
            let names = format!("subjectAltName=DNS:{name}.test");
            let made = [
                "req", "-subj", &subject, "-addext", &names, "-keyout", &key, "-out", &request,
            ];
            node.run("openssl", &[&made[..], &new_key].concat())?;
            let (ca, ca_key) = (issued.at("ca.pem"), issued.at("ca.key"));
            let sign = [
                "x509",
                "-req",
                "-in",
                &request,
                "-CA",
                &ca,
                "-CAkey",
                &ca_key,
                "-CAcreateserial",
                "-days",
                "20",
                "-copy_extensions",
                "copy",
                "-out",
                &issued.at(&format!("{name}.pem")),
            ];
            node.run("openssl", &sign)?;
        }
        issued.allow("client.key", 0o600)?;
        Ok(issued)
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn allow(&self, name: &str, mode: u32) -> Result<()> {
        Ok(fs::set_permissions(
            Path::new(&self.at(name)),
            fs::Permissions::from_mode(mode),
        )?)
    }

    /// nginx, which answers only who shows a certificate of the authority.
    fn nginx(&self, node: &Node, ready: std::net::SocketAddr) -> Result<Nginx> {
        let (cert, key, ca) = (
            self.at("server.pem"),
            self.at("server.key"),
            self.at("ca.pem"),
        );
        let block = format!(
            "http {{\n access_log off; server {{ listen {ready} ssl; ssl_certificate {cert}; ssl_certificate_key {key};
             ssl_client_certificate {ca}; ssl_verify_client on; location / {{ return 200 ok; }} }} }}"
        );
        Nginx::with_config(node, "tls", &block, Some(ready))
    }

    /// A check by `http`, which shows the client's certificate if it is to.
    fn check(&self, with_certificate: bool) -> String {
        let shown = if with_certificate {
            format!(
                ", tls-certificate = \"{}\", tls-key = {{ file = \"{}\" }}",
                self.at("client.pem"),
                self.at("client.key")
            )
        } else {
            String::new()
        };
        format!(
            r#"check = {{ plugin = "http", {QUICK}, settings = {{ tls = true, warn-days = 30, host = "server.test", tls-authorities = "{}"{shown} }} }}"#,
            self.at("ca.pem")
        )
    }
}

#[test]
fn a_server_with_its_own_authority_that_asks_for_a_certificate_is_checked_with_both() -> Result<()>
{
    isolated(|| {
        let net = Article::new(1)?;
        let address = servers(&net, 443)[0];
        let issued = Issued::new(&net.servers[0])?;
        let _nginx = issued.nginx(&net.servers[0], address)?;
        let web = |check: &str| {
            let service = Service::new("web", net.vip(443)).with(check);
            service.servers([address]).text()
        };
        let mut evenkeel = Evenkeel::new(&net.director, &web(&issued.check(true)))?;
        evenkeel.start()?;
        evenkeel.wait_health("web", &address.to_string(), "up", PATIENCE)?;
        // Until its first check it is taken to be up.
        evenkeel.wait_status("the days that are left", PATIENCE, |status| {
            let check = &status["services"][0]["servers"][0]["checks"][0];
            check["signals"]["certificate-days"] == 19.0
        })?;
        // 20 in the second in which it was made.
        let warning = "the certificate of CN=server.test is valid for ";
        evenkeel.wait_log(warning, PATIENCE)?;
        ensure!(
            evenkeel.log().matches(warning).count() == 1,
            "{warning}: more than once"
        );

        // What everybody could read is refused, and what runs goes on.
        issued.allow("client.key", 0o644)?;
        evenkeel.reload(&web(&issued.check(true)))?;
        evenkeel.wait_log("everybody on this machine may use it: chmod o= ", PATIENCE)?;
        let log = evenkeel.log();
        ensure!(!log.contains("PRIVATE KEY"), "{log}");
        evenkeel.wait_health("web", &address.to_string(), "up", PATIENCE)?;

        // Without a certificate nginx answers 400.
        evenkeel.reload(&web(&issued.check(false)))?;
        evenkeel.wait_health("web", &address.to_string(), "down", PATIENCE)?;
        let status = evenkeel.status()?;
        let reason = &status["services"][0]["servers"][0]["checks"][0]["reason"];
        ensure!(
            reason.as_str().is_some_and(|it| it.contains("status 400")),
            "{status:#}"
        );
        Ok(())
    })
}

#[test]
fn a_checker_sends_echo_requests_and_keeps_what_it_counts_from_check_to_check() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let address = servers(&net, 80)[0];
        let check = format!("check = {{ plugin = \"reach\", {QUICK} }}");
        let web = Service::new("web", net.vip(80))
            .with(&check)
            .servers([address]);
        let text = format!(
            "[plugins.grants]\nreach = {{ icmp = true }}\n{}",
            web.text()
        );
        let mut evenkeel =
            Evenkeel::new(&net.director, &text)?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        evenkeel.wait_status("its session counts", PATIENCE, |status| {
            let signals = &status["services"][0]["servers"][0]["checks"][0]["signals"];
            signals["answered"].as_f64() >= Some(3.0) && signals["round-trip"].as_f64() < Some(1.0)
        })?;
        // The machine is gone.
        net.servers[0].ip(&["link", "set", "eth0", "down"])?;
        evenkeel.wait_health("web", &address.to_string(), "down", PATIENCE)?;
        Ok(())
    })
}
