//! A second scheduler beside a service's first: a shadow or a canary.

use super::plugin::{Digest, PluginName, Settings};
use super::reader::{Field, Reader, Wrong};
use super::schema::{CanaryTable, SchedulerTable, ServiceTable};
use super::uses::{Uses, Wanted};
use evenkeel_core::manifest::{Decision, PluginKind};
use evenkeel_core::model::{Canary, PluginUse, Second, SecondRole};

/// The second scheduler of a service, whose decisions are followed so; the outer `None` if it is wrong.
#[expect(clippy::option_option, reason = "wrong, or none, or one")]
pub(super) fn second(
    table: &ServiceTable,
    decision: Option<Decision>,
    uses: &mut Uses<'_>,
    reader: &mut Reader,
) -> Option<Option<Second>> {
    let Some(scheduler) = table.scheduler.get().map(|it| &it.0) else {
        return Some(None);
    };
    let alone = one_of_both(scheduler, reader);
    let shadow = match scheduler.shadow.get().map(|it| &it.0) {
        None if scheduler.shadow.is_wrong() => None,
        None => Some(None),
        Some(it) => {
            let used = used((&it.plugin, &it.sha256, &it.settings), uses, reader);
            used.map(|scheduler| {
                let role = SecondRole::Shadow;
                Some(Second { scheduler, role })
            })
        }
    };
    let canary = match scheduler.canary.get().map(|it| &it.0) {
        None if scheduler.canary.is_wrong() => None,
        None => Some(None),
        Some(it) => canary(it, decision, uses, reader).map(Some),
    };
    alone?;
    let (shadow, canary) = (shadow?, canary?);
    Some(shadow.or(canary))
}

/// Whether there is no more than one of them.
fn one_of_both(scheduler: &SchedulerTable, reader: &mut Reader) -> Option<()> {
    if !(scheduler.shadow.written && scheduler.canary.written) {
        return Some(());
    }
    let message = "canary beside shadow: a service has one second scheduler".to_owned();
    let help = "remove one of them".to_owned();
    reader.error(&scheduler.canary.at, message, Some(help));
    None
}

fn canary(
    table: &CanaryTable,
    decision: Option<Decision>,
    uses: &mut Uses<'_>,
    reader: &mut Reader,
) -> Option<Second> {
    let plugin = (&table.plugin, &table.sha256, &table.settings);
    let scheduler = used(plugin, uses, reader)?;
    if !uses.decisions(&scheduler.plugin).contains(&Decision::Plan) {
        let what = format!(
            "scheduler {} makes no plans, which a canary must",
            scheduler.plugin
        );
        let help = "choose another scheduler, or try it as a shadow";
        reader.wrong_at("plugin", &table.plugin.at, Wrong::new(what, help));
        return None;
    }
    if decision == Some(Decision::PerConnection) {
        let message = "canary where each connection is decided by the first scheduler: a canary decides for slots of its plan";
        let help = "write decision = \"plan\" in the service, or try the scheduler as a shadow";
        reader.error(&table.plugin.at, message.to_owned(), Some(help.to_owned()));
        return None;
    }
    let role = SecondRole::Canary(Canary {
        share: u8::try_from(table.share.get()?.0).ok()?,
        max_call: table.max_call.get()?.0,
        max_uneven: table.max_uneven.get()?.0,
    });
    Some(Second { scheduler, role })
}

/// The plugin with its settings, if it can be used.
fn used(
    (name, sha256, settings): (&Field<PluginName>, &Field<Digest>, &Field<Settings>),
    uses: &mut Uses<'_>,
    reader: &mut Reader,
) -> Option<PluginUse> {
    let wanted = Wanted {
        kind: PluginKind::Scheduler,
        name: name.get()?,
        at: &name.at,
        sha256,
    };
    uses.resolve(&wanted, settings.get()?, reader)
}
