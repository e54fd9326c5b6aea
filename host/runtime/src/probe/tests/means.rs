//! What a checker does on this machine, as far as it is granted.

use std::sync::Arc;

use async_trait::async_trait;
use evenkeel_core::manifest::{Setting, SettingValue};
use evenkeel_core::model::Grant;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::*;
use crate::rights::{Commands, Order, Rights};

/// Keeps what it is to run until it is told to end it.
#[derive(Debug, Default)]
struct Runner {
    told: Mutex<Vec<String>>,
    ends: Notify,
}

#[async_trait]
impl Commands for Runner {
    async fn run(&self, order: Order) -> Result<CommandEnd, String> {
        let environment = order.environment.iter();
        let environment = environment.map(|(key, it)| format!("{key}={}", it.to_string_lossy()));
        let environment = environment.collect::<Vec<_>>().join(" ");
        let (command, user) = (order.command.join(" "), order.user);
        self.told
            .lock()
            .push(format!("{command} as {user:?}: {environment}"));
        self.ends.notified().await;
        drop(order.held);
        Ok(CommandEnd {
            code: Some(3),
            output: b"so".to_vec(),
        })
    }
}

fn address() -> SocketAddr {
    ([192, 0, 2, 1], 80).into()
}

fn means(settings: &[(&str, SettingValue)], grant: Grant, runner: &Arc<Runner>) -> Arc<Means> {
    let setting = |(key, value): &(&str, SettingValue)| Setting {
        key: (*key).to_owned(),
        value: value.clone(),
    };
    let settings: Vec<Setting> = settings.iter().map(setting).collect();
    let runner: Arc<dyn Commands> = Arc::<Runner>::clone(runner);
    let rights = Rights {
        grant,
        commands: Some(runner),
    };
    Arc::new(Means::new(&"script".into(), &settings, rights))
}

fn with(means: &Arc<Means>) -> Probe {
    let deadline = Instant::now() + LONG;
    Probe::new(target(address()), deadline, &Sandbox::default(), means)
}

fn refused(what: &str) -> ProbeError {
    ProbeError::Other(format!(
        "{what} is not granted to plugin script ([plugins.grants])"
    ))
}

fn command(words: &[&str]) -> (&'static str, SettingValue) {
    let words = words.iter().map(|&it| it.to_owned()).collect();
    ("command", SettingValue::TextList(words))
}

fn granted(words: &[&str]) -> Grant {
    Grant {
        commands: vec![words.iter().map(|&it| it.to_owned()).collect()],
        user: Some("app".to_owned()),
        ..Grant::default()
    }
}

#[tokio::test]
async fn a_granted_command_runs_with_its_target_in_the_environment() {
    let runner = Arc::new(Runner::default());
    let means = means(&[command(&["/c", "-v"])], granted(&["/c", "-v"]), &runner);
    runner.ends.notify_one();
    let ended = with(&means).run(None).await.unwrap();
    assert_eq!((ended.code, &*ended.output), (Some(3), &b"so"[..]));
    let told =
        "/c -v as Some(\"app\"): EVENKEEL_SERVER=s1 EVENKEEL_ADDRESS=192.0.2.1 EVENKEEL_PORT=80";
    assert_eq!(*runner.told.lock(), [told]);
}

#[tokio::test]
async fn what_is_not_granted_to_the_letter_is_refused() {
    let runner = Arc::new(Runner::default());
    for grant in [
        Grant::default(),
        granted(&["/c"]),
        granted(&["/c", "-v", "-w"]),
    ] {
        let means = means(&[command(&["/c", "-v"])], grant, &runner);
        let error = with(&means).run(None).await.unwrap_err();
        assert_eq!(error, refused("this command"));
    }
    assert_eq!(*runner.told.lock(), [""; 0]);
    let path = ("path", SettingValue::Text("/run/load".to_owned()));
    let means = means(&[path], Grant::default(), &runner);
    let mut probe = with(&means);
    assert_eq!(probe.number().await.unwrap_err(), refused("this file"));
    assert_eq!(probe.echo(0, None).await.unwrap_err(), refused("ICMP"));
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_given_up_and_no_second_one_runs_for_its_target_meanwhile()
{
    /// Keeps what it was given for ever.
    #[derive(Debug)]
    struct Stuck;

    #[async_trait]
    impl Commands for Stuck {
        async fn run(&self, order: Order) -> Result<CommandEnd, String> {
            std::mem::forget(order);
            std::future::pending().await
        }
    }

    let rights = Rights {
        grant: granted(&["/c"]),
        commands: Some(Arc::new(Stuck)),
    };
    let (key, value) = command(&["/c"]);
    let setting = Setting {
        key: key.to_owned(),
        value,
    };
    let means = Arc::new(Means::new(&"script".into(), &[setting], rights));
    let limit = Some(Duration::from_millis(20));
    let error = with(&means).run(limit).await.unwrap_err();
    assert_eq!(error, ProbeError::TimedOut);
    let error = with(&means).run(limit).await.unwrap_err();
    let earlier = "an earlier run for it has not ended yet".to_owned();
    assert_eq!(error, ProbeError::Other(earlier));
}

#[tokio::test]
async fn the_number_in_a_file_is_what_it_is_now() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("load");
    let grant = Grant {
        files: vec![file.clone()],
        ..Grant::default()
    };
    let path = SettingValue::Text(file.to_str().unwrap().to_owned());
    let means = means(&[("path", path)], grant, &Arc::default());
    for (text, wanted) in [
        (" -7\n", Ok(-7)),
        ("0", Ok(0)),
        ("", Err("has no whole number in it")),
        ("7 8", Err("has no whole number in it")),
        ("1.5", Err("has no whole number in it")),
    ] {
        std::fs::write(&file, text).unwrap();
        match (with(&means).number().await, wanted) {
            (found, Ok(number)) => assert_eq!(found, Ok(number), "{text}"),
            (Err(ProbeError::Other(reason)), Err(part)) => {
                assert!(reason.contains(part), "{reason}");
            }
            (found, wanted) => panic!("{text:?}: {found:?}, wanted {wanted:?}"),
        }
    }
    std::fs::write(&file, vec![b' '; 5000]).unwrap();
    let large = with(&means).number().await.unwrap_err();
    assert!(
        format!("{large:?}").contains("is larger than 4 KiB"),
        "{large:?}"
    );
    std::fs::remove_file(&file).unwrap();
    let missing = with(&means).number().await.unwrap_err();
    assert!(
        format!("{missing:?}").contains("No such file"),
        "{missing:?}"
    );
}
