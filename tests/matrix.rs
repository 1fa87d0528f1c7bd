//! The matrix stage × behaviour: every cell is played against the real server
//! and must show what the table says, failures included.

use std::path::Path;

use common::lab::scenarios::{ALL, Expected, Scenario};
use common::lab::{Play, Stage, matrix};

/// Plays one row.
fn row(name: &str) {
    let scenario = Scenario::find(name).expect("a scenario of that name");
    let mut wrong = Vec::new();
    for stage in Stage::ALL {
        if let Expected::No(_) = scenario.expected_of(stage) {
            continue;
        }
        let play = Play::new(stage, program(stage));
        match matrix::check(scenario, &play) {
            Ok(seen) => println!("{name} {stage}: {seen}"),
            Err(trouble) => wrong.push(format!("{name} × {stage}: {trouble}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn program(stage: Stage) -> std::path::PathBuf {
    // Cargo builds all binaries before an integration test and names one here.
    let dir = Path::new(env!("CARGO_BIN_EXE_ch07_full")).parent().expect("a folder");
    dir.join(stage.name())
}

macro_rules! rows {
    ($($function:ident = $name:literal,)*) => {
        $(#[test] fn $function() { row($name); })*

        #[test]
        fn every_scenario_is_a_row() {
            let rows = [$($name),*];
            let names: Vec<_> = ALL.iter().map(|s| s.name).collect();
            assert_eq!(rows.as_slice(), names);
        }
    };
}

rows! {
    hello = "hello",
    silent_client = "silent-client",
    idle = "idle",
    idle_crowd = "idle-crowd",
    burst = "burst",
    no_descriptors = "no-descriptors",
    slow_handler = "slow-handler",
    hundred_requests = "hundred-requests",
    byte_by_byte = "byte-by-byte",
    two_in_one = "two-in-one",
    half_close = "half-close",
    reset = "reset",
    slow_reader = "slow-reader",
    before_rearm = "before-rearm",
    endless_sender = "endless-sender",
    churn = "churn",
    all_busy = "all-busy",
    one_owner = "one-owner",
    eintr = "eintr",
    stop_idle = "stop-idle",
    stop_keep_alive = "stop-keep-alive",
    stop_in_flight = "stop-in-flight",
    stop_last_connections = "stop-last-connections",
    stop_behind = "stop-behind",
    stop_no_descriptors = "stop-no-descriptors",
    stop_by_worker = "stop-by-worker",
    stop_under_load = "stop-under-load",
    stop_deadline = "stop-deadline",
    stop_twice = "stop-twice",
    descriptors_back = "descriptors-back",
}

#[test]
fn the_rendered_table_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/generated/matrix.md");
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        file == matrix::markdown(),
        "{} is stale; renew it with: cargo run --bin lab -- matrix",
        path.display()
    );
}
