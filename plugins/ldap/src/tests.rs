use std::time::Duration;

use evenkeel_sdk::SettingValue;
use evenkeel_sdk::testing::{Script, check};

use super::*;

type Settings<'a> = &'a [(&'a str, SettingValue)];

/// By hand, from the specification.
const ANONYMOUS: &[u8] = b"\x30\x0c\x02\x01\x02\x60\x07\x02\x01\x03\x04\x00\x80\x00";
const WITH_PASSWORD: &[u8] = b"\x30\x12\x02\x01\x02\x60\x0d\x02\x01\x03\x04\x04cn=x\x80\x02pw";
const BOUND: &[u8] = b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
const SEARCH: &[u8] =
    b"\x30\x2e\x02\x01\x03\x63\x29\x04\x04dc=x\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\
    \x01\x01\xff\x87\x0bobjectClass\x30\x05\x04\x031.1";
const FOUND: &[u8] = b"\x30\x0d\x02\x01\x03\x64\x08\x04\x04dc=x\x30\x00";
const DONE: &[u8] = b"\x30\x0c\x02\x01\x03\x65\x07\x0a\x01\x00\x04\x00\x04\x00";
const UNBIND: &[u8] = b"\x30\x05\x02\x01\x04\x42\x00";
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

fn against(script: &Script, settings: Settings<'_>) -> Result<Verdict, String> {
    check::<Ldap>(settings, script.start(), Duration::from_secs(3))
}

fn answered(answer: &[u8]) -> Result<Verdict, String> {
    against(&Script::new().hears(ANONYMOUS).says(answer), &[])
}

fn searched(answers: &[&[u8]]) -> Result<Verdict, String> {
    let script = Script::new()
        .hears(ANONYMOUS)
        .says(BOUND)
        .hears(SEARCH)
        .says(answers.concat())
        .hears(UNBIND);
    against(&script, &[("base", "dc=x".into())])
}

/// An answer to a bind with this code and text.
fn refusal(code: u8, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let head = [
        0x30,
        length + 12,
        2,
        1,
        2,
        0x61,
        length + 7,
        10,
        1,
        code,
        4,
        0,
        4,
        length,
    ];
    [&head, text.as_bytes()].concat()
}

fn unhealthy(reason: &str) -> Result<Verdict, String> {
    Ok(Verdict::Unhealthy(reason.to_owned()))
}

#[test]
fn a_server_that_takes_a_bind_is_healthy() {
    let script = Script::new().hears(ANONYMOUS).says(BOUND).hears(UNBIND);
    assert_eq!(against(&script, &[]), Ok(Verdict::Healthy));
    let script = Script::new().hears(WITH_PASSWORD).says(BOUND).hears(UNBIND);
    let settings = [("bind-dn", "cn=x".into()), ("password", "pw".into())];
    assert_eq!(against(&script, &settings), Ok(Verdict::Healthy));
}

#[test]
fn lengths_of_four_bytes_are_understood() {
    let long = b"\x30\x84\0\0\0\x10\x02\x01\x02\x61\x84\0\0\0\x07\x0a\x01\x00\x04\x00\x04\x00";
    assert_eq!(answered(long), Ok(Verdict::Healthy));
}

#[test]
fn a_refusal_is_the_reason() {
    let reason = "bind: refused with 49, invalid credentials";
    assert_eq!(answered(&refusal(49, "")), unhealthy(reason));
    let reason =
        "bind: refused with 48, inappropriate authentication, \"anonymous bind disallowed\"";
    let answer = refusal(48, "anonymous bind disallowed");
    assert_eq!(answered(&answer), unhealthy(reason));
    let reason = "bind: refused with 99, a code that is not expected here";
    assert_eq!(answered(&refusal(99, "")), unhealthy(reason));
}

#[test]
fn a_server_that_ends_the_connection_says_why() {
    let notice =
        b"\x30\x24\x02\x01\x00\x78\x1f\x0a\x01\x34\x04\x00\x04\x00\x8a\x161.3.6.1.4.1.1466.20036";
    let reason = "the server ends the connection: refused with 52, unavailable";
    assert_eq!(answered(notice), unhealthy(reason));
}

#[test]
fn the_entry_must_be_there() {
    assert_eq!(searched(&[FOUND, DONE]), Ok(Verdict::Healthy));
    let reason = "search: the entry is not shown to who has bound";
    assert_eq!(searched(&[DONE]), unhealthy(reason));
    let missing = b"\x30\x0c\x02\x01\x03\x65\x07\x0a\x01\x20\x04\x00\x04\x00";
    let reason = "search: refused with 32, no such object";
    assert_eq!(searched(&[missing]), unhealthy(reason));
    let reason = "search: more than the entry that was asked for";
    assert_eq!(searched(&[FOUND, FOUND, DONE]), unhealthy(reason));
    let reason = "search: a message of type 0x73, wanted 0x65";
    let reference = b"\x30\x05\x02\x01\x03\x73\x00";
    assert_eq!(searched(&[reference, DONE]), unhealthy(reason));
}

#[test]
fn what_is_not_ldap_is_said() {
    for (said, reason) in [
        (&b"HTTP/1.1 400"[..], "bind: got \"HT\", which is not LDAP"),
        (
            b"\x30\x80\x02\x01",
            "bind: got \"0\\x80\", which is not LDAP",
        ),
        (
            b"\x30\x03\x02\x09\x01",
            "bind: got \"\\x02\\x09\\x01\", which is not LDAP",
        ),
        (
            b"\x30\x84\xff\xff\xff\xff",
            "bind: a message of 4294967295 bytes",
        ),
        (
            b"\x30\x0c\x02\x01\x07\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
            "bind: an answer to request 7, which was not made",
        ),
        (
            b"\x30\x05\x02\x01\x02\x61\x00",
            "bind: got \"\", which is no result",
        ),
        (
            b"\x30\x05\x02\x01\x02\x65\x00",
            "bind: a message of type 0x65, wanted 0x61",
        ),
        (b"", "bind: the server closed the connection"),
        (
            b"\x30\x0c\x02",
            "bind: the server closed the connection after \"\\x02\"",
        ),
    ] {
        assert_eq!(answered(said), unhealthy(reason), "{said:?}");
    }
}

#[test]
fn a_server_that_takes_no_tls_is_unhealthy_if_it_is_wanted() {
    let settings = [("tls", "starttls".into())];
    let script = Script::new()
        .hears(START_TLS)
        .says(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00");
    let reason = "StartTLS: refused with 2, protocol error";
    assert_eq!(against(&script, &settings), unhealthy(reason));
    let script = Script::new()
        .hears(START_TLS)
        .says(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00");
    let Ok(Verdict::Unhealthy(reason)) = against(&script, &settings) else {
        panic!("there is no TLS in native tests");
    };
    assert!(reason.starts_with("TLS: "), "{reason}");
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_reason() {
    let cases: [(Settings<'_>, &str); 5] = [
        (&[("sni", "a".into())], "sni needs tls"),
        (&[("bind-dn", "cn=x".into())], "bind-dn needs password"),
        (&[("password", "x".into())], "password needs bind-dn"),
        (
            &[("bind-dn", "".into()), ("password", "x".into())],
            "bind-dn cannot be",
        ),
        (
            &[("bind-dn", "cn=x".into()), ("password", "".into())],
            "password is empty",
        ),
    ];
    for (settings, reason) in cases {
        let error = against(&Script::new(), settings).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}
