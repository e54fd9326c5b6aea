//! Requests and answers (RFC 3261, section 7).

use evenkeel_sdk::{CheckError, shown};

/// The number and method by which an answer tells which request it is to.
const CSEQ: &str = "1 OPTIONS";

/// What makes a request another than all before it.
#[derive(Debug)]
pub(crate) struct Ids {
    pub(crate) call: String,
    pub(crate) branch: String,
    pub(crate) tag: String,
}

impl Ids {
    pub(crate) fn new(call: u64, branch: u64, tag: u64) -> Self {
        Self {
            call: format!("{call:016x}@evenkeel.invalid"),
            // What all branches as of RFC 3261 begin with.
            branch: format!("z9hG4bK{branch:016x}"),
            tag: format!("{tag:016x}"),
        }
    }
}

/// OPTIONS for this URI. The director's address is not known here: the server answers to where the request came from
/// (`rport`, RFC 3581).
pub(crate) fn options(uri: &str, transport: &str, user_agent: &str, ids: &Ids) -> String {
    let Ids { call, branch, tag } = ids;
    format!(
        "OPTIONS {uri} SIP/2.0\r\n\
         Via: SIP/2.0/{transport} evenkeel.invalid;branch={branch};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:health@evenkeel.invalid>;tag={tag}\r\n\
         To: <{uri}>\r\n\
         Call-ID: {call}\r\n\
         CSeq: {CSEQ}\r\n\
         Accept: application/sdp\r\n\
         User-Agent: {user_agent}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// The head of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What the server says to it.
    pub(crate) phrase: String,
    call: String,
    cseq: String,
    /// Bytes of the body; `None`: it does not say.
    pub(crate) body: Option<usize>,
}

impl Answer {
    /// With the line that comes first.
    pub(crate) fn new(line: &str) -> Result<Self, CheckError> {
        let parts = line.strip_prefix("SIP/2.0 ").map(|rest| {
            let (status, phrase) = rest.split_once(' ').unwrap_or((rest, ""));
            (status.len(), status.parse(), phrase)
        });
        match parts {
            Some((3, Ok(status @ 100..=699), phrase)) => Ok(Self {
                status,
                phrase: phrase.to_owned(),
                ..Self::default()
            }),
            _ => Err(CheckError::new(format!(
                "got {}, which is no answer of SIP",
                shown(line.as_bytes())
            ))),
        }
    }

    /// Takes in a header; names may be short ones.
    pub(crate) fn header(&mut self, line: &str) -> Result<(), CheckError> {
        let Some((name, value)) = line.split_once(':') else {
            return Ok(());
        };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "call-id" | "i" => value.clone_into(&mut self.call),
            "cseq" => self.cseq = value.split_whitespace().collect::<Vec<_>>().join(" "),
            "content-length" | "l" => {
                self.body = Some(value.parse().map_err(|_| {
                    CheckError::new(format!(
                        "the answer has a length of {}",
                        shown(value.as_bytes())
                    ))
                })?);
            }
            _ => {}
        }
        Ok(())
    }

    /// The answer that is in a datagram.
    pub(crate) fn parse(datagram: &[u8]) -> Result<Self, CheckError> {
        let text = String::from_utf8_lossy(datagram);
        let mut lines = text.lines();
        let mut answer = Self::new(lines.next().unwrap_or_default())?;
        for line in lines.take_while(|line| !line.is_empty()) {
            answer.header(line)?;
        }
        Ok(answer)
    }

    /// Whether it is to this request.
    pub(crate) fn is_to(&self, ids: &Ids) -> bool {
        self.call == ids.call && self.cseq == CSEQ
    }

    /// Whether another one follows (1xx).
    pub(crate) fn is_provisional(&self) -> bool {
        self.status < 200
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_short_and_of_any_case() {
        let text = b"SIP/2.0 200 All is well\r\nv: SIP/2.0/UDP x\r\nI: a@b\r\ncSeq : 1   OPTIONS\r\nl: 4\r\n\r\nCSeq: 2 X";
        let answer = Answer::parse(text).unwrap();
        let wanted = Answer {
            status: 200,
            phrase: "All is well".to_owned(),
            call: "a@b".to_owned(),
            cseq: "1 OPTIONS".to_owned(),
            body: Some(4),
        };
        assert_eq!(answer, wanted);
    }

    #[test]
    fn what_is_no_answer_is_said() {
        for line in [
            "",
            "HTTP/1.1 200 OK",
            "SIP/2.0 2000 OK",
            "SIP/2.0 abc",
            "SIP/2.0 099 x",
            "SIP/2.0 700 x",
        ] {
            let error = Answer::new(line).unwrap_err();
            assert!(
                error.reason().ends_with("which is no answer of SIP"),
                "{error}"
            );
        }
        assert_eq!(Answer::new("SIP/2.0 200").unwrap().status, 200);
    }
}
