//! Everything in the book that a machine can know: it is generated here into
//! `book/src/generated` and checked by `cargo test`.
//!
//! `cargo run --bin lab -- book` renews all of it. What was recorded from a real
//! run is only written anew when a new run tells something else: figures that
//! differ from run to run (a count of turns, CPU time) stay as they were.

pub mod comparable;
pub mod diffs;
pub mod merge;
pub mod named;
pub mod runs;
pub mod stamp;
pub mod tables;
pub mod transcript;

use std::path::{Path, PathBuf};

use super::broken::Broken;
use super::scenarios::{Expected, Scenario};
use super::{Play, Result, Stage, Trouble, matrix, trouble};
use runs::Run;
use transcript::Ports;

/// How often a run is played before it is said to tell something else than
/// recorded: threads may meet in an order that is rare.
const TRIES: usize = 10;

/// A generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Below `book/src/generated`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl File {
    fn new(path: impl Into<String>, text: impl Into<String>) -> File {
        File { path: path.into(), text: text.into() }
    }

    /// What is on disk now; empty if there is no such file.
    pub fn on_disk(&self) -> String {
        std::fs::read_to_string(folder().join(&self.path)).unwrap_or_default()
    }

    fn write(&self) -> Result<()> {
        let path = folder().join(&self.path);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        Ok(std::fs::write(path, &self.text)?)
    }
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where generated files are.
pub fn folder() -> PathBuf {
    root().join("book/src/generated")
}

/// What follows from the sources alone.
///
/// # Errors
/// A source, or a recorded run that is counted, cannot be read.
pub fn derived() -> Result<Vec<File>> {
    let mut files = diffs::all(root())?;
    files.extend(tables::matrices());
    // Nothing is counted before it has been recorded; the stamps tell that.
    for queue in ["epoll", "kqueue"].into_iter().filter(|queue| !stamp::read(queue).is_empty()) {
        files.push(tables::counts(&folder(), queue)?);
    }
    Ok(files)
}

/// Plays a run and gives its files: the whole and its excerpts.
///
/// # Errors
/// It could not be played, or showed something else than the matrix says.
pub fn play(run: &Run, program: &Path) -> Result<Vec<File>> {
    let Some(scenario) = Scenario::find(run.scenario) else {
        return trouble(format!("no scenario is called {}", run.scenario));
    };
    let play = Play::new(run.stage, program.to_path_buf()).calmly();
    let broken = run.broken.and_then(Broken::find);
    let seen = match broken {
        Some(broken) if broken.scenario != scenario.name => {
            return trouble(format!("{} is seen in {}", broken.name, broken.scenario));
        }
        Some(broken) => broken.check(&play)?,
        None => matrix::check(scenario, &play)?,
    };
    let variant = broken.map_or(String::new(), |b| format!(" with a mistake: {}", b.about));
    let title = transcript::title(scenario, &play, &variant);
    let text = transcript::tell(&title, &play, &seen, run.trace, Ports::Book);
    let whole = run.whole.then(|| File::new(run.file_here(None), text.clone()));
    let mut files: Vec<File> = whole.into_iter().collect();
    for excerpt in run.excerpts {
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.iter().position(|l| l.contains(excerpt.from));
        let to = from.and_then(|from| lines[from..].iter().position(|l| l.contains(excerpt.to)));
        let (Some(from), Some(to)) = (from, to) else {
            let name = excerpt.name;
            return trouble(format!("{}: excerpt {name} is not in it:\n{text}", run.command()));
        };
        let part = without_margin(&lines[from..=from + to]);
        files.push(File::new(run.file_here(Some(excerpt.name)), part));
    }
    Ok(files)
}

/// The lines, moved to the left edge together.
fn without_margin(lines: &[&str]) -> String {
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let margin = lines.iter().filter(|line| !line.is_empty()).map(indent).min().unwrap_or(0);
    lines.iter().flat_map(|line| [line.get(margin..).unwrap_or_default(), "\n"]).collect()
}

/// Plays a run until it tells what is recorded; the last play's files.
///
/// # Errors
/// As [`play`].
pub fn replay(run: &Run, program: &Path) -> Result<Vec<File>> {
    // That a stage always shows what it should is for tests/matrix.rs to say.
    let mut last = play(run, program);
    for _ in 1..TRIES {
        let same = |files: &Vec<File>| files.iter().all(|file| tells_the_same(file, run.stage));
        if last.as_ref().is_ok_and(same) {
            break;
        }
        last = play(run, program);
    }
    last
}

/// The file on disk tells what this one tells, but for what differs from run to run.
pub fn tells_the_same(file: &File, stage: Stage) -> bool {
    let [new, old] = [&file.text, &file.on_disk()].map(|t| comparable::comparable(t, stage));
    new == old
}

/// All files that should be there, for both kernel interfaces.
pub fn all_paths() -> Result<Vec<String>> {
    let mut paths: Vec<String> = derived()?.into_iter().map(|file| file.path).collect();
    for run in runs::ALL {
        for queue in ["epoll", "kqueue"] {
            paths.extend(run.whole.then(|| run.file(None, queue)));
            paths.extend(run.excerpts.iter().map(|e| run.file(Some(e.name), queue)));
        }
    }
    paths.extend(stamp::PATHS.map(String::from));
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// Renews everything that this machine can renew, and says what it did.
///
/// # Errors
/// A run could not be played; a file could not be written.
pub fn renew() -> Result<()> {
    let mut written = Vec::new();
    for run in runs::ALL {
        if Scenario::find(run.scenario)
            .is_some_and(|s| matches!(s.expected_of(run.stage), Expected::No(_)))
        {
            println!("not played here: {}", run.command());
            continue;
        }
        let program = match run.broken.and_then(Broken::find) {
            Some(broken) => broken.program()?,
            None => run.stage.program()?,
        };
        let files = replay(run, &program)?;
        for file in files.iter().filter(|file| !tells_the_same(file, run.stage)) {
            file.write()?;
            written.push(file.path.clone());
        }
    }
    stamp::write()?;
    for file in derived()? {
        if file.text != file.on_disk() {
            file.write()?;
            written.push(file.path);
        }
    }
    written.iter().for_each(|path| println!("written: {path}"));
    println!("{} of the book's generated files are new", written.len());
    let wanted = all_paths()?;
    for path in files_in(&folder())? {
        if !wanted.contains(&path) {
            std::fs::remove_file(folder().join(&path))?;
            println!("removed: {path}");
        }
    }
    Ok(())
}

/// The files below a folder, as paths within it.
///
/// # Errors
/// A folder cannot be read.
pub fn files_in(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(dir) = folders.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let inside = path.strip_prefix(folder).map_err(|e| Trouble(e.to_string()))?;
                files.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}
