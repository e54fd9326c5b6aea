//! Counts connections: conntrack events and dumps.
