//! Everything the fuzzer found worth keeping, once more: each case of
//! `tests/corpus/` against the complete server's `turn`, with the same checks. How
//! new cases are found: `.ci/fuzz`.

#[path = "support/conversation/mod.rs"]
mod conversation;

use std::fs;
use std::panic;
use std::path::Path;

#[test]
fn every_case_of_the_corpus_is_answered_rightly_in_any_pieces() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/conversation");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    let (mut played, mut wrong) = (0, Vec::new());
    for case in &cases {
        let bytes = fs::read(case).unwrap();
        match panic::catch_unwind(|| conversation::check(&bytes)) {
            Ok(true) => played += 1,
            Ok(false) => wrong.push(format!("{}: not a case", case.display())),
            Err(_) => wrong.push(format!("{}: {}", case.display(), bytes.escape_ascii())),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(played >= 100, "only {played} cases");
    println!("{played} cases of the fuzzer's corpus");
}
