//! Real connections in a network namespace, and what is counted.

mod counting;
mod stage;
