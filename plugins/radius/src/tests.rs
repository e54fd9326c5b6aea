use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use evenkeel_sdk::SettingValue;
use evenkeel_sdk::testing::check;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};

use super::*;

type Settings<'a> = &'a [(&'a str, SettingValue)];

const STATUS: u8 = 12;
const LOGIN: u8 = 1;

/// Answers a request of this code, if it is signed, with what is made of it.
fn server(code: u8, answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; LONGEST];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        let asked = &buffer[..length];
        // The signature is first.
        let mut unsigned = asked.to_vec();
        unsigned[22..38].fill(0);
        let mac = Hmac::<Md5>::new_from_slice(b"s3cret").unwrap();
        let signature = mac.chain_update(&unsigned).finalize().into_bytes();
        assert_eq!(asked[22..38], signature[..]);
        assert_eq!(asked[0], code);
        let other = [2, asked[1].wrapping_add(1)];
        socket.send_to(&other, from).unwrap();
        socket.send_to(&answer(asked), from).unwrap();
    });
    address
}

/// An answer of this code to a request, with these attributes.
fn signed(code: u8, asked: &[u8], attributes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(20 + attributes.len()).unwrap();
    let head = [code, asked[1], 0, length];
    let mut sum = Md5::new();
    for part in [&head, &asked[4..20], attributes, b"s3cret"] {
        sum.update(part);
    }
    [&head, &sum.finalize()[..], attributes].concat()
}

fn judged(settings: Settings<'_>, address: SocketAddr) -> Result<Verdict, String> {
    let mut all = vec![("secret", "s3cret".into())];
    all.extend(settings.iter().cloned());
    check::<Radius>(&all, address, Duration::from_secs(2))
}

fn login() -> Vec<(&'static str, SettingValue)> {
    vec![("user", "u".into()), ("password", "p".into())]
}

fn unhealthy(reason: &str) -> Result<Verdict, String> {
    Ok(Verdict::Unhealthy(reason.to_owned()))
}

#[test]
fn a_server_that_tells_its_status_is_healthy() {
    // The second is that of a port for accounting.
    for code in [2, 5] {
        let address = server(STATUS, move |asked| signed(code, asked, &[]));
        assert_eq!(judged(&[], address), Ok(Verdict::Healthy), "{code}");
    }
    let address = server(STATUS, |asked| signed(3, asked, &[]));
    let reason = "expected Access-Accept, got Access-Reject";
    assert_eq!(judged(&[], address), unhealthy(reason));
}

#[test]
fn a_server_that_answers_a_login_is_healthy_whatever_it_says() {
    for code in [2, 3, 11] {
        let address = server(LOGIN, move |asked| signed(code, asked, &[]));
        assert_eq!(judged(&login(), address), Ok(Verdict::Healthy), "{code}");
    }
}

#[test]
fn a_user_must_be_let_in_if_that_is_expected() {
    let mut settings = login();
    settings.push(("expect", "accept".into()));
    let address = server(LOGIN, |asked| signed(2, asked, &[]));
    assert_eq!(judged(&settings, address), Ok(Verdict::Healthy));
    let address = server(LOGIN, |asked| signed(3, asked, b"\x12\x0ago away!"));
    let reason = "expected Access-Accept, got Access-Reject, \"go away!\"";
    assert_eq!(judged(&settings, address), unhealthy(reason));
    let address = server(LOGIN, |asked| signed(40, asked, &[]));
    let reason = "expected Access-Accept, got a packet of code 40";
    assert_eq!(judged(&settings, address), unhealthy(reason));
}

#[test]
fn an_answer_that_others_could_have_given_is_none() {
    let address = server(STATUS, |asked| {
        let mut answer = signed(2, asked, &[]);
        answer[7] ^= 1;
        answer
    });
    let reason = "the answer is not signed with this secret";
    assert_eq!(judged(&[], address), unhealthy(reason));
    let address = server(STATUS, |asked| {
        signed(2, asked, &[&[80, 18][..], &[7; 16]].concat())
    });
    let reason = "the answer's Message-Authenticator is not of this secret";
    assert_eq!(judged(&[], address), unhealthy(reason));
}

#[test]
fn what_is_not_radius_is_said() {
    let address = server(STATUS, |_| b"x".to_vec());
    let reason = "got \"x\", which is not RADIUS: it is too short";
    assert_eq!(judged(&[], address), unhealthy(reason));
    let address = server(STATUS, |asked| {
        let mut answer = signed(2, asked, &[]);
        answer[3] = 99;
        answer
    });
    let Ok(Verdict::Unhealthy(reason)) = judged(&[], address) else {
        panic!("its length is wrong");
    };
    assert!(reason.contains("its length or number is wrong"), "{reason}");
    let address = server(STATUS, |asked| signed(2, asked, &[18, 9]));
    let Ok(Verdict::Unhealthy(reason)) = judged(&[], address) else {
        panic!("an attribute is wrong");
    };
    assert!(reason.contains("an attribute has no end"), "{reason}");
}

#[test]
fn silence_and_a_port_where_nobody_listens_are_told_apart() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let Ok(Verdict::Unhealthy(reason)) = judged(&[], address) else {
        panic!("nobody answers");
    };
    assert!(
        reason.starts_with("no answer: the server is silent"),
        "{reason}"
    );
    drop(socket);
    assert_eq!(judged(&[], address), unhealthy("connection refused"));
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_reason() {
    let long = "x".repeat(254);
    let cases: [(Settings<'_>, &str); 7] = [
        (&[("user", "u".into())], "user needs password"),
        (&[("password", "p".into())], "password needs user"),
        (&[("expect", "accept".into())], "needs user"),
        (&[("nas-identifier", "".into())], "nas-identifier cannot be"),
        (
            &[("nas-identifier", long.as_str().into())],
            "1 to 253 bytes",
        ),
        (
            &[("user", "".into()), ("password", "p".into())],
            "user cannot be",
        ),
        (
            &[("user", "u".into()), ("password", long.as_str().into())],
            "128 bytes",
        ),
    ];
    let nobody: SocketAddr = "127.0.0.1:9".parse().unwrap();
    for (settings, reason) in cases {
        let error = judged(settings, nobody).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
    let error = check::<Radius>(&[], nobody, Duration::from_secs(1)).unwrap_err();
    assert!(error.contains("secret is required"), "{error}");
}
