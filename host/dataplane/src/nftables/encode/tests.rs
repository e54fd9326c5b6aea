use super::*;
use crate::nftables::element::Element;
use crate::nftables::expression::Family;
use crate::nftables::offload;
use crate::nftables::slot_rule::{SlotChoice, SlotRule};
use crate::nftables::wire::Messages;

fn slots(n: u32) -> Vec<NftStep> {
    (0..n)
        .map(|slot| NftStep {
            subject: Subject::Hairpin,
            op: NftOp::Add(Element::Slot { slot, mark: 1 }),
        })
        .collect()
}

#[test]
fn elements_of_one_set_share_a_message_up_to_what_one_can_hold() {
    let batch = Batch::new("t", 10, &slots(700));
    let kinds: Vec<_> = Messages::new(&batch.bytes).map(|m| m.kind).collect();
    let new = kind::NEW_ELEMENT;
    assert_eq!(kinds, [kind::BATCH_BEGIN, new, new, new, kind::BATCH_END]);
    assert_eq!(batch.last_seq(), 13);
}

#[test]
fn interfaces_share_a_message_up_to_what_the_kernel_takes() {
    let names: Vec<String> = (0..300).map(|n| format!("eth{n}")).collect();
    let steps = [
        NftOp::DeleteInterfaces(names.clone()),
        NftOp::AddInterfaces(names),
    ]
    .map(|op| NftStep {
        subject: Subject::Offload,
        op,
    });
    let batch = Batch::new("t", 1, &steps);
    let messages: Vec<_> = Messages::new(&batch.bytes).collect();
    let of = |kind| messages.iter().filter(move |m| m.kind == kind);
    assert_eq!(of(kind::DEL_FLOWTABLE).count(), 3);
    let added: usize = of(kind::NEW_FLOWTABLE)
        .map(|m| offload::interfaces(m.attributes()).len())
        .sum();
    assert_eq!(added, 300);
}

#[test]
fn only_the_last_message_asks_for_an_answer_and_every_number_has_its_subject() {
    let key = evenkeel_core::model::ServiceKey {
        addr: [10, 0, 0, 1].into(),
        port: 80,
        protocol: evenkeel_core::model::Protocol::Tcp,
    };
    let rule = SlotRule {
        choice: SlotChoice::Refuse,
        snat: false,
    };
    let subject = Subject::Service(key);
    let mut steps = slots(2);
    let family = Family::V4;
    steps.push(NftStep {
        subject,
        op: NftOp::SetSlotRule {
            chain: 1,
            family,
            rule,
        },
    });
    let batch = Batch::new("t", u32::MAX, &steps);
    let acknowledged: Vec<_> = Messages::new(&batch.bytes)
        .filter(|m| m.flags & flags::ACK != 0)
        .map(|m| m.seq)
        .collect();
    assert_eq!(acknowledged, [batch.last_seq()]);
    assert_eq!(batch.subject(0), Some(Subject::Hairpin));
    assert_eq!(batch.subject(batch.last_seq()), Some(subject));
    assert_eq!(batch.subject(u32::MAX), None);
}
