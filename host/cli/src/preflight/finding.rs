//! What was found on the machine, as it is printed.

use std::fmt;

/// What a [`Finding`] means for the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// It may work or not, depending on what cannot be seen from here.
    Warning,
    /// It will not work.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Whether it is as it should be.
    pub(crate) level: Level,
    /// What was found.
    pub(crate) what: String,
    /// What to do about it. `None` if nothing.
    pub(crate) remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(what: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            what: what.into(),
            remedy: None,
        }
    }

    pub(super) fn warning(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            what: what.into(),
            remedy: Some(remedy.into()),
        }
    }

    pub(super) fn error(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            what: what.into(),
            remedy: Some(remedy.into()),
        }
    }
}

impl fmt::Display for Finding {
    /// One line, and an indented one for the remedy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<7}  {}", self.level, self.what)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n         -> {remedy}"),
            None => Ok(()),
        }
    }
}

/// Services, as a sentence begins with them.
pub(super) fn services_named(names: &[&str]) -> String {
    let noun = if names.len() == 1 {
        "service"
    } else {
        "services"
    };
    format!("{noun} {}", listed(names))
}

/// Names in a sentence: all of a few, the first three of many.
pub(super) fn listed(names: &[impl fmt::Display]) -> String {
    const SHOWN: usize = 3;
    let shown = if names.len() <= SHOWN + 1 {
        names.len()
    } else {
        SHOWN
    };
    let (first, rest) = names.split_at(shown);
    let first: Vec<String> = first.iter().map(ToString::to_string).collect();
    match rest.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
