use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;
use crate::testing::{LONG, listener, target};

mod means;
mod own_tls;
mod session;

fn probe(address: SocketAddr) -> Probe {
    tried(target(address), Instant::now() + LONG, &Sandbox::default())
}

/// Of a checker that is only tried.
fn tried(target: Target, deadline: Instant, sandbox: &Sandbox) -> Probe {
    Probe::new(target, deadline, sandbox, &Arc::new(Means::of_trial()))
}

/// The state of the TCP connection from the local port, as in `/proc/net/tcp` (06: TIME-WAIT); `None` if there is none.
fn state_of(port: u16) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (here, _there, state) = (fields.next()?, fields.next()?, fields.next()?);
        here.ends_with(&local).then(|| state.to_owned())
    })
}

#[tokio::test]
async fn bytes_go_there_and_back() {
    let (listener, address) = listener().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        stream.read_to_end(&mut request).await.unwrap();
        stream.write_all(&request).await.unwrap();
    });
    let mut probe = probe(address);
    let number = probe.connect(&Transport::Tcp, None).await.unwrap();
    probe.write(number, b"hello", None).await.unwrap();
    probe.finish(number).await.unwrap();
    assert_eq!(probe.read(number, 3, None).await.unwrap(), b"hel");
    assert_eq!(probe.read(number, 100, None).await.unwrap(), b"lo");
    assert_eq!(probe.read(number, 100, None).await.unwrap(), b"");
    server.await.unwrap();
}

#[tokio::test]
async fn a_check_that_ends_first_leaves_no_connection_waiting() {
    let (listener, address) = listener().await;
    let mut probe = probe(address);
    let number = probe.connect(&Transport::Tcp, None).await.unwrap();
    let (mut stream, peer) = listener.accept().await.unwrap();
    probe.close(number);
    // The server learns of it by a reset.
    let error = stream.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(state_of(peer.port()), None);
}

#[tokio::test]
async fn a_server_that_ends_first_sees_a_proper_end() {
    let (listener, address) = listener().await;
    let mut probe = probe(address);
    let number = probe.connect(&Transport::Tcp, None).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(probe.read(number, 8, None).await.unwrap(), b"");
    probe.close(number);
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_port_without_a_listener_refuses() {
    let (listener, address) = listener().await;
    drop(listener);
    let refused = probe(address).connect(&Transport::Tcp, None).await;
    assert_eq!(refused, Err(ProbeError::Refused));
}

#[tokio::test]
async fn a_udp_port_without_a_socket_refuses_what_is_sent() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let mut probe = probe(address);
    // Nothing has been sent yet, so nobody can know.
    let number = probe.connect(&Transport::Udp, None).await.unwrap();
    probe.write(number, b"?", None).await.unwrap();
    assert_eq!(
        probe.read(number, 100, Some(LONG)).await,
        Err(ProbeError::Refused)
    );
}

#[tokio::test]
async fn a_udp_read_is_one_datagram_and_of_the_target_only() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut probe = probe(server.local_addr().unwrap());
    let number = probe.connect(&Transport::Udp, None).await.unwrap();
    probe.write(number, b"ping", None).await.unwrap();
    let mut buffer = [0; 16];
    let (length, client) = server.recv_from(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..length], b"ping");
    stranger.send_to(b"forged", client).await.unwrap();
    server.send_to(b"one", client).await.unwrap();
    server.send_to(b"two", client).await.unwrap();
    assert_eq!(probe.read(number, 100, None).await.unwrap(), b"one");
    assert_eq!(probe.read(number, 100, None).await.unwrap(), b"two");
}

#[tokio::test]
async fn an_operations_own_timeout_is_not_the_end_of_the_check() {
    let (_listener, address) = listener().await;
    let mut probe = probe(address);
    let number = probe.connect(&Transport::Tcp, None).await.unwrap();
    let read = probe.read(number, 8, Some(Duration::from_millis(20))).await;
    assert_eq!(read, Err(ProbeError::TimedOut));
    assert_eq!(probe.judge(unfit(), LONG), Verdict::Unanswered("no".into()));
}

fn unfit() -> Verdict {
    Verdict::Unhealthy("no".to_owned())
}

#[tokio::test]
async fn a_check_that_had_no_time_for_its_target_says_nothing_about_it() {
    let (_listener, address) = listener().await;
    let whole = Duration::from_millis(300);
    let mut probe = tried(target(address), Instant::now() + whole, &Sandbox::default());
    let number = probe.connect(&Transport::Tcp, None).await.unwrap();
    // A machine on which it is not its turn.
    tokio::time::sleep(Duration::from_millis(250)).await;
    let read = probe.read(number, 8, None).await;
    assert_eq!(read, Err(ProbeError::TimedOut));
    for verdict in [probe.judge(unfit(), whole), probe.out_of_time(whole)] {
        let Verdict::Unknown(reason) = verdict else {
            panic!("{verdict:?}")
        };
        assert!(reason.starts_with("this machine is too busy"), "{reason}");
    }
    let fit = Verdict::Healthy;
    assert_eq!(probe.judge(fit.clone(), whole), fit);
}

#[tokio::test]
async fn what_a_check_lacks_on_this_machine_is_not_its_targets_fault() {
    let (_listener, address) = listener().await;
    let mut probe = probe(address);
    // Nobody may send there: it is a broadcast address.
    probe.target.address = "127.255.255.255:7".parse().unwrap();
    let refused = probe.connect(&Transport::Udp, None).await;
    assert!(matches!(refused, Err(ProbeError::Own(_))), "{refused:?}");
    let verdict = probe.judge(unfit(), LONG);
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
    // What comes of another attempt is its own.
    probe.target.address = address;
    probe.connect(&Transport::Tcp, None).await.unwrap();
    assert_eq!(probe.judge(unfit(), LONG), unfit());
}

#[tokio::test]
async fn no_operation_lasts_beyond_the_deadline() {
    let (_listener, address) = listener().await;
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut probe = tried(target(address), deadline, &Sandbox::default());
    let number = probe.connect(&Transport::Tcp, None).await.unwrap();
    assert_eq!(
        probe.read(number, 8, Some(LONG)).await,
        Err(ProbeError::TimedOut)
    );
    assert_eq!(probe.time_left(), Duration::ZERO);
    let reason = format!("timed out after 1s waiting for an answer of {address}");
    let verdict = Verdict::Unanswered(reason);
    assert_eq!(probe.out_of_time(Duration::from_secs(1)), verdict);
}

#[tokio::test]
async fn reads_and_writes_share_one_limit() {
    let (listener, address) = listener().await;
    let sandbox = Sandbox {
        check_bytes: 10,
        ..Sandbox::default()
    };
    let mut probe = tried(target(address), Instant::now() + LONG, &sandbox);
    let number = probe.connect(&Transport::Tcp, None).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"0123456789").await.unwrap();
    assert_eq!(
        probe.write(number, &[0; 11], None).await,
        Err(ProbeError::Limit)
    );
    probe.write(number, &[0; 4], None).await.unwrap();
    assert_eq!(probe.read(number, 100, None).await.unwrap(), b"012345");
    assert_eq!(probe.read(number, 100, None).await, Err(ProbeError::Limit));
}

#[tokio::test]
async fn closing_a_connection_does_not_win_another() {
    let (_listener, address) = listener().await;
    let sandbox = Sandbox {
        check_connections: 1,
        ..Sandbox::default()
    };
    let mut probe = tried(target(address), Instant::now() + LONG, &sandbox);
    let number = probe.connect(&Transport::Tcp, None).await.unwrap();
    probe.close(number);
    assert_eq!(
        probe.connect(&Transport::Tcp, None).await,
        Err(ProbeError::Limit)
    );
    let gone = Err(ProbeError::Other("this connection is closed".to_owned()));
    assert_eq!(probe.read(number, 8, None).await, gone);
}

/// A TLS server for one connection, whose certificate nobody vouches for.
fn tls_server(listener: tokio::net::TcpListener) -> JoinHandle<io::Result<TlsStream<TcpStream>>> {
    let made = rcgen::generate_simple_self_signed(["server.test".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        acceptor.accept(stream).await
    })
}

fn tls(server_name: Option<&str>, verify: bool, alpn: &[&str]) -> Transport {
    Transport::Tls(TlsOptions {
        server_name: server_name.map(str::to_owned),
        verify,
        alpn: alpn.iter().map(|&protocol| protocol.to_owned()).collect(),
        authorities: None,
        identity: None,
    })
}

#[tokio::test]
async fn tls_without_verification_takes_any_certificate_and_sends_name_and_protocol() {
    let (listener, address) = listener().await;
    let server = tls_server(listener);
    let mut probe = probe(address);
    let transport = tls(Some("other.test"), false, &["http/1.1"]);
    let number = probe.connect(&transport, None).await.unwrap();
    let mut stream = server.await.unwrap().unwrap();
    assert_eq!(stream.get_ref().1.server_name(), Some("other.test"));
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    probe.write(number, b"ping", None).await.unwrap();
    let mut request = [0; 4];
    stream.read_exact(&mut request).await.unwrap();
    assert_eq!(&request, b"ping");
    stream.write_all(b"pong").await.unwrap();
    assert_eq!(probe.read(number, 100, None).await.unwrap(), b"pong");
    // Without close_notify.
    drop(stream);
    assert_eq!(probe.read(number, 100, None).await.unwrap(), b"");
}

#[tokio::test]
async fn tls_with_verification_refuses_a_certificate_that_nobody_vouches_for() {
    let (listener, address) = listener().await;
    let server = tls_server(listener);
    let error = probe(address)
        .connect(&tls(Some("server.test"), true, &[]), None)
        .await
        .unwrap_err();
    let ProbeError::Tls(text) = error else {
        panic!("{error:?}")
    };
    // Or, on a machine without any authorities, that there are none.
    assert!(
        text.contains("of no authority") || text.contains("ca-certificates"),
        "{text}"
    );
    drop(server);
}

#[tokio::test]
async fn what_goes_wrong_in_a_handshake_is_said() {
    let (listener, address) = listener().await;
    let server = tls_server(listener);
    let error = probe(address)
        .connect(&tls(None, false, &["h2"]), None)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ProbeError::Tls(text) if text.contains("no application protocol in common")),
        "{error:?}"
    );
    drop(server);

    let (listener, address) = crate::testing::listener().await;
    let plain = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 mail.test ESMTP\r\n").await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
    });
    let error = probe(address)
        .connect(&tls(None, false, &[]), None)
        .await
        .unwrap_err();
    assert!(matches!(error, ProbeError::Tls(_)), "{error:?}");
    plain.await.unwrap();

    let error = probe(address)
        .connect(&tls(Some("no name"), false, &[]), None)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        ProbeError::Tls("\"no name\" is not a host name".to_owned())
    );
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "what is skipped is said")]
async fn an_echo_request_is_answered_by_a_machine_that_is_there() {
    for address in ["127.0.0.1:9", "[::1]:9"] {
        let mut probe = probe(address.parse().unwrap());
        for bytes in [0, 56, 1400] {
            match probe.echo(bytes, None).await {
                Ok(time) => assert!(time < LONG, "{time:?}"),
                // Nobody but root may, as a rule; and a machine may be without IPv6.
                Err(ProbeError::Own(why) | ProbeError::Other(why)) => {
                    return eprintln!("SKIPPED: {address}: {why}");
                }
                Err(error) => panic!("{address}: {error:?}"),
            }
        }
        let error = probe.echo(1401, None).await.unwrap_err();
        assert!(matches!(&error, ProbeError::Other(text) if text.contains("1400 are allowed")));
    }
}
