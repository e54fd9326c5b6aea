use std::time::Duration;

use evenkeel_sdk::SettingValue;
use evenkeel_sdk::testing::{Script, check};

use super::*;

/// By hand, from the protocol's description.
const STARTUP: &[u8] = b"\x00\x00\x00\x17\x00\x03\x00\x00user\0evenkeel\0\0";

fn against(script: &Script, settings: &[(&str, SettingValue)]) -> Result<Verdict, String> {
    check::<Postgres>(settings, script.start(), Duration::from_secs(3))
}

fn answered(answer: &[u8]) -> Result<Verdict, String> {
    against(&Script::new().hears(STARTUP).says(answer), &[])
}

/// An error as the server sends it.
fn error(code: &str, text: &str) -> Vec<u8> {
    message(
        Some(b'E'),
        format!("SFATAL\0VFATAL\0C{code}\0M{text}\0\0").as_bytes(),
    )
}

fn unhealthy(reason: &str) -> Result<Verdict, String> {
    Ok(Verdict::Unhealthy(reason.to_owned()))
}

#[test]
fn a_server_that_asks_for_a_password_takes_clients() {
    let answer = b"R\x00\x00\x00\x0c\x00\x00\x00\x05salt";
    assert_eq!(answered(answer), Ok(Verdict::Healthy));
}

#[test]
fn a_server_that_does_not_know_the_user_takes_clients_all_the_same() {
    for code in ["28000", "28P01", "3D000"] {
        assert_eq!(answered(&error(code, "who?")), Ok(Verdict::Healthy));
    }
}

#[test]
fn a_server_that_starts_or_is_full_is_unhealthy() {
    let reason = "start-up: refused with 57P03, \"the database system is starting up\"";
    let answer = error("57P03", "the database system is starting up");
    assert_eq!(answered(&answer), unhealthy(reason));
    let reason = "start-up: refused with 53300, \"sorry, too many clients already\"";
    let answer = error("53300", "sorry, too many clients already");
    assert_eq!(answered(&answer), unhealthy(reason));
}

#[test]
fn what_is_not_postgresql_is_said() {
    let reason = "start-up: got \"HTTP/\", which is not PostgreSQL";
    assert_eq!(answered(b"HTTP/1.1 400"), unhealthy(reason));
    let reason = "start-up: a message of 4294967295 bytes";
    assert_eq!(answered(b"E\xff\xff\xff\xff"), unhealthy(reason));
    let reason = "start-up: a message of 3 bytes";
    assert_eq!(answered(b"R\x00\x00\x00\x03"), unhealthy(reason));
}

#[test]
fn a_server_without_tls_is_unhealthy_if_it_is_required() {
    let script = Script::new()
        .hears(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
        .says("N");
    let verdict = against(&script, &[("tls", "required".into())]);
    assert_eq!(verdict, unhealthy("SSLRequest: expected \"S\", got \"N\""));
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_reason() {
    for (key, value, reason) in [
        ("sni", "a", "sni needs tls"),
        ("user", "", "user cannot be \"\""),
        ("database", "a\0b", "database cannot be"),
    ] {
        let error = against(&Script::new(), &[(key, value.into())]).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}
