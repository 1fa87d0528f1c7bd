//! The workshop in a terminal: what to do next, whether it is right, and if not,
//! why.

mod check;
mod doctor;
mod lists;
mod page;
mod show;
mod traces;
mod verify;
mod watch;
/// Not in the library: every server's first build would compile it, too.
#[path = "../../workshop/mod.rs"]
mod workshop;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use common::lab::{self, Result};
use page::Page;
use workshop::progress::Progress;
use workshop::{Exercise, pristine};

const HELP: &str = "\
workshop: exercises, and checks that say what is not right yet

Usage: cargo run --bin workshop -- COMMAND
  next [N]      what to do next; so does no command
  list          all exercises, and how far you are (--markdown: for the book)
  check [N]     build exercise N and check it, step by step
  watch [N]     the same whenever you save its file; Ctrl-C ends it
  hint [N]      the next hint (--all: those before it, too)
  demo [N]      what the exercise is about, before your eyes: a failure, or a
                scenario in which all looks well
  trace [N]     your server's calls beside the reference's, up to the first
                difference
  solution [N]  a solution, once yours has passed; to give up before that:
                solution N --give-up; the whole file: --whole
  reset [N]     your file as it was at the beginning; yours is kept aside
  doctor        is this machine set up?
  verify [N]    for those who write exercises: prove the checks
                (--committed: the learner's files are as at the beginning;
                --short: of the wrong answers one for each step)

N is a number of the list or a name (ch03-build). Without it the exercise is
meant that is next: the first open one to build or hunt after the one that
passed last, else the first open one; watch then goes on to what follows.
Progress is kept in workshop-progress.txt, or in the file that
WORKSHOP_PROGRESS names.

Exit status: 0 passed, or shown; 1 not yet, or it could not be done; 2 wrong
command line; 130 ended by Ctrl-C.
";

/// What the command line asks for.
#[derive(Default)]
struct Asked {
    words: Vec<String>,
    options: Vec<&'static str>,
}

impl Asked {
    fn has(&self, option: &str) -> bool {
        self.options.contains(&option)
    }
}

/// Each command, and what it takes: an exercise, options.
const COMMANDS: [(&str, bool, &[&str]); 12] = [
    ("help", false, &[]),
    ("next", true, &[]),
    ("list", false, &["markdown"]),
    ("check", true, &[]),
    ("watch", true, &[]),
    ("hint", true, &["all"]),
    ("demo", true, &[]),
    ("trace", true, &[]),
    ("solution", true, &["give-up", "whole"]),
    ("reset", true, &[]),
    ("doctor", false, &[]),
    ("verify", true, &["committed", "short"]),
];

fn main() -> ExitCode {
    let asked = match parse() {
        Ok(asked) => asked,
        Err(wrong) => return wrong_command(&wrong),
    };
    if let Err(error) = end_servers_with_me() {
        eprintln!("workshop: {error}");
        return ExitCode::FAILURE;
    }
    let words: Vec<&str> = asked.words.iter().map(String::as_str).collect();
    let (command, which) = match words.as_slice() {
        [] => ("next", None),
        [command] => (*command, None),
        [command, which] => (*command, Some(*which)),
        [_, _, more, ..] => return wrong_command(&format!("what is \"{more}\" for?")),
    };
    let Some((_, takes_one, options)) = COMMANDS.iter().find(|(name, ..)| *name == command) else {
        return wrong_command(&format!("I do not know \"{command}\""));
    };
    if let (Some(which), false) = (which, takes_one) {
        return wrong_command(&format!("what is \"{which}\" for? {command} takes no exercise"));
    }
    if let Some(option) = asked.options.iter().find(|option| !options.contains(option)) {
        return wrong_command(&format!("{command} has no option --{option}"));
    }
    let exercise = match which.map(|text| workshop::find(text).ok_or(text)) {
        None => None,
        Some(Ok(exercise)) => Some(exercise),
        Some(Err(text)) => return wrong_command(&nothing_called(text)),
    };
    match run(command, exercise, &asked) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("workshop: {trouble}");
            ExitCode::FAILURE
        }
    }
}

/// Says so; of a chapter, which exercises it has.
fn nothing_called(text: &str) -> String {
    let of_chapter = workshop::all().filter(|e| e.stage.short() == text).map(|e| e.name);
    let names: Vec<&str> = of_chapter.collect();
    match names.is_empty() {
        true => format!("no exercise is called {text}; workshop list names them"),
        false => format!("{text} has several exercises: {}", names.join(", ")),
    }
}

/// Whether all is well.
fn run(command: &str, exercise: Option<&'static Exercise>, asked: &Asked) -> Result<bool> {
    let mut page = Page::new();
    match command {
        "help" => {
            print!("{HELP}");
            return Ok(true);
        }
        "doctor" => return doctor::run(&mut page),
        "list" if asked.has("markdown") => {
            print!("{}", workshop::table());
            return Ok(true);
        }
        "verify" => return verify::run(exercise, asked.has("committed"), asked.has("short")),
        _ => {}
    }
    let kept = std::env::var_os("WORKSHOP_PROGRESS").map(PathBuf::from);
    let kept = kept.unwrap_or_else(|| pristine::root().join("workshop-progress.txt"));
    let mut progress = Progress::read(kept)?;
    match command {
        "list" => return lists::list(&mut page, &progress),
        "next" => return lists::next(&mut page, exercise, &progress),
        _ => {}
    }
    let named = exercise;
    let Some(exercise) = named.or_else(|| progress.next()) else {
        page.line("Nothing is left. To do an exercise again, name it.");
        return Ok(true);
    };
    match command {
        "check" => check::check(&mut page, exercise, &mut progress),
        "watch" => watch::watch(named, exercise, &mut progress),
        "hint" => show::hint(&mut page, exercise, &mut progress, asked),
        "demo" => show::demo(&mut page, exercise, &progress),
        "trace" => traces::compare(&mut page, exercise, &progress),
        "solution" => show::solution(&mut page, exercise, &mut progress, asked),
        _ => show::reset(&mut page, exercise, &mut progress),
    }
}

fn parse() -> std::result::Result<Asked, String> {
    let mut asked = Asked::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            lexopt::Arg::Long("give-up") => asked.options.push("give-up"),
            lexopt::Arg::Long("whole") => asked.options.push("whole"),
            lexopt::Arg::Long("all") => asked.options.push("all"),
            lexopt::Arg::Long("committed") => asked.options.push("committed"),
            lexopt::Arg::Long("short") => asked.options.push("short"),
            lexopt::Arg::Long("markdown") => asked.options.push("markdown"),
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                asked.words = vec!["help".into()];
                return Ok(asked);
            }
            lexopt::Arg::Value(word) => asked.words.push(word.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(asked)
}

fn wrong_command(what: &str) -> ExitCode {
    eprintln!("workshop: {what}\nTry cargo run --bin workshop -- --help");
    ExitCode::from(2)
}

/// On Ctrl-C the servers that were started end, too: one that an exercise has
/// made deaf to signals would go on for ever.
fn end_servers_with_me() -> std::io::Result<()> {
    let (mut told, tell) = UnixStream::pair()?;
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::low_level::pipe::register(signal, tell.try_clone()?)?;
    }
    thread::spawn(move || {
        if told.read(&mut [0]).is_ok() {
            lab::end_all();
            std::process::exit(130);
        }
    });
    Ok(())
}
