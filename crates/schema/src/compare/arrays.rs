//! Keywords about arrays. Each draft writes tuples in its own way; here an array has first items, and the rest.

use serde_json::Value;

use super::document::{Draft, NodeId};
use super::facts::Kinds;
use super::number::count;
use super::prover::{Conj, Proof, Prover, Site, Step, merge, with};

/// Positions beyond this one are not told apart.
const MOST_ITEMS: usize = 1_000;

/// What one node says of items.
struct Items {
    first: Vec<NodeId>,
    rest: Option<NodeId>,
}

impl<'a> Prover<'a> {
    fn items(&mut self, id: NodeId) -> Items {
        let (tuple, rest) = self.items_keywords(id);
        Items { first: self.arena.list(id, tuple), rest: self.arena.child(id, rest) }
    }

    /// The keywords of the first items and of the rest.
    fn items_keywords(&self, id: NodeId) -> (&'static str, &'static str) {
        let tuple = if self.arena.draft(id) == Draft::Twenty { "prefixItems" } else { "items" };
        let listed = self.arena.keyword(id, tuple).is_some_and(Value::is_array);
        let rest = if self.arena.draft(id) < Draft::Twenty && listed { "additionalItems" } else { "items" };
        // Where nothing beside it can have looked at an item, whatever is left over is the rest.
        let free = [
            "$ref",
            "$recursiveRef",
            "$dynamicRef",
            "allOf",
            "anyOf",
            "oneOf",
            "if",
            "dependentSchemas",
            "contains",
            "additionalItems",
        ];
        let left = self.arena.keyword(id, rest).is_none()
            && free.iter().all(|key| self.arena.keyword(id, key).is_none());
        (tuple, if left { "unevaluatedItems" } else { rest })
    }

    /// What the item at a position has passed.
    pub(super) fn item(&mut self, conj: &Conj, position: usize) -> Conj {
        let mut passed = Vec::new();
        for atom in &self.facts(conj).atoms {
            let items = self.items(*atom);
            passed.extend(items.first.get(position).copied().or(items.rest));
        }
        with(&passed, &[])
    }

    /// From here on all positions are alike.
    pub(super) fn tail(&mut self, conj: &Conj) -> usize {
        let facts = self.facts(conj);
        facts.atoms.iter().map(|atom| self.items(*atom).first.len()).max().unwrap_or(0)
    }

    /// The length that the items allow: none is behind one that cannot be.
    pub(super) fn last_item(&mut self, conj: &Conj, levels: u32) -> Option<u64> {
        let tail = self.tail(conj).min(MOST_ITEMS);
        (0..=tail).find_map(|position| {
            let item = self.item(conj, position);
            self.kinds_within(&item, levels).is_empty().then_some(position as u64)
        })
    }

    /// How many items `contains` makes sure of.
    pub(super) fn contained(&mut self, conj: &Conj) -> Option<u64> {
        let facts = self.facts(conj);
        facts.atoms.iter().filter_map(|atom| self.contains(*atom).map(|(_, least, _)| least)).max()
    }

    /// What has to be contained, how often at least, and at most.
    fn contains(&mut self, id: NodeId) -> Option<(NodeId, u64, Option<u64>)> {
        let what = self.arena.child(id, "contains")?;
        let least = self.arena.keyword(id, "minContains").and_then(count).unwrap_or(1);
        Some((what, least, self.arena.keyword(id, "maxContains").and_then(count)))
    }

    pub(super) fn items_hold(&mut self, site: &Site, keyword: &str) -> Proof {
        let (tuple, rest) = self.items_keywords(site.target);
        let items = self.items(site.target);
        if !site.kinds.has(Kinds::ARRAY) || keyword != tuple && keyword != rest {
            return Ok(());
        }
        let longest = self.count(&site.conj, "maxItems").unwrap_or(u64::MAX);
        let tail = self.tail(&site.conj).max(items.first.len()).min(MOST_ITEMS);
        let mut findings = Vec::new();
        for position in 0..=tail {
            let own = items.first.get(position).copied().filter(|_| keyword == tuple);
            let left = items.rest.filter(|_| keyword == rest && position >= items.first.len());
            let Some(target) = own.or(left) else { continue };
            if position as u64 >= longest {
                break;
            }
            let item = self.item(&site.conj, position);
            if let Err(found) = self.inside(site, Step::Item(position), &item, Kinds::ALL, target) {
                merge(&mut findings, found);
            }
        }
        if items.first.len() > MOST_ITEMS {
            findings.push(self.finding(site, keyword, "the items are too many to compare"));
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }

    pub(super) fn unique_holds(&mut self, site: &Site) -> Proof {
        let own = self.arena.keyword(site.target, "uniqueItems") == Some(&Value::Bool(true));
        let facts = self.facts(&site.conj);
        let said = facts
            .atoms
            .iter()
            .any(|atom| self.arena.keyword(*atom, "uniqueItems") == Some(&Value::Bool(true)));
        let short = self.count(&site.conj, "maxItems").is_some_and(|most| most <= 1);
        if !own || said || short || !site.kinds.has(Kinds::ARRAY) {
            return Ok(());
        }
        Err(vec![self.finding(site, "uniqueItems", "items that are equal were accepted")])
    }

    pub(super) fn contains_holds(&mut self, site: &Site) -> Proof {
        let Some((what, least, most)) = self.contains(site.target) else { return Ok(()) };
        if !site.kinds.has(Kinds::ARRAY) {
            return Ok(());
        }
        let mut findings = Vec::new();
        if least > 0 && !self.contains_enough(site, what, least) {
            let keyword = if least == 1 { "contains" } else { "minContains" };
            findings.push(self.finding(
                site,
                keyword,
                format!("nothing says that {least} such items are there"),
            ));
        }
        if let Some(most) = most
            && !self.contains_few(site, what, most)
        {
            findings.push(self.finding(
                site,
                "maxContains",
                format!("more than {most} such items were accepted"),
            ));
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }

    fn contains_enough(&mut self, site: &Site, what: NodeId, least: u64) -> bool {
        for atom in &self.facts(&site.conj).atoms {
            if let Some((other, others, _)) = self.contains(*atom)
                && others >= least
                && self.inside(site, Step::Item(0), &with(&[other], &[]), Kinds::ALL, what).is_ok()
            {
                return true;
            }
        }
        let Some(shortest) = self.count(&site.conj, "minItems").filter(|shortest| *shortest >= least) else {
            return false;
        };
        let tail = self.tail(&site.conj).min(MOST_ITEMS) as u64;
        let mut found = 0;
        for position in 0..shortest.min(tail + 1) {
            let item = self.item(&site.conj, position as usize);
            if self.inside(site, Step::Item(position as usize), &item, Kinds::ALL, what).is_ok() {
                // Behind the last position that is told apart, all items are alike.
                found += if position == tail { shortest - tail } else { 1 };
            }
        }
        found >= least
    }

    fn contains_few(&mut self, site: &Site, what: NodeId, most: u64) -> bool {
        if self.count(&site.conj, "maxItems").is_some_and(|longest| longest <= most) {
            return true;
        }
        for atom in &self.facts(&site.conj).atoms {
            if let Some((other, _, Some(others))) = self.contains(*atom)
                && others <= most
                && self.inside(site, Step::Item(0), &with(&[what], &[]), Kinds::ALL, other).is_ok()
            {
                return true;
            }
        }
        false
    }
}
