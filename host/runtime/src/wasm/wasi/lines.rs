//! From bytes that come in any pieces to lines.

/// Bytes of a line that are kept; the log keeps less.
const LONGEST: usize = 4 << 10;

/// The line of a stream that has not ended yet.
#[derive(Debug, Default)]
pub(in crate::wasm) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Takes a piece; `line` gets each line that it ends, but for empty ones.
    pub(in crate::wasm) fn write(&mut self, piece: &[u8], mut line: impl FnMut(&str)) {
        let mut parts = piece.split(|byte| *byte == b'\n');
        let rest = parts.next_back().unwrap_or_default();
        for part in parts {
            self.add(part);
            self.end(&mut line);
        }
        self.add(rest);
    }

    /// The line that has begun ends here.
    pub(in crate::wasm) fn end(&mut self, mut line: impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.begun);
        let text = text.trim_end();
        if !text.is_empty() {
            line(text);
        }
        self.begun.clear();
    }

    /// What has been written of the line.
    pub(in crate::wasm) fn begun(&self) -> String {
        String::from_utf8_lossy(&self.begun).into_owned()
    }

    fn add(&mut self, part: &[u8]) {
        let room = LONGEST.saturating_sub(self.begun.len());
        self.begun.extend(part.iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut got) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.write(piece, |line| got.push(line.to_owned()));
        }
        lines.end(|line| got.push(line.to_owned()));
        got
    }

    #[test]
    fn lines_are_whole_however_they_are_cut() {
        let pieces: [&[u8]; 5] = [b"a", b"b\nc\r\n", b"", b"\n\n", b"d\ne"];
        assert_eq!(lines(&pieces), ["ab", "c", "d", "e"]);
        assert_eq!(lines(&[b"\xc3", b"\xa4\n"]), ["\u{e4}"]);
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
        assert!(lines(&[b"", b"\n"]).is_empty());
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_a_long_one() {
        let mut lines = Lines::default();
        for _ in 0..1000 {
            lines.write(&[b'x'; 1000], |_| panic!("no line has ended"));
        }
        assert_eq!(lines.begun.len(), LONGEST);
        let mut length = 0;
        lines.write(b"\n", |line| length = line.len());
        assert_eq!(length, LONGEST);
    }
}
