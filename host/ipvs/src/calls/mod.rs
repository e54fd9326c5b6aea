//! The client's calls, by what they are about.

mod destinations;
mod services;
mod sync;
