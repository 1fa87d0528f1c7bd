//! The stages with one classic mistake each: patches of a few lines against a
//! stage's `main.rs`, applied to a copy of the sources, built, and played.

use std::fs;
use std::path::{Path, PathBuf};

use super::scenarios::{How, Scenario, Seen};
use super::stages::build_in;
use super::{Play, Result, Stage, Trouble, trouble};

/// A stage with a mistake.
#[derive(Debug, Clone, Copy)]
pub struct Broken {
    /// What the command line calls it; the patch is `broken/NAME.patch`.
    pub name: &'static str,
    /// Which stage it spoils.
    pub stage: Stage,
    /// The mistake, in words.
    pub about: &'static str,
    /// The scenario that shows it.
    pub scenario: &'static str,
    /// How it fails there.
    pub how: How,
}

/// All of them.
pub const ALL: &[Broken] = &[
    Broken {
        name: "edge",
        stage: Stage::Ch03,
        about: "the listener is edge-triggered, and one event is still one accept",
        scenario: "burst",
        how: How::Stranded,
    },
    Broken {
        name: "no-delete",
        stage: Stage::Ch05,
        about: "a ready client is dispatched without being deleted from the queue",
        scenario: "all-busy",
        how: How::TwoOwners,
    },
    Broken {
        name: "rearm-then-close",
        stage: Stage::Ch06,
        about: "after the re-arm the worker falls through to close",
        scenario: "hundred-requests",
        how: How::OneAnswer,
    },
    Broken {
        name: "answer-per-read",
        stage: Stage::Ch06,
        about: "every read is taken for a request",
        scenario: "byte-by-byte",
        how: How::Early,
    },
    Broken {
        name: "no-wake-up",
        stage: Stage::Ch07,
        about: "the signal sets the flag, and nothing wakes main",
        scenario: "stop-by-worker",
        how: How::Deaf,
    },
];

impl Broken {
    /// The one of that name.
    pub fn find(name: &str) -> Option<&'static Broken> {
        ALL.iter().find(|b| b.name == name)
    }

    /// Its patch.
    pub fn patch(&self) -> PathBuf {
        let chapter = Path::new("chapters").join(self.stage.name());
        chapter.join("broken").join(self.name).with_extension("patch")
    }

    /// Applies the patch to a copy of the sources and builds it there.
    ///
    /// # Errors
    /// The patch does not apply any more, or the result does not compile.
    pub fn program(&self) -> Result<PathBuf> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let copy = root.join("target/lab/broken");
        copy_sources(&copy)?;
        let main = Path::new("chapters").join(self.stage.name()).join("main.rs");
        let patch = read(&root.join(self.patch()))?;
        let patch = diffy::Patch::from_str(&patch)
            .map_err(|e| Trouble(format!("{}: {e}", self.patch().display())))?;
        let patched = diffy::apply(&read(&root.join(&main))?, &patch)
            .map_err(|e| Trouble(format!("{} does not apply: {e}", self.patch().display())))?;
        write_if_new(&copy.join(&main), patched.as_bytes())?;
        build_in(self.stage.name(), &copy, &root.join("target/lab/target"))
    }

    /// Plays the scenario that shows the mistake.
    ///
    /// # Errors
    /// It could not be played, or does not fail in the stated way.
    pub fn check(&self, play: &Play) -> Result<Seen> {
        let scenario = Scenario::find(self.scenario)
            .ok_or_else(|| Trouble(format!("no scenario {}", self.scenario)))?;
        match (scenario.run)(play)? {
            seen @ Seen::Fails(how, _) if how == self.how => Ok(seen),
            seen => {
                trouble(format!("{}: expected to fail ({}), seen: {seen}", self.name, self.how))
            }
        }
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| Trouble(format!("cannot read {}: {e}", path.display())))
}

/// Makes `copy` a copy of the package as far as it is needed to build it.
pub fn copy_sources(copy: &Path) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["Cargo.toml", "Cargo.lock", "build.rs", "README.md", "src", "chapters"] {
        mirror(&root.join(part), &copy.join(part))?;
    }
    Ok(())
}

/// Copies a file or a folder; what is equal keeps its time, so that cargo does
/// not build it again.
fn mirror(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        return write_if_new(to, &fs::read(from)?);
    }
    if from.is_dir() {
        // What has gone from the sources must go from the copy.
        for old in fs::read_dir(to).into_iter().flatten().flatten() {
            let path = old.path();
            match (from.join(old.file_name()).exists(), path.is_dir()) {
                (true, _) => {}
                (false, true) => fs::remove_dir_all(&path)?,
                (false, false) => fs::remove_file(&path)?,
            }
        }
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            mirror(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Writes a file, unless it holds that already.
pub fn write_if_new(to: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir)?;
    }
    Ok(fs::write(to, bytes)?)
}
