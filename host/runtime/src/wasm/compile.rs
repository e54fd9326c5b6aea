//! From a plugin's bytes to machine code: here, or in a child process that has limits of its own.
//!
//! A compiler's memory grows with what it is given, and a process does not get smaller again: compiling one plugin of
//! 2.5 MB took the daemon from 178 to 586 MB. And what makes a compiler crash is to end no daemon.

mod child;
mod here;
mod limits;
mod serve;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::engine::Effort;
pub use serve::{Order, serve};

/// Who compiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compiler {
    /// This process. For tests and tools, which end soon.
    #[default]
    Here,
    /// A child process, by this process's own program: one that hands its subcommand `compile-plugin` to [`serve`].
    Child,
}

/// Machine code of a component, from our compiler: made just now, or kept in the cache.
pub(super) struct Compiled(Vec<u8>);

impl Compiled {
    /// What the cache has kept. `code` must be what [`Self::code`] gave, written by this user.
    pub(super) fn kept(code: Vec<u8>) -> Self {
        Self(code)
    }

    /// To be kept.
    pub(super) fn code(&self) -> &[u8] {
        &self.0
    }

    /// The component, ready to be linked.
    pub(super) fn component(&self, engine: &Engine) -> wasmtime::Result<Component> {
        #[expect(unsafe_code, reason = "the one way to take precompiled code")]
        // SAFETY: the bytes must be what `Engine::precompile_component` gave. There are three ways to a `Compiled`, all in
        // this crate. (1) `compile` below calls that function itself. (2) A child gave them: it is this process's own
        // program (`/proc/self/exe`), started by us with our arguments, and wrote them into a file in memory that only
        // it and we have open; `child::compile` hands them over only if it has ended with success, after its last
        // write, and nobody but this user or root can have changed what it does. A guest's code is compiled there and
        // never run. (3) The cache kept them: the file is in a directory that nobody but this user (or root) could
        // write to and belongs to this user, and its hash shows that it is whole. That the engine fits is part of the
        // file's name, and wasmtime checks it again.
        unsafe {
            Component::deserialize(engine, &self.0)
        }
    }
}

/// Compiles. The error is the reason of a load error.
pub(super) fn compile(
    compiler: Compiler,
    bytes: &[u8],
    effort: Effort,
) -> Result<Compiled, String> {
    match compiler {
        Compiler::Here => here::compile(bytes, effort).map_err(|reason| here::failed(&reason)),
        Compiler::Child => child::compile(bytes, effort),
    }
    .map(Compiled)
}
