//! The reader against serde_json.

use breakwater_schema::document::{DuplicateKeys, Limits, Reader};
use proptest::prelude::*;

use super::{
    cases,
    checks::read::{LIKE_SERDE, check},
    texts::{any_bytes, json, nearly_json},
};

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn json_in_any_spelling_reads_as_serde_json_reads_it(text in json()) {
        check(&mut Reader::default(), text.as_bytes());
    }

    #[test]
    fn what_is_nearly_json_is_taken_or_refused_as_by_serde_json(bytes in nearly_json()) {
        check(&mut Reader::default(), &bytes);
    }

    #[test]
    fn any_bytes_are_taken_or_refused_as_by_serde_json(bytes in any_bytes()) {
        check(&mut Reader::default(), &bytes);
    }

    #[test]
    fn a_reader_remembers_nothing_of_what_it_read_before(texts in prop::collection::vec(nearly_json(), 2..5)) {
        let mut kept = Reader::default();
        for bytes in &texts {
            check(&mut kept, bytes);
            let mut fresh = Reader::default();
            for duplicate_keys in [DuplicateKeys::Last, DuplicateKeys::Reject] {
                let limits = Limits { duplicate_keys, ..LIKE_SERDE };
                let (one, other) = (kept.read(bytes, &limits), fresh.read(bytes, &limits));
                match (one, other) {
                    (Ok(one), Ok(other)) => prop_assert_eq!(one.entries(), other.entries()),
                    (Err(one), Err(other)) => prop_assert_eq!(one, other),
                    (one, other) => prop_assert!(false, "{:?} and {:?}", one, other),
                }
            }
        }
    }
}
