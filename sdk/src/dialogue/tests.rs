use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::*;
use crate::testing::check;
use crate::{HealthChecker, Target, Verdict};

/// A server that says this, byte by byte if it is to, and closes when the client has.
fn server(says: Vec<u8>, slowly: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.set_nodelay(true).unwrap();
        for piece in says.chunks(if slowly { 1 } else { says.len().max(1) }) {
            if client.write_all(piece).is_err() {
                return;
            }
            if slowly {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let _ = client.shutdown(std::net::Shutdown::Write);
        let _ = client.read_to_end(&mut Vec::new());
    });
    address
}

/// Runs a part of a check against what a server says.
fn talk<F>(says: &[u8], slowly: bool) -> Result<Verdict, String>
where
    F: HealthChecker<Settings = ()>,
{
    check::<F>(&[], server(says.to_vec(), slowly), Duration::from_secs(5))
}

macro_rules! checker {
    ($name:ident, $dialogue:ident, $body:expr) => {
        struct $name;
        impl HealthChecker for $name {
            type Settings = ();
            fn new((): ()) -> Result<Self, String> {
                Ok(Self)
            }
            fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
                let mut $dialogue = Dialogue::over(target.connect_tcp()?);
                $body
            }
        }
    };
}

checker!(Greets, it, {
    let lines = it.reply("greeting", 220)?;
    Ok(Verdict::Degraded(1, lines.join("|")))
});

checker!(Lines, it, {
    let first = it.line("first")?;
    let second = it.line_with("second", "+OK")?;
    let bytes = it.exactly("bytes", 3)?;
    let rest = it.until("end", |all| all.ends_with(b"END"))?;
    Ok(Verdict::Degraded(
        1,
        format!("{first}|{second}|{}|{}", shown(&bytes), shown(&rest)),
    ))
});

fn unhealthy(reason: &str) -> Result<Verdict, String> {
    Ok(Verdict::Unhealthy(reason.to_owned()))
}

#[test]
fn replies_of_one_and_several_lines_are_read_however_they_arrive() {
    for slowly in [false, true] {
        let one = talk::<Greets>(b"220 mail ready\r\n", slowly);
        assert_eq!(one, Ok(Verdict::Degraded(1, "mail ready".into())));
        let several = talk::<Greets>(b"220-a\r\n220-\r\n220 c\r\n250 x\r\n", slowly);
        assert_eq!(several, Ok(Verdict::Degraded(1, "a||c".into())));
        let bare = talk::<Greets>(b"220\n", slowly);
        assert_eq!(bare, Ok(Verdict::Degraded(1, String::new())));
    }
}

#[test]
fn another_reply_is_shown_in_the_reason() {
    let cases: [(&[u8], &str); 5] = [
        (
            b"554 no \"service\"\r\n",
            r#"greeting: expected 220, got "554 no \"service\"""#,
        ),
        (b"220x\r\n", "greeting: expected 220, got \"220x\""),
        (
            b"220-a\r\n250 b\r\n",
            "greeting: expected 220, got \"250 b\"",
        ),
        (b"", "greeting: the server closed the connection"),
        (
            b"220 m\x1b[31m",
            "greeting: the server closed the connection after \"220 m\\x1b[31m\"",
        ),
    ];
    for (says, reason) in cases {
        assert_eq!(talk::<Greets>(says, false), unhealthy(reason));
    }
}

#[test]
fn a_server_that_talks_without_end_is_unhealthy() {
    let endless = vec![b'x'; 200_000];
    let reason = "greeting: more than 64 KiB without an end";
    assert_eq!(talk::<Greets>(&endless, false), unhealthy(reason));
    let lines = b"220-a long line of text that never ends\r\n".repeat(5_000);
    assert_eq!(talk::<Greets>(&lines, false), unhealthy(reason));
}

#[test]
fn lines_numbers_of_bytes_and_texts_follow_each_other() {
    let said = b"one\r\n+OK two\nabc and then the END";
    for slowly in [false, true] {
        let found = "one|+OK two|\"abc\"|\" and then the END\"".to_owned();
        assert_eq!(talk::<Lines>(said, slowly), Ok(Verdict::Degraded(1, found)));
    }
    assert_eq!(
        talk::<Lines>(b"one\n-ERR busy\n", false),
        unhealthy("second: expected \"+OK\", got \"-ERR busy\"")
    );
    assert_eq!(
        talk::<Lines>(b"one\n+OK\nabc nothing", false),
        unhealthy("end: not in what the server said, which was \" nothing\"")
    );
}

#[test]
fn bytes_are_written_in_hexadecimal_digits() {
    assert_eq!(hex("16 03 01fF"), Ok(vec![0x16, 3, 1, 0xff]));
    assert_eq!(hex(""), Ok(Vec::new()));
    for wrong in ["1", "1g", "0x10", "1 0 1"] {
        assert!(hex(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_shown_is_short_and_has_no_control_characters() {
    assert_eq!(shown(b"a\r\n\0\xff\\"), r#""a\r\n\x00\xff\\""#);
    let long = shown(&[b'x'; 100]);
    assert!(long.ends_with("x\" and 20 bytes more"), "{long}");
}
