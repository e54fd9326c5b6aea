use super::*;
use crate::settings;

crate::choice! {
    enum Way { Up = "up", Down = "down" }
}

settings! {
    #[expect(dead_code, reason = "only its description is looked at")]
    struct Every {
        /// Two lines,
        /// of which this is one.
        ///
        on: bool = true,
        #[range(1..=70_000)]
        r#in: u32 = 1 << 8,
        at_most: Option<i64> = -2,
        #[range(0.25..=0.75)]
        factor: f64 = 0.5,
        name: String,
        words: Vec<String> = &["a", "ö"],
        pause: Option<Duration>,
        #[range(Duration::ZERO..=Duration::from_secs(9))]
        wait: Duration = Duration::from_millis(1500),
        way: Way = Way::Down,
        huge: u64 = u64::MAX,
        #[pattern("/[a-z]*")]
        path: String = "/a",
        token: Option<crate::Secret>,
    }
}

const DECLARED: Declared = Declared {
    name: "x",
    version: "1.0.0",
    summary: "s",
    settings: Every::DECLARED,
    abilities: Some(DeclaredAbilities {
        decisions: &[Decision::PerConnection, Decision::Plan],
        facts: crate::Facts::CONNECTIONS.and(crate::Facts::LATENCY),
        deterministic: true,
        stateless: true,
        labels: &[],
        delegates: &["rr"],
    }),
};
const LENGTH: usize = DECLARED.encoded_length();
static BYTES: [u8; LENGTH] = DECLARED.encoded();

#[test]
fn a_section_says_its_version_and_length_first() {
    assert!(is_whole(&BYTES));
    let length = u32::try_from(BYTES.len() - HEADER).unwrap().to_le_bytes();
    assert_eq!(BYTES[..HEADER], [&[VERSION], &length[..]].concat());
    assert_eq!(BYTES[HEADER..HEADER + 7], *b"\x01\0x\x05\x001.");
    assert!(!is_whole(&BYTES[..BYTES.len() - 1]));
    assert!(!is_whole(&[&BYTES[..], &BYTES[..]].concat()));
    assert!(!is_whole(&[VERSION + 1, 0, 0, 0, 0]));
    assert!(!is_whole(b""));
}

#[test]
fn the_contract_and_the_section_are_told_the_same() {
    // The host's decoder is compared with the contract in its own tests; here the parts that are written twice.
    for spec in Every::specs() {
        for text in [&spec.key, &spec.doc] {
            let mut field = u16::try_from(text.len()).unwrap().to_le_bytes().to_vec();
            field.extend(text.bytes());
            assert!(
                BYTES.windows(field.len()).any(|bytes| bytes == field),
                "{text}"
            );
        }
    }
    let specs = Every::specs();
    assert_eq!(specs[0].doc, "Two lines, of which this is one.");
    assert_eq!(specs[1].key, "in");
    assert_eq!(specs[1].kind, crate::SettingKind::Integer(1, 70_000));
    assert_eq!(specs[3].kind, crate::SettingKind::Number(0.25, 0.75));
    let nine = Duration::from_secs(9);
    assert_eq!(
        specs[7].kind,
        crate::SettingKind::Duration(Duration::ZERO, nine)
    );
    assert_eq!(specs[9].default, Some(i64::MAX.into()));
    let required: Vec<&str> = specs
        .iter()
        .filter(|spec| spec.required)
        .map(|spec| &*spec.key)
        .collect();
    assert_eq!(required, ["name"]);
}

#[test]
fn the_name_that_the_macro_repeats_is_the_sections() {
    let macros = include_str!("../register.rs");
    assert!(macros.contains(&format!("link_section = \"{NAME}\"")));
}
