//! `evenkeel why`: where connections of a client go, and why.
//!
//! What the kernel has of the client (connections, and what services remember of it) is looked up when it is asked; what
//! would become of its next connection follows from the plan in force. The plans and the servers' facts of earlier moments
//! are not kept: the present ones are given, and said to be that.

mod build;
mod look_up;
mod question;
mod report;
mod text;

pub(crate) use build::{Sources, build};
pub(crate) use look_up::look_up;
pub use question::{Client, Question};
pub use report::{
    ConnectionWhy, NextWhy, PluginWhy, RememberedWhy, ServerWhy, ServiceWhy, ToldWhy, Why,
};
pub use text::render;
