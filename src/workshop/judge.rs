//! Plays an exercise's steps against a program, and finds words for a program
//! that does what nobody asked of it.

use std::path::Path;

use super::attempt::show;
use super::usually::{self, POLLS};
use super::{Attempt, Exercise, Finding, Step, Verdict};
use common::lab::answer::TOO_MUCH;
use common::lab::record::Kind;
use common::lab::rest::NAPS;
use common::lab::{Action, LastWords, Trouble};

/// How far a program has come.
#[derive(Debug)]
pub struct Judgement {
    /// How many steps have passed.
    pub passed: usize,
    /// Why the next one fails; `None` if there is none.
    pub finding: Option<Finding>,
}

/// Plays the steps in order, up to the first that fails. `told` hears of each
/// step that has passed, and what shows it.
pub fn judge(
    exercise: &'static Exercise,
    program: &Path,
    told: impl FnMut(&Step, &str),
) -> Judgement {
    judge_from(1, exercise, program, told)
}

/// The same, as if the steps before `first` had passed.
pub fn judge_from(
    first: usize,
    exercise: &'static Exercise,
    program: &Path,
    mut told: impl FnMut(&Step, &str),
) -> Judgement {
    for (passed, step) in exercise.steps.iter().enumerate().skip(first - 1) {
        let attempt = Attempt::new(exercise, program.to_path_buf());
        let verdict = (step.check)(&attempt);
        let mut finding = match verdict {
            Ok(Verdict::Passed(what)) => {
                told(step, &what);
                continue;
            }
            // Whatever was seen, a program that panicked did it because of that.
            Ok(Verdict::Failed(finding)) => match panicked(&attempt) {
                Some(said) => of_panic(&attempt, said),
                None => finding,
            },
            Err(trouble) => explained(&attempt, &trouble),
        };
        plain_words(&attempt, &mut finding);
        if finding.page.is_empty() {
            finding.page = exercise.page;
        }
        return Judgement { passed, finding: Some(finding) };
    }
    Judgement { passed: exercise.steps.len(), finding: None }
}

/// How the lab says that a program has not announced where it listens.
const DID_NOT_START: &str = " did not start: ";

/// What a panic has said, and where the learner's file had brought it.
struct Panic {
    said: String,
    /// `chapters/ch03_kqueue/exercise.rs:61`.
    line: Option<String>,
}

/// The first panic, if there was one; the lab asks for its backtrace.
fn panicked(attempt: &Attempt) -> Option<Panic> {
    let words = attempt.play().last_words()?;
    let at = words.lines.iter().position(|line| line.contains("panicked at"))?;
    let (head, rest) = words.lines[at..].split_first()?;
    let ends = |line: &&String| !line.starts_with("stack backtrace") && !line.starts_with("note: ");
    let said = rest.iter().take_while(ends).take(4).map(|line| line.trim());
    let said = said.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let file = attempt.exercise.file().display().to_string();
    let place = |line: &String| {
        let from = line.find(&file)?;
        let line = line[from..].trim_end_matches(':');
        // "…/exercise.rs:61:20": the column says little.
        Some(line.split(':').take(2).collect::<Vec<_>>().join(":"))
    };
    let line = words.lines[at..].iter().find_map(place);
    let where_else = head.split("panicked at ").nth(1).unwrap_or_default();
    let said = match (&line, said.is_empty()) {
        (_, true) => where_else.trim_end_matches(':').to_string(),
        (Some(_), _) => said,
        (None, _) => format!("{said} ({})", where_else.trim_end_matches(':')),
    };
    Some(Panic { said, line })
}

fn of_panic(attempt: &Attempt, Panic { said, line }: Panic) -> Finding {
    let mut words = attempt.play().last_words().unwrap_or_default();
    // What the unwinding drops is closed after the panic.
    words.records.retain(|r| !(r.is_call("close") && r.note.contains("dropped")));
    let place = line.map_or(String::new(), |line| format!(" in {line}"));
    Finding::new(attempt.did(), "The server serves on.", format!("It panicked{place}: {said}"))
        .usually(
            "Usually an unwrap, an index or a subtraction relies on something that a client, the \
             kernel or another thread decides. The last calls in the trace say what that was.",
        )
        .lines(last_calls(&words))
}

/// How the lab begins to say that something has not come.
const WAITED: &str = "waited for ";

/// What it has said last: some of it beside the trace, some as records of it. (The
/// trace's header is nothing that it says.)
fn last_lines(words: &LastWords) -> String {
    let plain = words.lines.iter().map(String::as_str).filter(|line| !line.starts_with('{'));
    let logged = words.records.iter().filter(|r| r.kind == Kind::Log).map(|r| r.note.as_str());
    let said: Vec<&str> = plain.chain(logged).collect();
    said[said.len().saturating_sub(3)..].join("; ")
}

/// Takes out of a finding what the lab says for its own use: the last records,
/// which the trace shows, and its way to say what it waited for.
fn plain_words(attempt: &Attempt, finding: &mut Finding) {
    // The lab knows a client by its address, the learner by its name.
    for Action { who, from, .. } in attempt.play().script().actions() {
        let Some(from) = from else { continue };
        for text in [&mut finding.did, &mut finding.expected, &mut finding.seen] {
            *text = text.replace(&from, &who);
        }
    }
    for text in [&mut finding.did, &mut finding.expected, &mut finding.seen] {
        let Some((first, records)) = text.split_once('\n') else { continue };
        let lines: Vec<String> = records.lines().map(|line| line.trim().to_string()).collect();
        if finding.trace.is_empty() {
            finding.trace = lines;
        }
        *text = first.trim_end_matches(':').trim_end_matches("; its last records").to_string();
    }
    if waited(&finding.seen).is_some() {
        finding.seen = in_plain_words(&finding.seen);
    }
}

/// What the lab says of a run that could not be finished, as a sentence, and without
/// the records that it adds.
pub fn in_plain_words(trouble: &str) -> String {
    match waited(trouble) {
        Some((what, state)) => format!("The lab waited for {what}, in vain: {state}."),
        None => match first_line(trouble).split_once(DID_NOT_START) {
            Some((_, why)) => format!("It did not start: {}.", before_header(why)),
            None => first_line(trouble).trim_end_matches(':').to_string(),
        },
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The trace's header is nothing that the program says.
fn before_header(text: &str) -> &str {
    text.split('{').next().unwrap_or_default().trim()
}

/// `waited for what: state` in its parts.
fn waited(text: &str) -> Option<(&str, &str)> {
    text.lines().next()?.strip_prefix(WAITED)?.split_once(": ").map(|(what, state)| {
        (what, state.trim_end_matches(':').trim_end_matches("; its last records"))
    })
}

/// A check that could not be played to its end is the program's doing, too.
fn explained(attempt: &Attempt, trouble: &Trouble) -> Finding {
    if let Some(said) = panicked(attempt) {
        return of_panic(attempt, said);
    }
    let words = attempt.play().last_words().unwrap_or_default();
    let (did, said) = (attempt.did(), last_lines(&words));
    let finding = match (words.exit, words.signal) {
        (Some(status), _) => {
            let seen = format!("It ended by itself, with status {status}. It said: {said:?}");
            let mistake = "A `?` or a return ends `serve`, and with it the server: whatever \
                           concerns one client only must end no more than that client.";
            Finding::new(did, "The server serves on.", seen).usually(mistake)
        }
        (_, Some(signal)) if signal != libc::SIGKILL => {
            let seen = format!("Signal {signal} ended it. It said: {said:?}");
            Finding::new(did, "The server serves on.", seen)
                .usually("An abort: of the program itself, or of something it cannot do.")
        }
        _ if trouble.0.contains(TOO_MUCH) => {
            let expected = "Each byte of the answer comes once, and after the last one no more.";
            Finding::new(did, expected, first_line(&trouble.0)).usually(
                "What write has taken the kernel will send: to offer it again is to send it again. \
                 See in the trace how much each write took, and what the next one was offered.",
            )
        }
        _ if words.flooded => Finding::new(
            did,
            "The server sleeps when there is nothing to do.",
            "Its loop makes calls without end.",
        )
        .usually(
            "It spins: something is reported to it, again and again, that it never deals with.",
        ),
        _ if trouble.0.contains(DID_NOT_START) => {
            let why = trouble.0.split(DID_NOT_START).nth(1).unwrap_or_default();
            let why = why.lines().next().unwrap_or_default();
            let expected = "It prints \"listening on http://…\" once it can be connected to.";
            Finding::new(did, expected, format!("After its start {why}."))
                .usually("`announce` prints that line. Something before it never comes to an end.")
        }
        _ if trouble.0.contains("ECONNREFUSED") => {
            let expected = "Who has read where it listens can connect.";
            Finding::new(did, expected, "Connection refused (ECONNREFUSED).").usually(
                "From listen on the kernel takes clients in, and not before: print where it listens \
                 (cli::announce) after that.",
            )
        }
        _ if trouble.0.starts_with("broken invariant") => {
            let (seen, line) = trouble.0.split_once('\n').unwrap_or((&trouble.0, ""));
            let rule = "What holds for every trace: a descriptor is used only while it is open \
                        and closed once; a connection is in one place, and in one thread's hands.";
            let finding = Finding::new(did, rule, seen).usually(
                "The line below did what only the connection's owner may do, or did it a second \
                 time. The lines above it in your trace say who the owner is.",
            );
            return finding.lines([line.trim().to_string()]);
        }
        _ => match waited(&trouble.0) {
            Some((what, state)) => {
                let seen = format!("It did not come: {state}.");
                let usually = usually::of(attempt.exercise.stage, state);
                Finding::new(did, format!("Next the check waits for {what}."), seen)
                    .usually(usually)
            }
            None => {
                let seen = in_plain_words(&trouble.0);
                let waits = [" waited for an answer", " waits, and"];
                let expected = match waits.iter().find_map(|waits| seen.split_once(waits)) {
                    Some((who, _)) => format!("{who} is answered."),
                    None => "The check can be played to its end.".to_string(),
                };
                let mistake = match seen.as_str() {
                    _ if seen.contains(NAPS) => usually::NAPPING,
                    _ if seen.contains(POLLS) => usually::POLLING,
                    _ => "The last calls in the trace say what your server did instead.",
                };
                Finding::new(did, expected, seen).usually(mistake)
            }
        },
    };
    finding.lines(last_calls(&words))
}

fn last_calls(words: &LastWords) -> Vec<String> {
    let from = words.records.len().saturating_sub(6);
    words.records[from..].iter().map(show).collect()
}
