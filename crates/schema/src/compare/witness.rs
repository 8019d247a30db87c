//! The verdict: each finding becomes a break, and is certain once a document shows it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::document::NodeId;
use super::facts::Kinds;
use super::prover::{Finding, Prover, Site, Step, with};
use super::{Break, BreakKind, Comparison, Compatibility};

/// Values of one finding that are tried as documents.
const MOST_TRIALS: usize = 60;
/// What all findings may try together.
const MOST_TRIALS_OF_ALL: usize = 20_000;

/// Compares, and looks for a witness of each finding.
pub(super) fn verdict(mut prover: Prover<'_>, [sent, taken]: [NodeId; 2]) -> Comparison {
    if prover.same(sent, taken) {
        return Comparison { compatible: Compatibility::Yes, breaks: Vec::new() };
    }
    let Err(findings) = prover.subset(&with(&[sent], &[]), Kinds::ALL, taken) else {
        return Comparison { compatible: Compatibility::Yes, breaks: Vec::new() };
    };
    // The proof has its own budget; a finding late in it deserves a witness as well.
    prover.rewind();
    let mut trials = 0;
    let mut broken = false;
    let mut breaks: BTreeMap<String, Break> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for finding in findings {
        let known = breaks.get(&finding.path);
        if known.is_some_and(|known| known.kind == BreakKind::Broken) {
            continue;
        }
        let found = prover.witness(&finding, [sent, taken], &mut trials);
        broken |= found.is_some();
        let kind = if found == Some(true) { BreakKind::Broken } else { BreakKind::Unproven };
        if known.is_none() {
            order.push(finding.path.clone());
        } else if kind == BreakKind::Unproven {
            continue;
        }
        let Finding { path, keyword, reason, .. } = finding;
        breaks.insert(path.clone(), Break { path, uri: None, keyword, reason, kind });
    }
    let mut breaks: Vec<Break> = order.into_iter().filter_map(|path| breaks.remove(&path)).collect();
    if broken && breaks.iter().all(|one| one.kind == BreakKind::Unproven) {
        // A document is refused, only not where the finding pointed at.
        if let Some(first) = breaks.first_mut() {
            first.kind = BreakKind::Broken;
        }
    }
    let compatible = if broken { Compatibility::No } else { Compatibility::Unknown };
    Comparison { compatible, breaks }
}

impl<'a> Prover<'a> {
    /// Looks for a document that the one schema accepts and the other refuses: `Some(true)` where it is refused at the finding.
    fn witness(&mut self, finding: &Finding, roots: [NodeId; 2], trials: &mut usize) -> Option<bool> {
        let site = &finding.site;
        let both = with(&site.conj, &[site.target]);
        let mut values = finding.values.clone();
        if !finding.hints.is_empty() {
            values.extend(self.samples(&with(&site.conj, &finding.hints), 0).iter().cloned());
        }
        values.extend(self.samples(&both, 0).iter().cloned());
        values.extend(self.samples(&site.conj, 0).iter().cloned());
        let mut kept: Vec<Value> = Vec::new();
        for value in values {
            let fits = Kinds::of(&value).within(site.kinds) && !kept.contains(&value);
            if fits
                && kept.len() < MOST_TRIALS
                && self.oracle.accepts(&mut self.arena, site.target, &value) != Some(true)
                && self.passes(&site.conj, &value)
            {
                kept.push(value);
            }
        }
        let mut anywhere = None;
        for value in kept {
            *trials += 1;
            if *trials > MOST_TRIALS_OF_ALL {
                break;
            }
            let mut document = value;
            for (step, site) in &finding.climb {
                document = self.around(step, site, &finding.hints, document)?;
            }
            let [sent, taken] = roots;
            if self.oracle.accepts(&mut self.arena, sent, &document) == Some(true)
                && self.oracle.accepts(&mut self.arena, taken, &document) == Some(false)
            {
                let refusals = self.oracle.refusals(&mut self.arena, taken, &document).unwrap_or_default();
                // What is refused in a branch is reported at the keyword with the branches.
                if refusals
                    .iter()
                    .any(|one| leads(&one.path, &finding.path) || leads(&finding.path, &one.path))
                {
                    return Some(true);
                }
                anywhere = Some(false);
            }
        }
        anywhere
    }

    /// A value of the site with this part inside.
    fn around(&mut self, step: &Step, site: &Site, hints: &[NodeId], part: Value) -> Option<Value> {
        let both = with(&site.conj, &[site.target]);
        let mut bases = vec![self.example(&both, 1)];
        if !hints.is_empty() {
            bases.extend(self.samples(&with(&both, hints), 1).iter().cloned().map(Some));
        }
        bases.extend(self.samples(&both, 1).iter().cloned().map(Some));
        bases.extend(self.samples(&site.conj, 1).iter().cloned().map(Some));
        let array = matches!(step, Step::Item(_));
        let fits = |base: &Value| if array { base.is_array() } else { base.is_object() };
        let mut fallback = None;
        let empty = if array { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        for base in bases.into_iter().flatten().chain([empty]).filter(fits) {
            let whole = self.placed(step, site, base, part.clone());
            if self.passes(&site.conj, &whole) {
                if self.oracle.accepts(&mut self.arena, site.target, &whole) != Some(true) {
                    return Some(whole);
                }
                fallback = Some(whole);
            }
        }
        fallback
    }

    fn placed(&mut self, step: &Step, site: &Site, base: Value, part: Value) -> Value {
        match (step, base) {
            (Step::Property(name), Value::Object(mut map)) => {
                map.insert(name.clone(), part);
                Value::Object(map)
            }
            (Step::Name, Value::Object(mut map)) => {
                if let Value::String(name) = part {
                    let property = self.property(&site.conj, &name);
                    let value = self.example(&property, 1).unwrap_or(Value::Null);
                    map.insert(name, value);
                }
                Value::Object(map)
            }
            (Step::Item(position), Value::Array(mut list)) => {
                while list.len() <= *position && list.len() < 1_000 {
                    let item = self.item(&site.conj, list.len());
                    list.push(self.example(&item, 1).unwrap_or(Value::Null));
                }
                if let Some(place) = list.get_mut(*position) {
                    *place = part;
                }
                Value::Array(list)
            }
            (_, base) => base,
        }
    }
}

/// Whether one pointer is the start of the other.
fn leads(start: &str, path: &str) -> bool {
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
