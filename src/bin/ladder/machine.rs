//! On what it was measured: figures without their machine say nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::sides::{self, find_tool, package};

/// Kernel, processor, versions: name and value, what could be found out.
pub fn describe() -> Vec<(String, String)> {
    let cores = std::thread::available_parallelism().map(|n| n.to_string());
    let mut facts = vec![("cores".to_string(), cores.unwrap_or_else(|e| e.to_string()))];
    let mut add = |name: &str, value: Option<String>| {
        let value = value.filter(|v| !v.is_empty()).unwrap_or_else(|| "unknown".into());
        facts.push((name.to_string(), value));
    };
    add("processor", processor());
    add("kernel", said("uname", &["-srm"], ""));
    add("TCP congestion control", congestion_control());
    add("load before", fs::read_to_string("/proc/loadavg").ok().map(|l| first_words(&l, 3)));
    add("queue", Some(common::queue::NAME.to_string()));
    add("build", Some(if sides::is_release() { "release" } else { "debug" }.to_string()));
    add("rustc", said("rustc", &["--version"], ""));
    add("commit", commit());
    for (tool, option, before) in [
        ("nginx", "-v", "nginx version: "),
        ("wrk", "-v", ""),
        ("wrk2", "-v", ""),
        ("oha", "--version", ""),
    ] {
        if let Some(program) = find_tool(tool) {
            add(tool, said(&program.display().to_string(), &[option], before));
        }
    }
    for (name, version) in peers() {
        add(&name, Some(version));
    }
    facts
}

fn first_words(text: &str, count: usize) -> String {
    text.split_whitespace().take(count).collect::<Vec<_>>().join(" ")
}

/// The first line that a program says, on whichever stream, without `before`.
/// (wrk says its version and ends with a failure.)
fn said(program: &str, args: &[&str], before: &str) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().next()?.trim();
    let line = line.strip_prefix(before).unwrap_or(line);
    Some(line.split(" Copyright").next().unwrap_or(line).to_string())
}

fn processor() -> Option<String> {
    if let Ok(text) = fs::read_to_string("/proc/cpuinfo") {
        let line = text.lines().find(|l| l.starts_with("model name"))?;
        return Some(line.split_once(": ")?.1.to_string());
    }
    let name = if cfg!(target_os = "macos") { "machdep.cpu.brand_string" } else { "hw.model" };
    said("sysctl", &["-n", name], "")
}

/// What decides when TCP sends what it was given. (macOS and NetBSD do not tell by this name.)
fn congestion_control() -> Option<String> {
    match fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control") {
        Ok(name) => Some(name.trim().to_string()),
        Err(_) => said("sysctl", &["-n", "net.inet.tcp.cc.algorithm"], ""),
    }
}

fn commit() -> Option<String> {
    let root = package().display().to_string();
    let hash = said("git", &["-C", &root, "rev-parse", "--short", "HEAD"], "")?;
    if !hash.chars().all(|c| c.is_ascii_hexdigit()) {
        return None; // git says why not: no repository, another owner
    }
    let changed = said("git", &["-C", &root, "status", "--porcelain", "-uno"], "").is_some();
    Some(if changed { format!("{hash}, with changes") } else { hash })
}

/// The versions of the peers, from their own lock file.
fn peers() -> Vec<(String, String)> {
    let lock = fs::read_to_string(package().join(Path::new("bench/peers/Cargo.lock")));
    let lock = lock.unwrap_or_default();
    let version = |name: &str| {
        let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some((name.to_string(), rest.split('"').next()?.to_string()))
    };
    ["hyper", "tokio", "axum", "tiny_http"].iter().filter_map(|name| version(name)).collect()
}
