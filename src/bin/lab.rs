//! The lab in a terminal: plays a scenario against a stage and says in words
//! what it did and what it saw.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use common::lab::broken::{self, Broken};
use common::lab::scenarios::{self, Expected, Scenario};
use common::lab::{Play, Result, Stage, Trouble, matrix, strace};

const HELP: &str = "\
lab: plays one scenario against one stage and says what it did and saw

Usage:
  lab list                             the scenarios, the stages, the broken variants
  lab run SCENARIO [--stage chNN] [--broken NAME] [--trace]
                                       play it; --trace shows the server's own trace between
  lab record SCENARIO --stage chNN [--out FILE]
                                       play it and keep trace and client actions, one JSON object a line
  lab matrix                           write the table of all stages and behaviours
  lab broken                           play every broken variant: each must fail in its way
  lab strace [--stage chNN]            compare --trace with strace -f, call by call (Linux)

Exit status: 0 as expected; 1 not so, or it could not be played; 2 wrong command line.
";

#[derive(Default)]
struct Asked {
    words: Vec<String>,
    stage: Option<Stage>,
    broken: Option<&'static Broken>,
    trace: bool,
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let asked = match parse() {
        Ok(asked) => asked,
        Err(wrong) => {
            eprintln!("lab: {wrong}\nTry lab --help");
            return ExitCode::from(2);
        }
    };
    let words: Vec<&str> = asked.words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] | ["help"] => {
            print!("{HELP}");
            Ok(())
        }
        ["list"] => list(),
        ["run", name] => find(name).and_then(|s| run(s, &asked)),
        ["record", name] => find(name).and_then(|s| record(s, &asked)),
        ["matrix"] => write_matrix(),
        ["broken"] => check_broken(),
        ["strace"] => check_strace(&asked),
        other => {
            eprintln!("lab: I do not know \"{}\"\nTry lab --help", other.join(" "));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("lab: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> std::result::Result<Asked, String> {
    let mut asked = Asked::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            lexopt::Arg::Long("stage") => {
                let text = value(&mut parser)?;
                let stage = Stage::find(&text);
                asked.stage = Some(stage.ok_or(format!("no stage is called {text}; try ch03"))?);
            }
            lexopt::Arg::Long("broken") => {
                let text = value(&mut parser)?;
                let names: Vec<_> = broken::ALL.iter().map(|b| b.name).collect();
                let known = format!("no variant is called {text}; there are {}", names.join(", "));
                asked.broken = Some(Broken::find(&text).ok_or(known)?);
            }
            lexopt::Arg::Long("out") => asked.out = Some(value(&mut parser)?.into()),
            lexopt::Arg::Long("trace") => asked.trace = true,
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                asked.words = vec!["help".into()]
            }
            lexopt::Arg::Value(word) => asked.words.push(word.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(asked)
}

fn value(parser: &mut lexopt::Parser) -> std::result::Result<String, String> {
    let value = parser.value().map_err(|e| e.to_string())?;
    value.into_string().map_err(|v| format!("{v:?} is not UTF-8"))
}

fn find(name: &str) -> Result<&'static Scenario> {
    Scenario::find(name)
        .ok_or_else(|| Trouble(format!("no scenario is called {name}; lab list names them")))
}

fn list() -> Result<()> {
    println!("Scenarios:");
    for s in scenarios::ALL {
        println!("  {:<22} {}", s.name, s.title);
    }
    println!("\nStages:");
    for stage in Stage::ALL {
        println!("  {:<22} {}", stage.short(), stage.name());
    }
    println!("\nBroken variants:");
    for b in broken::ALL {
        println!("  {:<22} {}: {} (seen in: {})", b.name, b.stage.short(), b.about, b.scenario);
    }
    Ok(())
}

/// The stage that is meant, and its program.
fn cast(asked: &Asked) -> Result<(Stage, PathBuf)> {
    match (asked.broken, asked.stage) {
        (Some(broken), Some(stage)) if stage != broken.stage => Err(Trouble(format!(
            "{} is a variant of {}, not of {stage}",
            broken.name, broken.stage
        ))),
        (Some(broken), _) => Ok((broken.stage, broken.program()?)),
        (None, stage) => {
            let stage = stage.unwrap_or(Stage::Ch07);
            Ok((stage, stage.program()?))
        }
    }
}

fn run(scenario: &Scenario, asked: &Asked) -> Result<()> {
    let (stage, program) = cast(asked)?;
    let variant = asked.broken.map_or(String::new(), |b| format!(" with a mistake: {}", b.about));
    println!("{} — played by {stage}{variant}\n", scenario.title);
    if let (Expected::No(reason), None) = (scenario.expected_of(stage), asked.broken) {
        println!("The question does not arise for {stage}: {reason}.");
        return Ok(());
    }
    let play = Play::new(stage, program).aloud(asked.trace);
    let seen = match asked.broken {
        Some(broken) if broken.scenario == scenario.name => broken.check(&play)?,
        Some(_) => (scenario.run)(&play)?,
        None => matrix::check(scenario, &play)?,
    };
    println!("\nSeen: {seen}");
    Ok(())
}

fn record(scenario: &Scenario, asked: &Asked) -> Result<()> {
    let (stage, program) = cast(asked)?;
    let play = Play::new(stage, program);
    let seen = (scenario.run)(&play)?;
    let mut lines: Vec<(u64, String)> = Vec::new();
    for record in play.traces().iter().flatten() {
        lines.push((record.us, record.json.trim_end().to_string()));
    }
    for action in play.script().actions() {
        let line = serde_json::json!({
            "kind": "client", "us": action.us, "who": action.who,
            "from": action.from, "what": action.what,
        });
        lines.push((action.us, line.to_string()));
    }
    lines.sort_by_key(|(us, _)| *us);
    let header = serde_json::json!({
        "trace": 1, "clock": "CLOCK_MONOTONIC", "stage": stage.name(),
        "queue": common::queue::NAME, "scenario": scenario.name, "seen": seen.to_string(),
    });
    let default = format!("target/recordings/{}.{}.jsonl", stage.short(), scenario.name);
    let path = asked.out.clone().unwrap_or_else(|| default.into());
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let mut text = format!("{header}\n");
    lines.iter().for_each(|(_, line)| text.push_str(&format!("{line}\n")));
    std::fs::write(&path, text)?;
    println!("{}: {} lines; {seen}", path.display(), lines.len() + 1);
    Ok(())
}

fn write_matrix() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/generated/matrix.md");
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(&path, matrix::markdown())?;
    println!("{} written", path.display());
    Ok(())
}

fn check_broken() -> Result<()> {
    for broken in broken::ALL {
        let play = Play::new(broken.stage, broken.program()?);
        let seen = broken.check(&play)?;
        println!("{} {:<18} {seen}", broken.stage.short(), broken.name);
    }
    println!("{} broken variants, each fails in its way", broken::ALL.len());
    Ok(())
}

fn check_strace(asked: &Asked) -> Result<()> {
    let stages = Stage::ALL.into_iter().filter(|s| asked.stage.is_none_or(|only| only == *s));
    for stage in stages {
        let play = Play::new(stage, stage.program()?);
        let said = strace::check(&play).map_err(|t| Trouble(format!("{stage}: {t}")))?;
        println!("{stage}: {said}");
    }
    Ok(())
}
