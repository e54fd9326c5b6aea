//! How Evenkeel leaves a machine.

use anyhow::Result;
use evenkeel_tests::Article;

use super::directors::{BACKUP, MASTER};
use super::stage::Stage;

impl Stage {
    pub(super) fn finish(&mut self) -> Result<()> {
        self.teller
            .chapter("The end: SIGTERM, and evenkeel flush, on both directors");
        for which in [MASTER, BACKUP] {
            let status = self.directors[which].sigterm()?;
            let name = self.directors.nodes[which].name().to_owned();
            self.teller
                .promise(status.success(), &format!("{name}: ends at SIGTERM"));
            self.flush(which)?;
        }
        Ok(())
    }

    /// `evenkeel flush` on a director whose daemon has ended.
    pub(super) fn flush(&mut self, which: usize) -> Result<()> {
        let output = self.directors[which].flush()?;
        let node = self.directors.nodes[which].clone();
        let tables = node.run("nft", &["list", "tables"])?;
        let held = node.addresses()?;
        let gone = output.status.success()
            && tables.trim().is_empty()
            && !Article::VIRTUAL.iter().any(|it| held.contains(it));
        self.teller.promise(
            gone,
            &format!(
                "{}: evenkeel flush has left no rule and no virtual address",
                node.name()
            ),
        );
        if !gone {
            self.teller.quote(&String::from_utf8_lossy(
                &[output.stdout, output.stderr].concat(),
            ));
        }
        Ok(())
    }
}
