//! Values worth trying: those near the limits that two sub-schemas set. Only guesses: each is tried before it is used.

use std::rc::Rc;

use serde_json::{Map, Number, Value, json};

use super::document::NodeId;
use super::facts::Kinds;
use super::number::count;
use super::prover::{Conj, Prover, with};
use super::weight::extent;

/// Values of one site.
const MOST_SAMPLES: usize = 300;
/// Values within values.
const MOST_LEVELS: u32 = 4;
/// Values that are kept for the next question, all in all.
const MOST_REMEMBERED: usize = 500_000;
/// Longer strings and lists are not built.
const LONGEST: u64 = 4_096;

const TEXTS: [&str; 16] = [
    "",
    "a",
    "A",
    "0",
    "ab",
    "hello world",
    "2024-02-29",
    "2024-02-29T12:00:00Z",
    "12:00:00Z",
    "a@example.com",
    "https://example.com/a",
    "example.com",
    "127.0.0.1",
    "::1",
    "123e4567-e89b-12d3-a456-426614174000",
    "é",
];

impl<'a> Prover<'a> {
    /// Values that the nodes are likely to accept or to refuse narrowly.
    pub(super) fn samples(&mut self, nodes: &Conj, levels: u32) -> Rc<Vec<Value>> {
        let key = (Rc::clone(nodes), levels);
        if let Some(samples) = self.known_samples.get(&key) {
            return Rc::clone(samples);
        }
        let samples = Rc::new(self.new_samples(nodes, levels));
        let size = samples.iter().map(|value| extent(value, 0).0).sum::<u64>();
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        self.spend(size / 16);
        self.sampled = self.sampled.saturating_add(size);
        if self.sampled > MOST_REMEMBERED {
            self.known_samples.clear();
            self.known_examples.clear();
            self.sampled = 0;
        }
        self.known_samples.insert(key, Rc::clone(&samples));
        samples
    }

    fn new_samples(&mut self, nodes: &Conj, levels: u32) -> Vec<Value> {
        let mut samples = Vec::new();
        self.spend(10);
        if !self.step() {
            return samples;
        }
        let facts = self.facts(nodes);
        let mut atoms = facts.atoms.clone();
        for branch in facts.choices.iter().flatten().chain(&facts.nots).take(60) {
            atoms.extend(&self.facts(&with(&[*branch], &[])).atoms);
        }
        for atom in &atoms {
            for keyword in ["const", "default"] {
                samples.extend(self.arena.keyword(*atom, keyword).cloned());
            }
            for keyword in ["enum", "examples"] {
                let values = self.arena.keyword(*atom, keyword).and_then(Value::as_array);
                samples.extend(values.into_iter().flatten().take(50).cloned());
            }
        }
        samples.extend([Value::Null, json!(true), json!(false)]);
        self.numbers(&atoms, &mut samples);
        self.strings(&atoms, &mut samples);
        if levels < MOST_LEVELS {
            self.lists(nodes, &atoms, levels, &mut samples);
            self.objects(nodes, &atoms, levels, &mut samples);
        } else {
            samples.extend([json!([]), json!({})]);
        }
        if levels + 1 < MOST_LEVELS {
            let mut cases: Vec<Conj> = Vec::new();
            for branches in
                facts.choices.iter().filter(|list| list.iter().all(|one| !nodes.contains(one))).take(4)
            {
                cases.extend(branches.iter().take(12).map(|branch| with(nodes, &[*branch])));
            }
            for atom in &facts.atoms {
                let Some(condition) = self.arena.child(*atom, "if") else { continue };
                let then = self.arena.child(*atom, "then").unwrap_or(condition);
                let otherwise = self.arena.child(*atom, "else");
                cases.push(with(nodes, &[condition, then]));
                cases.extend(otherwise.map(|otherwise| with(nodes, &[otherwise])));
            }
            for case in cases.iter().filter(|case| *case != nodes).take(50) {
                let more = self.samples(case, levels + 2);
                let nested = more.iter().filter(|value| value.is_array() || value.is_object());
                samples.extend(nested.cloned());
            }
        }
        samples.truncate(MOST_SAMPLES);
        samples
    }

    /// A value that passes all the nodes, if one is found.
    pub(super) fn example(&mut self, nodes: &Conj, levels: u32) -> Option<Value> {
        if levels > MOST_LEVELS || !self.step() {
            return None;
        }
        let key = (Rc::clone(nodes), levels);
        if let Some(example) = self.known_examples.get(&key) {
            return example.clone();
        }
        let samples = self.samples(nodes, levels);
        let example = samples.iter().find(|value| self.passes(nodes, value)).cloned();
        self.known_examples.insert(key, example.clone());
        example
    }

    /// One value of each kind that passes all the nodes.
    fn examples(&mut self, nodes: &Conj, levels: u32) -> Vec<Value> {
        let mut examples: Vec<Value> = Vec::new();
        for value in self.samples(nodes, levels).iter() {
            let kind = Kinds::of(value);
            if examples.iter().all(|other| Kinds::of(other) != kind) && self.passes(nodes, value) {
                examples.push(value.clone());
            }
        }
        examples
    }

    /// Whether nothing says that a value is refused.
    pub(super) fn passes(&mut self, nodes: &Conj, value: &Value) -> bool {
        nodes.iter().all(|id| self.oracle.accepts(&mut self.arena, *id, value) != Some(false))
    }

    fn numbers(&mut self, atoms: &[NodeId], samples: &mut Vec<Value>) {
        let mut around = vec![Number::from(0)];
        let mut steps = Vec::new();
        for atom in atoms {
            for keyword in ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"] {
                around.extend(self.arena.keyword(*atom, keyword).and_then(Value::as_number).cloned());
            }
            steps.extend(self.arena.keyword(*atom, "multipleOf").and_then(Value::as_number).cloned());
        }
        for number in around.iter().take(20) {
            if let Some(integer) = number.as_i64() {
                let near = [0, 1, -1, 2, -2].map(|step| json!(integer.saturating_add(step)));
                samples.extend(near);
            } else {
                samples.push(Value::Number(number.clone()));
            }
            let float = number.as_f64().unwrap_or(0.0);
            samples.extend([0.0, 0.5, -0.5, 0.001, -0.001].map(|step| json!(float + step)));
            samples.extend([float.floor(), float.ceil()].map(|float| json!(float as i64)));
            for step in steps.iter().take(4) {
                let width = step.as_f64().unwrap_or(1.0);
                for times in [-1.0, 0.0, 1.0, 2.0] {
                    let multiple = ((float / width).floor() + times) * width;
                    samples.push(if multiple.fract() == 0.0 {
                        json!(multiple as i64)
                    } else {
                        json!(multiple)
                    });
                }
            }
        }
        samples.extend([
            json!(1e-7),
            json!(1e9),
            json!(-1e9),
            json!(0.1),
            json!(1_000_000_007),
            json!(-1_000_000_007),
        ]);
    }

    fn strings(&mut self, atoms: &[NodeId], samples: &mut Vec<Value>) {
        samples.extend(TEXTS.map(Value::from));
        for atom in atoms {
            if let Some(pattern) = self.arena.keyword(*atom, "pattern").and_then(Value::as_str) {
                samples.extend(self.texts_of(pattern).into_iter().map(Value::String));
            }
            for length in self.lengths(*atom, "minLength", "maxLength") {
                let text = "a".repeat(usize::try_from(length).unwrap_or(0));
                samples.push(Value::String(text));
            }
        }
    }

    /// The counts at the limits and one beyond.
    fn lengths(&self, id: NodeId, least: &str, most: &str) -> Vec<u64> {
        let said = [least, most].into_iter().filter_map(|key| self.arena.keyword(id, key).and_then(count));
        let near = said.flat_map(|count| [count.saturating_sub(1), count, count.saturating_add(1)]);
        near.filter(|count| *count <= LONGEST).collect()
    }

    fn lists(&mut self, nodes: &Conj, atoms: &[NodeId], levels: u32, samples: &mut Vec<Value>) {
        samples.push(json!([]));
        let mut lengths = vec![self.tail(nodes) as u64 + 1, 1, 2];
        for atom in atoms {
            lengths.extend(self.lengths(*atom, "minItems", "maxItems"));
            lengths.extend(self.lengths(*atom, "minContains", "maxContains"));
        }
        lengths.retain(|length| *length <= 128);
        lengths.sort_unstable();
        lengths.dedup();
        let tail = self.tail(nodes);
        for length in lengths {
            let (mut alike, mut unlike): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
            for position in 0..length as usize {
                let item = self.item(nodes, position.min(tail));
                let known = alike.last().filter(|last| self.passes(&item, last)).cloned();
                alike.extend(known.or_else(|| self.example(&item, levels + 1)));
                let all = self.samples(&item, levels + 2);
                let fresh = all.iter().find(|value| !unlike.contains(value) && self.passes(&item, value));
                unlike.extend(fresh.cloned());
            }
            samples.extend([Value::Array(unlike), Value::Array(alike)]);
        }
        // Lists of what has to be contained, which no other keyword asks for.
        for atom in atoms {
            let Some(what) = self.arena.child(*atom, "contains") else { continue };
            let item = with(&self.item(nodes, 0), &[what]);
            for value in self.examples(&item, levels + 1) {
                let counts = self.lengths(*atom, "minContains", "maxContains");
                for count in counts.into_iter().chain([1, 2, 3]).filter(|count| *count <= 64) {
                    samples.push(Value::Array(vec![value.clone(); count as usize]));
                }
            }
        }
    }

    fn objects(&mut self, nodes: &Conj, atoms: &[NodeId], levels: u32, samples: &mut Vec<Value>) {
        let mut names: Vec<String> = self.required_names(nodes, &[]).into_iter().collect();
        let required = names.len();
        names.extend(self.known_names(nodes));
        for atom in atoms {
            let own = self.arena.keyword(*atom, "required").and_then(Value::as_array);
            names.extend(own.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
            names.extend(self.arena.map(*atom, "properties").into_iter().flat_map(|map| map.keys().cloned()));
            for keyword in ["dependentRequired", "dependencies", "dependentSchemas"] {
                names.extend(self.arena.map(*atom, keyword).into_iter().flat_map(|map| map.keys().cloned()));
            }
        }
        let mut seen = std::collections::HashSet::new();
        let first: Vec<String> = names.drain(..required).filter(|name| seen.insert(name.clone())).collect();
        names.retain(|name| seen.insert(name.clone()));
        names.truncate(60);
        let mut base = Map::new();
        for name in first.into_iter().take(200) {
            let property = self.property(nodes, &name);
            let value = self.example(&property, levels + 1).unwrap_or(Value::Null);
            base.insert(name, value);
        }
        samples.push(Value::Object(base.clone()));
        let mut full = base.clone();
        for name in &names {
            let property = self.property(nodes, name);
            if let Some(value) = self.example(&property, levels + 1) {
                let mut one = base.clone();
                one.insert(name.clone(), value.clone());
                samples.push(Value::Object(one));
                full.insert(name.clone(), value);
            }
        }
        samples.push(Value::Object(full.clone()));
        for name in &names {
            let mut most = full.clone();
            if most.remove(name).is_some() {
                samples.push(Value::Object(most));
            }
        }
        let mut counts: Vec<u64> =
            atoms.iter().flat_map(|atom| self.lengths(*atom, "minProperties", "maxProperties")).collect();
        counts.push(base.len() as u64 + 1);
        for wanted in counts.into_iter().filter(|wanted| *wanted <= 128) {
            for start in [&base, &full] {
                let mut object = start.clone();
                for i in 0.. {
                    if object.len() as u64 >= wanted || i > 200 {
                        break;
                    }
                    let name = if i < names.len() { names[i].clone() } else { format!("extra{i}") };
                    let property = self.property(nodes, &name);
                    let known = object.values().next().filter(|value| self.passes(&property, value)).cloned();
                    if let Some(value) = known.or_else(|| self.example(&property, levels + 1)) {
                        object.entry(name).or_insert(value);
                    }
                }
                samples.push(Value::Object(object));
            }
        }
    }
}
