//! A rule as the kernel keeps it, and the comment in its user data.

use super::wire::text;

/// nft's kind of user data for a comment (`libnftnl/udata.h`), of rules and of elements alike.
pub(super) const COMMENT: u8 = 0;

/// A rule as the kernel keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawRule {
    /// `NFTA_RULE_EXPRESSIONS`, without the attribute's own header.
    pub(super) expressions: Vec<u8>,
    /// `NFTA_RULE_USERDATA`.
    pub(super) userdata: Vec<u8>,
}

impl RawRule {
    /// A rule without a comment.
    pub(super) fn plain(expressions: Vec<u8>) -> Self {
        let userdata = Vec::new();
        Self {
            expressions,
            userdata,
        }
    }

    /// Rules that all have the same comment.
    pub(super) fn all(rules: Vec<Vec<u8>>, comment: &str) -> Vec<Self> {
        let userdata = comment_userdata(COMMENT, comment);
        let rules = rules.into_iter();
        rules
            .map(|expressions| Self {
                expressions,
                userdata: userdata.clone(),
            })
            .collect()
    }

    /// The rule's comment.
    pub(super) fn comment(&self) -> Option<&str> {
        text(self.userdata.get(2..)?)
    }
}

/// A comment as nft's tools keep it: type, length, text with NUL.
pub(super) fn comment_userdata(kind: u8, comment: &str) -> Vec<u8> {
    let mut data = vec![kind, u8::try_from(comment.len() + 1).unwrap_or(u8::MAX)];
    data.extend_from_slice(comment.as_bytes());
    data.push(0);
    data
}
