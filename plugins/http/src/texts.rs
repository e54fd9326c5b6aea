//! What is configured about a body.

/// What is configured about a body.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) contains: Option<String>,
    pub(crate) regex: Option<String>,
    pub(crate) regex_absent: Option<String>,
    pub(crate) md5: Option<String>,
    pub(crate) sha256: Option<String>,
}

impl Texts {
    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            contains,
            regex,
            regex_absent,
            md5,
            sha256,
        } = self;
        [contains, regex, regex_absent, md5, sha256]
            .iter()
            .all(|it| it.is_none())
    }
}
