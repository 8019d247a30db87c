//! The corpora of the fuzz targets, replayed. What fuzzing finds is added to them: see `fuzz/README.md`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

use std::{fs, path::Path, thread};

use breakwater_schema::document::Reader;

mod checks;

/// Calls `check` with each file of a corpus, in the order of their names, by one reader.
fn replay(target: &str, check: fn(&mut Reader, &[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 40, "{} files in the corpus of {target}", files.len());
    let mut reader = Reader::default();
    for file in files {
        println!("{}", file.display());
        check(&mut reader, &fs::read(file).unwrap());
    }
}

#[test]
fn the_corpus_of_read_holds() {
    replay("read", checks::read::check);
}

#[test]
fn the_corpus_of_whole_holds() {
    // The engine beside ours has no bound on the stack, and unoptimised its frames are large.
    let replayed = thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(|| replay("whole", |reader, bytes| assert!(checks::whole::check(reader, bytes).is_some())));
    replayed.unwrap().join().unwrap();
}
