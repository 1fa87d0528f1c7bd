//! The ladder, measured: every stage and its peers under the same load, in
//! interleaved rounds, with ratios that another reader's machine can repeat.

mod args;
mod calls;
mod data;
mod figures;
mod gates;
mod idle;
mod machine;
mod measure;
mod nginx;
mod page;
mod plots;
mod process;
mod procfs;
mod progress;
mod rate;
mod rounds;
mod scenarios;
mod sides;
mod stats;
mod svg;
mod table;
mod trouble;
mod wrk;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use args::{Asked, Command};
use data::Run;
use progress::Progress;
use rounds::Plan;
use sides::{find_tool, missing};

fn main() -> ExitCode {
    let asked = match Asked::parse(lexopt::Parser::from_env()) {
        Ok(asked) => asked,
        Err(wrong) => {
            eprintln!("ladder: {wrong}\nTry ladder --help");
            return ExitCode::from(2);
        }
    };
    let done = match (asked.command, &asked.from) {
        (Command::Help, _) => {
            print!("{}", args::HELP);
            Ok(ExitCode::SUCCESS)
        }
        (Command::List, _) => {
            list();
            Ok(ExitCode::SUCCESS)
        }
        (Command::Report, Some(file)) => read(file).and_then(|run| report(&run, &asked.out)),
        (Command::Gates, Some(file)) => read(file).and_then(|run| judge(&run, &asked.out)),
        (Command::Run | Command::Gates | Command::Report, _) => measure(&asked),
    };
    done.unwrap_or_else(|trouble| {
        eprintln!("ladder: {trouble}");
        ExitCode::FAILURE
    })
}

fn list() {
    println!("Scenarios:");
    for s in scenarios::ALL {
        println!("  {:<16} {}", s.name, s.title);
    }
    println!("\nServers:");
    for s in sides::ALL {
        let more = if s.usual { "" } else { " (if named)" };
        println!("  {:<16} {}{more}", s.name, s.about);
    }
}

fn read(file: &Path) -> Result<Run, String> {
    let named = |e: String| format!("{}: {e}", file.display());
    let text = fs::read_to_string(file).map_err(|e| named(e.to_string()))?;
    Run::from_json(&text).map_err(named)
}

fn measure(asked: &Asked) -> Result<ExitCode, String> {
    trouble::hear_signals().map_err(|e| format!("cannot install a signal handler: {e}"))?;
    common::sys::raise_descriptor_limit()
        .map_err(|e| format!("cannot raise the limit on descriptors: {e}"))?;
    let is_judged = asked.command == Command::Gates;
    let plan = Plan {
        pairs: if is_judged { gates::pairs() } else { asked.pairs() },
        blocks: asked.blocks.unwrap_or(if is_judged { 3 } else { 1 }),
        rounds: asked.rounds,
        seconds: asked.seconds,
        warm_up: asked.warm_up,
        rate: asked.rate,
    };
    if find_tool("wrk").is_none() {
        eprintln!("ladder: {}; what it measures is left out", missing("wrk"));
    }
    if !sides::is_release() {
        eprintln!("ladder: a debug build measures the compiler: cargo run --release --bin ladder");
    }
    let (count, seconds) = (plan.steps(), plan.estimate().as_secs());
    let long = if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds / 60) };
    eprintln!("{count} measurements, about {long}; Ctrl-C stops and keeps what there is");
    let (run, interrupted) = rounds::run(&plan, &mut Progress::new());
    if run.cells.iter().all(|cell| cell.samples.is_empty()) {
        let why = run.cells.iter().find_map(|cell| cell.note.clone());
        let why = why.unwrap_or_else(|| "interrupted before the first figure".into());
        return Err(format!("nothing was measured: {why}"));
    }
    let done = if is_judged { judge(&run, &asked.out) } else { report(&run, &asked.out) };
    if interrupted { done.map(|_| ExitCode::from(130)) } else { done }
}

/// Writes the table, the JSON and the plots, and prints the table.
fn report(run: &Run, out: &Path) -> Result<ExitCode, String> {
    let table = table::markdown(run);
    write(run, out, &[("ladder.md".into(), table.clone())])?;
    print!("{table}");
    Ok(ExitCode::SUCCESS)
}

/// The same with the table of gates, which decides.
fn judge(run: &Run, out: &Path) -> Result<ExitCode, String> {
    let (gates, passed) = gates::table(run);
    let table = table::markdown(run);
    write(run, out, &[("ladder.md".into(), table), ("gates.md".into(), gates.clone())])?;
    print!("{gates}");
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(run: &Run, out: &Path, texts: &[(String, String)]) -> Result<(), String> {
    let json = serde_json::to_string_pretty(&run.to_json()).map_err(|e| e.to_string())?;
    let mut files = vec![("ladder.json".to_string(), json + "\n")];
    files.extend_from_slice(texts);
    files.extend(table::parts(run));
    files.extend(plots::all(run));
    fs::create_dir_all(out).map_err(|e| format!("{}: {e}", out.display()))?;
    for (name, text) in &files {
        let path = out.join(name);
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    eprintln!("written to {}: {}", out.display(), names.join(", "));
    Ok(())
}
