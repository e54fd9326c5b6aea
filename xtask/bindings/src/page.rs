//! The contract as a page for people: `docs/contract.md`.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use wit_bindgen_core::wit_parser::{
    Docs, Function, FunctionKind, Interface, Resolve, TypeDef, TypeDefKind, TypeOwner,
};

use crate::contract::Contract;
use crate::files::Files;
use crate::words;

const FILE: &str = "docs/contract.md";

/// What the page begins with.
const INTRODUCTION: &str = "\
Written by `cargo xtask bindings` from the WIT, which counts. A plugin is a WebAssembly component: a scheduler exports
`scheduler`, a health checker exports `health-checker`. Both may import `host`, and a health checker `target-io`,
`tls`, `icmp`, `command`, `watched`, `session` and `signals`; beyond what there is of WASI without rights, nothing else
is there. In Rust the SDK stands in between: [plugins.md](plugins.md).
";

/// The page.
///
/// # Errors
/// When the contract has something in it that this has no words for.
pub(crate) fn files(contract: &Contract) -> Result<Files> {
    let (resolve, package) = contract.package();
    let mut text = format!("# The contract {}\n\n{INTRODUCTION}", package.name);
    for (name, id) in &package.interfaces {
        let interface = &resolve.interfaces[*id];
        let _ = write!(text, "\n## Interface `{name}`\n");
        paragraph(&mut text, &interface.docs);
        write_interface(&mut text, resolve, interface)?;
    }
    Ok(Files::from([(FILE.into(), text.into_bytes())]))
}

fn write_interface(text: &mut String, resolve: &Resolve, interface: &Interface) -> Result<()> {
    for (name, id) in &interface.types {
        let definition = &resolve.types[*id];
        if is_taken_over(resolve, definition) {
            continue;
        }
        write_type(text, resolve, name, definition)?;
        let methods = interface.functions.values();
        for method in methods.filter(|it| it.kind.resource() == Some(*id)) {
            write_function(text, resolve, method)?;
        }
    }
    let free = interface.functions.values();
    for function in free.filter(|it| it.kind.resource().is_none()) {
        write_function(text, resolve, function)?;
    }
    Ok(())
}

/// Whether it is another interface's, under the same name.
fn is_taken_over(resolve: &Resolve, definition: &TypeDef) -> bool {
    let TypeDefKind::Type(wit_bindgen_core::wit_parser::Type::Id(of)) = &definition.kind else {
        return false;
    };
    let of = &resolve.types[*of];
    let other = |owner: TypeOwner| owner != definition.owner;
    of.name == definition.name && other(of.owner)
}

fn write_type(text: &mut String, resolve: &Resolve, name: &str, it: &TypeDef) -> Result<()> {
    let kind = match &it.kind {
        TypeDefKind::Type(_) => "type",
        kind => kind.as_str(),
    };
    let _ = write!(text, "\n### {kind} `{name}`\n");
    paragraph(text, &it.docs);
    match &it.kind {
        TypeDefKind::Record(record) => {
            let mut rows = Vec::new();
            for field in &record.fields {
                rows.push((&field.name, words::of(resolve, &field.ty)?, &field.docs));
            }
            table(text, ["Field", "Type"], &rows);
        }
        TypeDefKind::Variant(variant) => {
            let mut rows = Vec::new();
            for case in &variant.cases {
                let with = case.ty.as_ref().map(|it| words::of(resolve, it));
                rows.push((
                    &case.name,
                    with.transpose()?.unwrap_or_default(),
                    &case.docs,
                ));
            }
            table(text, ["Case", "With"], &rows);
        }
        TypeDefKind::Enum(cases) => {
            let rows = cases.cases.iter();
            let rows: Vec<_> = rows.map(|it| (&it.name, String::new(), &it.docs)).collect();
            table(text, ["Case", ""], &rows);
        }
        TypeDefKind::Flags(flags) => {
            let rows = flags.flags.iter();
            let rows: Vec<_> = rows.map(|it| (&it.name, String::new(), &it.docs)).collect();
            table(text, ["Flag", ""], &rows);
        }
        TypeDefKind::Resource => {}
        TypeDefKind::Type(of) => {
            let _ = write!(text, "\n`{}`\n", words::of(resolve, of)?);
        }
        other => {
            let words = words::of_kind(resolve, other);
            let words = words.with_context(|| format!("no words for type {name}"))?;
            let _ = write!(text, "\n`{words}`\n");
        }
    }
    Ok(())
}

/// Rows of a name, a type and what it is for. Columns that no row has anything in are left out.
fn table(text: &mut String, [name, kind]: [&str; 2], rows: &[(&String, String, &Docs)]) {
    let typed = rows.iter().any(|(_, kind, _)| !kind.is_empty());
    let told = rows.iter().any(|(.., docs)| docs.contents.is_some());
    let row = |cells: [&str; 3]| {
        let cells = cells.iter().zip([true, typed, told]);
        let cells: Vec<&str> = cells.filter(|(_, is)| *is).map(|(cell, _)| *cell).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    text.push('\n');
    text.push_str(&row([name, kind, "Meaning"]));
    text.push_str(&row(["---"; 3]));
    for (name, kind, docs) in rows {
        let kind = if kind.is_empty() {
            String::new()
        } else {
            format!("`{kind}`")
        };
        text.push_str(&row([&format!("`{name}`"), &kind, &line(docs)]));
    }
}

fn write_function(text: &mut String, resolve: &Resolve, function: &Function) -> Result<()> {
    let name = function.item_name();
    let method = matches!(
        function.kind,
        FunctionKind::Method(_) | FunctionKind::AsyncMethod(_)
    );
    // The resource itself is no parameter to speak of.
    let params = function.params.iter().skip(usize::from(method));
    let params = params
        .map(|it| Ok(format!("{}: {}", it.name, words::of(resolve, &it.ty)?)))
        .collect::<Result<Vec<_>>>()?;
    let result = match &function.result {
        Some(it) => format!(" -> {}", words::of(resolve, it)?),
        None => String::new(),
    };
    let _ = write!(
        text,
        "\n### func `{name}`\n\n```wit\n{name}: func({}){result}\n```\n",
        params.join(", ")
    );
    paragraph(text, &function.docs);
    Ok(())
}

fn paragraph(text: &mut String, docs: &Docs) {
    if let Some(docs) = &docs.contents {
        let _ = write!(text, "\n{}\n", docs.trim());
    }
}

/// Fit for a table.
fn line(docs: &Docs) -> String {
    let words = docs.contents.as_deref().unwrap_or_default();
    let words: Vec<&str> = words.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}
