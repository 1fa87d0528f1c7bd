//! The front door says what is so: the stages' lines, and links that lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

#[test]
fn the_ladder_gives_the_lines_of_each_stage() {
    let readme = readme();
    let mut stages = 0;
    for chapter in fs::read_dir(root().join("chapters")).unwrap() {
        let chapter = chapter.unwrap().path();
        if !chapter.is_dir() {
            continue; // the list of exercises
        }
        let name = chapter.file_name().unwrap().to_str().unwrap();
        let files = fs::read_dir(&chapter).unwrap().map(|entry| entry.unwrap().path());
        let is_the_stage = |path: &PathBuf| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            let for_the_learner = ["exercise", "hunt_", "stretch_"];
            name.ends_with(".rs") && !for_the_learner.iter().any(|kind| name.starts_with(kind))
        };
        let sources = files.filter(is_the_stage);
        let lines: usize =
            sources.map(|path| fs::read_to_string(path).unwrap().lines().count()).sum();
        let row = format!("| [`{name}`](chapters/{name}/main.rs) | {lines} |");
        assert!(readme.contains(&row), "the README has no row that begins with {row}");
        stages += 1;
    }
    assert_eq!(stages, 7);
}

#[test]
fn every_link_to_a_file_leads_there() {
    let mut links = 0;
    for place in readme().split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if !place.starts_with("http") {
            assert!(root().join(place).exists(), "{place} is not there");
            links += 1;
        }
    }
    assert!(links > 10, "only {links} links");
}
