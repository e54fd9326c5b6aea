//! What a plugin's instances may take, and what they do take.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evenkeel_core::model::Sandbox;

use crate::Usage;

/// Memory that every instance has for itself: what Rust's standard library and stack take, most of it never touched.
const FREE: usize = 2 << 20;

/// The limits of one plugin's instances, and who counts what they take.
#[derive(Debug, Clone)]
pub(super) struct Confines {
    sandbox: Sandbox,
    budget: Arc<Budget>,
    used: Arc<Used>,
}

impl Confines {
    pub(super) fn new(sandbox: Sandbox, budget: &Arc<Budget>) -> Self {
        Self {
            sandbox,
            budget: Arc::clone(budget),
            used: Arc::default(),
        }
    }

    /// What the plugin's instances take now.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            instances: self.used.instances.load(Ordering::Relaxed),
            memory: self.used.memory.load(Ordering::Relaxed),
        }
    }

    /// A new instance.
    pub(super) fn enter(&self) -> Account {
        self.used.instances.fetch_add(1, Ordering::Relaxed);
        Account {
            confines: self.clone(),
            memory: 0,
        }
    }
}

impl Deref for Confines {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

/// Of one plugin's instances.
#[derive(Debug, Default)]
struct Used {
    instances: AtomicUsize,
    memory: AtomicUsize,
}

/// Memory of all plugins' instances together, beyond what each has for itself.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    taken: AtomicUsize,
}

impl Budget {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let taken = AtomicUsize::new(0);
        Arc::new(Self { most, taken })
    }

    fn take(&self, wanted: usize) -> bool {
        let take = |taken: usize| taken.checked_add(wanted).filter(|it| *it <= self.most);
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }

    fn give_back(&self, memory: usize) {
        self.taken.fetch_sub(memory, Ordering::Relaxed);
    }
}

/// One instance's memory, given back when it ends.
#[derive(Debug)]
pub(super) struct Account {
    confines: Confines,
    memory: usize,
}

impl Account {
    /// Takes memory. The error says whose bound is reached.
    pub(super) fn take(&mut self, wanted: usize) -> Result<(), String> {
        let after = self.memory.saturating_add(wanted);
        let shared = beyond_free(after) - beyond_free(self.memory);
        let Confines { budget, used, .. } = &self.confines;
        if !budget.take(shared) {
            return Err(format!(
                "{} KiB more memory wanted, and all plugins together have reached their {} KiB (total_memory)",
                wanted >> 10,
                budget.most >> 10
            ));
        }
        used.memory.fetch_add(wanted, Ordering::Relaxed);
        self.memory = after;
        Ok(())
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let Confines { budget, used, .. } = &self.confines;
        budget.give_back(beyond_free(self.memory));
        used.memory.fetch_sub(self.memory, Ordering::Relaxed);
        used.instances.fetch_sub(1, Ordering::Relaxed);
    }
}

fn beyond_free(memory: usize) -> usize {
    memory.saturating_sub(FREE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn all_instances_share_one_bound_and_give_back_what_they_had() {
        let budget = Budget::new(10 * MIB);
        let one = Confines::new(Sandbox::default(), &budget);
        let other = Confines::new(Sandbox::default(), &budget);
        let (mut a, mut b) = (one.enter(), other.enter());
        // The first 2 MiB of each are its own.
        a.take(MIB).unwrap();
        a.take(9 * MIB).unwrap();
        b.take(4 * MIB).unwrap();
        let refused = b.take(MIB).unwrap_err();
        assert_eq!(
            refused,
            "1024 KiB more memory wanted, and all plugins together have reached their 10240 KiB (total_memory)"
        );
        let usage = |instances, memory| Usage { instances, memory };
        assert_eq!(one.usage(), usage(1, 10 * MIB));
        assert_eq!(other.usage(), usage(1, 4 * MIB));
        drop(a);
        assert_eq!(one.usage(), usage(0, 0));
        b.take(MIB).unwrap();
        b.take(usize::MAX).unwrap_err();
        drop(b);
        one.enter().take(12 * MIB).unwrap();
        one.enter().take(12 * MIB).unwrap();
    }
}
