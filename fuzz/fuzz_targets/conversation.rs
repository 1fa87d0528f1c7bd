//! Any bytes, in any pieces, to the complete server's connection. What is checked
//! stands in `tests/support/conversation/`, where `cargo test` finds it, too.
#![no_main]

#[path = "../../tests/support/conversation/mod.rs"]
mod conversation;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(
    // Before libFuzzer installs handlers of its own: it sends a SIGTERM.
    init: {
        // Without Rust's runtime nobody ignores it, and a write would end us.
        let heard = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(libc::SIGPIPE, heard).expect("a signal handler");
        conversation::World::get();
    },
    |case: &[u8]| -> Corpus {
        if conversation::check(case) { Corpus::Keep } else { Corpus::Reject }
    }
);
