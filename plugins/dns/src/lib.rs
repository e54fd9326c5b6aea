//! Healthy is a DNS server that gives the right answer.

use std::io::{Read as _, Write as _};

use evenkeel_sdk::{
    CheckError, Connection, Dialogue, HealthChecker, Target, Verdict, choice, random,
    register_checker, settings,
};
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, TYPE};

mod record;

pub use record::{Code, Record};

choice! {
    /// How the question is sent.
    pub enum Transport {
        /// In a datagram.
        Udp = "udp",
        /// Over a connection, as answers that are too long for a datagram are asked for.
        Tcp = "tcp",
    }
}

choice! {
    /// The class of the question.
    pub enum Class {
        /// The Internet.
        Internet = "IN",
        /// What servers say about themselves: `version.bind`.
        Chaos = "CH",
    }
}

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// What is asked for: a name, without or with the last dot.
        name: String = ".",
        /// Records of which type.
        record: Record = Record::Soa,
        /// The class.
        class: Class = Class::Internet,
        /// Over which transport.
        transport: Transport = Transport::Udp,
        /// Whether the server is to ask others. A server that is the authority itself need not.
        recursion: bool = true,
        /// The answer's code.
        rcode: Code = Code::NoError,
        /// What one of the answers must be: an address, a name, or for TXT the text. Without it any answers will do, and
        /// none.
        answer: Option<String>,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Dns(Settings);

impl HealthChecker for Dns {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let name = settings.name.trim_end_matches('.');
        Name::new(name).map_err(|why| format!("name cannot be \"{}\": {why}", settings.name))?;
        if settings.answer.is_some() && settings.rcode != Code::NoError {
            return Err("answer needs rcode = \"NOERROR\": others have no answers".to_owned());
        }
        Ok(Self(settings))
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let [low, high, ..] = random().to_le_bytes();
        let id = u16::from_le_bytes([low, high]);
        let question = self.question(id)?;
        let answer = match self.0.transport {
            Transport::Udp => over_udp(target.connect_udp()?, &question, id)?,
            Transport::Tcp => over_tcp(target.connect_tcp()?, &question)?,
        };
        self.judge(&answer, id)
    }
}

impl Dns {
    fn question(&self, id: u16) -> Result<Vec<u8>, CheckError> {
        let mut packet = Packet::new_query(id);
        if self.0.recursion {
            packet.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        let class = match self.0.class {
            Class::Internet => CLASS::IN,
            Class::Chaos => CLASS::CH,
        };
        let name = Name::new(self.0.name.trim_end_matches('.'))?;
        let record: TYPE = self.0.record.into();
        packet
            .questions
            .push(Question::new(name, record.into(), class.into(), false));
        Ok(packet.build_bytes_vec()?)
    }

    fn judge(&self, answer: &[u8], id: u16) -> Result<Verdict, CheckError> {
        let packet = Packet::parse(answer)
            .map_err(|why| CheckError::new(format!("no DNS message: {why}")))?;
        if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
            return Err(CheckError::new("no answer to what was asked"));
        }
        let code = record::code(packet.rcode());
        if code != self.0.rcode.word() {
            let wanted = self.0.rcode.word();
            return Err(CheckError::new(format!("{code}, wanted {wanted}")));
        }
        let Some(wanted) = &self.0.answer else {
            return Ok(Verdict::Healthy);
        };
        let answers = packet.answers.iter();
        let answers: Vec<String> = answers.filter_map(|it| record::text(&it.rdata)).collect();
        let same = |is: &String| is.eq_ignore_ascii_case(wanted.trim_end_matches('.'));
        if answers.iter().any(same) {
            return Ok(Verdict::Healthy);
        }
        let truncated = packet.has_flags(PacketFlag::TRUNCATION);
        Err(CheckError::new(match answers.as_slice() {
            [] if truncated => "the answer is too long for UDP: set transport = \"tcp\"".to_owned(),
            [] => format!("no answer, wanted {wanted}"),
            [first, ..] => format!(
                "{} answers, none of them {wanted}: {first}, ...",
                answers.len()
            ),
        }))
    }
}

/// Answers to other questions, which may come late, are passed over.
fn over_udp(mut socket: Connection, question: &[u8], id: u16) -> Result<Vec<u8>, CheckError> {
    socket.write_all(question)?;
    let mut answer = vec![0; 65_535];
    loop {
        let length = socket.read(&mut answer)?;
        let read = answer.get(..length).unwrap_or_default();
        if read.get(..2) == Some(&id.to_be_bytes()) {
            return Ok(read.to_vec());
        }
    }
}

/// With its length before it (RFC 1035, section 4.2.2).
fn over_tcp(connection: Connection, question: &[u8]) -> Result<Vec<u8>, CheckError> {
    let mut server = Dialogue::over(connection);
    let length = u16::try_from(question.len())?;
    server.send([&length.to_be_bytes()[..], question].concat())?;
    let length = server.exactly("length of the answer", 2)?;
    let length = length
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    server.exactly("answer", length)
}

register_checker!(Dns, "dns", "a question is answered as it should be");

#[cfg(test)]
mod tests;
