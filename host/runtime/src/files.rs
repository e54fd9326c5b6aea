//! Reading files that anyone may have put there: a pipe without a writer, a device or a file without an end must cost
//! no more than an error.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;

/// The content of a regular file of at most `max` bytes. A symbolic link is followed.
///
/// # Errors
/// When it is no regular file (nothing else is opened: opening a device can do something already), is larger, or
/// cannot be read.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    is_regular(&fs::metadata(path)?)?;
    content(&open(path, OFlag::empty())?, max)
}

/// Opens a file without waiting for a pipe's other end, should it have become one just now.
pub(crate) fn open(path: &Path, also: OFlag) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | also;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

/// The content of a file that was opened by [`open`]. What is looked at is what was opened.
pub(crate) fn content(file: &File, max: u64) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    is_regular(&metadata)?;
    let most = match max >> 20 {
        0 => format!("{} KiB", max >> 10),
        mib => format!("{mib} MiB"),
    };
    let too_large = || io::Error::other(format!("is larger than {most}"));
    if metadata.len() > max {
        return Err(too_large());
    }
    let expected = usize::try_from(metadata.len()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(expected + 1);
    // It may grow while it is read.
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(too_large());
    }
    bytes.shrink_to_fit();
    Ok(bytes)
}

fn is_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        Ok(())
    } else {
        Err(io::Error::other("is no regular file"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_pipe_a_device_a_directory_and_what_is_too_large_are_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        symlink("/dev/zero", path("endless")).unwrap();
        File::create(path("large"))
            .unwrap()
            .set_len((3 << 20) + 1)
            .unwrap();
        for (name, reason) in [
            ("pipe", "is no regular file"),
            ("endless", "is no regular file"),
            (".", "is no regular file"),
            ("large", "is larger than 3 MiB"),
        ] {
            let error = read(&path(name), 3 << 20).unwrap_err();
            assert_eq!(error.to_string(), reason, "{name}");
        }
        // One that becomes a pipe between the look and the opening.
        let opened = open(&path("pipe"), OFlag::empty()).unwrap();
        assert_eq!(
            content(&opened, 1).unwrap_err().to_string(),
            "is no regular file"
        );
    }

    #[test]
    fn a_file_is_read_as_a_whole_also_through_a_link_and_where_it_says_no_length() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "content").unwrap();
        symlink(&file, &link).unwrap();
        assert_eq!(read(&link, 7).unwrap(), b"content");
        assert!(read(&link, 6).is_err());
        assert!(
            !read(Path::new("/proc/self/status"), 1 << 20)
                .unwrap()
                .is_empty()
        );
        assert!(read(Path::new("/proc/self/status"), 10).is_err());
    }
}
