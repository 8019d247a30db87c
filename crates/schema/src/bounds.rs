//! What a schema may cost: to compile, and by its form to validate with. Checked before the engine sees it, which knows no bounds.

use std::collections::HashMap;

use jsonschema::Draft;
use serde_json::{Value, json};

use crate::{
    graph::{Graph, Part, REFERENCES},
    options::{
        KEEPING_A_NAME, MOST_ALIKE, MOST_EVALUATED, MOST_GATHERING, MOST_PARTS, MOST_PLACES, MOST_REFERENCES,
        MOST_UNFOLDED, SCHEMA_CHAIN,
    },
    patterns::Pattern,
    program::SchemaError,
};

/// What matching its expressions may cost: that of the dearest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Matching {
    /// The places of the largest one; 0 if there is none.
    pub(crate) places: u32,
    /// Whether one looks around.
    pub(crate) looks_around: bool,
}

/// Checks a schema and what it refers to.
///
/// # Errors
/// It is beyond a bound.
pub(crate) fn check(graph: &Graph<'_>) -> Result<Matching, SchemaError> {
    if graph.parts.len() > MOST_PARTS {
        return Err(beyond("", "", format!("must NOT have more than {MOST_PARTS} schemas in it")));
    }
    if graph.parts.iter().map(references).sum::<usize>() > MOST_REFERENCES {
        return Err(beyond("", "$ref", format!("must NOT have more than {MOST_REFERENCES} references")));
    }
    if graph.is_cut {
        return Err(beyond("", "$dynamicRef", "dynamic references lead to too many places".to_owned()));
    }
    check_in_place(graph)?;
    check_patterns(graph)
}

/// Whether a schema applies to a value because it does: JSON Schema leaves undefined what that means.
pub(crate) fn is_circular(graph: &Graph<'_>) -> bool {
    let is_own = |(id, part): (usize, &Part<'_>)| part.in_place.contains(&id);
    graph.parts.iter().enumerate().any(is_own) || grouped(graph).0.iter().any(|members| members.len() > 1)
}

fn beyond(pointer: &str, keyword: &str, message: String) -> SchemaError {
    SchemaError { pointer: pointer.to_owned(), keyword: keyword.to_owned(), uri: None, message }
}

/// How long chains of schemas are that apply to one value through each other, as each takes stack; and how many they are with all ways
/// to them counted, where all of these are followed: `unevaluatedProperties` and `unevaluatedItems` ask each what it has looked at.
fn check_in_place(graph: &Graph<'_>) -> Result<(), SchemaError> {
    let (groups, group_of) = grouped(graph);
    let mut longest = vec![0usize; groups.len()];
    let mut unfolded = vec![0usize; groups.len()];
    // What a group leads to comes before it.
    for (group, members) in groups.iter().enumerate() {
        let mut ways = 0usize;
        let mut below = 0;
        for &to in members.iter().flat_map(|&member| &graph.parts[member].in_place) {
            let other = group_of[to];
            if other == group {
                ways = ways.saturating_add(1);
            } else {
                ways = ways.saturating_add(unfolded[other]);
                below = below.max(longest[other]);
            }
        }
        longest[group] = below + members.len();
        // A circle is gone through twice before the engine ends it.
        let rounds = if members.len() > 1 { 2 * members.len() } else { 1 };
        unfolded[group] = ways.saturating_mul(rounds).saturating_add(members.len());
        let first = &graph.parts[members[0]];
        if longest[group] > SCHEMA_CHAIN {
            let message = format!("more than {SCHEMA_CHAIN} schemas apply to one value through each other");
            return Err(beyond(&first.pointer, "", message));
        }
        if unfolded[group] <= MOST_UNFOLDED {
            continue;
        }
        for &member in members {
            let part = &graph.parts[member];
            let asks = ["unevaluatedProperties", "unevaluatedItems"];
            if let Some(keyword) = asks.into_iter().find(|word| part.schema.get(*word).is_some()) {
                let message = format!(
                    "{keyword} must NOT stand over more than {MOST_UNFOLDED} schemas that apply to its value, each counted once for each way to it"
                );
                return Err(beyond(&part.pointer, keyword, message));
            }
        }
    }
    check_names(graph, &groups, &group_of)
}

/// How many names the engine gathers of schemas that apply to one value.
fn check_names(graph: &Graph<'_>, groups: &[Vec<usize>], group_of: &[usize]) -> Result<(), SchemaError> {
    // Who has a dialect of its own says which keywords count.
    let is_standard = graph.parts.iter().all(|part| part.schema.get("$schema").is_none_or(is_standard));
    // Of each group with all ways to it counted; and as far as it may be gathered as a branch of `allOf`, which is through references.
    let mut unfolded = vec![0u64; groups.len()];
    let mut listed = vec![0u64; groups.len()];
    // How often what is met again counts.
    let mut again = vec![MOST_ALIKE + 1; groups.len()];
    let (mut evaluated, mut gathering) = (0u64, 0u64);
    for (group, members) in groups.iter().enumerate() {
        // In a circle, too, ways double where there are two.
        let ways = members.iter().map(|&member| (references(&graph.parts[member]) as u64).max(1));
        let is_circle = members.len() > 1 || graph.parts[members[0]].in_place.contains(&members[0]);
        let ways = if is_circle { ways.fold(1, u64::saturating_mul) } else { 1 };
        if is_circle {
            again[group] = again[group].min(u32::try_from(ways).unwrap_or(u32::MAX));
        }
        for &member in members {
            let Part { schema, in_place, referred, .. } = &graph.parts[member];
            let own = 1 + names(schema);
            let sum = |to: &[usize], of: &[u64]| {
                let others = to.iter().map(|&to| group_of[to]).filter(|&to| to != group);
                others.fold(own, |all, to| all.saturating_add(of[to]))
            };
            // A circle is gone through twice before the engine ends it.
            let rounds = if members.len() > 1 { 2 * members.len() as u64 } else { 1 };
            unfolded[group] = unfolded[group].saturating_add(sum(in_place, &unfolded).saturating_mul(rounds));
            if !is_standard || may_be_gathered(&graph.parts[member]) {
                listed[group] = listed[group].saturating_add(sum(referred, &listed).saturating_mul(ways));
            }
        }
        for &member in members {
            let Part { schema, pointer, .. } = &graph.parts[member];
            if schema.get("unevaluatedProperties").is_some() {
                evaluated = evaluated.saturating_add(unfolded[group]);
            }
            if evaluated > MOST_EVALUATED {
                let message = format!(
                    "unevaluatedProperties must NOT stand over more than {MOST_EVALUATED} names, each counted once for each way to it"
                );
                return Err(beyond(pointer, "unevaluatedProperties", message));
            }
            let branches = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
            let branches: Vec<usize> = branches.filter_map(|branch| graph.part(branch)).collect();
            let all = branches.iter().fold(0u64, |all, &at| all.saturating_add(listed[group_of[at]]));
            gathering = gathering.saturating_add(all.saturating_mul(all.saturating_add(KEEPING_A_NAME)));
            let message = if gathering > MOST_GATHERING {
                "branches of allOf must NOT list so many names: the square of their number is too much, of all allOf together".to_owned()
            } else if are_alike(graph, branches, is_standard, |part| {
                if listed[group_of[part]] > 0 { again[group_of[part]] } else { 0 }
            }) {
                format!(
                    "allOf must NOT have more than {MOST_ALIKE} branches that list one name and ask nothing of it"
                )
            } else {
                continue;
            };
            return Err(beyond(pointer, "allOf", message));
        }
    }
    Ok(())
}

fn is_standard(dialect: &Value) -> bool {
    let known = dialect.as_str().map(|uri| Draft::default().detect(&json!({ "$schema": uri })));
    known.is_some_and(|draft| draft != Draft::Unknown)
}

fn references(part: &Part<'_>) -> usize {
    REFERENCES.iter().filter(|word| part.schema.get(**word).is_some_and(Value::is_string)).count()
}

/// Whether the engine may gather what a branch of `allOf` lists: not where it asks for more than members of their own. Beside a reference
/// older drafts see nothing.
fn may_be_gathered(part: &Part<'_>) -> bool {
    let is_list =
        |word: &str| part.schema.get(word).and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    let asks_more = ["allOf", "anyOf", "oneOf"].into_iter().any(is_list)
        || part.schema.get("additionalProperties") == Some(&Value::Bool(false));
    references(part) > 0 || !asks_more
}

/// Whether too many branches of an `allOf`, or what those that count refer to, list one name without a look at its value.
fn are_alike(
    graph: &Graph<'_>,
    branches: Vec<usize>,
    is_standard: bool,
    most: impl Fn(usize) -> u32,
) -> bool {
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut met: HashMap<usize, u32> = HashMap::new();
    let mut open = branches;
    while let Some(part) = open.pop() {
        let times = met.entry(part).or_default();
        if *times >= most(part) {
            continue;
        }
        *times += 1;
        let Part { schema, referred, .. } = &graph.parts[part];
        for (name, value) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let has = |words: &[&str]| words.iter().any(|word| value.get(*word).is_some());
            if is_standard && has(&LOOKING) && !has(&REFERENCES) {
                continue;
            }
            let branches = known.entry(name).or_default();
            *branches += 1;
            if *branches > MOST_ALIKE {
                return true;
            }
        }
        open.extend(referred);
    }
    false
}

/// Keywords that look at any value, whatever they say. Beside a reference older drafts see none.
const LOOKING: [&str; 10] = [
    "type",
    "enum",
    "const",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
];

/// How many names of members a schema lists.
fn names(schema: &Value) -> u64 {
    let maps = ["properties", "patternProperties"].into_iter();
    let maps = maps.filter_map(|word| schema.get(word)?.as_object()).map(serde_json::Map::len);
    let lists = schema.get("required").and_then(Value::as_array).map_or(0, Vec::len);
    (maps.sum::<usize>() + lists) as u64
}

/// Parts that lead to each other are a group (Tarjan, without recursion). In order: what a group leads to is before it.
fn grouped(graph: &Graph<'_>) -> (Vec<Vec<usize>>, Vec<usize>) {
    const NEW: usize = usize::MAX;
    let count = graph.parts.len();
    let (mut groups, mut group_of) = (Vec::new(), vec![NEW; count]);
    // When a part was met, and the earliest met that it leads back to.
    let (mut met, mut back) = (vec![NEW; count], vec![NEW; count]);
    let (mut open, mut clock) = (Vec::new(), 0);
    for start in 0..count {
        if met[start] != NEW {
            continue;
        }
        let mut walk = vec![(start, 0)];
        while let Some((part, next)) = walk.last_mut() {
            let part = *part;
            if *next == 0 && met[part] == NEW {
                (met[part], back[part]) = (clock, clock);
                clock += 1;
                open.push(part);
            }
            if let Some(&to) = graph.parts[part].in_place.get(*next) {
                *next += 1;
                if met[to] == NEW {
                    walk.push((to, 0));
                } else if group_of[to] == NEW {
                    back[part] = back[part].min(met[to]);
                }
                continue;
            }
            walk.pop();
            if let Some(&(above, _)) = walk.last() {
                back[above] = back[above].min(back[part]);
            }
            if back[part] == met[part] {
                let from = open.iter().rposition(|&member| member == part).unwrap_or(0);
                let members = open.split_off(from);
                for &member in &members {
                    group_of[member] = groups.len();
                }
                groups.push(members);
            }
        }
    }
    (groups, group_of)
}

/// Expressions are bounded each by the engine; here all of them together.
fn check_patterns(graph: &Graph<'_>) -> Result<Matching, SchemaError> {
    let mut known: HashMap<&str, Pattern> = HashMap::new();
    let mut matching = Matching::default();
    let mut total = 0u64;
    for part in &graph.parts {
        let own = part.schema.get("pattern").and_then(Value::as_str);
        let names = part.schema.get("patternProperties").and_then(Value::as_object);
        for text in
            own.into_iter().chain(names.into_iter().flat_map(|names| names.keys().map(String::as_str)))
        {
            let Pattern { places, looks_around } = *known.entry(text).or_insert_with(|| Pattern::of(text));
            matching.places = matching.places.max(places);
            matching.looks_around |= looks_around;
            total += u64::from(places);
            if total > MOST_PLACES {
                let message =
                    format!("patterns must NOT have more than {MOST_PLACES} places to match together");
                return Err(beyond(&part.pointer, "pattern", message));
            }
        }
    }
    Ok(matching)
}
