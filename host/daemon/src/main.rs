//! The daemon and command line.
fn main() {}
