//! The lab in a terminal: plays a scenario against a stage and says in words
//! what it did and what it saw.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use common::lab::book::runs;
use common::lab::book::transcript::Ports;
use common::lab::broken::{self, Broken};
use common::lab::scenarios::{self, Expected, Scenario};
use common::lab::{Play, Result, Stage, Trouble};
use common::lab::{book, faults, matrix, recordings, soak, strace};

const HELP: &str = "\
lab: plays one scenario against one stage and says what it did and saw

Usage:
  lab list                             the scenarios, the stages, the broken variants
  lab run SCENARIO [--stage chNN] [--broken NAME] [--trace]
                                       play it; --trace shows the server's own trace between
  lab record SCENARIO --stage chNN [--out FILE]
                                       play it and keep trace and client actions, one JSON object a line
  lab recordings [NAME]...             record anew what the book's pages play, with this build's queue
  lab recordings notes                 only renew what the kept ones say of their turning points
  lab random COUNT --out DIR           record COUNT runs of random clients, as lab record does
  lab book                             renew everything in the book that is generated
  lab matrix                           write the table of all stages and behaviours
  lab broken                           play every broken variant: each must fail in its way
  lab strace [--stage chNN]            compare --trace with strace -f, call by call (Linux)
  lab faults [--stage chNN]            have strace make calls fail: nobody may suffer for long (Linux)
  lab soak [--seconds N]               thousands of clients of every kind, for N seconds (120; Linux)

Exit status: 0 as expected; 1 not so, or it could not be played; 2 wrong command line.
";

#[derive(Default)]
struct Asked {
    words: Vec<String>,
    stage: Option<Stage>,
    broken: Option<&'static Broken>,
    trace: bool,
    out: Option<PathBuf>,
    seconds: Option<u64>,
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
        ["recordings", "notes"] => renew_notes(),
        ["recordings", names @ ..] => write_recordings(names),
        ["random", count] => random(count, &asked),
        ["book"] => book::renew(),
        ["matrix"] => write_matrix(),
        ["broken"] => check_broken(),
        ["strace"] => check_strace(&asked),
        ["faults"] => faults::check(asked.stage),
        ["soak"] => soak::check(asked.seconds.unwrap_or(120)),
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
            lexopt::Arg::Long("seconds") => {
                let text = value(&mut parser)?;
                let seconds = text.parse().ok().filter(|n| (10..=3600).contains(n));
                let wrong = format!("--seconds {text}: a number from 10 to 3600");
                asked.seconds = Some(seconds.ok_or(wrong)?);
            }
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
    let title = book::transcript::title(scenario, &Play::new(stage, program.clone()), &variant);
    if let (Expected::No(reason), None) = (scenario.expected_of(stage), asked.broken) {
        println!("{title}\n\nThe question does not arise for {stage}: {reason}.");
        return Ok(());
    }
    // With the trace, cause and effect can only be put in order afterwards.
    let play = Play::new(stage, program).calmly();
    let play = if asked.trace { play } else { play.aloud(false) };
    if !asked.trace {
        println!("{title}\n");
    }
    let seen = match asked.broken {
        Some(broken) if broken.scenario == scenario.name => broken.check(&play)?,
        Some(_) => (scenario.run)(&play)?,
        None => matrix::check(scenario, &play)?,
    };
    match asked.trace {
        true => print!("{}", book::transcript::tell(&title, &play, &seen, true, Ports::Real)),
        false => println!("\nSeen: {seen}"),
    }
    Ok(())
}

fn record(scenario: &Scenario, asked: &Asked) -> Result<()> {
    let (stage, program) = cast(asked)?;
    let play = Play::new(stage, program);
    let seen = (scenario.run)(&play)?;
    let lines = recordings::lines(&play)?;
    let text = recordings::jsonl(stage, scenario.name, &seen.to_string(), &lines)?;
    let default = format!("target/recordings/{}.{}.jsonl", stage.short(), scenario.name);
    let path = asked.out.clone().unwrap_or_else(|| default.into());
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(&path, text)?;
    println!("{}: {} lines; {seen}", path.display(), lines.len() + 1);
    Ok(())
}

fn renew_notes() -> Result<()> {
    for (recording, queue) in recordings::Written::all() {
        recordings::Written::read(recording, queue)?.with_notes()?.write()?;
    }
    write_index()
}

fn write_recordings(names: &[&str]) -> Result<()> {
    if let Some(name) = names.iter().find(|name| recordings::Recording::find(name).is_none()) {
        return Err(Trouble(format!("there is no recording {name}")));
    }
    let asked = |r: &&recordings::Recording| names.is_empty() || names.contains(&r.name);
    for recording in recordings::ALL.iter().filter(asked) {
        let written = recordings::Written::record(recording, recording.stage.program()?)?;
        let written = written.with_notes()?;
        written.write()?;
        let steps = written.value["records"].as_array().map_or(0, Vec::len);
        println!("{:<12} {} {steps} steps", recording.name, common::queue::NAME);
    }
    write_index()
}

fn write_index() -> Result<()> {
    std::fs::write(recordings::folder().join("index.js"), recordings::index())?;
    println!("written to {}", recordings::folder().display());
    Ok(())
}

fn random(count: &str, asked: &Asked) -> Result<()> {
    let count: u64 = count.parse().map_err(|_| Trouble(format!("{count} is not a number")))?;
    let dir = asked.out.clone().unwrap_or_else(|| "target/recordings/random".into());
    std::fs::create_dir_all(&dir)?;
    let programs = Stage::ALL.map(|stage| stage.program().map(|program| (stage, program)));
    let programs = programs.into_iter().collect::<Result<Vec<_>>>()?;
    for seed in 0..count {
        let (stage, program) = programs[seed as usize % programs.len()].clone();
        let lines = recordings::Recording::random(stage, seed, program)?;
        let text = recordings::jsonl(stage, &format!("random {seed}"), "", &lines)?;
        std::fs::write(dir.join(format!("{}.{seed}.jsonl", stage.short())), text)?;
    }
    println!("{count} random runs written to {}", dir.display());
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
    let mut shown = 0;
    for broken in broken::ALL {
        let program = broken.program()?;
        let seen = broken.check(&Play::new(broken.stage, program.clone()))?;
        println!("{} {:<18} {seen}", broken.stage.short(), broken.name);
        // What the book shows of it is not played by `cargo test`, which builds no variants.
        for run in runs::ALL.iter().filter(|run| run.broken == Some(broken.name)) {
            let files = book::replay(run, &program)?;
            if let Some(stale) = files.iter().find(|file| !book::tells_the_same(file, run.stage)) {
                return Err(Trouble(format!(
                    "{} is stale; renew it with: cargo run --bin lab -- book\n{}",
                    stale.path, stale.text
                )));
            }
            shown += files.len();
        }
    }
    println!(
        "{} broken variants, each fails in its way; the book shows {shown} files of their runs",
        broken::ALL.len()
    );
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
