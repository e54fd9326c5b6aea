//! Real plugins, good and bad, in the real engine.

mod checkers;
mod load;
mod manifest;
mod schedulers;
mod stateless;
