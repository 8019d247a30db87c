//! Verdicts and issues beside the same engine over serde_json's values: what differs would be a fault of the document that we show it.

use std::sync::atomic::{AtomicUsize, Ordering};

use breakwater_schema::document::Reader;
use proptest::prelude::*;

use super::{
    cases,
    checks::whole::{Case, Outcome, check},
    schemas::{documents, schemas},
    texts::changed,
};

/// Of all cases: without a schema, spent, compared and valid, compared and not valid.
static TALLY: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];

fn tally(outcome: Outcome) {
    let at = match outcome {
        Outcome::NoSchema => 0,
        Outcome::Spent => 1,
        Outcome::Verdict { is_valid, is_compared: true } => 3 - usize::from(is_valid),
        Outcome::NoDocument | Outcome::Verdict { .. } => return,
    };
    TALLY[at].fetch_add(1, Ordering::Relaxed);
    let all = TALLY.each_ref().map(|count| count.load(Ordering::Relaxed));
    if all.iter().sum::<usize>() % 10_000 == 0 {
        println!("no schema, spent, valid, not valid: {all:?}");
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_verdict_is_that_of_the_engine_over_values(
        (draft, schema) in schemas(),
        texts in prop::collection::vec(documents(), 6),
        formats in any::<bool>(),
        backtracking in any::<bool>(),
        reject_unknown in prop::bool::weighted(0.1),
    ) {
        let schema = schema.to_string();
        let mut reader = Reader::default();
        for text in &texts {
            let (schema, document) = (schema.as_bytes(), text.as_bytes());
            let case = Case { draft, formats, backtracking, reject_unknown, schema, document };
            tally(case.check(&mut reader));
        }
    }
    #[test]
    fn what_a_few_changes_make_of_a_case_ends_well(
        bytes in (schemas(), documents(), prop::sample::select(&["", "a", "b", "u"][..])).prop_flat_map(
            |((draft, schema), text, letter)| {
                let draft = if draft == "2019-09" { "9" } else if draft == "2020-12" { "0" } else { draft };
                changed(Just(format!("{draft}{letter}\n{schema}\n{text}")))
            },
        ),
    ) {
        if let Some(outcome) = check(&mut Reader::default(), &bytes) {
            tally(outcome);
        }
    }
}
