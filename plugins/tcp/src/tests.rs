use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::*;
use evenkeel_sdk::SettingValue;
use evenkeel_sdk::testing::check;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Answers what it is sent, in capitals, until the client has finished; then with how that was.
fn echo() -> (SocketAddr, std::thread::JoinHandle<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut piece = [0; 100];
        loop {
            match client.read(&mut piece) {
                Ok(0) => return true,
                Ok(length) => {
                    let answer = piece[..length].to_ascii_uppercase();
                    let _ = client.write_all(&answer);
                }
                Err(_) => return false,
            }
        }
    });
    (address, served)
}

fn with(settings: &[(&str, &str)]) -> Result<Verdict, String> {
    let (address, _) = echo();
    let settings: Vec<(&str, SettingValue)> = settings
        .iter()
        .map(|(key, value)| (*key, (*value).into()))
        .collect();
    check::<Tcp>(&settings, address, TIMEOUT)
}

#[test]
fn who_accepts_is_healthy() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let verdict = check::<Tcp>(&[], listener.local_addr().unwrap(), TIMEOUT);
        assert_eq!(verdict, Ok(Verdict::Healthy));
    }
}

#[test]
fn a_port_where_nobody_listens_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let verdict = check::<Tcp>(&[], address, TIMEOUT);
    assert_eq!(verdict, Ok(Verdict::Unhealthy("connection refused".into())));
}

#[test]
fn what_a_server_says_is_compared_as_text_bytes_and_by_a_pattern() {
    for (expect, wanted) in [
        ("expect", "PING 1"),
        ("expect-hex", "50 49 4e"),
        ("expect-regex", "^P.*[0-9]\r\n$"),
    ] {
        let sent = [("send", "ping 1\r\n"), (expect, wanted)];
        assert_eq!(with(&sent), Ok(Verdict::Healthy), "{expect}");
    }
    let bytes = [("send-hex", "61 62"), ("expect", "AB")];
    assert_eq!(with(&bytes), Ok(Verdict::Healthy));
}

#[test]
fn a_server_that_says_something_else_is_shown_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(b"-LOADING\r\n").unwrap();
    });
    let verdict = check::<Tcp>(&[("expect", "+PONG".into())], address, TIMEOUT);
    let reason = "expected \"+PONG\": not in what the server said, which was \"-LOADING\\r\\n\"";
    assert_eq!(verdict, Ok(Verdict::Unhealthy(reason.into())));
}

#[test]
fn settings_that_make_no_sense_say_why() {
    let cases = [
        (&[("send", "a"), ("send-hex", "61")][..], "only one"),
        (&[("expect", "a"), ("expect-regex", "a")], "only one"),
        (&[("send-hex", "6")], "send-hex: wanted hexadecimal digits"),
        (&[("expect-regex", "(")], "expect-regex: "),
        (&[("expect", "")], "empty"),
        (&[("sni", "a")], "sni needs tls"),
    ];
    for (settings, why) in cases {
        let refused = with(settings).unwrap_err();
        assert!(refused.contains(why), "{settings:?}: {refused}");
    }
}

#[test]
fn a_connection_that_is_closed_in_order_is_no_reset_for_the_server() {
    let (address, served) = echo();
    let settings = [
        ("close", "finish".into()),
        ("send", "x".into()),
        ("expect", "X".into()),
    ];
    assert_eq!(
        check::<Tcp>(&settings, address, TIMEOUT),
        Ok(Verdict::Healthy)
    );
    assert!(served.join().unwrap(), "the server saw the end in order");
}
