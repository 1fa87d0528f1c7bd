//! Is this machine set up for the workshop?

use std::env;
use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::time::Instant;

use common::lab::Result;
use common::{queue, sys};

use crate::check;
use crate::page::{Page, Tone};
use crate::workshop::{self, pristine};

/// How many descriptors the largest crowd of a check wants.
const DESCRIPTORS: u64 = 2100;

/// `workshop doctor`.
pub fn run(page: &mut Page) -> Result<bool> {
    let mut well = true;
    let mut say = |is: bool, what: &str, found: &str| {
        well &= is;
        let (tone, mark) = match is {
            // Done without, but not here.
            true if found.starts_with("not here") => (Tone::Bold, "missing"),
            true => (Tone::Good, "ok     "),
            false => (Tone::Bad, "not ok "),
        };
        page.prose(tone, &format!("{mark} {what:<12} "), found);
    };
    let rustc = first_line("rustc", &["--version"]);
    let minor = rustc.as_deref().and_then(|v| v.split('.').nth(1)?.parse::<u32>().ok());
    let version = rustc.map(|v| v.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    let found = version.unwrap_or("rustc cannot be run".into());
    say(minor >= Some(88), "Rust", &format!("{found} (1.88 or newer is needed)"));
    say(true, "event queue", queue::NAME);

    let any = TcpListener::bind("127.0.0.1:0");
    let said = any.as_ref().map_or_else(sys::describe, |_| "a port can be listened on".into());
    say(any.is_ok(), "loopback", &said);
    let said = match TcpListener::bind("127.0.0.1:8080") {
        Ok(_) => "free, as the book's commands want it".to_string(),
        Err(e) => format!("{}: start servers with --port 8081 instead", sys::describe(&e)),
    };
    say(true, "port 8080", &said); // the checks choose ports of their own
    match sys::raise_descriptor_limit() {
        Ok(n) if n >= DESCRIPTORS => say(true, "descriptors", &format!("{n} at once")),
        Ok(n) => say(
            n >= 464,
            "descriptors",
            &format!("{n} at once: crowds are played with fewer; ulimit -n {DESCRIPTORS} helps"),
        ),
        Err(e) => say(false, "descriptors", &sys::describe(&e)),
    }
    let curl = first_line("curl", &["--version"]);
    let version = curl.and_then(|line| line.split(" (").next().map(str::to_string));
    let said = version.unwrap_or("not here: the book asks with it; the checks do not".to_string());
    say(true, "curl", &said);
    for (name, without) in [
        ("nc", "the book's Try its and some hunts connect with it; the checks do not"),
        ("strace", "some checks see less, and say so"),
    ] {
        match is_in_path(name) {
            true => say(true, name, "can be found"),
            false if name == "strace" && !cfg!(target_os = "linux") => {}
            false => say(true, name, &format!("not here: {without}")),
        }
    }
    let own = pristine::root().join("target/workshop");
    let written = fs::create_dir_all(&own).and_then(|()| fs::write(own.join("doctor"), "ok"));
    let said = written.as_ref().map_or_else(sys::describe, |()| "can be written".to_string());
    say(written.is_ok(), "target", &said);

    let Some(exercise) = workshop::all().next() else { return Ok(well) };
    let begun = Instant::now();
    let built = check::build(exercise)?.is_some();
    let took = begun.elapsed().as_secs_f64();
    let said = match built {
        true => format!("{} in {took:.1} s; after an edit it is less", exercise.binary),
        false => format!("{} does not compile (see above)", exercise.binary),
    };
    say(built, "build", &said);
    page.line("");
    page.line(if well { "All is well." } else { "Mend what is not ok, and run this again." });
    Ok(well)
}

/// Whether a program of this name can be found; not every `nc` says a version.
fn is_in_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(str::to_string).filter(|_| output.status.success())
}
