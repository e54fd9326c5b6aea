//! Tests that need IPVS: each in a User-Mode Linux, and a network, of its own.

use std::process::Command;

/// A test whose body runs where there is IPVS, and no network but its own.
macro_rules! with_ipvs {
    ($(#[doc = $doc:expr])* fn $name:ident() $body:block) => {
        $(#[doc = $doc])*
        #[test]
        fn $name() -> anyhow::Result<()> {
            evenkeel_tests::on_uml(|| {
                crate::uml::sh("ip link set lo up");
                let () = $body;
                Ok(())
            })
        }
    };
}
pub(crate) use with_ipvs;

/// Runs a shell command that has to succeed; returns its output.
pub(crate) fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
