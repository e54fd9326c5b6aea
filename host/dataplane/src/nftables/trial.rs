//! Which form of queue rule this kernel takes.

use evenkeel_core::state::Queue;

use super::change::{Op, Step, Subject};
use super::element::{Chain, Part};
use super::entry;
use super::rule::RawRule;
use super::socket::{Failed, Netfilter};
use crate::Error;
use crate::ask::Form;
use crate::namespace::in_namespace;

/// Name of the table that never comes to be.
const TABLE: &str = "evenkeel_trial";

/// The form that this kernel has, or why it has none.
pub(crate) fn trial() -> Result<Form, String> {
    let tried = in_namespace(attempt)
        .and_then(|tried| tried.map_or_else(attempt, Ok))
        .map_err(|error| {
            format!("whether this kernel can ask about connections cannot be tried: {error}")
        })?;
    tried.map_err(|[nft, compat]| {
        format!(
            "this kernel can hand no packet to a queue: it has neither nf_tables' `queue` (CONFIG_NFT_QUEUE; {nft}) nor iptables' \
             NFQUEUE in nf_tables (CONFIG_NFT_COMPAT, CONFIG_NETFILTER_XT_TARGET_NFQUEUE; {compat})"
        )
    })
}

fn attempt() -> Result<Result<Form, [String; 2]>, Error> {
    let mut socket = Netfilter::open()?;
    let Err(nft) = takes(&mut socket, Form::Nft)? else {
        return Ok(Ok(Form::Nft));
    };
    Ok(match takes(&mut socket, Form::Compat)? {
        Ok(()) => Ok(Form::Compat),
        Err(compat) => Err([nft, compat]),
    })
}

/// Puts a rule into a table in a batch whose last step cannot succeed: so nothing is changed, and the rule was taken if that step is the
/// first that is refused.
fn takes(socket: &mut Netfilter, form: Form) -> Result<Result<(), String>, Error> {
    let chain = Chain {
        part: Part::Queue,
        number: 1,
    };
    let rule = RawRule {
        expressions: entry::queue(Queue(0), form),
        userdata: Vec::new(),
    };
    let step = |op, subject| Step { subject, op };
    let steps = [
        step(Op::AddTable, Subject::Hooks),
        step(Op::AddChain(chain), Subject::Hooks),
        step(
            Op::SetRules {
                chain,
                rules: vec![rule],
            },
            Subject::Hooks,
        ),
        step(Op::DeleteChain(Chain::choice(1)), Subject::Hairpin),
    ];
    match socket.try_commit(TABLE, &steps) {
        Err(Failed::Refused(Some(Subject::Hairpin), _)) => Ok(Ok(())),
        Err(Failed::Refused(_, source)) => Ok(Err(source.to_string())),
        Err(failed @ Failed::Unsent(_)) => Err(failed.into()),
        // It cannot be, since the last step deletes what is not there.
        Ok(()) => Ok(Err("the trial's batch was taken".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn a_trial_says_which_form_there_is_and_leaves_no_table() {
        let tried = in_namespace(|| {
            let first = attempt()?;
            let mut socket = Netfilter::open()?;
            let left = super::super::read::table(&mut socket, TABLE)?;
            Ok((first, left.is_some()))
        });
        match tried.unwrap() {
            Some((form, left)) => {
                assert!(form.is_ok(), "{form:?}");
                assert!(!left);
            }
            None => eprintln!("SKIPPED: no network namespace can be made (run as root)"),
        }
    }
}
