//! Other configurations, on directors that serve: keepalived's, and a quicker one.

use anyhow::Result;

use super::directors::{BACKUP, MASTER};
use super::stage::Stage;

impl Stage {
    pub(super) fn take_keepalived_conf(&mut self) -> Result<()> {
        self.teller.chapter(
            "Both directors are given a keepalived.conf, one after the other, while they serve",
        );
        let seen = self.watch(|stage| {
            // The backup has nothing to hand over; the master hands over to it, and gets the addresses back when it
            // returns.
            for which in [BACKUP, MASTER] {
                let name = stage.directors.nodes[which].name().to_owned();
                stage.directors[which].sigterm()?;
                stage.directors.keepalived_conf(which)?;
                stage.directors[which].start()?;
                stage.teller.say(&format!(
                    "{name}# evenkeel run --config examples/keepalived-{}.conf",
                    if which == MASTER { "master" } else { "backup" }
                ));
            }
            stage.directors.wait_alone(MASTER).map(drop)
        })?;
        self.tell_unnoticed(&seen);
        let spread = self.ask(40)?;
        self.teller.spread(&spread);
        let even = spread.len() == 2 && spread.values().all(|count| *count == 20);
        self.teller.promise(even, "20 requests each");
        self.status(MASTER)?;
        self.import()
    }

    /// What of the master's keepalived.conf is not carried over.
    fn import(&mut self) -> Result<()> {
        let director = &self.directors[MASTER];
        let mut import = director.command("import");
        import.arg(director.config_file());
        let output = self.directors.nodes[MASTER].output(import)?;
        self.teller
            .say("evenkeel import makes a TOML of it, and lists what is not carried over:");
        self.teller.quote(&String::from_utf8_lossy(&output.stderr));
        self.teller.promise(
            output.status.success() && output.stdout.starts_with(b"#"),
            "it could be translated",
        );
        Ok(())
    }

    pub(super) fn quicker(&mut self) -> Result<()> {
        self.teller
            .chapter("Ten adverts a second: the examples with other lines");
        for which in [MASTER, BACKUP] {
            self.directors[which].kill9()?;
            self.flush(which)?;
            let changes = self.directors.quick_example(which)?;
            if which == MASTER {
                self.teller.quote(&changes);
            }
        }
        self.start_both()
    }
}
