use std::time::Duration;

use evenkeel_sdk::SettingValue;
use evenkeel_sdk::testing::{Script, check};

use super::*;
use crate::packet::packet;

type Settings<'a> = &'a [(&'a str, SettingValue)];

/// By hand, from the protocol's description: the greeting of a server that would have clients log in by `method`.
fn greeting(method: &str) -> Vec<u8> {
    let mut payload = b"\x0a11.8.2\0".to_vec();
    payload.extend(b"\x07\0\0\0abcdefgh\0\xff\xf7\x21\x02\0\xff\x81\x15");
    payload.extend([0; 10]);
    payload.extend(b"ijklmnopqrst\0");
    payload.extend(method.as_bytes());
    payload.push(0);
    packet(0, &payload)
}

/// The answer to it of user u with the password secret.
fn response(scramble: &str, method: &str) -> Vec<u8> {
    let scramble = evenkeel_sdk::hex(scramble).unwrap();
    let mut payload = b"\x00\xa2\x08\x00\x00\x00\x10\x00\x21".to_vec();
    payload.extend([0; 23]);
    payload.extend(b"u\0");
    payload.push(u8::try_from(scramble.len()).unwrap());
    payload.extend(scramble);
    payload.extend(method.as_bytes());
    payload.push(0);
    packet(1, &payload)
}

const NATIVE: &str = "8817c50fa779daef010ee7577825b0847df9842e";
const CACHING: &str = "c76e2898612a4cf042c77fa8c4702c4c64c0c2c557c53c4d75595aaa6abae809";
const OK: &[u8] = b"\x07\0\0\x02\0\0\0\x02\0\0\0";
const QUIT: &[u8] = b"\x01\0\0\0\x01";

fn against(script: &Script, settings: Settings<'_>) -> Result<Verdict, String> {
    check::<Mysql>(settings, script.start(), Duration::from_secs(3))
}

fn user() -> Vec<(&'static str, SettingValue)> {
    vec![("user", "u".into()), ("password", "secret".into())]
}

/// A server that has taken the login.
fn logged_in() -> Script {
    Script::new()
        .says(greeting("mysql_native_password"))
        .hears(response(NATIVE, "mysql_native_password"))
        .says(OK)
}

/// What the server says to `SELECT @@global.read_only`.
fn result(value: &[u8]) -> Vec<u8> {
    let row = [&[u8::try_from(value.len()).unwrap()], value].concat();
    [
        packet(1, &[1]),
        packet(
            2,
            b"\x03def\0\0\0\x12@@global.read_only\0\x0c\x3f\0\x01\0\0\0\x08\x80\0\0\0\0",
        ),
        packet(3, b"\xfe\0\0\x02\0"),
        packet(4, &row),
        packet(5, b"\xfe\0\0\x02\0"),
    ]
    .concat()
}

fn asked(wanted: &str, answer: &[u8]) -> Result<Verdict, String> {
    let script = logged_in()
        .hears(b"\x1a\0\0\0\x03SELECT @@global.read_only")
        .says(answer)
        .hears(QUIT);
    let mut settings = user();
    settings.push(("read-only", wanted.into()));
    against(&script, &settings)
}

fn unhealthy(reason: &str) -> Result<Verdict, String> {
    Ok(Verdict::Unhealthy(reason.to_owned()))
}

#[test]
fn a_server_that_greets_is_healthy_without_a_user() {
    let script = Script::new().says(greeting("mysql_native_password"));
    assert_eq!(against(&script, &[]), Ok(Verdict::Healthy));
}

#[test]
fn a_refusal_in_place_of_a_greeting_is_the_reason() {
    let full = packet(0, b"\xff\x10\x04Too many connections");
    let reason = "greeting: refused with 1040, \"Too many connections\"";
    assert_eq!(against(&Script::new().says(full), &[]), unhealthy(reason));
    let text = "Host '192.0.2.1' is blocked because of many connection errors";
    let blocked = [b"\xff\x69\x04#HY000", text.as_bytes()].concat();
    let script = Script::new().says(packet(0, &blocked));
    let reason = format!("greeting: refused with 1129, \"{text}\"");
    assert_eq!(against(&script, &[]), unhealthy(&reason));
    let script = Script::new().says(packet(0, b"\xff"));
    let reason = "greeting: refused without a reason";
    assert_eq!(against(&script, &[]), unhealthy(reason));
}

#[test]
fn what_is_not_mysql_is_said() {
    for (said, reason) in [
        (
            &b"HTTP/1.1 400"[..],
            "greeting: got \"HTTP\", which is not MySQL",
        ),
        (
            b"\0\0\0\0",
            "greeting: got \"\\x00\\x00\\x00\\x00\", which is not MySQL",
        ),
        (
            b"\x02\0\0\0\x09x",
            "greeting: got \"\\x09x\", which is not MySQL's protocol 10",
        ),
        (
            b"\x03\0\0\0\x0a5\0",
            "greeting: got \"\\n5\\x00\", which is not complete",
        ),
        (b"", "greeting: the server closed the connection"),
        (
            b"\x09\0\0\0\x0a5",
            "greeting: the server closed the connection after \"\\n5\"",
        ),
    ] {
        let script = Script::new().says(said);
        assert_eq!(against(&script, &[]), unhealthy(reason), "{said:?}");
    }
}

#[test]
fn a_login_that_is_taken_is_healthy_and_ends_in_order() {
    assert_eq!(
        against(&logged_in().hears(QUIT), &user()),
        Ok(Verdict::Healthy)
    );
    let known = Script::new()
        .says(greeting("caching_sha2_password"))
        .hears(response(CACHING, "caching_sha2_password"))
        .says([&packet(2, &[1, 3]), &packet(3, &OK[4..])[..]].concat())
        .hears(QUIT);
    assert_eq!(against(&known, &user()), Ok(Verdict::Healthy));
}

#[test]
fn a_server_may_want_another_method_for_this_user() {
    let wanted = b"\xfemysql_native_password\0abcdefghijklmnopqrst\0";
    let script = Script::new()
        .says(greeting("caching_sha2_password"))
        .hears(response(CACHING, "caching_sha2_password"))
        .says(packet(2, wanted))
        .hears(packet(3, &evenkeel_sdk::hex(NATIVE).unwrap()))
        .says(packet(4, &OK[4..]))
        .hears(QUIT);
    assert_eq!(against(&script, &user()), Ok(Verdict::Healthy));
}

#[test]
fn a_login_that_is_not_taken_says_why() {
    let answered = |method: &str, scramble: &str, answer: &[u8]| {
        let script = Script::new()
            .says(greeting(method))
            .hears(response(scramble, method))
            .says(packet(2, answer));
        against(&script, &user())
    };
    let native = |answer: &[u8]| answered("mysql_native_password", NATIVE, answer);
    let reason = "login: refused with 1045, \"Access denied for user 'u'\"";
    let denied = b"\xff\x15\x04#28000Access denied for user 'u'";
    assert_eq!(native(denied), unhealthy(reason));
    let reason = "login: got \"\\x07\", which is no answer to it";
    assert_eq!(native(b"\x07"), unhealthy(reason));
    // Its words are those of the other method.
    let reason = "login: got \"\\x01\\x04\", which is no answer to it";
    assert_eq!(native(b"\x01\x04"), unhealthy(reason));
    let verdict = answered("caching_sha2_password", CACHING, b"\x01\x04");
    let Ok(Verdict::Unhealthy(reason)) = verdict else {
        panic!("{verdict:?}");
    };
    assert!(reason.contains("sent over TLS only"), "{reason}");
    let words = packet(2, &[1, 3]).repeat(9);
    let script = Script::new()
        .says(greeting("caching_sha2_password"))
        .hears(response(CACHING, "caching_sha2_password"))
        .says(words);
    let reason = "login: the server has no end of questions";
    assert_eq!(against(&script, &user()), unhealthy(reason));
}

#[test]
fn a_server_is_read_only_or_not_as_it_should_be() {
    assert_eq!(asked("no", &result(b"0")), Ok(Verdict::Healthy));
    assert_eq!(asked("yes", &result(b"1")), Ok(Verdict::Healthy));
    assert_eq!(asked("yes", &result(b"NO_LOCK")), Ok(Verdict::Healthy));
    let reason = "it is read-only, wanted a server that takes writes";
    assert_eq!(asked("no", &result(b"1")), unhealthy(reason));
    let reason = "it takes writes, wanted a server that is read-only";
    assert_eq!(asked("yes", &result(b"0")), unhealthy(reason));
    let reason = "read_only: got \"perhaps\", which is neither 0 nor 1";
    assert_eq!(asked("yes", &result(b"perhaps")), unhealthy(reason));
    let reason = "read_only: refused with 1193, \"Unknown system variable\"";
    let error = packet(1, b"\xff\xa9\x04#HY000Unknown system variable");
    assert_eq!(asked("yes", &error), unhealthy(reason));
    let reason = "read_only: not a result of one column";
    assert_eq!(asked("yes", &packet(1, &[2])), unhealthy(reason));
}

#[test]
fn a_server_without_tls_is_unhealthy_if_it_is_required() {
    let mut settings = user();
    settings.push(("tls", "required".into()));
    let mut greeting = greeting("mysql_native_password");
    // The second byte of what it can, behind the head, the version, the thread and the first part of the nonce.
    greeting[4 + 8 + 4 + 9 + 1] &= !0x08;
    let script = Script::new().says(greeting);
    let reason = "greeting: version \"11.8.2\" offers no TLS";
    assert_eq!(against(&script, &settings), unhealthy(reason));
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_reason() {
    let cases: [(Settings<'_>, &str); 6] = [
        (&[("sni", "a".into())], "sni needs tls"),
        (&[("password", "a".into())], "password needs user"),
        (&[("read-only", "no".into())], "read-only needs user"),
        (&[("tls", "required".into())], "tls needs user"),
        (&[("user", "".into())], "user cannot be \"\""),
        (&[("user", "a\0b".into())], "user cannot be"),
    ];
    for (settings, reason) in cases {
        let error = against(&Script::new(), settings).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}
