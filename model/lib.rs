//! The model check of the hand-offs; `tests/model/pool.rs` says what it is and how it is run.

#[cfg(not(shuttle))]
compile_error!(
    "without the checker nothing is checked: RUSTFLAGS=\"--cfg shuttle\" cargo test --release"
);

#[cfg(all(test, shuttle))]
#[path = "../tests/model/pool.rs"]
mod pool;
