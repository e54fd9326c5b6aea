//! Types of records, codes of answers, and what records say.

use std::net::{Ipv4Addr, Ipv6Addr};

use evenkeel_sdk::choice;
use simple_dns::rdata::RData;
use simple_dns::{RCODE, TYPE};

choice! {
    /// Of which type the records are.
    pub enum Record {
        /// The start of authority.
        Soa = "SOA",
        /// IPv4 addresses.
        A = "A",
        /// IPv6 addresses.
        Aaaa = "AAAA",
        /// Name servers.
        Ns = "NS",
        /// Mail servers.
        Mx = "MX",
        /// Texts.
        Txt = "TXT",
        /// Another name.
        Cname = "CNAME",
        /// The name of an address.
        Ptr = "PTR",
        /// Servers of a service.
        Srv = "SRV",
    }
}

impl From<Record> for TYPE {
    fn from(record: Record) -> Self {
        match record {
            Record::Soa => Self::SOA,
            Record::A => Self::A,
            Record::Aaaa => Self::AAAA,
            Record::Ns => Self::NS,
            Record::Mx => Self::MX,
            Record::Txt => Self::TXT,
            Record::Cname => Self::CNAME,
            Record::Ptr => Self::PTR,
            Record::Srv => Self::SRV,
        }
    }
}

choice! {
    /// The code of an answer (RFC 1035, section 4.1.1).
    pub enum Code {
        /// There is such a name.
        NoError = "NOERROR",
        /// There is no such name.
        NameError = "NXDOMAIN",
        /// The server does not answer such questions.
        Refused = "REFUSED",
    }
}

impl Code {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::NameError => "NXDOMAIN",
            Self::Refused => "REFUSED",
        }
    }
}

/// As `dig` calls it.
pub(crate) fn code(code: RCODE) -> String {
    match code {
        RCODE::NoError => "NOERROR".to_owned(),
        RCODE::FormatError => "FORMERR".to_owned(),
        RCODE::ServerFailure => "SERVFAIL".to_owned(),
        RCODE::NameError => "NXDOMAIN".to_owned(),
        RCODE::NotImplemented => "NOTIMP".to_owned(),
        RCODE::Refused => "REFUSED".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What a record says, in short; `None` for types that nobody can ask for here.
pub(crate) fn text(data: &RData<'_>) -> Option<String> {
    Some(match data {
        RData::A(it) => Ipv4Addr::from(it.address).to_string(),
        RData::AAAA(it) => Ipv6Addr::from(it.address).to_string(),
        RData::NS(it) => it.0.to_string(),
        RData::CNAME(it) => it.0.to_string(),
        RData::PTR(it) => it.0.to_string(),
        RData::MX(it) => it.exchange.to_string(),
        RData::SRV(it) => it.target.to_string(),
        RData::SOA(it) => it.mname.to_string(),
        RData::TXT(it) => String::try_from(it.clone()).ok()?,
        _ => return None,
    })
}
