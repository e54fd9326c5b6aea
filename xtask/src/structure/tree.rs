//! The modules of a crate, and which file takes names from which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::scan::{self, Module, Names};
use super::tokens::tokens;

/// Which names each file takes from each other file.
pub(super) type Edges = BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>;

/// So many `use` may lead to each other.
const MAX_HOPS: usize = 16;

/// A module of the tree.
struct Node {
    parent: Option<usize>,
    file: PathBuf,
    text: Module,
    children: BTreeMap<String, usize>,
}

/// All modules below one root, a `lib.rs` or a `main.rs`.
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// Macros by name, with their file.
    macros: BTreeMap<String, PathBuf>,
}

/// What a path leads to.
enum Target {
    /// A module: nothing is taken from it yet.
    Module(usize),
    /// This name in that module's file.
    Name(usize, String),
}

impl Tree {
    /// Reads the modules below `root`. `read` gives a file's text if there is that file.
    pub(super) fn read(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut tree = Self {
            nodes: Vec::new(),
            macros: BTreeMap::new(),
        };
        if let Some(text) = read(root) {
            let dir = root.parent().unwrap_or(root);
            let module = scan::module(&tokens(&text));
            tree.add(None, root, dir, module, read);
        }
        tree
    }

    /// The files of all modules.
    pub(super) fn files(&self) -> BTreeSet<&Path> {
        self.nodes.iter().map(|node| &*node.file).collect()
    }

    /// All paths in the code and in `use`, with their files.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&Path, &Names)> {
        self.nodes.iter().flat_map(|node| {
            let text = &node.text;
            let paths = text.imports.values().chain(&text.globs).chain(&text.paths);
            paths.map(|path| (&*node.file, path))
        })
    }

    fn add(
        &mut self,
        parent: Option<usize>,
        file: &Path,
        dir: &Path,
        mut text: Module,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> usize {
        let inline = std::mem::take(&mut text.inline);
        let declares = text.declares.clone();
        for name in &text.macros {
            self.macros.insert(name.clone(), file.to_owned());
        }
        let own = self.nodes.len();
        self.nodes.push(Node {
            parent,
            file: file.to_owned(),
            text,
            children: BTreeMap::new(),
        });
        for (name, text) in inline {
            let child = self.add(Some(own), file, &dir.join(&name), text, read);
            self.adopt(own, name, child);
        }
        for name in declares {
            let candidates = [
                dir.join(&name).with_extension("rs"),
                dir.join(&name).join("mod.rs"),
            ];
            let found = candidates.iter().find_map(|file| Some((file, read(file)?)));
            if let Some((file, text)) = found {
                let module = scan::module(&tokens(&text));
                let child = self.add(Some(own), file, &dir.join(&name), module, read);
                self.adopt(own, name, child);
            }
        }
        own
    }

    fn adopt(&mut self, parent: usize, name: String, child: usize) {
        if let Some(node) = self.nodes.get_mut(parent) {
            node.children.insert(name, child);
        }
    }

    /// Which file takes which names from which.
    pub(super) fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (at, node) in self.nodes.iter().enumerate() {
            // What a module hands on is taken by those who take it from there.
            let text = &node.text;
            let used = |name: &String| !text.public.contains(name) || text.mentions.contains(name);
            let imports = text.imports.iter().filter(|(name, _)| used(name));
            for path in imports.map(|(_, path)| path).chain(&text.paths) {
                if let Some(Target::Name(owner, name)) = self.resolve(at, path, MAX_HOPS) {
                    self.note(&mut edges, node, owner, name);
                }
            }
            for path in &node.text.globs {
                if let Some(Target::Module(owner)) = self.resolve(at, path, MAX_HOPS) {
                    self.note(&mut edges, node, owner, "*".to_owned());
                }
            }
            let own = &node.text;
            for name in &own.calls {
                let known = own.imports.contains_key(name) || own.defines.contains(name);
                if let Some(file) = self.macros.get(name).filter(|_| !known) {
                    take(&mut edges, &node.file, file, format!("{name}!"));
                }
            }
        }
        edges
    }

    fn note(&self, edges: &mut Edges, node: &Node, owner: usize, name: String) {
        if let Some(owner) = self.nodes.get(owner) {
            take(edges, &node.file, &owner.file, name);
        }
    }

    fn resolve(&self, from: usize, path: &Names, hops: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let node = self.nodes.get(from)?;
        let start = match &**first {
            "crate" => 0,
            "self" => from,
            "super" => node.parent?,
            _ => return self.step(from, path, hops, false),
        };
        self.walk(start, rest, hops)
    }

    fn walk(&self, at: usize, rest: &[String], hops: usize) -> Option<Target> {
        match rest.split_first() {
            None => Some(Target::Module(at)),
            Some((first, rest)) if first == "super" => {
                self.walk(self.nodes.get(at)?.parent?, rest, hops)
            }
            Some(_) => self.step(at, rest, hops, true),
        }
    }

    /// From a module on by the first of the names. `sure`: it is in this module, if nothing says otherwise; else it may
    /// be another crate's, or a type that has been named before.
    fn step(&self, at: usize, names: &[String], hops: usize, sure: bool) -> Option<Target> {
        let hops = hops.checked_sub(1)?;
        let (first, rest) = names.split_first()?;
        let node = self.nodes.get(at)?;
        if let Some(child) = node.children.get(first) {
            return self.walk(*child, rest, hops);
        }
        if node.text.defines.contains(first) {
            return Some(Target::Name(at, first.clone()));
        }
        if let Some(import) = node.text.imports.get(first)
            && import.first() != Some(first)
        {
            // Another crate's name has no target here.
            return match self.resolve(at, import, hops)? {
                Target::Module(module) => self.walk(module, rest, hops),
                name @ Target::Name(..) => Some(name),
            };
        }
        for glob in &node.text.globs {
            if let Some(Target::Module(module)) = self.resolve(at, glob, hops)
                && let Some(other) = self.nodes.get(module)
                && (other.text.defines.contains(first) || other.children.contains_key(first))
            {
                return self.walk(module, names, hops);
            }
        }
        if node.parent.is_none()
            && let Some(owner) = self.macros.get(first)
        {
            // One that is exported is in the root, wherever it is written.
            let owner = self.nodes.iter().position(|node| node.file == *owner)?;
            return Some(Target::Name(owner, first.clone()));
        }
        // What a macro has made is not seen.
        let known = sure && !node.text.imports.contains_key(first);
        known.then(|| Target::Name(at, first.clone()))
    }
}

fn take(edges: &mut Edges, from: &Path, of: &Path, name: String) {
    if from != of {
        let taken = edges.entry(from.to_owned()).or_default();
        taken.entry(of.to_owned()).or_default().insert(name);
    }
}
