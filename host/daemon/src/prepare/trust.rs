//! The keys that the configuration trusts.

use anyhow::Context as _;
use evenkeel_core::model::{PluginTrust, TrustedKey};
use evenkeel_runtime::signature::{PublicKey, Trust};

/// Reads the keys that are in files. `goes_on`: one that cannot be read is said in the log, and is not trusted; plugins
/// that are signed with it are not, then.
///
/// # Errors
/// The first key that cannot be read, or is none; unless `goes_on`.
pub fn read(trust: &PluginTrust, goes_on: bool) -> anyhow::Result<Trust> {
    let mut keys = Vec::with_capacity(trust.keys.len());
    for key in &trust.keys {
        let read = match key {
            TrustedKey::Key(key) => PublicKey::parse(key),
            TrustedKey::File(file) => PublicKey::read(file),
        };
        match read {
            Ok(key) => keys.push(key),
            Err(reason) if goes_on => {
                tracing::error!("[plugins] trust: {reason}: signatures by this key do not count");
            }
            Err(reason) => {
                return Err(anyhow::Error::msg(reason)).context("[plugins] trust");
            }
        }
    }
    Ok(Trust::new(keys, trust.required))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_cannot_be_read_is_an_error_unless_the_daemon_starts() {
        let directory = tempfile::tempdir().unwrap();
        let (good, bad) = (
            directory.path().join("a.pub"),
            directory.path().join("b.pub"),
        );
        let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        std::fs::write(&good, format!("untrusted comment: any\n{key}\n")).unwrap();
        std::fs::write(&bad, "untrusted comment: any\n").unwrap();
        let mut trust = PluginTrust {
            keys: vec![TrustedKey::Key(key.to_owned()), TrustedKey::File(good)],
            required: true,
        };
        let expected = Trust::new(vec![PublicKey::parse(key).unwrap(); 2], true);
        assert_eq!(read(&trust, false).unwrap(), expected);
        for wrong in [bad, directory.path().join("none.pub"), "/dev/zero".into()] {
            trust.keys.push(TrustedKey::File(wrong.clone()));
            let error = format!("{:#}", read(&trust, false).unwrap_err());
            assert!(error.contains(&*wrong.to_string_lossy()), "{error}");
            assert_eq!(read(&trust, true).unwrap(), expected);
            trust.keys.pop();
        }
    }
}
