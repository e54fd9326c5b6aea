//! Which rules packets get to from a base chain. Pure.

use std::collections::{BTreeSet, HashMap};

use nftables::expr::{Expression, NamedExpression};
use nftables::schema::{Chain, NfListObject, Rule};
use nftables::stmt::Statement;
use nftables::types::NfFamily;

/// Family, table and name of a chain.
type Name<'a> = (NfFamily, &'a str, &'a str);

/// Chains with their rules.
pub(super) struct Chains<'a> {
    chains: Vec<&'a Chain<'static>>,
    rules: HashMap<Name<'a>, Vec<&'a Rule<'static>>>,
}

impl<'a> Chains<'a> {
    /// Those among the objects.
    pub(super) fn of(objects: impl Iterator<Item = &'a NfListObject<'static>>) -> Self {
        let (mut chains, mut rules) = (Vec::new(), HashMap::<_, Vec<_>>::new());
        for object in objects {
            match object {
                NfListObject::Chain(chain) => chains.push(chain),
                NfListObject::Rule(rule) => {
                    let name = (rule.family, &*rule.table, &*rule.chain);
                    rules.entry(name).or_default().push(rule);
                }
                _ => {}
            }
        }
        Self { chains, rules }
    }

    /// The base chains.
    pub(super) fn base(&self) -> impl Iterator<Item = &'a Chain<'static>> {
        let chains = self.chains.iter().copied();
        chains.filter(|chain| chain.hook.is_some())
    }

    /// The rules that some packet may get to from a chain.
    pub(super) fn reached(
        &self,
        from: &'a Chain<'static>,
    ) -> impl Iterator<Item = &'a Rule<'static>> {
        self.walk(from, false)
    }

    /// The rules that every packet gets to, unless an earlier one has ended its way.
    pub(super) fn always_reached(
        &self,
        from: &'a Chain<'static>,
    ) -> impl Iterator<Item = &'a Rule<'static>> {
        self.walk(from, true)
    }

    /// `always`: only by jumps without a condition.
    fn walk(
        &self,
        from: &'a Chain<'static>,
        always: bool,
    ) -> impl Iterator<Item = &'a Rule<'static>> {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![&*from.name];
        let mut reached = Vec::new();
        while let Some(chain) = waiting.pop() {
            if !seen.insert(chain) {
                continue;
            }
            let rules = self.rules.get(&(from.family, &*from.table, chain));
            for rule in rules.into_iter().flatten() {
                reached.push(*rule);
                waiting.extend(jumps(rule, always));
                if always && ends(rule) {
                    break;
                }
            }
        }
        reached.into_iter()
    }
}

/// What a rule does with every packet that gets to it, apart from counting and logging it: its first other statement.
pub(super) fn outcome<'a>(rule: &'a Rule<'static>) -> Option<&'a Statement<'static>> {
    let mut statements = rule.expr.iter();
    statements.find(|it| !matches!(it, Statement::Counter(_) | Statement::Log(_)))
}

/// Whether no packet gets past a rule.
fn ends(rule: &Rule<'static>) -> bool {
    let ends = |it| {
        matches!(
            it,
            &(Statement::Accept(_) | Statement::Return(_) | Statement::Goto(_))
        )
    };
    outcome(rule).is_some_and(ends)
}

/// The chains to which a rule leads; `always`: if it has no condition.
fn jumps<'a>(rule: &'a Rule<'static>, always: bool) -> impl Iterator<Item = &'a str> {
    let statements: Vec<&Statement<'static>> = match always {
        true => outcome(rule).into_iter().collect(),
        false => rule.expr.iter().collect(),
    };
    statements
        .into_iter()
        .filter_map(|statement| match statement {
            Statement::Jump(to) | Statement::Goto(to) => Some(&*to.target),
            _ => None,
        })
}

/// Whether this is the connection mark.
pub(super) fn is_ct_mark(expression: &Expression<'static>) -> bool {
    matches!(expression, Expression::Named(NamedExpression::CT(ct)) if ct.key == "mark")
}
