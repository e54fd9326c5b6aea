//! A scheduler and those that it leaves groups of servers to.

use std::sync::Arc;

use crate::Plugin;

/// A plugin with its delegates.
#[derive(Clone)]
pub(super) struct WithDelegates {
    /// The plugin itself, and its delegates in the order of their names: a change of one of them makes another plugin.
    pub(super) parts: Vec<Arc<dyn Plugin>>,
    /// All of them as one plugin, or why that cannot be.
    pub(super) together: Result<Arc<dyn Plugin>, String>,
}

impl WithDelegates {
    /// Whether it is made of these.
    pub(super) fn is_of(&self, parts: &[Arc<dyn Plugin>]) -> bool {
        let mut both = self.parts.iter().zip(parts);
        self.parts.len() == parts.len() && both.all(|(one, other)| Arc::ptr_eq(one, other))
    }
}
