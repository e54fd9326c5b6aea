use std::time::{Duration, Instant};

use wasm_encoder::{
    BlockType, CodeSection, Component, Function, FunctionSection, Instruction, Module,
    ModuleSection, NestedComponentSection, TypeSection, ValType,
};

use super::*;

/// A component with one module, whose functions are these.
fn component(functions: impl IntoIterator<Item = Function>) -> Vec<u8> {
    let (mut types, mut declared, mut code) = (
        TypeSection::new(),
        FunctionSection::new(),
        CodeSection::new(),
    );
    types.ty().function([], []);
    for function in functions {
        declared.function(0);
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    component.finish()
}

/// A function with so many locals, and these blocks around nothing.
fn function(locals: u32, block: &Instruction<'_>, nested: usize) -> Function {
    let mut function = Function::new((locals > 0).then_some((locals, ValType::I64)));
    for _ in 0..nested {
        function.instruction(block);
    }
    for _ in 0..=nested {
        function.instruction(&Instruction::End);
    }
    function
}

const LOOP: Instruction<'_> = Instruction::Loop(BlockType::Empty);
const BLOCK: Instruction<'_> = Instruction::Block(BlockType::Empty);

fn functions(count: usize, function: &Function) -> Vec<u8> {
    component(std::iter::repeat_n(function.clone(), count))
}

/// Components in one another.
fn nested(depth: usize) -> Vec<u8> {
    // From the innermost out; each is a section of the next one.
    let mut bytes = Component::new().finish();
    for _ in 0..depth {
        let mut outer = Component::HEADER.to_vec();
        outer.push(4);
        let mut length = bytes.len();
        while length >= 0x80 {
            outer.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        outer.push(u8::try_from(length).unwrap());
        outer.extend(&bytes);
        bytes = outer;
    }
    bytes
}

#[test]
fn what_would_keep_the_compiler_busy_for_minutes_is_refused_at_once_with_its_bound() {
    let many = functions(1_000, &function(49_000, &BLOCK, 0));
    let loops = functions(1, &function(0, &LOOP, 3_000));
    let functions = functions(100_000, &function(0, &BLOCK, 0));
    for (bomb, size, bound) in [
        (many, 30_000, "5000 locals in one function"),
        (loops, 50_000, "100 loops in one another"),
        (functions, 900_000, "65536 functions"),
        (nested(2_000), 100_000, "16 components in one another"),
    ] {
        assert!(bomb.len() < size, "{}: {bound}", bomb.len());
        let began = Instant::now();
        let reason = check(&bomb).unwrap_err();
        assert!(reason.contains(bound), "{reason}");
        assert!(reason.starts_with("is not compiled"), "{reason}");
        // The compiler took 7 s to minutes; a busy machine may take a while, too.
        assert!(began.elapsed() < Duration::from_secs(5), "{bound}");
    }
}

#[test]
fn many_small_bombs_beside_one_another_are_one() {
    let side_by_side = |count: usize| {
        let mut component = Component::new();
        for _ in 0..count {
            component.section(&NestedComponentSection(&Component::new()));
        }
        component.finish()
    };
    check(&side_by_side(1_000)).unwrap();
    let reason = check(&side_by_side(60_000)).unwrap_err();
    assert!(reason.contains("1000 components"), "{reason}");
    let reason = check(&functions(401, &function(5_000, &BLOCK, 0))).unwrap_err();
    assert!(reason.contains("2000000 locals"), "{reason}");
}

#[test]
fn what_an_interpreter_of_another_language_has_passes() {
    // More than libpython (about 15,000 functions, hundreds of nested blocks in its evaluation loop) and SpiderMonkey
    // (about 30,000 functions) have.
    let small = function(12, &BLOCK, 40);
    let large = function(2_000, &BLOCK, 2_000);
    let deep = function(100, &LOOP, 60);
    let many = std::iter::repeat_n(small, 50_000);
    check(&component(many.chain([large, deep]))).unwrap();
}

#[test]
fn blocks_that_have_ended_do_not_count() {
    let mut function = Function::new([]);
    for _ in 0..10_000 {
        function.instruction(&LOOP);
        function.instruction(&Instruction::End);
    }
    function.instruction(&Instruction::End);
    check(&functions(1, &function)).unwrap();
}

#[test]
fn a_function_that_is_broken_is_left_to_the_compiler() {
    let mut function = Function::new([]);
    function.raw([0xff, 0xff]);
    check(&functions(1, &function)).unwrap();
    check(b"\0asm\x0d\0\x01\0\x04\xff").unwrap();
}
