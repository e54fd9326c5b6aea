use std::time::Duration;

use evenkeel_sdk::SettingValue;
use evenkeel_sdk::testing::{Script, check};

use super::*;

/// By hand, from the specification.
const ANONYMOUS: &[u8] = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x1e\x00\x00";
const WITH_USER: &[u8] = b"\x10\x13\x00\x04MQTT\x04\xc2\x00\x1e\x00\x01c\x00\x01u\x00\x01p";

fn against(script: &Script, settings: &[(&str, SettingValue)]) -> Result<Verdict, String> {
    check::<Mqtt>(settings, script.start(), Duration::from_secs(3))
}

fn answered(answer: &[u8]) -> Result<Verdict, String> {
    against(&Script::new().hears(ANONYMOUS).says(answer), &[])
}

fn unhealthy(reason: &str) -> Result<Verdict, String> {
    Ok(Verdict::Unhealthy(reason.to_owned()))
}

#[test]
fn a_broker_that_accepts_is_healthy() {
    assert_eq!(answered(b"\x20\x02\x00\x00"), Ok(Verdict::Healthy));
}

#[test]
fn a_refusal_is_the_reason() {
    let reason = "CONNACK: refused with 5, not authorized";
    assert_eq!(answered(b"\x20\x02\x00\x05"), unhealthy(reason));
    let reason = "CONNACK: got \"HTTP\", which is none";
    assert_eq!(answered(b"HTTP/1.1 400"), unhealthy(reason));
}

#[test]
fn user_and_password_come_after_the_client_identifier() {
    assert_eq!(connect("c", Some("u"), Some("p")), Ok(WITH_USER.to_vec()));
}

#[test]
fn a_length_from_128_on_takes_two_bytes() {
    let mut packet = Vec::new();
    length(&mut packet, 127);
    length(&mut packet, 128);
    length(&mut packet, 321);
    assert_eq!(packet, [0x7f, 0x80, 0x01, 0xc1, 0x02]);
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_reason() {
    for (key, value, reason) in [
        ("sni", "a".to_owned(), "sni needs tls"),
        ("client-id", "x".repeat(65_536), "client-id has 65536 bytes"),
    ] {
        let error = against(&Script::new(), &[(key, value.as_str().into())]).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}
