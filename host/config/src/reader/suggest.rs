//! Suggestions for words that are not known.

/// The word that was probably meant.
pub(crate) fn similar<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long words are no typing mistakes, and comparing them takes quadratic time.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&word, &known.to_lowercase()), known))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// The most names that a message lists.
const LISTED: usize = 20;

/// "did you mean", where something is similar, and what there is.
pub fn suggest(word: &str, known: &[&str], what: &str) -> String {
    let list = if known.is_empty() {
        "none".to_owned()
    } else {
        let (listed, more) = known.split_at(known.len().min(LISTED));
        let more = match more.len() {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        format!("{}{more}", listed.join(", "))
    };
    match similar(word, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}? {what}: {list}"),
        None => format!("{what}: {list}"),
    }
}
