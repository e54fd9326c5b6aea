//! The control socket: HTTP with JSON over a Unix socket that only its owner may use.
//!
//! | Request | Answer |
//! |---|---|
//! | `GET /v1/status` | 200 and a [`Status`](crate::status::Status) |
//! | `GET /v1/why?client=ADDRESS[:PORT][&service=NAME]` | 200 and a [`Why`](crate::why::Why) |
//! | `POST /v1/check` of `{"service": "NAME", "server": "NAME or ADDRESS:PORT"}` | 200 and a [`CheckedNow`](crate::check_now::CheckedNow): its checks are run, once |
//! | `POST /v1/vrrp/resign` | 202 without a body: under way, and `status` shows what comes of it |
//! | `POST /v1/vrrp/resume` | the same |
//!
//! The two orders take `{"instance": "NAME"}`, an instance or a sync group; without a body they are for all.
//! Everything that fails has a status of 400 or more and the body `{"message": "..."}`: 400 a request that is not
//! understood, 404 an unknown path or service, 405 another method, 409 an order that cannot be carried out as things are, 413 a
//! body that is too long, 503 a daemon that does not answer.
//!
//! A connection carries one request and has 10 s for it; so many at once are served ([`Limits`]), and others wait.
//!
//! ```text
//!  socket (the file) --> server (connections) --> api (paths) --Request--> the daemon's main loop
//!                                                     ^-------- oneshot --------+
//! ```

mod api;
mod client;
mod request;
mod server;
mod socket;

pub use client::{AskError, check, order, status, why};
pub use request::Request;
pub use server::{Limits, serve};
pub use socket::{BindError, ControlSocket};

#[cfg(test)]
mod tests;
