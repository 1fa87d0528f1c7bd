//! Who is measured: the stages and the peers, what each can do, how it is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::trouble::{Result, Trouble};

/// Where a side comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A binary of this package.
    Stage,
    /// A binary of `bench/peers`.
    Peer,
    /// The nginx of this machine.
    Nginx,
}

/// One server of the comparison.
#[derive(Debug)]
pub struct Side {
    /// By this name it is asked for and listed.
    pub name: &'static str,
    pub kind: Kind,
    /// The binary's name and its options.
    pub program: &'static str,
    pub args: &'static [&'static str],
    /// Measured unless others are named.
    pub usual: bool,
    pub about: &'static str,
}

const fn stage(name: &'static str, about: &'static str) -> Side {
    Side { name, kind: Kind::Stage, program: name, args: &[], usual: true, about }
}

const fn peer(name: &'static str, about: &'static str) -> Side {
    Side { kind: Kind::Peer, ..stage(name, about) }
}

const fn ch07_with(name: &'static str, args: &'static [&'static str]) -> Side {
    let about = "the complete server with so many workers";
    Side { program: "ch07_full", args, usual: false, ..stage(name, about) }
}

/// The one that ratios refer to.
pub const NGINX: &str = "nginx";

/// All sides, in the order in which a round goes through them.
pub const ALL: &[Side] = &[
    Side { kind: Kind::Nginx, ..stage(NGINX, "2 workers, logs off: what ratios refer to") },
    stage("ch07_full", "the complete server, default flags"),
    stage("ch06_keep_alive", "many requests on a connection"),
    stage("ch05_thread_pool", "reactor and workers"),
    stage("ch04_accept_drain", "accept until EAGAIN"),
    stage("ch03_kqueue", "the kernel keeps the list"),
    stage("ch02_nonblocking", "a list asked in turn"),
    stage("ch01_blocking", "one client at a time"),
    stage("per_core", "one event loop per core, on the stages' parts"),
    peer("hyper", "hyper on tokio, 2 workers"),
    peer("axum", "axum on tokio, 2 workers"),
    peer("tiny_http", "tiny_http, 4 threads and one for each connection"),
    peer("floor", "one thread, epoll, no HTTP: what the kernel alone costs"),
    ch07_with("ch07_w1", &["--workers", "1"]),
    ch07_with("ch07_w4", &["--workers", "4"]),
];

impl Side {
    /// The side of that name; a stage also by its short name, `ch03`.
    pub fn find(name: &str) -> Option<&'static Side> {
        let short = |s: &&Side| s.usual && s.name.starts_with("ch0") && s.name[..4] == *name;
        ALL.iter().find(|s| s.name == name).or_else(|| ALL.iter().find(short))
    }

    /// It answers several requests on a connection.
    pub fn keeps_alive(&self) -> bool {
        !["ch01", "ch02", "ch03", "ch04", "ch05"].iter().any(|early| self.name.starts_with(early))
    }

    /// Its trace can be asked for.
    pub fn has_trace(&self) -> bool {
        self.kind == Kind::Stage && self.name != "per_core"
    }
}

/// The root of this package.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `target/release`, where this program stands.
fn profile_dir() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let dir = here.parent().map(Path::to_path_buf);
    dir.ok_or_else(|| Trouble::of("this program does not stand in cargo's target folder"))
}

/// Whether this is a build with optimisations: anything else measures the compiler.
pub fn is_release() -> bool {
    !cfg!(debug_assertions)
}

/// A program's binary, built by cargo if need be.
///
/// # Errors
/// It is not part of this checkout, or cargo could not build it; nginx: it is
/// not installed.
pub fn program(side: &Side) -> Result<PathBuf> {
    match side.kind {
        Kind::Nginx => find_tool("nginx").ok_or_else(|| missing("nginx")),
        Kind::Stage => {
            let manifest = std::fs::read_to_string(package().join("Cargo.toml"))?;
            if !manifest.contains(&format!("name = \"{}\"", side.program)) {
                return Err(Trouble::of("not part of this checkout"));
            }
            let dir = profile_dir()?;
            build(package(), &dir, side.program)
        }
        Kind::Peer => {
            let dir = profile_dir()?;
            let target = dir.parent().unwrap_or(&dir).join("peers");
            let profile = if is_release() { "release" } else { "debug" };
            build(&package().join("bench/peers"), &target.join(profile), side.program)
        }
    }
}

/// Builds one binary of a package into `dir`, the profile's folder of a target folder.
fn build(package: &Path, dir: &Path, name: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "--bin", name]);
    command.args(["--profile", if is_release() { "release" } else { "dev" }]);
    command.arg("--manifest-path").arg(package.join("Cargo.toml"));
    command.arg("--target-dir").arg(dir.parent().unwrap_or(dir));
    let output = command.output().map_err(|e| Trouble::of(format!("cannot run cargo: {e}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().find(|l| l.contains("error")).unwrap_or("no word from cargo");
        return Err(Trouble::of(format!("cargo could not build {name}: {first}")));
    }
    Ok(dir.join(name))
}

/// A program of that name on PATH, or where administrators' programs stand.
pub fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];
    let dirs = std::env::split_paths(&path).chain(usual.iter().map(PathBuf::from));
    dirs.map(|dir| dir.join(name)).find(|p| p.is_file())
}

/// Says that a tool is missing and how it is installed.
pub fn missing(tool: &str) -> Trouble {
    let how = match tool {
        "oha" => "cargo install oha --locked",
        "wrk2" => "built from its source, github.com/giltene/wrk2, and called wrk2",
        "perf" => "apt-get install linux-perf",
        _ if cfg!(target_os = "linux") => return missing_package(tool, "apt-get install"),
        _ if cfg!(target_os = "macos") => return missing_package(tool, "brew install"),
        _ => return missing_package(tool, "pkg install"),
    };
    Trouble::of(format!("{tool} is not installed: {how}"))
}

fn missing_package(tool: &str, how: &str) -> Trouble {
    Trouble::of(format!("{tool} is not installed: {how} {tool}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_found_by_its_name_and_a_stage_by_its_short_name() {
        assert_eq!(Side::find("nginx").map(|s| s.kind), Some(Kind::Nginx));
        assert_eq!(Side::find("ch07").map(|s| s.name), Some("ch07_full"));
        assert_eq!(Side::find("ch07_w1").map(|s| s.args), Some(&["--workers", "1"][..]));
        assert!(Side::find("apache").is_none());
    }

    #[test]
    fn the_install_line_names_the_tool() {
        assert!(missing("oha").to_string().contains("cargo install oha"));
        assert!(missing("wrk").to_string().ends_with("install wrk"));
    }
}
