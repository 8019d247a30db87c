//! References and keywords that combine sub-schemas.

use super::document::NodeId;
use super::facts::Kinds;
use super::prover::{Proof, Prover, Site, merge, with};

impl<'a> Prover<'a> {
    pub(super) fn reference_holds(&mut self, site: &Site, keyword: &str) -> Proof {
        match self.arena.references(site.target).into_iter().find(|(name, _)| *name == keyword) {
            Some((_, Some(target))) => self.subset(&site.conj, site.kinds, target),
            _ => Err(vec![self.finding(site, keyword, "where the reference leads is not in the document")]),
        }
    }

    pub(super) fn all_hold(&mut self, site: &Site) -> Proof {
        let mut findings = Vec::new();
        for target in self.arena.list(site.target, "allOf") {
            if let Err(found) = self.subset(&site.conj, site.kinds, target) {
                merge(&mut findings, found);
            }
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }

    pub(super) fn any_holds(&mut self, site: &Site) -> Proof {
        for branch in self.arena.list(site.target, "anyOf") {
            if self.subset(&site.conj, site.kinds, branch).is_ok() {
                return Ok(());
            }
        }
        Err(vec![self.finding(site, "anyOf", "some of what was accepted was found in no branch")])
    }

    /// One branch takes everything and no other branch takes anything of it.
    pub(super) fn one_holds(&mut self, site: &Site) -> Proof {
        let branches = self.arena.list(site.target, "oneOf");
        let facts = self.facts(&site.conj);
        for choices in &facts.choices {
            if choices.len() == branches.len() && self.is_one_of_as_well(&facts.atoms, choices, &branches) {
                return Ok(());
            }
        }
        let mut found = false;
        for (i, branch) in branches.iter().enumerate() {
            if self.subset(&site.conj, site.kinds, *branch).is_err() {
                continue;
            }
            found = true;
            let others = branches.iter().enumerate().filter(|(other, _)| *other != i);
            let mut clear = true;
            for (_, other) in others {
                clear = clear && !self.meets(site, *other);
            }
            if clear {
                return Ok(());
            }
        }
        let reason = if found {
            "more than one branch may take what was accepted"
        } else {
            "some of what was accepted was found in no branch"
        };
        Err(vec![self.finding(site, "oneOf", reason)])
    }

    /// Whether these choices are the `oneOf` of an atom, and the same branches, in any order.
    fn is_one_of_as_well(&mut self, atoms: &[NodeId], choices: &[NodeId], branches: &[NodeId]) -> bool {
        let exclusive = atoms.iter().any(|atom| self.arena.list(*atom, "oneOf") == choices);
        // A branch may be there twice, so both ways.
        let mut left = branches.to_vec();
        exclusive
            && choices.iter().all(|choice| {
                let twin = left.iter().position(|branch| self.same(*choice, *branch));
                twin.map(|at| left.swap_remove(at)).is_some()
            })
    }

    /// Whether a value of the site may pass the node as well.
    fn meets(&mut self, site: &Site, other: NodeId) -> bool {
        let both = with(&site.conj, &[other]);
        let kinds = self.kinds(&both) & site.kinds;
        if let Some(values) = self.values(&both, kinds) {
            return !values.is_empty();
        }
        !kinds.is_empty()
    }

    pub(super) fn not_holds(&mut self, site: &Site) -> Proof {
        let Some(not) = self.arena.child(site.target, "not") else { return Ok(()) };
        if !self.meets(site, not) {
            return Ok(());
        }
        let both = with(&site.conj, &[not]);
        for other in &self.facts(&site.conj).nots {
            // What this one forbids is forbidden already.
            if self.subset(&both, site.kinds, *other).is_ok() {
                return Ok(());
            }
        }
        Err(vec![self.finding(site, "not", "some of what was accepted may be what is forbidden now")])
    }

    pub(super) fn condition_holds(&mut self, site: &Site) -> Proof {
        let Some(condition) = self.arena.child(site.target, "if") else { return Ok(()) };
        let then = self.arena.child(site.target, "then");
        let otherwise = self.arena.child(site.target, "else");
        let mut findings = Vec::new();
        for (keyword, target) in [("then", then), ("else", otherwise)] {
            let Some(target) = target else { continue };
            let mut more = if keyword == "then" { vec![condition] } else { Vec::new() };
            for atom in &self.facts(&site.conj).atoms {
                if let Some(other) = self.arena.child(*atom, "if")
                    && self.same(other, condition)
                {
                    more.extend(self.arena.child(*atom, keyword));
                }
            }
            if keyword == "else" && self.subset(&site.conj, site.kinds, condition).is_ok() {
                continue;
            }
            if let Err(found) = self.subset(&with(&site.conj, &more), site.kinds & Kinds::ALL, target) {
                merge(&mut findings, found);
            }
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }
}
