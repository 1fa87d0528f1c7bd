//! The ladder's command line.

use std::path::PathBuf;

use lexopt::Arg;

use super::scenarios::{self, Scenario};
use super::sides::{self, Side};

pub const HELP: &str = "\
ladder: measures the stages and their peers under the same load, in interleaved rounds

Usage:
  ladder [run] [options]         measure; print a table, write it, the JSON and plots
  ladder gates [options]         measure what the gates compare; 1 if one is not passed
  ladder list                    the scenarios and the servers
  ladder report --from FILE      table and plots once more, from the JSON of a run
  ladder gates --from FILE       the gates once more

Options:
  --scenario NAME[,NAME...]      only these scenarios (default: all)
  --server NAME[,NAME...]        only these servers (default: all but the variants)
  --rounds N                     rounds in a block (7)
  --seconds N                    length of one measurement (5)
  --warm-up N                    seconds of load before each (1)
  --blocks N                     blocks of rounds; the middle one counts (1; gates: 3)
  --rate N                       requests/s of the scenario rate (half of nginx's maximum)
  --out DIR                      where to write (target/ladder)

It needs wrk, and for the scenario rate wrk2 or oha; compares with nginx if it is
installed; builds the other peers (bench/peers) itself. Build it with --release.

Exit status: 0 measured; 1 a gate was not passed, or nothing could be measured;
2 wrong command line; 130 Ctrl-C (what was measured is written).
";

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Run,
    Gates,
    List,
    Report,
    Help,
}

/// The command line, understood.
#[derive(Debug)]
pub struct Asked {
    pub command: Command,
    pub scenarios: Vec<&'static Scenario>,
    pub sides: Vec<&'static Side>,
    pub rounds: usize,
    pub seconds: u64,
    pub warm_up: u64,
    pub blocks: Option<usize>,
    pub rate: Option<u64>,
    pub out: PathBuf,
    pub from: Option<PathBuf>,
}

impl Asked {
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(mut parser: lexopt::Parser) -> Result<Asked, String> {
        let mut asked = Asked {
            command: Command::Run,
            scenarios: Vec::new(),
            sides: Vec::new(),
            rounds: 7,
            seconds: 5,
            warm_up: 1,
            blocks: None,
            rate: None,
            out: sides::package().join("target/ladder"),
            from: None,
        };
        let mut words = Vec::new();
        while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
            match arg {
                Arg::Long("scenario") => {
                    let find = |name: &str| Scenario::find(name);
                    asked.scenarios.extend(names(&mut parser, "scenario", find)?);
                }
                Arg::Long("server") => {
                    asked.sides.extend(names(&mut parser, "server", Side::find)?);
                }
                Arg::Long("rounds") => asked.rounds = count(&mut parser, "--rounds")? as usize,
                Arg::Long("seconds") => asked.seconds = count(&mut parser, "--seconds")?,
                Arg::Long("warm-up") => asked.warm_up = count(&mut parser, "--warm-up")?,
                Arg::Long("blocks") => {
                    asked.blocks = Some(count(&mut parser, "--blocks")? as usize);
                }
                Arg::Long("rate") => asked.rate = Some(count(&mut parser, "--rate")?),
                Arg::Long("out") => asked.out = value(&mut parser)?.into(),
                Arg::Long("from") => asked.from = Some(value(&mut parser)?.into()),
                Arg::Long("help") | Arg::Short('h') => words = vec!["help".to_string()],
                Arg::Value(word) => words.push(word.to_string_lossy().into_owned()),
                other => return Err(other.unexpected().to_string()),
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        asked.command = match words.as_slice() {
            [] | ["run"] => Command::Run,
            ["gates"] => Command::Gates,
            ["list"] => Command::List,
            ["report"] => Command::Report,
            ["help"] => Command::Help,
            other => return Err(format!("I do not know \"{}\"", other.join(" "))),
        };
        if asked.from.is_none() && asked.command == Command::Report {
            return Err("report needs --from FILE, the JSON of a run".into());
        }
        if asked.from.is_some() && asked.command == Command::Run {
            return Err("--from belongs to report and gates".into());
        }
        Ok(asked)
    }

    /// What a round consists of: scenario by scenario, every side.
    pub fn pairs(&self) -> Vec<(&'static Scenario, &'static Side)> {
        let scenarios: Vec<&'static Scenario> = match self.scenarios.is_empty() {
            true => scenarios::ALL.iter().collect(),
            false => self.scenarios.clone(),
        };
        let sides: Vec<&'static Side> = match self.sides.is_empty() {
            true => sides::ALL.iter().filter(|s| s.usual).collect(),
            false => self.sides.clone(),
        };
        let with_all = |scenario| sides.iter().map(move |side| (scenario, *side));
        scenarios.into_iter().flat_map(with_all).collect()
    }
}

fn value(parser: &mut lexopt::Parser) -> Result<String, String> {
    let value = parser.value().map_err(|e| e.to_string())?;
    value.into_string().map_err(|v| format!("{v:?} is not UTF-8"))
}

fn names<T>(
    parser: &mut lexopt::Parser,
    kind: &str,
    find: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, String> {
    let text = value(parser)?;
    let known = |name: &str| {
        find(name).ok_or_else(|| format!("no {kind} is called \"{name}\"; ladder list names them"))
    };
    text.split(',').map(known).collect()
}

fn count(parser: &mut lexopt::Parser, option: &str) -> Result<u64, String> {
    let text = value(parser)?;
    match text.parse() {
        Ok(n @ 1..=1_000_000) => Ok(n),
        _ => Err(format!("{option} takes a whole number from 1 on, not \"{text}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Asked, String> {
        Asked::parse(lexopt::Parser::from_args(args))
    }

    #[test]
    fn by_default_everything_that_is_usual_is_measured() {
        let asked = parse(&[]).expect("a right command line");
        assert_eq!((asked.rounds, asked.seconds, asked.blocks), (7, 5, None));
        let usual = sides::ALL.iter().filter(|s| s.usual).count();
        assert_eq!(asked.pairs().len(), scenarios::ALL.len() * usual);
    }

    #[test]
    fn scenarios_and_servers_are_chosen_by_name() {
        let asked = parse(&["--scenario", "keep-64,idle", "--server", "ch07", "--server=nginx"]);
        let pairs = asked.expect("a right command line").pairs();
        let names: Vec<_> = pairs.iter().map(|(s, side)| (s.name, side.name)).collect();
        let both = |scenario| [(scenario, "ch07_full"), (scenario, "nginx")];
        assert_eq!(names, [both("keep-64"), both("idle")].concat());
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let said = |args: &[&str]| parse(args).expect_err("wrong");
        assert!(said(&["--scenario", "storm"]).contains("no scenario is called \"storm\""));
        assert!(said(&["--server", "nginx,apache"]).contains("no server is called \"apache\""));
        assert!(said(&["--rounds", "0"]).contains("--rounds takes a whole number from 1 on"));
        assert!(said(&["--seconds", "soon"]).contains("not \"soon\""));
        assert!(said(&["measure", "it"]).contains("I do not know \"measure it\""));
        assert!(said(&["--from", "x.json"]).contains("report and gates"));
        assert!(said(&["--fast"]).contains("--fast"));
    }
}
