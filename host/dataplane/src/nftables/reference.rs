//! The proof that the kernel still has our base ruleset unchanged.
//!
//! It is a comparison with a base ruleset that `nft` has just loaded into a network namespace of its own: whatever this
//! kernel and this `nft` make of `base.nft`, the table in use has to be the same. So the table of another version of
//! Evenkeel differs, too, and is replaced.

use std::io;
use std::sync::OnceLock;

use super::base_ruleset::BaseRuleset;
use super::feature_probe;
use super::nft::{self, Ourselves};
use super::read;
use super::render;
use super::socket::{Netfilter, io_error};
use super::step::{NftOp, NftStep, Subject};
use crate::Error;
use crate::namespace::in_namespace;

/// Name of the table in the namespace made for the reference.
const REFERENCE: &str = "evenkeel_reference";

/// What a base ruleset is compared with.
#[derive(Debug, Clone)]
pub(super) enum Reference {
    /// The base ruleset as this kernel and this `nft` make it.
    Exact(Box<Whole>),
    /// No namespace could be made for one: only names, hooks and numbers of rules are compared.
    Outline,
}

/// A base ruleset in all its parts.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    /// What is always there.
    always: BaseRuleset,
    /// The hooks of the queues.
    hooks: BaseRuleset,
    /// The chains that answer for servers that are gone.
    gone: BaseRuleset,
    /// The flowtable and its chain, if this kernel has flowtables.
    offload: Option<BaseRuleset>,
}

impl Whole {
    /// With those parts that the other one has.
    fn like(&self, other: &BaseRuleset) -> BaseRuleset {
        let mut base = self.always.clone();
        if other.is_hooked() {
            base.extend(&self.hooks);
        }
        if other.answers_for_gone() {
            base.extend(&self.gone);
        }
        if let Some(offload) = self.offload.as_ref().filter(|_| other.is_offloading()) {
            base.extend(offload);
        }
        base
    }
}

/// The reference does not change while the process lives, nor with the namespace.
static KNOWN: OnceLock<Reference> = OnceLock::new();

impl Reference {
    /// The reference, made at the first call.
    ///
    /// # Errors
    /// [`Error::Nft`] if this `nft` or this kernel cannot do what the base ruleset needs.
    pub(super) fn get() -> Result<&'static Self, Error> {
        if let Some(known) = KNOWN.get() {
            return Ok(known);
        }
        let made = Self::make()?;
        Ok(KNOWN.get_or_init(|| made))
    }

    fn make() -> Result<Self, Error> {
        Ok(match in_namespace(load_and_read)? {
            Some(whole) => Self::Exact(Box::new(whole)),
            None => Self::Outline,
        })
    }

    /// How a base ruleset differs from what it should be.
    pub(super) fn difference(&self, base: &BaseRuleset) -> Option<String> {
        match self {
            Self::Exact(whole) => base.difference(&whole.like(base)),
            Self::Outline => base.outline_difference(),
        }
    }
}

/// Loads the base ruleset into this thread's namespace, and reads it; then what is not always there.
fn load_and_read() -> Result<Whole, Error> {
    nft::run(
        &Ourselves::default(),
        &["-f", "-"],
        &render::base_ruleset(REFERENCE),
    )?;
    let mut socket = Netfilter::open()?;
    let read = |socket: &mut Netfilter| {
        let found = read::table(socket, REFERENCE)?;
        found.map(|found| found.base).ok_or_else(|| {
            io_error("read the reference ruleset")(io::Error::from_raw_os_error(libc::ENOENT))
        })
    };
    let always = read(&mut socket)?;
    socket.commit(
        REFERENCE,
        &NftStep::all(Subject::Hooks, [NftOp::AddQueueHooks]),
    )?;
    let hooks = read(&mut socket)?.without(&always);
    socket.commit(
        REFERENCE,
        &NftStep::all(Subject::Gone, [NftOp::AddGoneChains]),
    )?;
    let gone = read(&mut socket)?.without(&always).without(&hooks);
    let offload = match feature_probe::offload_support() {
        Ok(()) => {
            let ops = [NftOp::AddFlowtable, NftOp::AddOffloadChain];
            socket.commit(REFERENCE, &NftStep::all(Subject::Offload, ops))?;
            Some(
                read(&mut socket)?
                    .without(&always)
                    .without(&hooks)
                    .without(&gone),
            )
        }
        Err(_) => None,
    };
    Ok(Whole {
        always,
        hooks,
        gone,
        offload,
    })
}

#[cfg(test)]
mod tests {
    use super::super::base_ruleset::SHAPE;
    use super::*;

    #[test]
    fn the_outline_is_that_of_the_text_of_the_base_ruleset() {
        let text = render::base_ruleset("t");
        let mut shape = Vec::new();
        for chain in text.split("\tchain ").skip(1) {
            let lines: Vec<&str> = chain.lines().skip(1).map(str::trim).collect();
            let rules = lines
                .iter()
                .take_while(|line| **line != "}")
                .filter(|line| !line.starts_with('#') && !line.starts_with("type "))
                .count();
            let hooked = lines.first().is_some_and(|line| line.starts_with("type "));
            shape.push((chain.split(' ').next().unwrap(), hooked, rules));
        }
        assert_eq!(shape, SHAPE);
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn a_base_ruleset_in_the_kernel_passes_both_comparisons_and_fails_both_without_a_rule() {
        let Some(whole) = in_namespace(load_and_read).unwrap() else {
            eprintln!("SKIPPED: no network namespace can be made (run as root)");
            return;
        };
        let exact = Reference::Exact(Box::new(in_namespace(load_and_read).unwrap().unwrap()));
        let mut bases = vec![whole.always.clone()];
        for part in [&whole.hooks, &whole.gone]
            .into_iter()
            .chain(&whole.offload)
        {
            let mut more = bases.clone();
            more.iter_mut().for_each(|base| base.extend(part));
            bases.extend(more);
        }
        for base in bases {
            if base.is_offloading() {
                let mut damaged = base.clone();
                damaged.flowtables.clear();
                assert!(exact.difference(&damaged).is_some());
                assert!(Reference::Outline.difference(&damaged).is_some());
            }
            assert_eq!(exact.difference(&base), None);
            assert_eq!(Reference::Outline.difference(&base), None);
            for name in base.chains.keys() {
                let mut damaged = base.clone();
                damaged.chains.get_mut(name).unwrap().rules.pop();
                assert!(exact.difference(&damaged).is_some(), "{name}");
                assert!(Reference::Outline.difference(&damaged).is_some(), "{name}");
                damaged.chains.remove(name);
                assert!(exact.difference(&damaged).is_some(), "{name}");
                assert!(Reference::Outline.difference(&damaged).is_some(), "{name}");
            }
        }
    }
}
