//! What plugins' settings have in files: secrets, which may also be credentials of systemd's, and other texts.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use evenkeel_config::SecretSource;
use evenkeel_core::secret::Secret;
use evenkeel_runtime::files;

/// What systemd names the directory by in which a service's credentials are (systemd.exec(5)).
const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// Bytes of a file of text, at most (`file` in `sdk/wit`).
const MAX_TEXT: u64 = 1 << 20;
/// Rights that nobody but the owner and the group may have on a file with a secret.
const OF_OTHERS: u32 = 0o007;

/// Reads a secret: all of a file but one line end.
///
/// # Errors
/// Why it cannot be had, in one sentence that does not show it.
pub(crate) fn secret(
    source: &SecretSource,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Secret, String> {
    match source {
        SecretSource::File(file) => {
            let secret = content(file)?;
            let metadata = fs::metadata(file).map_err(|error| error.to_string())?;
            if metadata.permissions().mode() & OF_OTHERS != 0 {
                let file = file.display();
                return Err(format!(
                    "everybody on this machine may use it: chmod o= {file}"
                ));
            }
            Ok(secret)
        }
        SecretSource::Credential(name) => {
            let Some(directory) = variable(DIRECTORY) else {
                return Err(format!(
                    "systemd has handed none over: add LoadCredential={name}:/path to the daemon's unit"
                ));
            };
            content(&PathBuf::from(directory).join(name))
        }
    }
}

/// Reads a file of text that a plugin's setting names.
///
/// # Errors
/// Why it cannot be had, in one sentence.
pub(crate) fn text(file: &Path) -> Result<String, String> {
    utf8(file, MAX_TEXT)
}

fn utf8(file: &Path, max: u64) -> Result<String, String> {
    let bytes = files::read(file, max).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())
}

fn content(file: &Path) -> Result<Secret, String> {
    let mut text = utf8(file, Secret::MAX_LENGTH)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err("there is nothing in it".to_owned());
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &Path, content: &[u8], mode: u32) -> SecretSource {
        let file = directory.join("token");
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        SecretSource::File(file)
    }

    #[expect(clippy::unwrap_in_result, reason = "the directory is the test's own")]
    fn of_file(content: &[u8], mode: u32) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        let secret = secret(&file(directory.path(), content, mode), |_| None);
        secret.map(|it| it.expose().to_owned())
    }

    #[test]
    fn a_secret_is_all_of_a_file_but_one_line_end() {
        assert_eq!(of_file(b"s3cret\n", 0o600).unwrap(), "s3cret");
        assert_eq!(of_file(b"s3cret\r\n", 0o640).unwrap(), "s3cret");
        assert_eq!(
            of_file(b" two\nlines \n\n", 0o400).unwrap(),
            " two\nlines \n"
        );
    }

    #[test]
    fn a_file_that_everybody_may_read_or_that_has_no_text_is_refused_and_not_shown() {
        for (content, mode, why) in [
            (
                &b"s3cret"[..],
                0o644,
                "everybody on this machine may use it: chmod o= ",
            ),
            (b"", 0o600, "there is nothing in it"),
            (b"\n", 0o600, "there is nothing in it"),
            (b"s3cret\xff", 0o600, "it is no UTF-8"),
            (&[b'x'; 70_000], 0o600, "is larger than 64 KiB"),
        ] {
            let error = of_file(content, mode).unwrap_err();
            assert!(error.contains(why) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for file in [
            fifo,
            PathBuf::from("/dev/zero"),
            directory.path().to_owned(),
        ] {
            let error = secret(&SecretSource::File(file), |_| None).unwrap_err();
            assert!(error.contains("no regular file"), "{error}");
        }
    }

    #[test]
    fn credentials_are_where_systemd_says() {
        let directory = tempfile::tempdir().unwrap();
        file(directory.path(), b"of systemd\n", 0o444);
        let token = SecretSource::Credential("token".to_owned());
        let there = |name: &str| (name == DIRECTORY).then(|| directory.path().into());
        assert_eq!(secret(&token, there).unwrap().expose(), "of systemd");
        let error = secret(&token, |_| None).unwrap_err();
        assert!(error.contains("LoadCredential=token:/path"), "{error}");
        let other = SecretSource::Credential("other".to_owned());
        let error = secret(&other, there).unwrap_err();
        assert!(error.contains("No such file"), "{error}");
    }
}
