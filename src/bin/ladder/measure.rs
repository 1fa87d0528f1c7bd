//! One measurement: a side, started for it alone, in one scenario.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::calls::{self, Counter};
use super::idle::{self, Crowd};
use super::process::Server;
use super::procfs;
use super::rate::Generator;
use super::scenarios::{self, How, Load, Scenario};
use super::sides::{Side, find_tool, missing};
use super::trouble::{Result, Trouble};
use super::wrk::{Seen, Wrk};

/// How long the generator is tried, seconds.
const TRIAL: u64 = 5;

/// The figures of one measurement.
pub type Values = BTreeMap<String, f64>;

/// The tools, found once.
#[derive(Debug)]
pub struct Tools {
    pub wrk: Result<Wrk>,
    pub generator: Result<Generator>,
    pub counter: Result<Counter>,
    pub warm_up: u64,
    pub seconds: u64,
    /// Requests a second for the scenario `rate`, once it is known.
    pub rate: Option<u64>,
}

impl Tools {
    pub fn find(warm_up: u64, seconds: u64, rate: Option<u64>) -> Tools {
        let wrk = find_tool("wrk").ok_or_else(|| missing("wrk")).and_then(Wrk::new);
        let (generator, counter) = (Generator::find(), Counter::find());
        Tools { wrk, generator, counter, warm_up, seconds, rate }
    }

    fn wrk(&self) -> Result<&Wrk> {
        self.wrk.as_ref().map_err(Trouble::clone)
    }

    fn generator(&self) -> Result<&Generator> {
        self.generator.as_ref().map_err(Trouble::clone)
    }
}

/// A side with its program.
#[derive(Debug)]
pub struct Ready {
    pub side: &'static Side,
    pub program: PathBuf,
}

impl Ready {
    /// # Errors
    /// The server does not start.
    pub fn start(&self) -> Result<Server> {
        Server::start(self.side, &self.program)
    }

    /// Measures it in a scenario.
    ///
    /// # Errors
    /// A tool is missing; the server ends; nothing is answered.
    pub fn measure(&self, scenario: &Scenario, tools: &Tools) -> Result<Values> {
        match scenario.how {
            How::Load(load) => self.under_load(&load, tools),
            How::Rate => self.at_rate(tools),
            How::Idle => {
                let server = self.start()?;
                let values = idle::measure(self.side, &server)?;
                server.stop();
                Ok(values)
            }
            How::Calls => self.count_calls(tools),
        }
    }

    fn under_load(&self, load: &Load, tools: &Tools) -> Result<Values> {
        let wrk = tools.wrk()?;
        let mut server = self.start()?;
        let crowd = match load.idle {
            0 => None,
            idle => Some(Crowd::open(server.address, idle::affordable(idle)?, true)?),
        };
        wrk.run(server.address, load, tools.warm_up, None)?;
        let slow = match load.slow {
            0 => None,
            connections => {
                let slow = Load { connections, path: "/slow?ms=20", ..*load };
                Some(wrk.start(server.address, &slow, tools.seconds, None)?)
            }
        };
        let seen = |to| wrk.run(to, load, tools.seconds, None);
        let mut values = with_costs(&mut server, seen)?;
        if let Some(slow) = slow {
            let seen = slow.finish(tools.seconds)?;
            values.insert("slow_per_s".into(), seen.requests / seen.seconds);
        }
        if let Some(crowd) = crowd {
            crowd.check_open()?;
            values.insert("idle_connections".into(), crowd.len() as f64);
        }
        let said = server.stop();
        if load.idle == 0 {
            // Its counters would include what the idle ones have asked at first.
            note_own_counters(&said, &mut values);
        }
        Ok(values)
    }
    fn at_rate(&self, tools: &Tools) -> Result<Values> {
        let generator = tools.generator()?;
        let rate = tools.rate.ok_or_else(|| {
            Trouble::of("half of nginx's maximum is not known: nginx with keep-64, or --rate N")
        })?;
        let mut server = self.start()?;
        if generator.needs_warm_up() {
            generator.run(server.address, rate, tools.warm_up)?;
        }
        let mut values = with_costs(&mut server, |to| generator.run(to, rate, tools.seconds))?;
        values.insert("offered_per_s".into(), rate as f64);
        server.stop();
        Ok(values)
    }

    /// What the generator gets out of this side at most, of `rate`: with a server
    /// beside it on the same cores it may not reach it, and would then measure itself.
    ///
    /// # Errors
    /// As [`Ready::measure`].
    pub fn delivered(&self, rate: u64, tools: &Tools) -> Result<f64> {
        let server = self.start()?;
        let seen = tools.generator()?.run(server.address, rate, TRIAL)?;
        server.stop();
        Ok(seen.requests / seen.seconds)
    }

    fn count_calls(&self, tools: &Tools) -> Result<Values> {
        let wrk = tools.wrk()?;
        let counter = tools.counter.as_ref().map_err(Trouble::clone)?;
        let load = match Scenario::find(scenarios::HOME).map(|s| s.how) {
            Some(How::Load(load)) => Load { close: !self.side.keeps_alive(), ..load },
            _ => return Err(Trouble::of("no such load")),
        };
        let server = self.start()?;
        wrk.run(server.address, &load, tools.warm_up, None)?;
        let seconds = tools.seconds.min(2);
        let counted = counter.count(&server, || wrk.run(server.address, &load, seconds, None));
        let (seen, [all, waits, futex]) = counted?;
        server.stop();
        let mut values = Values::new();
        for (name, count) in [("calls", all), ("waits", waits), ("futex", futex)] {
            values.insert(name.into(), count / seen.requests);
        }
        Ok(values)
    }

    /// The calls of a request as the stage's own trace counts them, checked once
    /// against strace.
    ///
    /// # Errors
    /// strace is missing, or they disagree.
    pub fn check_trace(&self) -> Result<(f64, String)> {
        calls::check_trace(self.side, &self.program)
    }
}

/// The figures of a load, with what the server has used for it.
fn with_costs(
    server: &mut Server,
    load: impl FnOnce(std::net::SocketAddr) -> Result<Seen>,
) -> Result<Values> {
    let before = procfs::usage(&server.family);
    let seen = load(server.address);
    // A server that is gone is the reason for what the generator says, and says more.
    server.process.check_alive()?;
    let seen = seen?;
    let mut values = seen.values();
    if let (Ok(before), Ok(after)) = (before, procfs::usage(&server.family)) {
        let used = after.since(before);
        let each = |count: u64| count as f64 / seen.requests;
        values.insert("cpu_us".into(), each(used.cpu_ns) / 1e3);
        values.insert("switches".into(), each(used.sleeps + used.preemptions));
    }
    Ok(values)
}

/// ch07 says at its end how many requests it has served, and how often main woke up.
fn note_own_counters(said: &str, values: &mut Values) {
    let number_after = |text: &str| -> Option<f64> {
        let rest = &said[said.rfind(text)? + text.len()..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    };
    if let (Some(served), Some(woken)) = (number_after("served "), number_after("main woke up "))
        && served > 0.0
    {
        values.insert("own_wakeups".into(), woken / served);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_ch07_is_understood_and_anything_else_is_left_alone() {
        let mut values = Values::new();
        note_own_counters("cut: nothing\n", &mut values);
        assert!(values.is_empty());
        let said = "served 400 requests, 0 of them in the drain, on 64 connections; \
                    main woke up 100 times, 3 for nothing; the longest handler took 1ms\n";
        note_own_counters(said, &mut values);
        assert_eq!(values["own_wakeups"], 0.25);
    }
}
