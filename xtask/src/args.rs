//! The words of a task's command line. A parser of its own would take longer to build than all tasks together.

use anyhow::{Result, bail};

/// What follows the name of a task. Each method takes what it finds away; [`Args::finish`] refuses the rest.
#[derive(Debug)]
pub(crate) struct Args(Vec<String>);

impl Args {
    pub(crate) fn new(words: impl IntoIterator<Item = String>) -> Self {
        Self(words.into_iter().collect())
    }

    /// Whether this option is given, such as `--all`.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() < before
    }

    /// The value of `--name VALUE` or `--name=VALUE`.
    ///
    /// # Errors
    /// When the value is missing.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>> {
        let with = |word: &str| Some(word.strip_prefix(name)?.strip_prefix('=')?.to_owned());
        if let Some((place, value)) = self
            .0
            .iter()
            .enumerate()
            .find_map(|(place, word)| Some((place, with(word)?)))
        {
            self.0.remove(place);
            return Ok(Some(value));
        }
        let Some(place) = self.0.iter().position(|word| word == name) else {
            return Ok(None);
        };
        if place + 1 == self.0.len() {
            bail!("{name} needs a value");
        }
        self.0.remove(place);
        Ok(Some(self.0.remove(place)))
    }

    /// The first word that is no option.
    pub(crate) fn word(&mut self) -> Option<String> {
        let place = self.0.iter().position(|word| !word.starts_with('-'))?;
        Some(self.0.remove(place))
    }

    /// All that is left, for another program.
    pub(crate) fn rest(self) -> Vec<String> {
        self.0
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When something is left that nothing has asked for.
    pub(crate) fn finish(self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(word) => bail!("unknown argument {word}: see cargo xtask --help"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::new(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_and_words_are_found_in_any_order() {
        let mut args = args("--profile ci vrrp --all");
        assert!(args.flag("--all"));
        assert!(!args.flag("--debug"));
        assert_eq!(args.value("--profile").unwrap().as_deref(), Some("ci"));
        assert_eq!(args.word().as_deref(), Some("vrrp"));
        assert_eq!(args.word(), None);
        args.finish().unwrap();
    }

    #[test]
    fn a_value_can_follow_an_equals_sign() {
        let mut args = args("a --profile=ci");
        assert_eq!(args.value("--profile").unwrap().as_deref(), Some("ci"));
        assert_eq!(args.value("--profile").unwrap(), None);
        assert_eq!(args.rest(), ["a"]);
    }

    #[test]
    fn what_nothing_asked_for_and_missing_values_are_errors() {
        assert!(args("--al").finish().is_err());
        assert!(args("--profile").value("--profile").is_err());
    }
}
