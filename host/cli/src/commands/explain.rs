//! `evenkeel explain`.

use anyhow::Context as _;
use evenkeel_core::model::{Model, Service};

use crate::args::ConfigArgs;
use crate::exit::{self, Failed};
use crate::explain::{self, Planned};
use crate::preflight::of_services;
use evenkeel_daemon::plane;
use evenkeel_daemon::prepare::{Prepared, Preparer};

/// Explains a service, or lists the services there are. Needs no daemon, and changes nothing.
///
/// # Errors
/// [`exit::CONFIG`] when the configuration cannot be used; when it has no such service.
pub(crate) async fn run(args: ConfigArgs, name: Option<String>) -> anyhow::Result<()> {
    let (model, text) = tokio::task::spawn_blocking(move || look(args, name.as_deref()))
        .await
        .context("the configuration's thread")??;
    super::print(&text)?;
    if model.services.is_empty() {
        return Ok(());
    }
    super::print("\nOn this machine, as far as can be seen from here\n")?;
    let (kind, table) = (model.dataplane.kind, model.daemon.table.clone());
    let probe = tokio::task::spawn_blocking(move || plane::new(kind, &table)?.probe())
        .await
        .context("the data plane's thread")?;
    for finding in of_services(&model, probe).await {
        let text = finding.to_string();
        let lines: Vec<String> = text.lines().map(|line| format!("  {line}\n")).collect();
        super::print(&lines.concat())?;
    }
    Ok(())
}

/// The text, and the configuration with nothing in it but the service that it is about.
fn look(args: ConfigArgs, name: Option<&str>) -> anyhow::Result<(Model, String)> {
    let mut preparer = Preparer::for_command(args.into())?;
    preparer.explains();
    let prepared = preparer.prepare(|_| None)?;
    let Some(name) = name else {
        let text = list(&prepared.model.services);
        let mut model = prepared.model;
        model.services.clear();
        return Ok((model, text));
    };
    let Some(service) = prepared
        .model
        .services
        .iter()
        .find(|service| service.name == name)
        .cloned()
    else {
        let names = list(&prepared.model.services);
        let message = format!("there is no service {name:?}; there are:\n{names}");
        return Err(Failed::new(exit::FAILURE, message.trim_end()).into());
    };
    let (planned, mut model) = plan(&service, prepared)?;
    let text = explain::text(&model, &service, &planned);
    model.services = vec![service];
    Ok((model, text))
}

fn plan(service: &Service, mut prepared: Prepared) -> anyhow::Result<(Planned, Model)> {
    let mut new = prepared
        .schedulers
        .remove(&service.key)
        .context("bug: the service's scheduler was prepared but is not there")?;
    let planned = Planned::ask(service, new.scheduler.as_mut());
    Ok((planned, prepared.model))
}

fn list(services: &[Service]) -> String {
    let lines = services
        .iter()
        .map(|service| format!("{}  {}\n", service.name, service.key));
    lines.collect()
}
