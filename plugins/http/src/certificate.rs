//! How long the server's certificate is valid: for schedulers, metrics and the log, whatever the verdict.

use evenkeel_sdk::{Certificate, Target, utc, warn};

const SECONDS_OF_A_DAY: u64 = 86_400;

/// Reports the days that are left, and warns of fewer than `least`, at most once on each day (UTC).
pub(crate) fn tell(target: &Target<'_>, certificate: &Certificate, least: Option<u32>) {
    let days = i32::try_from(certificate.days_left()).unwrap_or(i32::MAX);
    target.report("certificate-days", f64::from(days));
    if let Some(warning) = least.and_then(|least| warning(certificate, least)) {
        // Kept for the checks to come: the day of the last warning.
        let today = (utc().as_secs() / SECONDS_OF_A_DAY).to_le_bytes();
        if target.session().is_none_or(|warned| warned != today) {
            target.set_session(&today);
            warn!("{}: {warning}", target.name());
        }
    }
}

/// What there is to warn of, if it is valid for fewer days.
fn warning(certificate: &Certificate, least: u32) -> Option<String> {
    let days = certificate.days_left();
    let subject = &certificate.subject;
    match days {
        days if days >= i64::from(least) => None,
        ..0 => Some(format!("the certificate of {subject} has ended")),
        0 => Some(format!("the certificate of {subject} ends within a day")),
        1 => Some(format!("the certificate of {subject} ends within two days")),
        days => Some(format!(
            "the certificate of {subject} is valid for {days} more days"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_sdk::testing::set_utc;

    use super::*;

    #[test]
    fn fewer_days_than_wanted_are_warned_of() {
        let day = |number: u64| Duration::from_secs(number * SECONDS_OF_A_DAY);
        let certificate = Certificate {
            not_before: day(0),
            not_after: day(20),
            subject: "CN=www.example.org".into(),
            issuer: String::new(),
            names: Vec::new(),
            der: Vec::new(),
        };
        for (today, wanted) in [
            (1, None),
            (6, None),
            (7, Some("is valid for 13 more days")),
            (20, Some("ends within a day")),
            (21, Some("has ended")),
        ] {
            set_utc(day(today));
            let wanted = wanted.map(|it| format!("the certificate of CN=www.example.org {it}"));
            assert_eq!(warning(&certificate, 14), wanted, "on day {today}");
        }
    }
}
