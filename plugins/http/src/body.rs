//! The search for a text in a body.

use evenkeel_sdk::CheckError;
use memchr::memmem::Finder;

use crate::client::Client;
use crate::search::Search;

/// Reads the body until the text was found in it. It is looked for in the first `max` bytes.
pub(crate) fn find(client: &mut impl Client, text: &str, max: usize) -> Result<(), CheckError> {
    let mut search = TextSearch {
        finder: Finder::new(text),
        seen: Vec::new(),
        searched: 0,
        max,
    };
    if client.read(&mut search)? {
        Ok(())
    } else {
        Err(CheckError::new(format!("body does not contain {text:?}")))
    }
}

/// Looks for a text.
struct TextSearch<'a> {
    finder: Finder<'a>,
    seen: Vec<u8>,
    searched: usize,
    max: usize,
}

impl Search for TextSearch<'_> {
    /// Whether the text is in what was seen, now that `piece` was too.
    fn add(&mut self, piece: &[u8]) -> Result<bool, CheckError> {
        let room = self.max.saturating_sub(self.seen.len());
        self.seen.extend_from_slice(&piece[..piece.len().min(room)]);
        // A match may begin in earlier pieces.
        let from = self
            .searched
            .saturating_sub(self.finder.needle().len().saturating_sub(1));
        if self.finder.find(&self.seen[from..]).is_some() {
            return Ok(true);
        }
        self.searched = self.seen.len();
        if piece.len() > room {
            let wanted = String::from_utf8_lossy(self.finder.needle());
            return Err(CheckError::new(format!(
                "{wanted:?} is not in the first {} bytes of the body",
                self.max
            )));
        }
        Ok(false)
    }
}
