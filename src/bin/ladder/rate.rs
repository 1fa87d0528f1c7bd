//! A fixed number of requests a second, whatever the answers do. The latency of
//! an answer counts from when its request was *due*: a closed loop asks less
//! while the server stalls, and so leaves out just what it should measure
//! (coordinated omission).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::process::Process;
use super::scenarios::{self, How, Load, Scenario};
use super::sides::{find_tool, missing};
use super::trouble::{Result, Trouble};
use super::wrk::{Seen, Wrk};

/// Seconds that wrk2 takes to find its pace; it counts latencies only from then on.
const CALIBRATION: u64 = 11;

/// A generator with a fixed rate.
#[derive(Debug)]
pub enum Generator {
    Wrk2(Wrk),
    Oha(PathBuf),
}

impl Generator {
    /// The one that is installed: wrk2, which costs less, or oha.
    ///
    /// # Errors
    /// Neither is; how to install one.
    pub fn find() -> Result<Generator> {
        if let Some(program) = find_tool("wrk2") {
            return Ok(Generator::Wrk2(Wrk::new(program)?));
        }
        let found = find_tool("oha").or_else(|| {
            // Where `cargo install` puts it, on PATH or not.
            let home = PathBuf::from(std::env::var_os("HOME")?).join(".cargo/bin/oha");
            home.is_file().then_some(home)
        });
        found.map(Generator::Oha).ok_or_else(|| missing("oha"))
    }

    pub fn name(&self) -> &'static str {
        match self {
            Generator::Wrk2(_) => "wrk2",
            Generator::Oha(_) => "oha",
        }
    }

    /// Whether its own start does not warm the server up already.
    pub fn needs_warm_up(&self) -> bool {
        matches!(self, Generator::Oha(_))
    }

    /// Offers `rate` requests a second.
    ///
    /// # Errors
    /// The generator fails, or nothing was answered.
    pub fn run(&self, to: SocketAddr, rate: u64, seconds: u64) -> Result<Seen> {
        match self {
            Generator::Wrk2(wrk) => wrk.run(to, &home(), CALIBRATION + seconds, Some(rate)),
            Generator::Oha(program) => {
                let mut command = Command::new(program);
                command.args(["-c", "64", "-q", &rate.to_string(), "--latency-correction", "-w"]);
                command.args(["-z", &format!("{seconds}s"), "--no-tui", "--no-color"]);
                command.args(["--output-format", "json", &format!("http://{to}/")]);
                command.stdout(Stdio::piped());
                let oha = Process::start("oha", &mut command)?;
                read_oha(&oha.output(Duration::from_secs(seconds + 30))?)
            }
        }
    }
}

fn home() -> Load {
    match Scenario::find(scenarios::HOME).map(|s| s.how) {
        Some(How::Load(load)) => load,
        _ => unreachable!("the home scenario is a load"),
    }
}

fn read_oha(text: &str) -> Result<Seen> {
    let value: Value = serde_json::from_str(text)
        .map_err(|e| Trouble::of(format!("oha printed no figures: {e}")))?;
    let seconds = value["summary"]["total"].as_f64().unwrap_or(0.0);
    let answered: f64 = match value["statusCodeDistribution"].as_object() {
        Some(codes) => codes.values().filter_map(Value::as_f64).sum(),
        None => 0.0,
    };
    if answered == 0.0 || seconds == 0.0 {
        return Err(Trouble::of("0 requests were answered"));
    }
    let percentile = |name: &str| {
        let seconds = value["latencyPercentiles"][name].as_f64();
        seconds.map(|s| s * 1e6).ok_or_else(|| Trouble::of(format!("oha printed no {name}")))
    };
    // Requests under way when the time is up are cut off by oha itself.
    let errors = match value["errorDistribution"].as_object() {
        Some(kinds) => {
            kinds.iter().filter(|(kind, _)| *kind != "aborted due to deadline").collect::<Vec<_>>()
        }
        None => Vec::new(),
    };
    Ok(Seen {
        requests: answered,
        seconds,
        bytes: value["summary"]["totalData"].as_f64().unwrap_or(0.0),
        percentiles: [percentile("p50")?, percentile("p99")?, percentile("p99.9")?],
        errors: errors.iter().filter_map(|(_, n)| n.as_f64()).sum(),
        own_cpu: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oha_speaks_seconds_and_what_it_cut_off_itself_is_no_error() {
        let text = r#"{"summary": {"total": 2.0, "totalData": 1200},
            "latencyPercentiles": {"p50": 0.001, "p99": 0.004, "p99.9": 0.0125},
            "statusCodeDistribution": {"200": 100},
            "errorDistribution": {"aborted due to deadline": 64, "connection reset": 2}}"#;
        let seen = read_oha(text).expect("figures");
        assert_eq!(seen.percentiles, [1000.0, 4000.0, 12500.0]);
        assert_eq!((seen.requests, seen.seconds, seen.errors), (100.0, 2.0, 2.0));
    }

    #[test]
    fn no_answer_is_a_trouble() {
        let said = read_oha(r#"{"summary": {"total": 2.0}}"#).expect_err("a trouble");
        assert_eq!(said.to_string(), "0 requests were answered");
        assert!(read_oha("oops").is_err());
    }
}
