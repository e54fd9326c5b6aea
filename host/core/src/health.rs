//! Health of one real server: a pure machine.
