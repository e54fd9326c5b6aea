//! `evenkeel-pack IN OUT`: turns the core module IN into the plugin OUT.

use std::error::Error;
use std::io;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(from), Some(to), None) = (args.next(), args.next(), args.next()) else {
        return Err("usage: evenkeel-pack IN OUT".into());
    };
    let packed = evenkeel_pack::pack(&std::fs::read(from)?)?;
    evenkeel_pack::write::<io::Error>(Path::new(&to), &packed, |_| Ok(()))?;
    Ok(())
}
