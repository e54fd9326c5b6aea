//! Every checker and a real server of its protocol, from Debian's packages: healthy while it runs, unhealthy with a reason
//! that a person understands when it has ended. Servers that this machine does not have are skipped, and said.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{PATIENCE, QUICK, Service};
use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{Article, Evenkeel, Node, Process, isolated, skipped};

mod http2;

/// Whether a server's program is there; if not, the test is skipped.
fn is_installed(test: &str, program: &str) -> Result<bool> {
    let there = Path::new(program).exists();
    if !there {
        let why = format!("it needs {program}, which is not on this machine");
        skipped(&format!("real_servers::{test}"), &why)?;
    }
    Ok(there)
}

fn words(program: &str, words: &str) -> Command {
    let mut command = Command::new(program);
    command.args(words.split_whitespace());
    command
}

/// Writes a password where the check finds it: DIR is the director's directory, which is beside the server's.
fn password(node: &Node) -> Result<()> {
    let secret = node.dir().with_file_name("director").join("password");
    fs::create_dir_all(secret.parent().context("a directory")?)?;
    fs::write(&secret, "s3cret\n")?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// Makes a certificate that nobody has signed, in the server's directory.
fn certificate(node: &Node) -> Result<()> {
    let dir = node.dir().display().to_string();
    let (key, cert) = (format!("{dir}/key.pem"), format!("{dir}/cert.pem"));
    node.run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=mx.test",
            "-days",
            "2",
            "-keyout",
            &key,
            "-out",
            &cert,
        ],
    )?;
    Ok(())
}

/// A server that runs, and a checker that finds it well, as long as it does.
struct Tried {
    /// The port of the service.
    port: u16,
    /// The check's plugin and what else there is to say in its table.
    check: &'static str,
    /// A check of the same server that finds it unwell, and what its reason must contain.
    wrong: Option<(&'static str, &'static str)>,
}

impl Tried {
    fn on(&self, start: impl FnOnce(&Node, SocketAddr) -> Result<Process>) -> Result<()> {
        let net = Article::new(1)?;
        let address = net.server(0, self.port);
        let mut server = start(&net.servers[0], address)?;
        let service = |name: &str, port: u16, check: &str| {
            let check = check.replace("DIR", &net.director.dir().display().to_string());
            Service::new(name, net.vip(port))
                .with(&format!("check = {{ {check}, alpha = true, {QUICK} }}"))
                .servers([address])
                .text()
        };
        let quick = self.check.replace("200ms", "1s");
        let mut text = service("right", 80, &quick);
        if let Some((wrong, _)) = self.wrong {
            text += &service("wrong", 81, wrong);
        }
        // Logging in and TLS take their time on a busy machine.
        let text = text.replace("timeout = \"200ms\"", "timeout = \"3s\"");
        let mut evenkeel = Evenkeel::new(&net.director, &text)?;
        evenkeel.start()?;
        evenkeel
            .wait_status("the server is found well", PATIENCE, |status| {
                status["services"][0]["servers"][0]["health"] == "up"
            })
            .with_context(|| format!("{}\n{:#?}", server.log(), evenkeel.status()))?;
        if let Some((_, reason)) = self.wrong {
            evenkeel
                .wait_status("the reason", PATIENCE, |status| {
                    let found = &status["services"][1]["servers"][0];
                    found["health"] == "down"
                        && found["reason"]
                            .as_str()
                            .is_some_and(|it| it.contains(reason))
                })
                .with_context(|| format!("{:#?}", evenkeel.status()))?;
        }
        server.kill9()?;
        evenkeel.wait_status("its end is noticed", PATIENCE, |status| {
            status["services"][0]["servers"][0]["health"] == "down"
        })?;
        let status = evenkeel.status()?;
        let reason = &status["services"][0]["servers"][0]["reason"];
        let reason = reason.as_str().unwrap_or_default();
        ensure!(reason.contains("refused"), "{reason}");
        Ok(())
    }
}

#[test]
fn redis_is_well_with_its_password_and_in_its_role() -> Result<()> {
    if !is_installed(
        "redis_is_well_with_its_password_and_in_its_role",
        "/usr/bin/redis-server",
    )? {
        return Ok(());
    }
    isolated(|| {
        let tried = Tried {
            port: 6379,
            check: "plugin = \"redis\", settings = { role = \"master\", password = { file = \"DIR/password\" } }",
            wrong: Some(("plugin = \"redis\"", "NOAUTH")),
        };
        tried.on(|node, address| {
            password(node)?;
            let line = format!(
                "--port {} --bind {} --protected-mode no --appendonly no --requirepass s3cret --dir {}",
                address.port(),
                address.ip(),
                node.dir().display()
            );
            let mut command = words("redis-server", &line);
            command.args(["--save", ""]);
            node.spawn("redis", command)
        })
    })
}

#[test]
fn memcached_is_well() -> Result<()> {
    if !is_installed("memcached_is_well", "/usr/bin/memcached")? {
        return Ok(());
    }
    isolated(|| {
        let tried = Tried {
            port: 11211,
            check: "plugin = \"memcached\"",
            wrong: Some(("plugin = \"ssh\"", "")),
        };
        tried.on(|node, address| {
            let line = format!("-u root -U 0 -l {} -p {}", address.ip(), address.port());
            node.spawn("memcached", words("memcached", &line))
        })
    })
}

#[test]
fn an_ssh_server_is_well() -> Result<()> {
    if !is_installed("an_ssh_server_is_well", "/usr/sbin/sshd")? {
        return Ok(());
    }
    isolated(|| {
        let tried = Tried {
            port: 22,
            check: "plugin = \"ssh\", settings = { contains = \"OpenSSH\" }",
            wrong: Some((
                "plugin = \"ssh\", settings = { contains = \"dropbear\" }",
                "expected dropbear in the version",
            )),
        };
        tried.on(|node, address| {
            let dir = node.dir().display().to_string();
            node.run(
                "ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-f", &format!("{dir}/key")],
            )?;
            // Its directory for privileges; /run is a private one in an isolated test.
            let script = format!(
                "mkdir -p -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f /dev/null -h {dir}/key -o ListenAddress={} -o UsePAM=no -o PidFile=none",
                address.ip()
            );
            let mut command = Command::new("sh");
            command.args(["-c", &script]);
            node.spawn("sshd", command)
        })
    })
}

#[test]
fn an_mqtt_broker_is_well() -> Result<()> {
    if !is_installed("an_mqtt_broker_is_well", "/usr/sbin/mosquitto")? {
        return Ok(());
    }
    isolated(|| {
        let tried = Tried {
            port: 1883,
            check: "plugin = \"mqtt\"",
            wrong: None,
        };
        tried.on(|node, address| {
            let config = node.dir().join("mosquitto.conf");
            let lines = format!(
                "listener {} {}\nallow_anonymous true\npersistence false\nuser root\n",
                address.port(),
                address.ip()
            );
            fs::write(&config, lines)?;
            let mut command = Command::new("/usr/sbin/mosquitto");
            command.arg("-c").arg(&config);
            node.spawn("mosquitto", command)
        })
    })
}

#[test]
fn postgresql_is_well_whoever_asks() -> Result<()> {
    // Debian has its version in the path.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut programs = versions.flatten().map(|it| it.path().join("bin"));
    let Some(programs) = programs.find(|it| it.join("postgres").exists()) else {
        let test = "real_servers::postgresql_is_well_whoever_asks";
        return skipped(test, "there is no PostgreSQL server on this machine");
    };
    isolated(|| {
        let tried = Tried {
            port: 5432,
            check: "plugin = \"postgres\"",
            wrong: Some((
                "plugin = \"postgres\", settings = { tls = \"required\", tls-verify = false }",
                "SSLRequest: expected \"S\"",
            )),
        };
        tried.on(|node, address| {
            // It does not run as root.
            let dir = node.dir().join("postgres");
            let (dir, bin) = (dir.display(), programs.display());
            let script = format!(
                "mkdir -p {dir} && chown nobody {dir} && chmod 755 $(dirname {dir}) && \
                 setpriv --reuid nobody --clear-groups {bin}/initdb --no-sync --auth trust -U x -D {dir}/data >/dev/null && \
                 exec setpriv --reuid nobody --clear-groups {bin}/postgres -D {dir}/data -F -h {} -p {} -k ''",
                address.ip(),
                address.port()
            );
            let mut command = Command::new("sh");
            command.args(["-c", &script]).env("LC_ALL", "C.UTF-8");
            node.spawn("postgres", command)
        })
    })
}

#[test]
fn mariadb_is_well_for_its_user_with_and_without_tls() -> Result<()> {
    if !is_installed(
        "mariadb_is_well_for_its_user_with_and_without_tls",
        "/usr/sbin/mariadbd",
    )? {
        return Ok(());
    }
    isolated(|| {
        let tried = Tried {
            port: 3306,
            check: "plugin = \"mysql\", settings = { user = \"health\", password = { file = \"DIR/password\" }, read-only = \"no\", tls = \"required\", tls-verify = false }",
            wrong: Some((
                "plugin = \"mysql\", settings = { user = \"health\", password = { file = \"DIR/password\" }, read-only = \"yes\" }",
                "it takes writes",
            )),
        };
        tried.on(|node, address| {
            password(node)?;
            certificate(node)?;
            // It does not run as root.
            let dir = node.dir().join("mariadb");
            let dir = dir.display();
            let script = format!(
                "mkdir -p {dir} && cp {dir}/../*.pem {dir} && chown -R nobody {dir} && chmod 755 $(dirname {dir}) && \
                 echo \"CREATE USER health IDENTIFIED BY 's3cret';\" > {dir}/init.sql && \
                 setpriv --reuid nobody --clear-groups mariadb-install-db --no-defaults --skip-test-db \
                 --auth-root-authentication-method=normal --datadir={dir}/data --tmpdir={dir} >/dev/null && \
                 exec setpriv --reuid nobody --clear-groups /usr/sbin/mariadbd --no-defaults --datadir={dir}/data --tmpdir={dir} \
                 --bind-address={} --port={} --socket={dir}/socket --ssl-cert={dir}/cert.pem --ssl-key={dir}/key.pem --init-file={dir}/init.sql --skip-name-resolve",
                address.ip(),
                address.port()
            );
            let mut command = Command::new("sh");
            command.args(["-c", &script]);
            node.spawn("mariadb", command)
        })
    })
}

#[test]
fn an_ldap_server_is_well_by_its_entry_over_both_kinds_of_tls() -> Result<()> {
    if !is_installed(
        "an_ldap_server_is_well_by_its_entry_over_both_kinds_of_tls",
        "/usr/sbin/slapd",
    )? {
        return Ok(());
    }
    for (scheme, check, wrong) in [
        (
            "ldap",
            "plugin = \"ldap\", settings = { bind-dn = \"cn=health,dc=example,dc=org\", \
             password = { file = \"DIR/password\" }, base = \"dc=example,dc=org\", \
             tls = \"starttls\", tls-verify = false }",
            "plugin = \"ldap\", settings = { base = \"ou=nobody,dc=example,dc=org\" }",
        ),
        (
            "ldaps",
            "plugin = \"ldap\", settings = { base = \"dc=example,dc=org\", tls = \"implicit\", tls-verify = false }",
            "plugin = \"ldap\", settings = { base = \"ou=nobody,dc=example,dc=org\", tls = \"implicit\", \
             tls-verify = false }",
        ),
    ] {
        isolated(|| {
            let tried = Tried {
                port: 3890,
                check,
                wrong: Some((wrong, "search: refused with 32, no such object")),
            };
            tried.on(|node, address| {
            password(node)?;
            certificate(node)?;
            let dir = node.dir().display();
            fs::write(
                node.dir().join("slapd.conf"),
                format!(
                    "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
                     TLSCertificateFile {dir}/cert.pem\nTLSCertificateKeyFile {dir}/key.pem\n\
                     database mdb\nmaxsize 1048576\nsuffix \"dc=example,dc=org\"\n\
                     rootdn \"cn=health,dc=example,dc=org\"\nrootpw s3cret\ndirectory {dir}/slapd\n"
                ),
            )?;
            fs::write(
                node.dir().join("base.ldif"),
                "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: x\n",
            )?;
            let script = format!(
                "mkdir -p {dir}/slapd && chown -R nobody {dir} && chmod 755 {dir} && \
                 setpriv --reuid nobody --clear-groups /usr/sbin/slapadd -f {dir}/slapd.conf -l {dir}/base.ldif && \
                 exec setpriv --reuid nobody --clear-groups /usr/sbin/slapd -f {dir}/slapd.conf -h {scheme}://{address} -d 0"
            );
            let mut command = Command::new("sh");
            command.args(["-c", &script]);
            node.spawn("slapd", command)
        })
        })?;
    }
    Ok(())
}

#[test]
fn a_radius_server_is_well_by_its_status_and_by_a_login() -> Result<()> {
    if !is_installed(
        "a_radius_server_is_well_by_its_status_and_by_a_login",
        "/usr/sbin/freeradius",
    )? {
        return Ok(());
    }
    for check in [
        "plugin = \"radius\", settings = { secret = { file = \"DIR/password\" } }",
        "plugin = \"radius\", settings = { secret = { file = \"DIR/password\" }, user = \"health\", \
         password = { file = \"DIR/password\" }, expect = \"accept\" }",
    ] {
        isolated(|| {
            let tried = Tried {
                port: 1812,
                check,
                wrong: Some((
                    "plugin = \"radius\", settings = { secret = { file = \"DIR/password\" }, user = \"nobody\", \
                     password = { file = \"DIR/password\" }, expect = \"accept\" }",
                    "expected Access-Accept, got Access-Reject",
                )),
            };
            tried.on(|node, address| {
                password(node)?;
                let dir = node.dir().join("radius");
                fs::create_dir_all(&dir)?;
                fs::write(
                    dir.join("radiusd.conf"),
                    format!(
                        "security {{\n status_server = yes\n reject_delay = 0\n}}\nmodules {{\n}}\n\
                         client director {{\n ipaddr = 0.0.0.0/0\n secret = s3cret\n}}\nserver default {{\n\
                         listen {{\n type = auth\n ipaddr = {}\n port = {}\n}}\n\
                         authorize {{\n if (User-Name == \"health\" && User-Password == \"s3cret\") {{\n\
                         update control {{\n Auth-Type := Accept\n}}\n}}\n}}\n}}\n",
                        address.ip(),
                        address.port()
                    ),
                )?;
                let dir = dir.display();
                let script = format!(
                    "chown -R nobody {dir} && chmod 755 $(dirname {dir}) && exec setpriv --reuid nobody --clear-groups \
                     /usr/sbin/freeradius -f -l stdout -d {dir}"
                );
                let mut command = Command::new("sh");
                command.args(["-c", &script]);
                node.spawn("freeradius", command)
            })
        })?;
    }
    Ok(())
}

#[test]
fn a_sip_server_answers_over_both_transports() -> Result<()> {
    if !is_installed(
        "a_sip_server_answers_over_both_transports",
        "/usr/sbin/kamailio",
    )? {
        return Ok(());
    }
    for check in [
        "plugin = \"sip\"",
        "plugin = \"sip\", settings = { transport = \"tcp\" }",
    ] {
        isolated(|| {
            let tried = Tried {
                port: 5060,
                check,
                wrong: Some((
                    "plugin = \"sip\", settings = { uri = \"sip:nobody@example.org\" }",
                    "status 404, \"Not here\", wanted 200-299",
                )),
            };
            tried.on(|node, address| {
                let dir = node.dir().join("kamailio");
                fs::create_dir_all(&dir)?;
                fs::write(
                    dir.join("kamailio.cfg"),
                    "#!KAMAILIO\ndebug=1\nlog_stderror=yes\nchildren=1\nloadmodule \"sl.so\"\nrequest_route {\n\
                     if (uri =~ \"nobody@\") {\n sl_send_reply(\"404\", \"Not here\");\n} else {\n\
                     sl_send_reply(\"200\", \"OK\");\n}\n}\n",
                )?;
                let dir = dir.display();
                // Its processes would outlive the first one, whose end is that of all in a namespace of their own.
                let script = format!(
                    "chown -R nobody {dir} && chmod 755 $(dirname {dir}) && exec unshare --pid --fork \
                     setpriv --reuid nobody --clear-groups --pdeathsig KILL /usr/sbin/kamailio -f {dir}/kamailio.cfg \
                     -DD -E -Y {dir} -l udp:{address} -l tcp:{address} -m 32 -M 8"
                );
                let mut command = Command::new("sh");
                command.args(["-c", &script]);
                node.spawn("kamailio", command)
            })
        })?;
    }
    Ok(())
}

#[test]
fn a_dns_server_answers_as_it_should_over_both_transports() -> Result<()> {
    if !is_installed(
        "a_dns_server_answers_as_it_should_over_both_transports",
        "/usr/sbin/dnsmasq",
    )? {
        return Ok(());
    }
    for transport in ["udp", "tcp"] {
        isolated(|| {
            let check = match transport {
                "udp" => {
                    "plugin = \"dns\", settings = { name = \"www.example.org\", record = \"A\", answer = \"192.0.2.7\" }"
                }
                _ => {
                    "plugin = \"dns\", settings = { name = \"www.example.org\", record = \"A\", answer = \"192.0.2.7\", transport = \"tcp\" }"
                }
            };
            let tried = Tried {
                port: 53,
                check,
                wrong: Some((
                    "plugin = \"dns\", settings = { name = \"other.example.net\", record = \"A\" }",
                    "REFUSED, wanted NOERROR",
                )),
            };
            tried.on(|node, address| {
                let line = format!(
                    "--keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --port={} --listen-address={} --bind-interfaces --address=/www.example.org/192.0.2.7 --user=root --pid-file --log-facility=-",
                    address.port(),
                    address.ip()
                );
                node.spawn("dnsmasq", words("/usr/sbin/dnsmasq", &line))
            })
        })?;
    }
    Ok(())
}

/// Dovecot, with as little as it starts with.
fn dovecot(node: &Node, address: SocketAddr, protocol: &str) -> Result<Process> {
    let dir = node.dir().join("dovecot");
    fs::create_dir_all(&dir)?;
    let path = dir.display();
    let config = dir.join("dovecot.conf");
    fs::write(
        &config,
        format!(
            "base_dir = {path}/run\nstate_dir = {path}/state\nlog_path = /dev/stderr\nprotocols = {protocol}\nlisten = {}\nssl = no\n\
             passdb {{\n driver = static\n args = password=x\n}}\nuserdb {{\n driver = static\n args = uid=1000 gid=1000 home=/tmp\n}}\n",
            address.ip()
        ),
    )?;
    let mut command = Command::new("/usr/sbin/dovecot");
    command.arg("-F").arg("-c").arg(&config);
    node.spawn("dovecot", command)
}

#[test]
fn dovecot_is_well_by_imap() -> Result<()> {
    if !is_installed("dovecot_is_well_by_imap", "/usr/lib/dovecot/imap")? {
        return Ok(());
    }
    isolated(|| {
        let tried = Tried {
            port: 143,
            check: "plugin = \"imap\"",
            wrong: Some((
                "plugin = \"imap\", settings = { tls = \"starttls\" }",
                "STARTTLS: expected",
            )),
        };
        tried.on(|node, address| dovecot(node, address, "imap"))
    })
}

#[test]
fn dovecot_is_well_by_pop3() -> Result<()> {
    if !is_installed("dovecot_is_well_by_pop3", "/usr/lib/dovecot/pop3")? {
        return Ok(());
    }
    isolated(|| {
        let tried = Tried {
            port: 110,
            check: "plugin = \"pop3\"",
            wrong: Some((
                "plugin = \"pop3\", settings = { tls = \"starttls\" }",
                "STLS: expected",
            )),
        };
        tried.on(|node, address| dovecot(node, address, "pop3"))
    })
}

#[test]
fn a_mail_server_is_well_with_and_without_tls() -> Result<()> {
    if !is_installed(
        "a_mail_server_is_well_with_and_without_tls",
        "/usr/lib/python3/dist-packages/aiosmtpd",
    )? {
        return Ok(());
    }
    isolated(|| {
        let tried = Tried {
            port: 25,
            check: "plugin = \"smtp\", settings = { tls = \"starttls\", tls-verify = false }",
            wrong: Some((
                "plugin = \"smtp\", settings = { tls = \"starttls\" }",
                "certificate",
            )),
        };
        tried.on(|node, address| {
            certificate(node)?;
            let dir = node.dir().display();
            let line = format!(
                "-m aiosmtpd -n -c aiosmtpd.handlers.Sink -l {address} --tlscert {dir}/cert.pem --tlskey {dir}/key.pem"
            );
            node.spawn("aiosmtpd", words("/usr/bin/python3", &line))
        })
    })
}

#[test]
fn a_machine_that_answers_echo_requests_is_well_until_it_is_off() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let address = net.server(0, 5000);
        let service = |name: &str, port: u16, check: &str| {
            Service::new(name, net.vip(port))
                .with(&format!("check = {{ {check}, alpha = true, interval = \"300ms\", timeout = \"300ms\", retries = 1, retry_delay = \"300ms\" }}"))
                .servers([address])
                .text()
        };
        // Nobody listens on TCP: the port alone is refused.
        let text = service("ping", 80, "plugin = \"ping\", settings = { count = 2 }")
            + &service(
                "udp",
                81,
                "plugin = \"udp\", settings = { wait = \"50ms\" }",
            );
        let _silent = net.servers[0].enter(|| std::net::UdpSocket::bind(address))??;
        let mut evenkeel = Evenkeel::new(&net.director, &text)?;
        evenkeel.start()?;
        for name in ["ping", "udp"] {
            evenkeel
                .wait_health(name, &address.to_string(), "up", PATIENCE)
                .with_context(|| format!("{:#?}", evenkeel.status()))?;
        }
        let status = evenkeel.status()?;
        let signals = &status["services"][0]["servers"][0]["checks"][0]["signals"];
        ensure!(
            signals["loss-percent"] == 0.0 && signals["rtt-ms"].as_f64() > Some(0.0),
            "{signals}"
        );
        net.servers[0].link_down("eth0")?;
        for name in ["ping", "udp"] {
            evenkeel.wait_health(name, &address.to_string(), "down", PATIENCE)?;
        }
        net.servers[0].link_up("eth0")?;
        for name in ["ping", "udp"] {
            evenkeel.wait_health(name, &address.to_string(), "up", PATIENCE)?;
        }
        Ok(())
    })
}
