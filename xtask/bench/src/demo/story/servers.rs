//! The spread over the real servers, one of which fails and returns.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::super::tell::seconds;
use super::directors::MASTER;
use super::limits::{LIMIT, SLACK};
use super::stage::Stage;

/// As in the example: interval + 3 x retry_delay + timeout.
const OUT: Duration = Duration::from_millis(1000 + 3 * 500 + 500);

impl Stage {
    pub(super) fn in_turn(&mut self) -> Result<()> {
        self.teller.chapter("200 requests, in turn");
        let spread = self.ask(200)?;
        self.teller.spread(&spread);
        let even = spread.len() == 2 && spread.values().all(|count| *count == 100);
        self.teller
            .promise(even, "each server has answered exactly 100");
        Ok(())
    }

    pub(super) fn a_server_fails_and_returns(&mut self) -> Result<()> {
        self.teller
            .chapter("A server fails while clients go on asking, and returns");
        let stream = self.keep_asking()?;
        sleep(Duration::from_millis(300));
        self.teller.say("killing nginx on server2");
        let killed = Instant::now();
        self.nginx[1] = None;
        self.directors[MASTER].wait_health("web", "server2", "down", LIMIT)?;
        let out = killed.elapsed();
        sleep(SLACK);
        let record = stream.stop()?;
        self.teller.promise(
            out <= OUT + SLACK,
            &format!(
                "out after {} (interval + 3 x retry_delay + timeout = {})",
                seconds(out),
                seconds(OUT)
            ),
        );
        self.tell_requests(&record);
        let late = record
            .failures()
            .filter(|answer| answer.at > killed + out + SLACK / 5)
            .count();
        self.teller
            .promise(late == 0, "no request has failed since");
        let start = Instant::now();
        self.nginx[1] = Some(self.start_nginx(1)?);
        self.directors[MASTER].wait_status("server2 is used again", LIMIT, |status| {
            let server = &status["services"][0]["servers"][1];
            status["settled"] == true && server["health"] == "up"
        })?;
        self.teller.say(&format!(
            "server2 runs again, and is used again after {}",
            seconds(start.elapsed())
        ));
        let spread = self.ask(40)?;
        self.teller.spread(&spread);
        let even = spread.values().all(|count| *count == 20);
        self.teller.promise(even, "it has its share again");
        Ok(())
    }
}
