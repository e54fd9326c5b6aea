//! What the configuration has to know of the machine.

use evenkeel_core::model::DataPlaneKind;

/// What this machine's kernel can do. By default everything: nobody looks.
pub trait MachineSupport {
    /// Whether this machine's kernel can ask the daemon about each connection, where this data plane is used.
    ///
    /// # Errors
    /// Why not. By default nobody looks.
    fn per_connection(&self, _dataplane: DataPlaneKind) -> Result<(), String> {
        Ok(())
    }

    /// Whether this data plane can hide clients behind the director (`snat`) on this machine.
    ///
    /// # Errors
    /// Why not. By default nobody looks.
    fn snat(&self, _dataplane: DataPlaneKind) -> Result<(), String> {
        Ok(())
    }

    /// Whether a data plane works on this machine. Asked at most once of each, and only if the answer matters
    /// ([`evenkeel_core::dataplane::choose`]).
    ///
    /// # Errors
    /// Why not, and what to do about it, in one sentence. By default nobody looks.
    fn works(&self, _dataplane: DataPlaneKind) -> Result<(), String> {
        Ok(())
    }

    /// The data plane that the daemon has, if it runs: a reload does not change it. Then nobody is asked what [`Self::works`].
    fn running(&self) -> Option<DataPlaneKind> {
        None
    }
}

/// A machine that can do everything, such as one that the configuration is not for.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyMachine;

impl MachineSupport for AnyMachine {}
