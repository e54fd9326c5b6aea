//! What schedulers hand to the next start: a file for each service, in a directory of their own.
//!
//! The first line is JSON, and the plugin's bytes follow it as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_core::model::ServiceKey;
use evenkeel_core::scheduler::{MAX_STATE, SavedState};
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use super::file::KeptFile;
use super::form;
use super::state::SchedulerState;

/// The directory in the state directory.
const DIRECTORY: &str = "schedulers";
/// How all files end.
const ENDING: &str = ".state";
/// The form that this version writes and reads.
const VERSION: u32 = 1;
/// All states together; what is beyond is not kept.
const MAX_TOTAL: usize = 64 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    /// As [`ServiceKey`] is shown.
    service: String,
    plugin: String,
    /// Of the plugin's own form.
    state_version: u32,
    bytes: usize,
}

/// The files.
#[derive(Debug)]
pub(super) struct SchedulerFiles {
    directory: PathBuf,
    /// How large each is that is there, as far as known.
    sizes: BTreeMap<ServiceKey, usize>,
    /// Whether it was said that something cannot be kept.
    told: bool,
}

impl SchedulerFiles {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.join(DIRECTORY),
            sizes: BTreeMap::new(),
            told: false,
        }
    }

    /// All that was kept. What cannot be read is told and left out.
    pub(super) fn read(&mut self) -> BTreeMap<ServiceKey, SchedulerState> {
        let mut states = BTreeMap::new();
        let mut total = 0;
        // There is none before the first one is kept.
        let entries = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        for entry in entries {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.ends_with(ENDING)) else {
                continue;
            };
            let file = KeptFile::new(&self.directory, name);
            match file.read(parse) {
                Ok(Some((service, state))) if total + state.state.bytes.len() <= MAX_TOTAL => {
                    total += state.state.bytes.len();
                    self.sizes.insert(service, state.state.bytes.len());
                    states.insert(service, state);
                }
                Ok(_) => {}
                Err(problem) => {
                    let file = file.path().display();
                    warn!(%file, problem, "the state of a scheduler cannot be used; it begins anew");
                }
            }
        }
        states
    }

    /// Keeps a state in the place of the one before.
    pub(super) fn write(&mut self, service: ServiceKey, state: &SchedulerState) {
        let size = state.state.bytes.len();
        let others = self.sizes.iter().filter(|(key, _)| **key != service);
        let others: usize = others.map(|(_, size)| size).sum();
        let written = if size > MAX_STATE || others + size > MAX_TOTAL {
            let (one, all) = (MAX_STATE >> 20, MAX_TOTAL >> 20);
            Err(format!(
                "it is larger than {one} MiB, or all of them than {all} MiB"
            ))
        } else {
            let file = KeptFile::new(&self.directory, &file_name(&service));
            file.write(&text(service, state))
                .map_err(|error| error.to_string())
        };
        match written {
            Ok(()) => {
                self.sizes.insert(service, size);
                self.told = false;
            }
            Err(problem) if !std::mem::replace(&mut self.told, true) => warn!(
                %service,
                problem,
                "the state of a scheduler cannot be kept: after a restart it has what was kept last, or begins anew"
            ),
            Err(problem) => debug!(%service, problem, "the state of a scheduler cannot be kept"),
        }
    }

    /// Removes what was kept of services that are configured no more.
    pub(super) fn retain(&mut self, services: &BTreeSet<ServiceKey>) {
        let directory = &self.directory;
        self.sizes.retain(|key, _| {
            let stays = services.contains(key);
            if !stays {
                // It is overwritten, or removed by the next start.
                let _ = fs::remove_file(directory.join(file_name(key)));
            }
            stays
        });
    }
}

/// `tcp 192.0.2.1:80` is in `tcp-192.0.2.1-80.state`.
fn file_name(service: &ServiceKey) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    let name: String = service.to_string().chars().map(safe).collect();
    name + ENDING
}

fn text(service: ServiceKey, state: &SchedulerState) -> Vec<u8> {
    let header = Header {
        version: VERSION,
        service: service.to_string(),
        plugin: state.plugin.clone(),
        state_version: state.state.version,
        bytes: state.state.bytes.len(),
    };
    // Numbers and texts can always be written.
    let mut text = serde_json::to_vec(&header).unwrap_or_default();
    text.push(b'\n');
    text.extend(&state.state.bytes);
    text
}

fn parse(text: &[u8]) -> Result<(ServiceKey, SchedulerState), String> {
    let damaged = || "it is damaged, or not Evenkeel's".to_owned();
    let end = text
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or_else(damaged)?;
    let (header, rest) = text.split_at(end);
    let header: Header = serde_json::from_slice(header).map_err(|_| damaged())?;
    if header.version != VERSION {
        return Err(format!(
            "its form is {}, and this version of Evenkeel knows only {VERSION}",
            header.version
        ));
    }
    let bytes = rest.get(1..).unwrap_or_default().to_vec();
    let service = form::service(&header.service).ok_or_else(damaged)?;
    if bytes.len() != header.bytes || bytes.len() > MAX_STATE {
        return Err(damaged());
    }
    let state = SavedState {
        version: header.state_version,
        bytes,
    };
    let plugin = header.plugin;
    Ok((service, SchedulerState { plugin, state }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(bytes: &[u8]) -> SchedulerState {
        SchedulerState {
            plugin: "mine".to_owned(),
            state: SavedState {
                version: 7,
                bytes: bytes.to_vec(),
            },
        }
    }

    fn services() -> Vec<ServiceKey> {
        let keys = [
            "tcp 192.0.2.1:80",
            "udp [2001:db8::1]:53",
            "fwmark 7 (IPv4)",
        ];
        keys.iter().map(|key| form::service(key).unwrap()).collect()
    }

    #[test]
    fn states_are_read_back_byte_by_byte_and_those_of_other_services_go() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = SchedulerFiles::new(directory.path());
        assert_eq!(files.read(), BTreeMap::new());
        let keys = services();
        for (n, key) in keys.iter().enumerate() {
            files.write(*key, &state(&[0, b'\n', 255, u8::try_from(n).unwrap()]));
            files.write(*key, &state(&[b'\n'; 3][..n]));
        }
        let read = SchedulerFiles::new(directory.path()).read();
        let expected = keys.iter().enumerate();
        let expected = expected.map(|(n, key)| (*key, state(&[b'\n'; 3][..n])));
        assert_eq!(read, expected.collect());
        files.retain(&[keys[1]].into());
        let read = SchedulerFiles::new(directory.path()).read();
        assert_eq!(read.keys().collect::<Vec<_>>(), [&keys[1]]);
    }

    #[test]
    fn a_state_that_is_too_large_leaves_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = SchedulerFiles::new(directory.path());
        let key = services()[0];
        files.write(key, &state(b"before"));
        files.write(key, &state(&vec![0; MAX_STATE + 1]));
        assert_eq!(
            SchedulerFiles::new(directory.path()).read()[&key],
            state(b"before")
        );
    }

    #[test]
    fn damaged_files_and_those_of_others_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = SchedulerFiles::new(directory.path());
        let keys = services();
        files.write(keys[0], &state(b"good"));
        let whole = text(keys[1], &state(b"cut off"));
        let at = |name: &str| directory.path().join(DIRECTORY).join(name);
        fs::write(at("cut.state"), &whole[..whole.len() - 1]).unwrap();
        fs::write(at("empty.state"), "").unwrap();
        fs::write(at("other.txt"), &whole).unwrap();
        let later = String::from_utf8(whole)
            .unwrap()
            .replace("\"version\":1", "\"version\":2");
        fs::write(at("later.state"), later).unwrap();
        let read = SchedulerFiles::new(directory.path()).read();
        assert_eq!(read.keys().collect::<Vec<_>>(), [&keys[0]]);
    }
}
