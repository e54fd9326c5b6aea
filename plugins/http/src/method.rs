//! The method of the request.

use evenkeel_sdk::choice;

choice! {
    /// How to ask.
    pub enum Method {
        /// For header and body.
        Get = "GET",
        /// For the header alone.
        Head = "HEAD",
    }
}
