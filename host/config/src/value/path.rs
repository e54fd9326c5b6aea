//! Paths of files, directories and sockets.

use std::path::PathBuf;

use super::text::{any_text, quote};
use crate::reader::{Leaf, Wrong};
use crate::tree::Value;

/// A path of a file or a directory.
#[derive(Debug, Clone)]
pub(crate) struct FilePath(pub(crate) PathBuf);

impl Leaf for FilePath {
    fn kind() -> String {
        "a path".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let path = any_text(value, "a path")?;
        if path.is_empty() || path.contains(char::is_control) {
            return Err(Wrong {
                what: "not a path".to_owned(),
                help: None,
            });
        }
        Ok(Self(PathBuf::from(path)))
    }

    fn show(&self) -> String {
        quote(&self.0.to_string_lossy())
    }
}

/// A path of a socket, which the kernel limits to 107 bytes (unix(7)).
#[derive(Debug, Clone)]
pub(crate) struct SocketPath(pub(crate) PathBuf);

impl Leaf for SocketPath {
    fn kind() -> String {
        "a path of at most 107 bytes".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let FilePath(path) = FilePath::leaf(value)?;
        let len = path.as_os_str().len();
        if len > 107 {
            let what = format!("the path of a socket has at most 107 bytes, not {len}");
            return Err(Wrong { what, help: None });
        }
        Ok(Self(path))
    }

    fn show(&self) -> String {
        quote(&self.0.to_string_lossy())
    }
}
