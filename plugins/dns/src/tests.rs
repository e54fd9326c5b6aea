use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use evenkeel_sdk::SettingValue;
use evenkeel_sdk::testing::check;
use simple_dns::rdata::{A, RData, TXT};
use simple_dns::{RCODE, ResourceRecord};

use super::*;

/// The answer to a question: an address for `www.example.org`, a text for `version.bind`, else there is no such name.
fn answer(question: &[u8]) -> Vec<u8> {
    let asked = Packet::parse(question).unwrap();
    let mut reply = Packet::new_reply(asked.id());
    let name = asked.questions[0].qname.clone();
    let record = |data| ResourceRecord::new(name.clone(), CLASS::IN, 60, data);
    match name.to_string().to_lowercase().as_str() {
        "www.example.org" => {
            let address = u32::from(std::net::Ipv4Addr::new(192, 0, 2, 7));
            reply.answers.push(record(RData::A(A { address })));
        }
        "version.bind" => {
            let text = TXT::new().with_string("9.18").unwrap();
            reply.answers.push(record(RData::TXT(text)));
        }
        "" => {}
        _ => *reply.rcode_mut() = RCODE::NameError,
    }
    reply.build_bytes_vec().unwrap()
}

fn over_udp() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // Something late comes first.
            let mut other = answer(&buffer[..length]);
            other[0] ^= 0xff;
            let _ = socket.send_to(&other, from);
            let _ = socket.send_to(&answer(&buffer[..length]), from);
        }
    });
    address
}

fn over_tcp() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut length = [0; 2];
        client.read_exact(&mut length).unwrap();
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        client.read_exact(&mut question).unwrap();
        let answer = answer(&question);
        let length = u16::try_from(answer.len()).unwrap();
        client.write_all(&length.to_be_bytes()).unwrap();
        client.write_all(&answer).unwrap();
    });
    address
}

fn asked(settings: &[(&str, &str)]) -> Result<Verdict, String> {
    let tcp = settings.contains(&("transport", "tcp"));
    let address = if tcp { over_tcp() } else { over_udp() };
    let settings: Vec<(&str, SettingValue)> = settings
        .iter()
        .map(|(key, value)| (*key, (*value).into()))
        .collect();
    check::<Dns>(&settings, address, Duration::from_secs(3))
}

fn unhealthy(reason: &str) -> Result<Verdict, String> {
    Ok(Verdict::Unhealthy(reason.to_owned()))
}

#[test]
fn a_server_that_answers_at_all_is_healthy() {
    assert_eq!(asked(&[]), Ok(Verdict::Healthy));
    assert_eq!(asked(&[("transport", "tcp")]), Ok(Verdict::Healthy));
}

#[test]
fn the_answer_must_be_the_one_that_is_wanted() {
    let www = [("name", "WWW.example.org."), ("record", "A")];
    let with = |answer| asked(&[www[0], www[1], ("answer", answer)]);
    assert_eq!(with("192.0.2.7"), Ok(Verdict::Healthy));
    let reason = "1 answers, none of them 192.0.2.8: 192.0.2.7, ...";
    assert_eq!(with("192.0.2.8"), unhealthy(reason));
    let version = [
        ("name", "version.bind"),
        ("record", "TXT"),
        ("class", "CH"),
        ("answer", "9.18"),
    ];
    assert_eq!(asked(&version), Ok(Verdict::Healthy));
    assert_eq!(asked(&[("answer", "x")]), unhealthy("no answer, wanted x"));
}

#[test]
fn the_code_must_be_the_one_that_is_wanted() {
    let gone = ("name", "gone.example.org");
    assert_eq!(asked(&[gone]), unhealthy("NXDOMAIN, wanted NOERROR"));
    assert_eq!(asked(&[gone, ("rcode", "NXDOMAIN")]), Ok(Verdict::Healthy));
    assert_eq!(
        asked(&[("rcode", "REFUSED")]),
        unhealthy("NOERROR, wanted REFUSED")
    );
}

#[test]
fn garbage_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(&[0, 3, 1, 2, 3]).unwrap();
    });
    let settings = [("transport", "tcp".into())];
    let verdict = check::<Dns>(&settings, address, Duration::from_secs(3)).unwrap();
    let Verdict::Unhealthy(reason) = verdict else {
        panic!("{verdict:?}");
    };
    assert!(reason.starts_with("no DNS message"), "{reason}");
}

#[test]
fn settings_that_make_no_sense_say_why() {
    let label = "x".repeat(64);
    for (settings, why) in [
        (vec![("name", label.as_str())], "name cannot be"),
        (
            vec![("answer", "a"), ("rcode", "REFUSED")],
            "answer needs rcode",
        ),
    ] {
        let refused = asked(&settings).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}
