//! Types of the contract as WIT writes them.

use anyhow::{Context as _, Result};
use wit_bindgen_core::wit_parser::{Handle, Resolve, Result_, Type, TypeDefKind};

/// A type's name, or what it is made of where it has none.
///
/// # Errors
/// When there are no words for it.
pub(crate) fn of(resolve: &Resolve, it: &Type) -> Result<String> {
    Ok(match it {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(id) => {
            let definition = &resolve.types[*id];
            return match &definition.name {
                Some(name) => Ok(name.clone()),
                None => of_kind(resolve, &definition.kind),
            };
        }
    }
    .to_owned())
}

/// As [`of`], of what has no name.
///
/// # Errors
/// When there are no words for it.
pub(crate) fn of_kind(resolve: &Resolve, kind: &TypeDefKind) -> Result<String> {
    let optional = |it: &Option<Type>| match it {
        Some(it) => of(resolve, it),
        None => Ok("_".to_owned()),
    };
    Ok(match kind {
        TypeDefKind::Option(it) => format!("option<{}>", of(resolve, it)?),
        TypeDefKind::List(it) => format!("list<{}>", of(resolve, it)?),
        TypeDefKind::Tuple(tuple) => {
            let types = tuple.types.iter().map(|it| of(resolve, it));
            format!("tuple<{}>", types.collect::<Result<Vec<_>>>()?.join(", "))
        }
        TypeDefKind::Result(Result_ {
            ok: None,
            err: None,
        }) => "result".to_owned(),
        TypeDefKind::Result(Result_ {
            ok: Some(ok),
            err: None,
        }) => format!("result<{}>", of(resolve, ok)?),
        TypeDefKind::Result(Result_ { ok, err }) => {
            format!("result<{}, {}>", optional(ok)?, optional(err)?)
        }
        TypeDefKind::Handle(Handle::Own(id)) => of(resolve, &Type::Id(*id))?,
        TypeDefKind::Handle(Handle::Borrow(id)) => {
            format!("borrow<{}>", of(resolve, &Type::Id(*id))?)
        }
        TypeDefKind::Type(it) => of(resolve, it)?,
        other => None.with_context(|| format!("no words for a {}", other.as_str()))?,
    })
}
