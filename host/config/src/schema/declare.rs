//! How a table is declared.

/// A day in milliseconds, the longest of most periods.
pub(super) const DAY: u64 = 24 * 60 * 60 * 1000;

/// `$key: $type = $presence`, with its documentation and, where there is one, keepalived's keyword.
macro_rules! table {
    ($(#[doc = $about:literal])+ $name:ident in $place:literal {
        $($(#[doc = $doc:literal])+ $(#[keepalived = $keepalived:literal])?
          $key:ident: $type:ty = $presence:expr;)+
    }) => {
        $(#[doc = $about])+
        #[derive(Debug)]
        pub(crate) struct $name {
            $($(#[doc = $doc])+ pub(crate) $key: $crate::reader::Field<$type>,)+
        }

        impl $crate::reader::Table for $name {
            const PLACE: &'static str = $place;
            const KEYS: &'static [&'static str] = &[$(stringify!($key)),+];

            fn read_table(mut table: $crate::tree::Table, at: $crate::tree::Span, reader: &mut $crate::reader::Reader) -> Self {
                $(let $key = reader.field::<$type>(&mut table, stringify!($key), &at, $place, $presence);)+
                reader.unknown(&table, $place, Self::KEYS);
                Self { $($key),+ }
            }

            fn page() -> $crate::reader::Page {
                let keys = vec![$($crate::reader::Key {
                    name: stringify!($key),
                    kind: <$type as $crate::reader::Read>::kind(),
                    otherwise: { let presence: $crate::reader::Presence<$type> = $presence; presence.otherwise() },
                    doc: concat!($($doc, "\n"),+).to_owned(),
                    keepalived: None$(.or(Some($keepalived)))?,
                }),+];
                $crate::reader::Page { place: $place, about: concat!($($about, "\n"),+).to_owned(), keys }
            }
        }
    };
}

pub(super) use table;
