use std::time::{Duration, Instant};

use evenkeel_core::model::Sandbox;
use wasmtime::component::TypedFunc;
use wasmtime::{Engine, Store};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::*;
use crate::plugin_log::PluginLog;
use crate::probe::Probe;
use crate::wasm::confines::{Budget, Confines};
use crate::wasm::engine::{Effort, engine};
use crate::wasm::state::{store, yielding_store};
use crate::{Failure, Target};

/// Parts of WASI, of some version, and one more that nobody has heard of.
const WIT: &str = "
package test:it;
world it {
    import wasi:cli/environment@0.2.3;
    import wasi:cli/exit@0.2.3;
    import wasi:cli/stderr@0.2.3;
    import wasi:cli/stdout@0.2.3;
    import wasi:clocks/monotonic-clock@0.2.3;
    import wasi:clocks/wall-clock@0.2.3;
    import wasi:dreams/sleep@0.2.9;
    import wasi:filesystem/preopens@0.2.3;
    import wasi:random/random@0.2.3;
    import wasi:sockets/tcp-create-socket@0.2.3;
    export run: func() -> u32;
}
package wasi:dreams@0.2.9 { interface sleep { record rest { deep: bool } fall: func(rest: rest); } }
package wasi:io@0.2.3 {
    interface error { resource error; }
    interface poll {
        resource pollable { block: func(); ready: func() -> bool; }
        poll: func(all: list<borrow<pollable>>) -> list<u32>;
    }
    interface streams {
        use error.{error};
        use poll.{pollable};
        variant stream-error { last-operation-failed(error), closed }
        resource output-stream {
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
            subscribe: func() -> pollable;
        }
    }
}
package wasi:cli@0.2.3 {
    interface environment { get-environment: func() -> list<tuple<string, string>>; }
    interface exit { exit: func(status: result); }
    interface stdout { use wasi:io/streams@0.2.3.{output-stream}; get-stdout: func() -> output-stream; }
    interface stderr { use wasi:io/streams@0.2.3.{output-stream}; get-stderr: func() -> output-stream; }
}
package wasi:clocks@0.2.3 {
    interface monotonic-clock {
        use wasi:io/poll@0.2.3.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable;
    }
    interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
}
package wasi:random@0.2.3 { interface random { get-random-u64: func() -> u64; } }
package wasi:filesystem@0.2.3 {
    interface types { resource descriptor { sync: func(); } }
    interface preopens {
        use types.{descriptor};
        get-directories: func() -> list<tuple<descriptor, string>>;
    }
}
package wasi:sockets@0.2.3 {
    interface network { enum error-code { unknown, access-denied } enum family { ipv4, ipv6 } }
    interface tcp { resource tcp-socket { address-family: func() -> u32; } }
    interface tcp-create-socket {
        use network.{error-code, family};
        use tcp.{tcp-socket};
        create-tcp-socket: func(family: family) -> result<tcp-socket, error-code>;
    }
}
";

/// The core module's imports, as components name them.
const IMPORTS: &str = r#"
(import "wasi:cli/environment@0.2.3" "get-environment" (func $environment (param i32)))
(import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))
(import "wasi:cli/stdout@0.2.3" "get-stdout" (func $stdout (result i32)))
(import "wasi:cli/stderr@0.2.3" "get-stderr" (func $stderr (result i32)))
(import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush"
  (func $write (param i32 i32 i32 i32)))
(import "wasi:io/streams@0.2.3" "[method]output-stream.subscribe" (func $writable (param i32) (result i32)))
(import "wasi:io/streams@0.2.3" "[resource-drop]output-stream" (func $drop-stream (param i32)))
(import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))
(import "wasi:io/poll@0.2.3" "[method]pollable.ready" (func $ready (param i32) (result i32)))
(import "wasi:io/poll@0.2.3" "poll" (func $poll (param i32 i32 i32)))
(import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $now (result i64)))
(import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration" (func $timer (param i64) (result i32)))
(import "wasi:clocks/wall-clock@0.2.3" "now" (func $utc (param i32)))
(import "wasi:dreams/sleep@0.2.9" "fall" (func $fall (param i32)))
(import "wasi:filesystem/preopens@0.2.3" "get-directories" (func $directories (param i32)))
(import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
(import "wasi:sockets/tcp-create-socket@0.2.3" "create-tcp-socket" (func $socket (param i32 i32)))
"#;

/// A component that does this when it is run. Memory is 1 MiB, and what is allocated in it is at 64 KiB.
fn component(engine: &Engine, body: &str) -> Component {
    let core = format!(
        r#"(module {IMPORTS} (memory (export "memory") 16)
           (data (i32.const 1024) "Traceback:\n  File \"plugin.py\"\n    raise it\nValueError: no server\n")
           (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
           (func (export "run") (result i32) {body}))"#
    );
    let mut module = wat::parse_str(core).unwrap();
    let mut resolve = Resolve::default();
    let package = resolve.push_str("it.wit", WIT).unwrap();
    let world = resolve.select_world(&[package], Some("it")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap();
    Component::new(engine, encoder.encode().unwrap()).unwrap()
}

fn confines() -> Confines {
    let sandbox = Sandbox::default();
    Confines::new(sandbox, &Budget::new(sandbox.total_memory))
}

/// What comes of it in a scheduler.
#[expect(
    clippy::unwrap_in_result,
    reason = "what is not the guest's end is the test's own fault"
)]
fn run(body: &str) -> Result<u32, Failure> {
    let engine = engine(Effort::Full).unwrap();
    let component = component(&engine, body);
    let empty = Linker::new(&engine);
    let linker = granting_nothing(&empty, &component, Waiting::Never).unwrap();
    let log = PluginLog::new(&"p".into(), "web");
    let mut store = store(&engine, &confines(), &log);
    let instance = linker.instantiate(&mut store, &component).unwrap();
    let run: TypedFunc<(), (u32,)> = instance.get_typed_func(&mut store, "run").unwrap();
    let outcome = run.call(&mut store, ());
    outcome
        .map(|(number,)| number)
        .map_err(|error| store.data().failure(&error))
}

fn trap(body: &str) -> String {
    match run(body) {
        Err(Failure::Trap(text)) => text,
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn nothing_is_granted() {
    // Lists without elements, and the second case of the error of a socket, access-denied.
    let list = |call: &str| {
        format!(
            "(i32.store offset=4 (i32.const 8) (i32.const 9)) (call {call} (i32.const 8)) (i32.load (i32.const 12))"
        )
    };
    assert_eq!(run(&list("$environment")).unwrap(), 0);
    assert_eq!(run(&list("$directories")).unwrap(), 0);
    let socket = "(call $socket (i32.const 0) (i32.const 8))
        (i32.add (i32.mul (i32.load8_u (i32.const 8)) (i32.const 10)) (i32.load8_u (i32.const 12)))";
    assert_eq!(run(socket).unwrap(), 11);
}

#[test]
fn clocks_and_random_numbers_are_there() {
    let passes = "(i64.lt_u (call $now) (call $now))";
    assert_eq!(run(passes).unwrap(), 1);
    // After 2020, and whole milliseconds.
    let utc = "(call $utc (i32.const 8))
        (i32.and
          (i64.gt_u (i64.load (i32.const 8)) (i64.const 1577836800))
          (i32.eqz (i32.rem_u (i32.load (i32.const 16)) (i32.const 1000000))))";
    assert_eq!(run(utc).unwrap(), 1);
    assert_eq!(run("(i64.ne (call $random) (call $random))").unwrap(), 1);
}

#[test]
fn the_last_lines_on_standard_error_say_why_it_ended() {
    let write = "(call $write (call $stderr) (i32.const 1024) (i32.const 65) (i32.const 8))";
    let said = "File \"plugin.py\"; raise it; ValueError: no server";
    assert_eq!(trap(&format!("{write} unreachable")), said);
    let exit = trap(&format!("{write} (call $exit (i32.const 1)) unreachable"));
    assert_eq!(
        exit,
        format!(
            "it called exit with an error: a plugin is no program, and ends when its service does ({said})"
        )
    );
    // A line that has not ended counts, too; standard output does not.
    let begun =
        "(call $write (call $stderr) (i32.const 1024) (i32.const 9) (i32.const 8)) unreachable";
    assert_eq!(trap(begun), "Traceback");
    let out =
        "(call $write (call $stdout) (i32.const 1024) (i32.const 65) (i32.const 8)) unreachable";
    assert!(trap(out).contains("aborted"));
}

#[test]
fn what_is_not_there_is_named_when_it_is_called() {
    let text = trap("(call $fall (i32.const 1)) (i32.const 0)");
    assert!(
        text.starts_with("it called wasi:dreams/sleep fall, which no plugin has"),
        "{text}"
    );
}

#[test]
fn a_scheduler_does_not_wait_but_may_ask_what_is_ready() {
    let waits = trap("(call $block (call $timer (i64.const 5000000000))) (i32.const 0)");
    assert!(
        waits.starts_with("it wants to wait ") && waits.ends_with(" ms, and only a check may wait"),
        "{waits}"
    );
    assert_eq!(
        run("(call $block (call $timer (i64.const 0))) (i32.const 7)").unwrap(),
        7
    );
    assert_eq!(
        run("(call $ready (call $timer (i64.const 5000000000)))").unwrap(),
        0
    );
    // Of a timer that goes on and a stream, the second one is ready.
    let two = "(i32.store (i32.const 64) (call $timer (i64.const 5000000000)))
        (i32.store (i32.const 68) (call $writable (call $stdout)))
        (call $poll (i32.const 64) (i32.const 2) (i32.const 8))
        (i32.add (i32.mul (i32.load (i32.const 12)) (i32.const 10)) (i32.load (i32.load (i32.const 8))))";
    assert_eq!(run(two).unwrap(), 11);
    let none = trap("(call $poll (i32.const 64) (i32.const 0) (i32.const 8)) (i32.const 0)");
    assert!(none.starts_with("it waits for nothing"), "{none}");
}

#[test]
fn what_it_holds_and_writes_at_once_is_bounded() {
    let hoard = trap("(loop $more (drop (call $stdout)) (br $more)) (i32.const 0)");
    assert!(hoard.contains("it must drop those"), "{hoard}");
    let tidy = "(local $n i32) (loop $more
        (call $drop-stream (call $stdout))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $n) (i32.const 5000)))) (local.get $n)";
    assert_eq!(run(tidy).unwrap(), 5000);
    let flood = trap(
        "(call $write (call $stdout) (i32.const 0) (i32.const 100000) (i32.const 8)) (i32.const 0)",
    );
    assert!(flood.contains("writes 100000 bytes"), "{flood}");
}

/// What comes of it in a checker, with a check under way or without.
async fn run_checker(body: &str, checks: bool) -> Result<u32, Failure> {
    let engine = engine(Effort::Full).unwrap();
    let component = component(&engine, body);
    let empty = Linker::new(&engine);
    let linker = granting_nothing(&empty, &component, Waiting::InChecks).unwrap();
    let log = PluginLog::new(&"p".into(), "");
    let confines = confines();
    let mut store: Store<State> = yielding_store(&engine, &confines, &log);
    let target = Target {
        name: "a".to_owned(),
        address: ([127, 0, 0, 1], 9).into(),
        session: None,
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let means = std::sync::Arc::new(crate::probe::Means::of_trial());
    store.data_mut().probe =
        checks.then(|| Box::new(Probe::new(target, deadline.into(), &confines, &means)));
    let instance = linker
        .instantiate_async(&mut store, &component)
        .await
        .unwrap();
    let run: TypedFunc<(), (u32,)> = instance.get_typed_func(&mut store, "run").unwrap();
    let outcome = run.call_async(&mut store, ()).await;
    outcome
        .map(|(number,)| number)
        .map_err(|error| store.data().failure(&error))
}

#[tokio::test]
async fn a_check_may_wait_and_nothing_else_of_a_checker() {
    let waits = "(call $block (call $timer (i64.const 20000000))) (i32.const 7)";
    let began = Instant::now();
    assert_eq!(run_checker(waits, true).await.unwrap(), 7);
    assert!(began.elapsed() >= Duration::from_millis(20));
    let refused = run_checker(waits, false).await;
    assert!(
        matches!(&refused, Err(Failure::Trap(text)) if text.contains("only a check may wait")),
        "{refused:?}"
    );
}
