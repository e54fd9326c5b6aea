//! `evenkeel-pack IN OUT`: turns the core module IN into the plugin OUT.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(from), Some(to), None) = (args.next(), args.next(), args.next()) else {
        return Err("usage: evenkeel-pack IN OUT".into());
    };
    std::fs::write(to, evenkeel_pack::pack(&std::fs::read(from)?)?)?;
    Ok(())
}
