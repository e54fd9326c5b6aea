//! `lvs_timeouts`.

use std::time::Duration;

use super::{Translator, value};
use crate::document::{Source, Table};
use crate::tree::Statement;

/// The times, and what they are called here.
const TIMES: [(&str, &str); 3] = [("tcp", "tcp"), ("tcpfin", "tcp_fin"), ("udp", "udp")];

impl Translator<'_> {
    /// `lvs_timeouts [tcp SECONDS] [tcpfin SECONDS] [udp SECONDS]`. The table, or `None` if nothing in it can be
    /// understood.
    pub(super) fn timeouts(&mut self, from: &Statement) -> Option<Table> {
        let mut table = Table::new("[ipvs_timeouts]", Source::statement(from));
        let mut words = from.arguments().iter().map(|word| word.text.as_str());
        let mut said = false;
        while let Some(word) = words.next() {
            let Some((name, key)) = TIMES.iter().find(|(name, _)| *name == word) else {
                self.wrong(from, &format!("{word} is not tcp, tcpfin or udp"));
                continue;
            };
            match words.next().and_then(|seconds| seconds.parse().ok()) {
                Some(seconds) => {
                    let time = value::show(Duration::from_secs(seconds));
                    table.set(key, time, Source::place(from.place()));
                    said = true;
                }
                None => self.wrong(from, &format!("{name} needs a number of seconds")),
            }
        }
        if from.arguments().is_empty() {
            self.wrong(
                from,
                "it needs tcp, tcpfin or udp, each with a number of seconds",
            );
        }
        said.then_some(table)
    }
}
