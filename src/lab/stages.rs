//! The seven stages, as the lab knows them: names, programs, abilities.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Result, Trouble};

/// One of the seven servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Stage {
    Ch01,
    Ch02,
    Ch03,
    Ch04,
    Ch05,
    Ch06,
    Ch07,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Stage; 7] =
        [Stage::Ch01, Stage::Ch02, Stage::Ch03, Stage::Ch04, Stage::Ch05, Stage::Ch06, Stage::Ch07];

    /// The name of its binary.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Ch01 => "ch01_blocking",
            Stage::Ch02 => "ch02_nonblocking",
            Stage::Ch03 => "ch03_kqueue",
            Stage::Ch04 => "ch04_accept_drain",
            Stage::Ch05 => "ch05_thread_pool",
            Stage::Ch06 => "ch06_keep_alive",
            Stage::Ch07 => "ch07_full",
        }
    }

    /// `ch03`.
    pub fn short(self) -> &'static str {
        &self.name()[..4]
    }

    /// The stage that is called so: by number, short name or full name.
    pub fn find(text: &str) -> Option<Stage> {
        let named = |s: &Stage| s.name() == text || s.short() == text || s.short()[3..] == *text;
        Stage::ALL.into_iter().find(named)
    }

    /// It has the event queue (from chapter 3 on).
    pub fn has_queue(self) -> bool {
        self >= Stage::Ch03
    }

    /// It has worker threads (from chapter 5 on).
    pub fn has_workers(self) -> bool {
        self >= Stage::Ch05
    }

    /// It answers several requests on one connection (from chapter 6 on).
    pub fn keeps_alive(self) -> bool {
        self >= Stage::Ch06
    }

    /// Its program, built if need be, beside the program that is running now.
    ///
    /// # Errors
    /// What cargo said.
    pub fn program(self) -> Result<PathBuf> {
        build_in(self.name(), Path::new(env!("CARGO_MANIFEST_DIR")), &target_dir()?)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn not_cargos() -> Trouble {
    Trouble("this program does not stand in cargo's target folder".to_string())
}

/// `target/debug`, for `target/debug/lab` and for `target/debug/deps/matrix-0123`.
fn profile_dir() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let dir = here.parent().ok_or_else(not_cargos)?;
    match dir.ends_with("deps") {
        true => dir.parent().map(Path::to_path_buf).ok_or_else(not_cargos),
        false => Ok(dir.to_path_buf()),
    }
}

/// The target folder in which this program stands.
///
/// # Errors
/// It stands elsewhere.
pub fn target_dir() -> Result<PathBuf> {
    profile_dir()?.parent().map(Path::to_path_buf).ok_or_else(not_cargos)
}

/// Has cargo build a binary of `package` as this program was built (profile,
/// features), and says where it is.
pub(super) fn build_in(name: &str, package: &Path, target: &Path) -> Result<PathBuf> {
    cargo("build", name, package, target, &[])
}

/// Has cargo do something to a binary, with these features, too. What it has to
/// say about the source stands on stderr.
pub fn cargo(
    verb: &str,
    name: &str,
    package: &Path,
    target: &Path,
    features: &[&str],
) -> Result<PathBuf> {
    let dir = profile_dir()?;
    let dir = dir.file_name().and_then(|n| n.to_str()).ok_or_else(not_cargos)?;
    let profile = if dir == "debug" { "dev" } else { dir };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([verb, "--quiet", "--bin", name, "--profile", profile]);
    command.arg("--manifest-path").arg(package.join("Cargo.toml"));
    command.arg("--target-dir").arg(target);
    let over_libkqueue = cfg!(feature = "libkqueue").then_some("libkqueue");
    for feature in features.iter().copied().chain(over_libkqueue) {
        command.args(["--features", feature]);
    }
    if verb == "clippy" {
        command.args(["--", "-D", "warnings"]);
    }
    let status = command.status().map_err(|e| Trouble(format!("cannot run cargo: {e}")))?;
    match status.success() {
        true => Ok(target.join(dir).join(name)),
        false => Err(Trouble(format!("cargo {verb} of {name} failed"))),
    }
}
