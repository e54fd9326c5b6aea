//! Programs that are run.

use std::path::{Path, PathBuf};

use super::plugin::joined;
use super::reader::{Read, Reader, Wrong};
use super::tree::{Node, Value};
use super::value::any_text;

/// A program and its arguments; never empty.
#[derive(Debug, Clone)]
pub(super) struct Command(Vec<String>);

impl Command {
    /// The words. A program with a path starts from the configuration's directory; one without is looked for in `PATH`.
    pub(super) fn words(&self, dir: &Path) -> Vec<String> {
        let mut words = self.0.clone();
        if let Some(program) = words.first_mut()
            && program.contains('/')
        {
            let path: PathBuf = joined(dir, Path::new(program));
            *program = path.to_string_lossy().into_owned();
        }
        words
    }
}

impl Read for Command {
    fn kind() -> String {
        "a command: a list of words, or a string that is split as a shell does".to_owned()
    }

    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        let words = match &node.value {
            Value::Text(text) => split(text).map_err(|wrong| reader.wrong(key, &node, wrong)),
            Value::List(nodes) => {
                let read: Vec<Option<String>> = nodes
                    .iter()
                    .enumerate()
                    .map(|(i, node)| word(&format!("{key}[{i}]"), node, reader))
                    .collect();
                read.into_iter().collect::<Option<Vec<_>>>().ok_or(())
            }
            _ => {
                let wrong = Wrong::kind(&<Self as Read>::kind(), None);
                reader.wrong(key, &node, wrong);
                Err(())
            }
        };
        let words = words.ok()?;
        if words.first().is_none_or(String::is_empty) {
            let wrong = Wrong::new("there is no program in it", "write [\"/path/of/program\"]");
            reader.wrong(key, &node, wrong);
            return None;
        }
        Some(Self(words))
    }
}

fn word(key: &str, node: &Node, reader: &mut Reader) -> Option<String> {
    let wrong = match any_text(&node.value, "a string") {
        Ok(text) if !text.contains('\0') => return Some(text.to_owned()),
        Ok(_) => no_nul(),
        Err(wrong) => wrong,
    };
    reader.wrong(key, node, wrong);
    None
}

fn no_nul() -> Wrong {
    Wrong {
        what: "a program's argument has no character 0".to_owned(),
        help: None,
    }
}

fn split(text: &str) -> Result<Vec<String>, Wrong> {
    if text.contains('\0') {
        return Err(no_nul());
    }
    shlex::split(text).ok_or_else(|| {
        Wrong::new(
            "a quotation mark or a backslash without its end",
            "or write the words as a list: [\"program\", \"argument\"]",
        )
    })
}
