//! Sync groups.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::reader::Reader;
use super::super::schema::{File, SyncGroupTable};
use super::super::tree::Span;
use super::names::DefinedNames;
use super::notify::notify;
use crate::unique::unique;
use evenkeel_core::model::SyncGroup;

/// The groups. Those with something wrong in them are left out.
pub(super) fn all(file: &File, dir: &Path, reader: &mut Reader) -> Vec<SyncGroup> {
    let instances = DefinedNames::of(&file.vrrp, |vrrp| &vrrp.name);
    let mut names = BTreeMap::new();
    let mut members = BTreeMap::new();
    let read: Vec<Option<SyncGroup>> = file
        .sync_group
        .tables()
        .iter()
        .map(|table| {
            if let Some(name) = table.name.get() {
                let what = "another sync group has this name";
                let at = &table.name.at;
                unique(&mut names, name.0.clone(), "name", at, what, reader);
            }
            group(table, &instances, &mut members, dir, reader)
        })
        .collect();
    read.into_iter().flatten().collect()
}

fn group(
    table: &SyncGroupTable,
    instances: &DefinedNames<'_>,
    seen: &mut BTreeMap<String, Span>,
    dir: &Path,
    reader: &mut Reader,
) -> Option<SyncGroup> {
    let members = &table.members.get()?.0;
    for (i, member) in members.iter().enumerate() {
        let (key, name, at) = (format!("members[{i}]"), &member.value.0, &member.at);
        instances.check(&key, name, at, "instances", reader);
        let what = "the instance is in a sync group already";
        unique(seen, name.clone(), &key, at, what, reader);
    }
    if members.len() < 2 {
        let help = "name the [[vrrp]] that are to be master together";
        let message = "a sync group has at least two members".to_owned();
        reader.error(&table.members.at, message, Some(help.to_owned()));
    }
    Some(SyncGroup {
        name: table.name.get()?.0.clone(),
        members: members
            .iter()
            .map(|member| member.value.0.clone())
            .collect(),
        notify: notify(&table.notify, dir)?,
    })
}
