//! What a file may ask of the compiler, counted before anything of it is compiled: a few kilobytes can keep a compiler
//! busy for minutes, or take gigabytes.
//!
//! Reading takes time in proportion to the file, and memory for one path of nested blocks. The bounds leave room for
//! what there is: interpreters of Python (18 MB) and JavaScript (12 MB) with all their libraries.

use wasmparser::{FunctionBody, Operator, Parser, Payload};

/// Components in components.
const NESTED_COMPONENTS: usize = 16;
const COMPONENTS: u64 = 1_000;
const MODULES: u64 = 1_000;
/// Of all modules together.
const FUNCTIONS: u64 = 65_536;
const LOCALS_OF_FUNCTION: u64 = 5_000;
/// Of all functions together.
const LOCALS: u64 = 2_000_000;
const FUNCTION_SIZE: usize = 2 << 20;
/// Of a function. A `switch` of C becomes a block for each case.
const NESTED_BLOCKS: usize = 4_000;
/// Of a function. Time and memory grow with their square, and more.
const NESTED_LOOPS: usize = 100;
/// Types, imports, exports, aliases, instances, lifted and lowered functions, globals, tables, memories, segments.
const ITEMS: u64 = 200_000;

/// Whether the compiler may be given this file. The error is the reason why not, with the bound. What is broken is no
/// error here: the compiler says what is wrong, and the bounds hold up to there.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut counts = Counts::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else { break };
        match &payload {
            Payload::ComponentSection { .. } => {
                depth += 1;
                within(depth, NESTED_COMPONENTS, "components in one another")?;
                add(&mut counts.components, 1, COMPONENTS, "components")?;
            }
            Payload::ModuleSection { .. } => {
                depth += 1;
                add(&mut counts.modules, 1, MODULES, "modules")?;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionStart { count, .. } => {
                let count = u64::from(*count);
                add(&mut counts.functions, count, FUNCTIONS, "functions")?;
            }
            Payload::CodeSectionEntry(body) => counts.function(body)?,
            _ => {
                if let Some(count) = items(&payload) {
                    add(&mut counts.items, u64::from(count), ITEMS, "items")?;
                }
            }
        }
    }
    Ok(())
}

/// Sums over the whole file.
#[derive(Debug, Default)]
struct Counts {
    components: u64,
    modules: u64,
    functions: u64,
    locals: u64,
    items: u64,
}

impl Counts {
    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), String> {
        let size = body.as_bytes().len();
        within(size, FUNCTION_SIZE, "bytes of code in one function")?;
        let Ok(locals) = body.get_locals_reader() else {
            return Ok(());
        };
        let mut own = 0_u64;
        for declared in locals {
            let Ok((count, _)) = declared else {
                return Ok(());
            };
            let what = "locals in one function";
            add(&mut own, u64::from(count), LOCALS_OF_FUNCTION, what)?;
        }
        add(&mut self.locals, own, LOCALS, "locals")?;
        nesting(body)
    }
}

/// Blocks and loops in one another.
fn nesting(body: &FunctionBody<'_>) -> Result<(), String> {
    let Ok(mut operators) = body.get_operators_reader() else {
        return Ok(());
    };
    let mut open = Vec::new();
    let mut loops = 0_usize;
    while !operators.eof() {
        let is_loop = match operators.read() {
            Ok(Operator::Loop { .. }) => true,
            Ok(Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. }) => false,
            Ok(Operator::End) => {
                loops -= usize::from(open.pop().unwrap_or(false));
                continue;
            }
            Ok(_) => continue,
            Err(_) => break,
        };
        open.push(is_loop);
        loops += usize::from(is_loop);
        within(open.len(), NESTED_BLOCKS, "blocks in one another")?;
        within(loops, NESTED_LOOPS, "loops in one another")?;
    }
    Ok(())
}

/// How many things a section has that the compiler makes something of.
fn items(payload: &Payload<'_>) -> Option<u32> {
    Some(match payload {
        Payload::TypeSection(section) => section.count(),
        Payload::ImportSection(section) => section.count(),
        Payload::TableSection(section) => section.count(),
        Payload::MemorySection(section) => section.count(),
        Payload::TagSection(section) => section.count(),
        Payload::GlobalSection(section) => section.count(),
        Payload::ExportSection(section) => section.count(),
        Payload::ElementSection(section) => section.count(),
        Payload::DataSection(section) => section.count(),
        Payload::InstanceSection(section) => section.count(),
        Payload::CoreTypeSection(section) => section.count(),
        Payload::ComponentInstanceSection(section) => section.count(),
        Payload::ComponentAliasSection(section) => section.count(),
        Payload::ComponentTypeSection(section) => section.count(),
        Payload::ComponentCanonicalSection(section) => section.count(),
        Payload::ComponentImportSection(section) => section.count(),
        Payload::ComponentExportSection(section) => section.count(),
        _ => return None,
    })
}

fn add(sum: &mut u64, more: u64, bound: u64, what: &str) -> Result<(), String> {
    *sum = sum.saturating_add(more);
    if *sum > bound {
        return Err(too_many(what, bound));
    }
    Ok(())
}

fn within(count: usize, bound: usize, what: &str) -> Result<(), String> {
    if count > bound {
        return Err(too_many(what, bound));
    }
    Ok(())
}

fn too_many(what: &str, bound: impl std::fmt::Display) -> String {
    format!("is not compiled: it has more than {bound} {what}, which no plugin needs")
}

#[cfg(test)]
mod tests;
