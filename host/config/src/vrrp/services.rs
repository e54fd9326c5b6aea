//! Services whose address is a virtual router's.

use super::super::reader::{Reader, Wrong};
use super::super::schema::File;
use super::super::uses::services;
use super::addresses::Seen;

/// An address has one owner, and `ha_suspend` needs one.
pub(super) fn check(file: &File, addresses: &Seen, reader: &mut Reader) {
    for table in services(file) {
        let Some(addr) = table.listen.get().map(|listen| listen.0.ip()) else {
            continue;
        };
        let instance = addresses.place(addr);
        if let Some(first) = instance
            && table.interface.written
        {
            let what = format!("{addr} is an address of a [[vrrp]], which puts it on an interface");
            let help = format!(
                "remove interface and prefix here; the [[vrrp]]'s address is at {}",
                reader.source.place(first.start)
            );
            reader.wrong_at("interface", &table.interface.at, Wrong::new(what, help));
        }
        let suspend = table.ha_suspend.copied() == Some(true);
        // An address that could not be read may be this one.
        if suspend && instance.is_none() && !reader.has_errors() {
            let at = &table.ha_suspend.at;
            let message = format!("ha_suspend = true: no [[vrrp]] has the address {addr}");
            let help = "its servers are checked all the time";
            reader.warning(at, message, Some(help.to_owned()));
        }
    }
}
