//! `keep_compiled CACHE DIRECTORY...`: compiles every plugin of the directories, and keeps the code where tests find it.
//! Each test is a process of its own; without this many of them would compile the same plugins at once.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::thread;

use evenkeel_core::model::Sandbox;
use evenkeel_runtime::PluginRuntime as _;
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = std::env::args_os().skip(1).map(PathBuf::from);
    let cache = paths
        .next()
        .ok_or("usage: keep_compiled CACHE DIRECTORY...")?;
    let mut files: Vec<PathBuf> = paths.flat_map(|directory| plugins(&directory)).collect();
    files.sort();
    let runtime = WasmRuntime::new(WasmConfig {
        sandbox: Sandbox::default(),
        cache: CacheUse::Own(cache),
    })?;
    let files = parking_lot::Mutex::new(files);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(file) = { files.lock().pop() } {
                    // Some misbehave on purpose.
                    let _ = runtime.load(&file);
                }
            });
        }
    });
    Ok(())
}

fn plugins(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .filter(|file| file.extension().is_some_and(|it| it == "wasm"))
        .collect()
}
