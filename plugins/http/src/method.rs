//! The method of the request.

use evenkeel_sdk::choice;

choice! {
    /// How to ask (RFC 9110, section 9.3).
    pub enum Method {
        /// For header and body.
        Get = "GET",
        /// For the header alone.
        Head = "HEAD",
        /// For what the server can do.
        Options = "OPTIONS",
        /// By sending something.
        Post = "POST",
    }
}

impl Method {
    /// As the request has it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
        }
    }
}
