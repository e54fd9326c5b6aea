//! The part of our table that never changes, and the proof that the kernel still has it unchanged.
//!
//! The proof is a comparison with a frame that `nft` has just loaded into a network namespace of its own: whatever this kernel
//! and this `nft` make of `frame.nft`, the table in use has to be the same.

use std::collections::BTreeMap;
use std::io;
use std::sync::OnceLock;

use netlink_bindings::utils::{IterableChunks, find_attr};

use super::change::{Op, Step, Subject};
use super::element::DYNAMIC;
use super::encode::HOOKS;
use super::nft::{self, Ourselves};
use super::read;
use super::render;
use super::short;
use super::socket::{Netfilter, io_error};
use crate::Error;
use crate::namespace::in_namespace;

/// Name of the table in the namespace made for the reference.
const REFERENCE: &str = "evenkeel_reference";

/// Chains of the frame: name, whether it is hooked, number of rules.
const SHAPE: [(&str, bool, usize); 11] = [
    ("none", false, 2),
    ("be", false, 4),
    ("slot", false, 3),
    ("chosen", false, 1),
    ("picked", false, 4),
    ("ask", false, 5),
    ("local", false, 2),
    ("dispatch", false, 4),
    ("prerouting", true, 1),
    ("output", true, 1),
    ("postrouting", true, 3),
];

/// Attributes by type, as far as they say what the thing is.
type Attributes = Vec<(u16, Vec<u8>)>;

/// A chain of the frame, or one that should not be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chain {
    attributes: Attributes,
    rules: Vec<Vec<u8>>,
}

/// Everything in a table but the services' chains and the elements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Frame {
    flags: Vec<u8>,
    chains: BTreeMap<String, Chain>,
    sets: BTreeMap<String, Attributes>,
    flowtables: BTreeMap<String, Attributes>,
}

impl Frame {
    /// `NFTA_TABLE_FLAGS`: a dormant table does nothing.
    pub(super) fn set_flags(&mut self, flags: &[u8]) {
        self.flags = flags.to_vec();
    }

    /// Adds a chain with the attributes of a `NFT_MSG_NEWCHAIN`.
    pub(super) fn add_chain(&mut self, name: &str, attributes: &[u8]) {
        // NFTA_CHAIN_HOOK, _POLICY, _TYPE, _FLAGS; not handles, counters and numbers of uses.
        let attributes = pick(attributes, &[4, 5, 7, 10]);
        self.chains.entry(name.to_owned()).or_default().attributes = attributes;
    }

    /// Adds a rule with these expressions at the end of a chain.
    pub(super) fn add_rule(&mut self, chain: &str, expressions: &[u8]) {
        let mut rule = Vec::with_capacity(expressions.len());
        for (_, expression) in IterableChunks::new(expressions) {
            match find_attr(expression, 1) {
                // What it has counted is no part of it.
                Some(name @ b"counter\0") => rule.extend_from_slice(name),
                _ => rule.extend_from_slice(expression),
            }
        }
        self.chains
            .entry(chain.to_owned())
            .or_default()
            .rules
            .push(rule);
    }

    /// Adds a set or map with the attributes of a `NFT_MSG_NEWSET`.
    pub(super) fn add_set(&mut self, name: &str, attributes: &[u8]) {
        // NFTA_SET_FLAGS, types and lengths, _POLICY, _DESC, _TIMEOUT, _GC_INTERVAL, _EXPR, _EXPRESSIONS.
        let attributes = pick(attributes, &[3, 4, 5, 6, 7, 8, 9, 11, 12, 17, 18]);
        self.sets.insert(name.to_owned(), attributes);
    }

    /// Adds a flowtable with the attributes of a `NFT_MSG_NEWFLOWTABLE`. Which interfaces it has is no part of the frame.
    pub(super) fn add_flowtable(&mut self, name: &str, attributes: &[u8]) {
        // NFTA_FLOWTABLE_FLAGS; of NFTA_FLOWTABLE_HOOK, _NUM and _PRIORITY.
        let mut picked = pick(attributes, &[7]);
        picked.extend(pick(find_attr(attributes, 3).unwrap_or_default(), &[1, 2]));
        self.flowtables.insert(name.to_owned(), picked);
    }

    /// Whether it has the set.
    pub(super) fn has_set(&self, name: &str) -> bool {
        self.sets.contains_key(name)
    }

    /// Whether the chain carries attributes of a base chain.
    pub(super) fn is_plain_chain(attributes: &[u8]) -> bool {
        pick(attributes, &[4, 5, 7, 10]).is_empty()
    }

    /// Whether the hooks by which the daemon is asked are there, or one of them.
    pub(super) fn is_hooked(&self) -> bool {
        HOOKS
            .iter()
            .any(|(name, ..)| self.chains.contains_key(*name))
    }

    /// Whether the flowtable is there, or the chain that puts flows into it.
    fn is_short(&self) -> bool {
        self.chains.contains_key(short::NAME) || self.flowtables.contains_key(short::NAME)
    }

    /// What is in it and not in `other`.
    fn without(mut self, other: &Self) -> Self {
        self.chains
            .retain(|name, _| !other.chains.contains_key(name));
        self.sets.retain(|name, _| !other.sets.contains_key(name));
        self.flowtables
            .retain(|name, _| !other.flowtables.contains_key(name));
        self
    }

    /// Takes in what is in `other`.
    fn extend(&mut self, other: &Self) {
        self.chains.extend(other.chains.clone());
        self.sets.extend(other.sets.clone());
        self.flowtables.extend(other.flowtables.clone());
    }

    /// How it differs from what it should be.
    fn difference(&self, wanted: &Self) -> Option<String> {
        if self.flags != wanted.flags {
            return Some("the table's flags were changed".to_owned());
        }
        differing("chain", &self.chains, &wanted.chains)
            .or_else(|| differing("set", &self.sets, &wanted.sets))
            .or_else(|| differing("flowtable", &self.flowtables, &wanted.flowtables))
    }

    /// How its outline differs from what it should be.
    fn misshape(&self) -> Option<String> {
        let sets = super::element::Set::ALL
            .iter()
            .find(|set| !self.has_set(set.name()));
        if let Some(set) = sets {
            return Some(format!("set {} is missing", set.name()));
        }
        if let Some(set) = DYNAMIC.iter().find(|set| !self.has_set(set)) {
            return Some(format!("set {set} is missing"));
        }
        let hooks = HOOKS.iter().map(|(name, ..)| (*name, true, 1));
        let hooks = hooks.filter(|_| self.is_hooked());
        let short = self.is_short().then_some((short::NAME, true, 1));
        let expected: Vec<_> = SHAPE.into_iter().chain(hooks).chain(short).collect();
        let flowtables: Vec<&str> = self.flowtables.keys().map(String::as_str).collect();
        if flowtables != short.map(|(name, ..)| name).as_slice() {
            return Some("a flowtable is missing, or not ours".to_owned());
        }
        let shape = |name: &str, chain: &Chain| {
            let one = expected.iter().find(|(n, ..)| *n == name);
            one.is_some_and(|(_, hooked, rules)| {
                *hooked != chain.attributes.is_empty() && *rules == chain.rules.len()
            })
        };
        let wrong = self.chains.iter().find(|(name, chain)| !shape(name, chain));
        match wrong {
            Some((name, _)) => Some(format!("chain {name} was changed")),
            None if self.chains.len() < expected.len() => Some("a chain is missing".to_owned()),
            None => None,
        }
    }
}

/// The first thing that is in only one of two collections or differs between them.
fn differing<T: PartialEq>(
    what: &str,
    found: &BTreeMap<String, T>,
    wanted: &BTreeMap<String, T>,
) -> Option<String> {
    for (name, thing) in wanted {
        match found.get(name) {
            None => return Some(format!("{what} {name} is missing")),
            Some(other) if other != thing => return Some(format!("{what} {name} was changed")),
            Some(_) => {}
        }
    }
    let stray = found.keys().find(|name| !wanted.contains_key(*name));
    stray.map(|name| format!("{what} {name} is not ours"))
}

fn pick(attributes: &[u8], types: &[u16]) -> Attributes {
    IterableChunks::new(attributes)
        .filter(|(header, _)| types.contains(&header.r#type))
        .map(|(header, value)| (header.r#type, value.to_vec()))
        .collect()
}

/// What a frame is compared with.
#[derive(Debug, Clone)]
pub(super) enum Reference {
    /// The frame as this kernel and this `nft` make it.
    Exact(Box<Whole>),
    /// No namespace could be made for one: only names, hooks and numbers of rules are compared.
    Outline,
}

/// A frame in all its parts.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    /// What is always there.
    always: Frame,
    /// The hooks by which the daemon is asked.
    hooks: Frame,
    /// The short way, if this kernel has it.
    short: Option<Frame>,
}

impl Whole {
    /// With those parts that the other one has.
    fn like(&self, other: &Frame) -> Frame {
        let mut frame = self.always.clone();
        if other.is_hooked() {
            frame.extend(&self.hooks);
        }
        if let Some(short) = self.short.as_ref().filter(|_| other.is_short()) {
            frame.extend(short);
        }
        frame
    }
}

/// The reference does not change while the process lives, nor with the namespace.
static REFERENCE_FRAME: OnceLock<Reference> = OnceLock::new();

impl Reference {
    /// The reference, made at the first call.
    ///
    /// # Errors
    /// [`Error::Nft`] if this `nft` or this kernel cannot do what the frame needs.
    pub(super) fn get() -> Result<&'static Self, Error> {
        if let Some(known) = REFERENCE_FRAME.get() {
            return Ok(known);
        }
        let made = Self::make()?;
        Ok(REFERENCE_FRAME.get_or_init(|| made))
    }

    fn make() -> Result<Self, Error> {
        Ok(match in_namespace(load_and_read)? {
            Some(whole) => Self::Exact(Box::new(whole)),
            None => Self::Outline,
        })
    }

    /// How a frame differs from what it should be.
    pub(super) fn difference(&self, frame: &Frame) -> Option<String> {
        match self {
            Self::Exact(whole) => frame.difference(&whole.like(frame)),
            Self::Outline => frame.misshape(),
        }
    }
}

/// Loads the frame into this thread's namespace, and reads it; then what is not always there.
fn load_and_read() -> Result<Whole, Error> {
    nft::run(
        &Ourselves::default(),
        &["-f", "-"],
        &render::frame(REFERENCE),
    )?;
    let mut socket = Netfilter::open()?;
    let read = |socket: &mut Netfilter| {
        let found = read::table(socket, REFERENCE)?;
        found.map(|found| found.frame).ok_or_else(|| {
            io_error("read the reference frame")(io::Error::from_raw_os_error(libc::ENOENT))
        })
    };
    let always = read(&mut socket)?;
    let hooks = Step {
        subject: Subject::Hooks,
        op: Op::AddHooks,
    };
    socket.commit(REFERENCE, &[hooks])?;
    let hooks = read(&mut socket)?.without(&always);
    let short = match short::support() {
        Ok(()) => {
            let way = short::steps([Op::AddFlowtable, Op::AddShortChain]);
            socket.commit(REFERENCE, &way)?;
            Some(read(&mut socket)?.without(&always).without(&hooks))
        }
        Err(_) => None,
    };
    Ok(Whole {
        always,
        hooks,
        short,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_is_that_of_the_frame_s_text() {
        let text = render::frame("t");
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
    fn a_frame_in_the_kernel_passes_both_comparisons_and_fails_both_without_a_rule() {
        let Some(whole) = in_namespace(load_and_read).unwrap() else {
            eprintln!("SKIPPED: no network namespace can be made (run as root)");
            return;
        };
        let exact = Reference::Exact(Box::new(in_namespace(load_and_read).unwrap().unwrap()));
        let mut frames = vec![whole.always.clone()];
        for part in std::iter::once(&whole.hooks).chain(&whole.short) {
            let mut more = frames.clone();
            more.iter_mut().for_each(|frame| frame.extend(part));
            frames.extend(more);
        }
        for frame in frames {
            if frame.is_short() {
                let mut damaged = frame.clone();
                damaged.flowtables.clear();
                assert!(exact.difference(&damaged).is_some());
                assert!(Reference::Outline.difference(&damaged).is_some());
            }
            assert_eq!(exact.difference(&frame), None);
            assert_eq!(Reference::Outline.difference(&frame), None);
            for name in frame.chains.keys() {
                let mut damaged = frame.clone();
                damaged.chains.get_mut(name).unwrap().rules.pop();
                assert!(exact.difference(&damaged).is_some(), "{name}");
                assert!(Reference::Outline.difference(&damaged).is_some(), "{name}");
                damaged.chains.remove(name);
                assert!(exact.difference(&damaged).is_some(), "{name}");
                assert!(Reference::Outline.difference(&damaged).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn a_difference_names_what_differs() {
        let mut wanted = Frame::default();
        wanted.add_chain("be", &[]);
        wanted.add_set("slots", &[]);
        let mut found = wanted.clone();
        assert_eq!(found.difference(&wanted), None);
        found.add_rule("be", &[8, 0, 1, 0, 4, 0, 1, 0]);
        assert_eq!(found.difference(&wanted).unwrap(), "chain be was changed");
        found = wanted.clone();
        found.add_set("more", &[]);
        assert_eq!(found.difference(&wanted).unwrap(), "set more is not ours");
        assert_eq!(
            Frame::default().difference(&wanted).unwrap(),
            "chain be is missing"
        );
    }
}
