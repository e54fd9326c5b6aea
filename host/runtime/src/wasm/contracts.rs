//! What a contract is to the rest of the runtime: these traits. Each version of it that is spoken has a module of its
//! own (`since_v0_1`, `since_v0_2`), which translates; nothing else knows what a contract looks like.
//!
//! `contracts/` has the parts of those modules that are the same in every version.

use async_trait::async_trait;
use evenkeel_core::manifest::{Manifest, Setting};
use evenkeel_core::plan::Plan;
use evenkeel_core::state::BackendId;
use semver::Version;
use wasmtime::component::Component;
use wasmtime::{Engine, Result, Store};

use super::state::State;
use super::{since_v0_1, since_v0_2};
use crate::{Backend, DirectorRole, Failure, Flow, Load, SavedState, ServiceContext, Verdict};

/// What a plugin says about itself, or what is wrong with it, as the end of a sentence about the plugin.
pub(super) type Described = std::result::Result<Manifest, String>;

/// The versions of the contract that are spoken, with any patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contract {
    V0_1,
    V0_2,
}

impl Contract {
    /// In words.
    pub(super) const SPOKEN: &str = "0.1 and 0.2";

    /// The contract of that version, if it is spoken.
    pub(super) fn of(version: &Version) -> Option<Self> {
        match (version.major, version.minor) {
            (0, 1) => Some(Self::V0_1),
            (0, 2) => Some(Self::V0_2),
            _ => None,
        }
    }
}

/// What plugins of each contract can import.
pub(super) struct Linkers {
    v0_1: since_v0_1::Linkers,
    v0_2: since_v0_2::Linkers,
}

impl Linkers {
    pub(super) fn new(engine: &Engine) -> Result<Self> {
        Ok(Self {
            v0_1: since_v0_1::Linkers::new(engine)?,
            v0_2: since_v0_2::Linkers::new(engine)?,
        })
    }

    /// A scheduler's code, its imports resolved.
    pub(super) fn scheduler(
        &self,
        contract: Contract,
        component: &Component,
    ) -> Result<Box<dyn SchedulerCode>> {
        match contract {
            Contract::V0_1 => self.v0_1.scheduler(component),
            Contract::V0_2 => self.v0_2.scheduler(component),
        }
    }

    /// A checker's code, its imports resolved.
    pub(super) fn checker(
        &self,
        contract: Contract,
        component: &Component,
    ) -> Result<Box<dyn CheckerCode>> {
        match contract {
            Contract::V0_1 => self.v0_1.checker(component),
            Contract::V0_2 => self.v0_2.checker(component),
        }
    }
}

/// A scheduler's code, its imports resolved.
pub(super) trait SchedulerCode: Send + Sync {
    fn instantiate(&self, store: &mut Store<State>) -> Result<Box<dyn SchedulerGuest>>;
}

/// The exports of a scheduler's instance. An error of a call is the engine's: the guest has trapped.
pub(super) trait SchedulerGuest: Send {
    fn describe(&self, store: &mut Store<State>) -> Result<Described>;

    fn configure(
        &self,
        store: &mut Store<State>,
        settings: &[Setting],
        context: &ServiceContext,
    ) -> Result<std::result::Result<(), String>>;

    fn validate(
        &self,
        store: &mut Store<State>,
        backends: &[Backend],
    ) -> Result<std::result::Result<(), String>>;

    fn set_role(&self, store: &mut Store<State>, role: DirectorRole) -> Result<()>;

    fn set_backends(&self, store: &mut Store<State>, backends: &[Backend]) -> Result<()>;

    fn set_loads(&self, store: &mut Store<State>, loads: &[Load]) -> Result<()>;

    /// The inner error says what is wrong with it, as the end of a sentence about the plugin.
    fn make_plan(&self, store: &mut Store<State>) -> Result<std::result::Result<Plan, String>>;

    /// The inner error is a number that no backend can have.
    fn pick(
        &self,
        store: &mut Store<State>,
        flow: &Flow,
    ) -> Result<std::result::Result<Option<BackendId>, u32>>;

    fn export_state(&self, store: &mut Store<State>) -> Result<Option<SavedState>>;

    fn import_state(
        &self,
        store: &mut Store<State>,
        state: &SavedState,
    ) -> Result<std::result::Result<(), String>>;
}

/// A checker's code, its imports resolved.
#[async_trait]
pub(super) trait CheckerCode: Send + Sync {
    async fn instantiate(&self, store: &mut Store<State>) -> Result<Box<dyn CheckerGuest>>;
}

/// The exports of a checker's instance. An error of a call is the engine's: the guest has trapped.
#[async_trait]
pub(super) trait CheckerGuest: Send + Sync {
    async fn describe(&self, store: &mut Store<State>) -> Result<Described>;

    async fn configure(
        &self,
        store: &mut Store<State>,
        settings: &[Setting],
    ) -> Result<std::result::Result<(), String>>;

    /// With the probe that the store holds.
    async fn check(&self, store: &mut Store<State>) -> Result<Verdict>;
}

/// What a number of a backend means; the error is one that no backend can have.
pub(super) fn backend(id: u32) -> std::result::Result<BackendId, u32> {
    BackendId::new(id).ok_or(id)
}

pub(super) fn no_backend(id: u32) -> Failure {
    Failure::Answer(unknown(id))
}

pub(super) fn unknown(id: u32) -> String {
    format!("it names backend {id}, which cannot exist")
}
