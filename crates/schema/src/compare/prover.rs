//! The prover: whether everything that a conjunction of sub-schemas accepts is accepted by one other sub-schema.
//!
//! The side that sends is a set of nodes a value has passed, because what is known about one value comes from many places. A set
//! may be thinned out at will: fewer facts prove less, never more. The side that takes is one node, walked keyword by keyword.
//!
//! Recursive schemas: a question that comes up again *inside* a value it was asked about is answered yes. Documents are finite,
//! so were there a refused document, there would be a smallest one, and its parts hold no refused one. A question that comes up
//! again about the *same* value proves nothing and is left unproven.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use serde_json::Value;

use super::MOST_BREAKS;
use super::document::{Arena, NodeId};
use super::equal::{CONDITION, KEYWORDS};
use super::facts::{Facts, Kinds};
use super::oracle::Oracle;

/// What a value has passed: sorted, each node once.
pub(super) type Conj = Rc<[NodeId]>;

/// Questions asked of the schemas before the answer is unknown.
const MOST_STEPS: u32 = 200_000;
/// Questions within questions.
const MOST_LEVELS: u32 = 100;
/// Case distinctions within case distinctions.
const MOST_SPLITS: u32 = 3;

/// A way into a value.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Property(String),
    Item(usize),
    /// The name of a property.
    Name,
}

/// Where a question was asked: what the value has passed, and what it has to pass.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) conj: Conj,
    pub(super) kinds: Kinds,
    pub(super) target: NodeId,
}

/// What could not be proven, and where.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) path: String,
    pub(super) keyword: String,
    pub(super) reason: String,
    pub(super) site: Site,
    /// Values of the site that are known to fail.
    pub(super) values: Vec<Value>,
    /// Nodes with which a value of the site is more likely to fail.
    pub(super) hints: Vec<NodeId>,
    /// The way out to the document, innermost first.
    pub(super) climb: Vec<(Step, Site)>,
}

/// Proven, or what stands against it.
pub(super) type Proof = Result<(), Vec<Finding>>;

type Question = (Conj, Kinds, NodeId);

enum Answer {
    Open { inside: u32, used: bool },
    Proven,
    Failed(Rc<Vec<Finding>>),
}

pub(super) struct Prover<'a> {
    pub(super) arena: Arena<'a>,
    pub(super) oracle: Oracle<'a>,
    pub(super) equals: HashMap<(NodeId, NodeId), bool>,
    pub(super) facts: HashMap<Conj, Rc<Facts>>,
    pub(super) known_kinds: HashMap<(Conj, u32), Kinds>,
    pub(super) open_kinds: HashSet<Conj>,
    pub(super) known_values: HashMap<Conj, Option<Rc<Vec<Value>>>>,
    pub(super) known_samples: HashMap<(Conj, u32), Rc<Vec<Value>>>,
    pub(super) known_examples: HashMap<(Conj, u32), Option<Value>>,
    /// The values in the samples that are kept.
    pub(super) sampled: usize,
    /// How often a question was answered by being open: a fact found meanwhile may rest on it.
    pub(super) assumed: u32,
    /// How deep inside the document the present value lies.
    pub(super) inside: u32,
    answers: HashMap<Question, Answer>,
    proven: Vec<Question>,
    steps: u32,
    level: u32,
}

impl<'a> Prover<'a> {
    pub(super) fn new(arena: Arena<'a>, oracle: Oracle<'a>) -> Self {
        Self {
            arena,
            oracle,
            equals: HashMap::new(),
            facts: HashMap::new(),
            known_kinds: HashMap::new(),
            open_kinds: HashSet::new(),
            known_values: HashMap::new(),
            known_samples: HashMap::new(),
            known_examples: HashMap::new(),
            sampled: 0,
            assumed: 0,
            inside: 0,
            answers: HashMap::new(),
            proven: Vec::new(),
            steps: 0,
            level: 0,
        }
    }

    /// Takes a step; false where none is left.
    pub(super) fn step(&mut self) -> bool {
        self.steps += 1;
        self.steps <= MOST_STEPS
    }

    /// Takes many steps.
    pub(super) fn spend(&mut self, steps: usize) {
        self.steps = self.steps.saturating_add(u32::try_from(steps).unwrap_or(u32::MAX));
    }

    /// Gives the steps back.
    pub(super) fn rewind(&mut self) {
        self.steps = 0;
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.steps > MOST_STEPS
    }

    /// Whether every value of these kinds that has passed `conj` passes `target`.
    pub(super) fn subset(&mut self, conj: &Conj, kinds: Kinds, target: NodeId) -> Proof {
        let site = Site { conj: Rc::clone(conj), kinds, target };
        if !self.step() {
            return Err(vec![self.finding(&site, "", "the comparison took too many steps")]);
        }
        if self.arena.value(target) == &Value::Bool(true) || conj.contains(&target) {
            return Ok(());
        }
        let facts = self.facts(conj);
        if facts.atoms.contains(&target) {
            return Ok(());
        }
        let kinds = self.kinds(conj) & kinds;
        if kinds.is_empty() {
            return Ok(());
        }
        let question = (Rc::clone(conj), kinds, target);
        match self.answers.get_mut(&question) {
            Some(Answer::Proven) => return Ok(()),
            Some(Answer::Failed(findings)) => {
                let findings = Vec::clone(findings);
                self.spend(findings.len());
                return Err(findings);
            }
            Some(Answer::Open { inside, used }) => {
                if *inside < self.inside {
                    *used = true;
                    self.assumed += 1;
                    return Ok(());
                }
                return Err(vec![self.finding(&site, "", "the schema asks about itself without end")]);
            }
            None => {}
        }
        if self.level >= MOST_LEVELS {
            return Err(vec![self.finding(&site, "", "the schemas are nested too deeply to compare")]);
        }
        if facts.atoms.iter().chain(conj.iter()).any(|atom| self.same(*atom, target)) {
            return Ok(());
        }
        self.answers.insert(question.clone(), Answer::Open { inside: self.inside, used: false });
        let mark = self.proven.len();
        self.level += 1;
        let proof = self.keywords(&Site { kinds, ..site });
        self.level -= 1;
        let answer = match &proof {
            Ok(()) => {
                self.proven.push(question.clone());
                Answer::Proven
            }
            Err(findings) => Answer::Failed(Rc::new(findings.clone())),
        };
        let open = self.answers.insert(question, answer);
        if proof.is_err() && matches!(open, Some(Answer::Open { used: true, .. })) {
            self.forget(mark);
        }
        proof
    }

    /// Forgets what was proven since, because it may rest on an answer that turned out to be no.
    fn forget(&mut self, mark: usize) {
        for question in self.proven.drain(mark..) {
            self.answers.remove(&question);
        }
        self.known_kinds.clear();
    }

    fn keywords(&mut self, site: &Site) -> Proof {
        if let Some(values) = self.values(&site.conj, site.kinds)
            && values
                .iter()
                .all(|value| self.oracle.accepts(&mut self.arena, site.target, value) == Some(true))
        {
            return Ok(());
        }
        if self.arena.value(site.target) == &Value::Bool(false) {
            let mut finding = self.finding(site, "", "nothing is accepted here");
            finding.keyword = "false".to_owned();
            return Err(vec![finding]);
        }
        let mut findings = Vec::new();
        for keyword in KEYWORDS.iter().chain(&CONDITION[..1]) {
            if self.arena.keyword(site.target, keyword).is_some()
                && let Err(found) = self.in_any_case(site, keyword, 0)
            {
                merge(&mut findings, found);
            }
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }

    /// One keyword: directly, or in each case of what the value has passed.
    fn in_any_case(&mut self, site: &Site, keyword: &'static str, splits: u32) -> Proof {
        let kinds = self.kinds(&site.conj) & site.kinds;
        if kinds.is_empty() {
            return Ok(());
        }
        let site = &Site { kinds, ..site.clone() };
        let Err(mut best) = self.hold(site, keyword) else { return Ok(()) };
        if splits == MOST_SPLITS || !self.step() {
            return Err(best);
        }
        let mut cases: Vec<Vec<Site>> = Vec::new();
        for branches in &self.facts(&site.conj).choices {
            // A case that is already taken says no more.
            if branches.iter().all(|branch| !site.conj.contains(branch)) {
                let case = |branch: &NodeId| Site { conj: with(&site.conj, &[*branch]), ..site.clone() };
                cases.push(branches.iter().map(case).collect());
            }
        }
        if matches!(keyword, "anyOf" | "oneOf" | "not" | "if") && kinds.groups().len() > 1 {
            cases.push(kinds.groups().into_iter().map(|kinds| Site { kinds, ..site.clone() }).collect());
        }
        for case in cases {
            let mut findings = Vec::new();
            for site in &case {
                if let Err(found) = self.in_any_case(site, keyword, splits + 1) {
                    merge(&mut findings, found);
                }
            }
            if findings.is_empty() {
                return Ok(());
            }
            // The fewer, the closer to what really stands in the way.
            if findings.len() < best.len() || findings.iter().any(|finding| !finding.values.is_empty()) {
                best = findings;
            }
        }
        Err(best)
    }

    fn hold(&mut self, site: &Site, keyword: &'static str) -> Proof {
        if self.is_exhausted() {
            return Err(vec![self.finding(site, keyword, "the comparison took too many steps")]);
        }
        if let Some(values) = self.values(&site.conj, site.kinds)
            && let Some(proof) = self.values_hold(site, keyword, &values)
        {
            return proof;
        }
        match keyword {
            "$ref" | "$dynamicRef" | "$recursiveRef" => self.reference_holds(site, keyword),
            "allOf" => self.all_hold(site),
            "anyOf" => self.any_holds(site),
            "oneOf" => self.one_holds(site),
            "not" => self.not_holds(site),
            "if" => self.condition_holds(site),
            "type" => self.type_holds(site),
            "enum" | "const" => Err(vec![self.finding(site, keyword, "other values were accepted")]),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
                self.limit_holds(site, keyword)
            }
            "multipleOf" => self.multiple_holds(site),
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
                self.count_holds(site, keyword)
            }
            "pattern" | "format" | "contentEncoding" | "contentMediaType" => self.text_holds(site, keyword),
            "uniqueItems" => self.unique_holds(site),
            "prefixItems" | "items" | "additionalItems" => self.items_hold(site, keyword),
            "contains" => self.contains_holds(site),
            "required" => self.required_holds(site),
            "propertyNames" => self.names_hold(site),
            "properties" => self.properties_hold(site),
            "patternProperties" => self.pattern_properties_hold(site),
            "additionalProperties" => self.additional_properties_hold(site, keyword),
            "unevaluatedProperties" | "unevaluatedItems" => self.unevaluated_holds(site, keyword),
            "dependentRequired" | "dependentSchemas" | "dependencies" => self.dependents_hold(site, keyword),
            // Read with the keyword they stand beside.
            _ => Ok(()),
        }
    }

    /// Asks about a part of the value, one step inside.
    pub(super) fn inside(
        &mut self,
        site: &Site,
        step: Step,
        conj: &Conj,
        kinds: Kinds,
        target: NodeId,
    ) -> Proof {
        self.inside += 1;
        let proof = self.subset(conj, kinds, target);
        self.inside -= 1;
        proof.map_err(|mut findings| {
            self.spend(findings.len());
            for finding in &mut findings {
                finding.climb.push((step.clone(), site.clone()));
            }
            findings
        })
    }

    /// A finding at a keyword of the target, at the schema itself where it is empty.
    pub(super) fn finding(&self, site: &Site, keyword: &str, reason: impl Into<String>) -> Finding {
        let pointer = self.arena.pointer(site.target);
        Finding {
            path: if keyword.is_empty() { pointer.to_string() } else { format!("{pointer}/{keyword}") },
            keyword: keyword.to_owned(),
            reason: reason.into(),
            site: site.clone(),
            values: Vec::new(),
            hints: Vec::new(),
            climb: Vec::new(),
        }
    }
}

/// The conjunction with more nodes.
pub(super) fn with(conj: &[NodeId], more: &[NodeId]) -> Conj {
    let mut nodes = [conj, more].concat();
    nodes.sort_unstable();
    nodes.dedup();
    Rc::from(nodes)
}

/// Adds findings. A path is kept a few times, because a witness may be in reach from one place and not from another.
pub(super) fn merge(findings: &mut Vec<Finding>, more: Vec<Finding>) {
    for finding in more {
        let twins = findings.iter().filter(|other| other.path == finding.path).count();
        if findings.len() < MOST_BREAKS && twins < 4 {
            findings.push(finding);
        }
    }
}
