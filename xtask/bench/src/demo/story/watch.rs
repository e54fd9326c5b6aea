//! What clients see meanwhile.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Client, Ping, Record, Stream, http_get};

use super::super::tell::seconds;
use super::stage::Stage;

/// From one ping to the next.
const PACE: Duration = Duration::from_millis(5);
/// How long an attempt to connect may take before it is lost: one that the kernel had to make again takes a second.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long clients watch before something happens, and after.
const MARGIN: Duration = Duration::from_millis(300);

/// What clients saw.
pub(super) struct Seen {
    /// Requests, one after the other.
    pub(super) requests: Record,
    /// Connections that are opened and closed at once, one after the other.
    attempts: Record,
    /// How long the service's address was away, by pings 5 ms apart.
    pub(super) gap: Duration,
}

impl Stage {
    /// Lets clients ask while something happens.
    pub(super) fn watch(&mut self, happens: impl FnOnce(&mut Self) -> Result<()>) -> Result<Seen> {
        // A first request, so that no attempt fails for want of an ARP entry.
        self.ask(1)?;
        let requests = self.keep_asking()?;
        let attempts = Client::new(&self.net.client)
            .timeout(PATIENCE)
            .keep_connecting(self.web, PACE)?;
        let ping = Ping::start(&self.net.client, IpAddr::V4(Article::VIP), PACE)?;
        sleep(MARGIN);
        happens(self)?;
        sleep(MARGIN);
        Ok(Seen {
            requests: requests.stop()?,
            attempts: attempts.stop()?,
            gap: ping.stop()?.gap(),
        })
    }

    /// Asks over and over.
    pub(super) fn keep_asking(&self) -> Result<Stream> {
        let (client, web) = (self.client.clone(), self.web);
        self.client.keep(PACE, move || http_get(&client, web, "/"))
    }

    /// Requests one after the other: who answered how many.
    pub(super) fn ask(&self, times: usize) -> Result<BTreeMap<String, usize>> {
        let mut spread = BTreeMap::new();
        for _ in 0..times {
            let name = http_get(&self.client, self.web, "/")
                .with_context(|| format!("a request to {}", self.web))?;
            *spread.entry(name).or_default() += 1;
        }
        Ok(spread)
    }

    /// Tells of a planned handover, during which whoever wants to connect can.
    pub(super) fn tell_unnoticed(&mut self, seen: &Seen) {
        let lost = seen.attempts.failures().count();
        self.teller.promise(
            lost == 0,
            &format!(
                "of {} connection attempts {lost} were lost; the longest took {:.1} ms",
                seen.attempts.answers.len(),
                seen.attempts.longest().as_secs_f64() * 1e3
            ),
        );
        self.tell_requests(&seen.requests);
        if seen.requests.failures().count() > 0 {
            self.teller
                .say("(those were under way when the addresses moved: directors do not share connections yet)");
        }
        self.teller.say(&format!(
            "pings, 5 ms apart: the longest time without an answer was {}",
            seconds(seen.gap)
        ));
    }

    pub(super) fn tell_requests(&self, record: &Record) {
        let failed = record.failures().count();
        self.teller.say(&format!(
            "{} requests meanwhile, {failed} failed{}",
            record.answers.len(),
            if failed == 0 {
                String::new()
            } else {
                format!(", within {}", seconds(record.outage()))
            }
        ));
        self.teller.spread(&record.spread());
    }
}
