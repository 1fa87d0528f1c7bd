//! The run: every combination in every round, so that what is compared was
//! measured within minutes, and the order A B C … A B C … spreads the machine's
//! drift over all of them.

use std::time::Duration;

use super::data::{Run, Sample};
use super::idle;
use super::machine;
use super::measure::{Ready, Tools};
use super::progress::Progress;
use super::scenarios::{self, How, Scenario};
use super::sides::{self, Side};
use super::stats;
use super::trouble::{Result, Trouble, check_interrupt};

/// By so many per cent answers may differ in size: who sends less has less to do.
const TOLERANCE: usize = 10;

/// What is to be measured.
#[derive(Debug)]
pub struct Plan {
    /// What a round consists of, in this order.
    pub pairs: Vec<(&'static Scenario, &'static Side)>,
    pub blocks: usize,
    pub rounds: usize,
    pub seconds: u64,
    pub warm_up: u64,
    pub rate: Option<u64>,
}

impl Plan {
    fn sides(&self) -> Vec<&'static Side> {
        let mut sides: Vec<&'static Side> = Vec::new();
        for (_, side) in &self.pairs {
            if !sides.iter().any(|s| s.name == side.name) {
                sides.push(side);
            }
        }
        sides
    }

    /// How long that takes, roughly: to start, to warm up, to measure, to stop.
    pub fn estimate(&self) -> Duration {
        let each = Duration::from_millis(300 + (self.seconds + self.warm_up) * 1000);
        each * u32::try_from(self.steps()).unwrap_or(u32::MAX)
    }

    /// So many measurements there will be at most.
    pub fn steps(&self) -> usize {
        let times = |(scenario, side): &(&'static Scenario, &'static Side)| match (
            scenario.refusal(side),
            is_repeated(scenario),
        ) {
            (Some(_), _) => 0,
            (None, true) => self.rounds,
            (None, false) => 1,
        };
        self.blocks * self.pairs.iter().map(times).sum::<usize>()
    }
}

/// Counts and idle costs do not drift: once in a block is enough.
fn is_repeated(scenario: &Scenario) -> bool {
    matches!(scenario.how, How::Load(_) | How::Rate)
}

/// Measures. What has been measured until then is in the run also when Ctrl-C
/// ends it; the second value says whether it did.
pub fn run(plan: &Plan, progress: &mut Progress) -> (Run, bool) {
    let mut run = Run { machine: machine::describe(), ..Run::default() };
    let (blocks, rounds, seconds) = (plan.blocks, plan.rounds, plan.seconds);
    let settings =
        format!("{blocks} x {rounds} rounds of {seconds} s, {} s to warm up", plan.warm_up);
    run.machine.push(("rounds".into(), settings));
    let mut tools = Tools::find(plan.warm_up, plan.seconds, plan.rate);
    for (tool, name) in [
        ("fixed rate", tools.generator.as_ref().map(|g| g.name())),
        ("calls counted by", tools.counter.as_ref().map(|c| c.name())),
    ] {
        let said = name.map_or_else(|missing| missing.to_string(), str::to_string);
        run.machine.push((tool.into(), said));
    }
    for (scenario, side) in &plan.pairs {
        run.cell_mut(scenario.name, side.name); // in this order they are reported
    }
    progress.begin(plan.steps());
    let done = prepare(plan, &mut run, progress)
        .and_then(|ready| all_rounds(plan, &ready, &mut tools, &mut run, progress));
    progress.end();
    if done.is_err() {
        run.notes.push("Interrupted: not all rounds were measured.".into());
    }
    (run, done.is_err())
}

/// Builds the sides, has each answer once, and leaves out with its reason who
/// cannot be compared.
fn prepare(plan: &Plan, run: &mut Run, progress: &mut Progress) -> Result<Vec<Ready>> {
    let mut all = Vec::new();
    let mut reference: Option<(&str, usize)> = None;
    for side in plan.sides() {
        check_interrupt()?;
        progress.say(&format!("prepares {}", side.name));
        let tried = sides::program(side).and_then(|program| {
            let ready = Ready { side, program };
            let answer = first_answer(&ready)?;
            Ok((ready, answer))
        });
        let (ready, answer) = match tried {
            Ok(tried) => tried,
            Err(Trouble::Interrupted) => return Err(Trouble::Interrupted),
            Err(trouble) => {
                leave_out(plan, run, side, &trouble.to_string());
                progress.say(&format!("{} is left out: {trouble}", side.name));
                continue;
            }
        };
        let (of, size) = *reference.get_or_insert((side.name, answer.len()));
        if let Some(why) = unequal(side.name, answer.len(), of, size) {
            leave_out(plan, run, side, &why);
            progress.say(&why);
        } else {
            all.push(ready);
        }
        run.answers.push((side.name.into(), answer));
    }
    Ok(all)
}

/// Why two answers are too different in size to be compared.
pub fn unequal(side: &str, size: usize, of: &str, reference: usize) -> Option<String> {
    (size.abs_diff(reference) * 100 > reference * TOLERANCE).then(|| {
        format!("{side} answers {size} bytes where {of} answers {reference}: not compared")
    })
}

fn leave_out(plan: &Plan, run: &mut Run, side: &Side, why: &str) {
    for (scenario, _) in plan.pairs.iter().filter(|(_, s)| s.name == side.name) {
        run.cell_mut(scenario.name, side.name).note = Some(why.to_string());
    }
}

fn first_answer(ready: &Ready) -> Result<String> {
    let server = ready.start()?;
    let mut stream = std::net::TcpStream::connect(server.address)?;
    let answer = idle::ask(&mut stream, !ready.side.keeps_alive())?;
    server.stop();
    Ok(answer)
}

fn all_rounds(
    plan: &Plan,
    ready: &[Ready],
    tools: &mut Tools,
    run: &mut Run,
    progress: &mut Progress,
) -> Result<()> {
    for block in 1..=plan.blocks {
        for round in 1..=plan.rounds {
            for (scenario, side) in &plan.pairs {
                check_interrupt()?;
                let Some(ready) = ready.iter().find(|r| r.side.name == side.name) else { continue };
                let cell = run.cell_mut(scenario.name, side.name);
                if let Some(why) = scenario.refusal(side) {
                    cell.note = Some(format!("– {why}"));
                    continue;
                }
                // What has failed once is not tried again, and what does not drift not either.
                if cell.note.is_some() || (round > 1 && !is_repeated(scenario)) {
                    continue;
                }
                if scenario.how == How::Rate {
                    find_rate(tools, run, ready, progress)?;
                }
                progress.step(block, round, scenario.name, side.name);
                let cell = run.cell_mut(scenario.name, side.name);
                match ready.measure(scenario, tools) {
                    Ok(values) => {
                        progress.result(&values);
                        cell.samples.push(Sample { block, round, values });
                    }
                    Err(Trouble::Interrupted) => return Err(Trouble::Interrupted),
                    Err(trouble) => {
                        progress.say(&format!("{} {}: {trouble}", scenario.name, side.name));
                        cell.note = Some(trouble.to_string());
                    }
                }
                if scenario.how == How::Calls && block == 1 && side.has_trace() {
                    check_trace(ready, run, progress)?;
                }
            }
        }
    }
    Ok(())
}

/// Half of what nginx has done so far in this run, or less if the generator does
/// not get so much out of the first side that is asked (nginx, if it is there).
fn find_rate(
    tools: &mut Tools,
    run: &mut Run,
    ready: &Ready,
    progress: &mut Progress,
) -> Result<()> {
    if tools.rate.is_some() || tools.generator.is_err() {
        return Ok(());
    }
    let samples = run.samples(scenarios::HOME, sides::NGINX);
    let Some(most) = stats::Spread::of_blocks(&stats::values(samples, "requests_per_s")) else {
        return Ok(());
    };
    let half = (most.median / 2.0) as u64;
    let mut rate = half;
    for _ in 0..5 {
        progress.say(&format!("tries whether the generator can offer {rate} requests/s"));
        match ready.delivered(rate, tools) {
            Ok(delivered) if delivered < 0.95 * rate as f64 => {
                rate = (0.8 * delivered.min(rate as f64)) as u64;
            }
            Ok(_) => break,
            Err(Trouble::Interrupted) => return Err(Trouble::Interrupted),
            Err(_) => return Ok(()), // the measurement itself will say it
        }
    }
    if rate < half {
        run.notes.push(format!(
            "Half of nginx's maximum is {half} requests/s; beside a server on the same cores the \
             generator delivers less, so {rate} are offered."
        ));
    }
    tools.rate = Some(rate);
    Ok(())
}

fn check_trace(ready: &Ready, run: &mut Run, progress: &mut Progress) -> Result<()> {
    match ready.check_trace() {
        Ok((calls, said)) => {
            progress.say(&said);
            let cell = run.cell_mut(scenarios::CALLS, ready.side.name);
            if let Some(sample) = cell.samples.last_mut() {
                sample.values.insert("own_calls".into(), calls);
            }
            run.notes.push(said);
        }
        Err(Trouble::Interrupted) => return Err(Trouble::Interrupted),
        Err(trouble) => {
            let said = format!("{}: trace and strace not compared: {trouble}", ready.side.name);
            progress.say(&said);
            run.notes.push(said);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_may_differ_by_a_tenth_and_no_more() {
        assert_eq!(unequal("a", 145, "nginx", 160), None);
        assert_eq!(unequal("a", 176, "nginx", 160), None);
        let said = unequal("a", 77, "nginx", 160).expect("a refusal");
        assert_eq!(said, "a answers 77 bytes where nginx answers 160: not compared");
        assert!(unequal("a", 177, "nginx", 160).is_some());
    }

    #[test]
    fn what_does_not_drift_is_measured_once_in_a_block() {
        let pair = |scenario, side| {
            (Scenario::find(scenario).expect("a scenario"), Side::find(side).expect("a side"))
        };
        let pairs = vec![pair("keep-64", "nginx"), pair("keep-64", "ch05"), pair("idle", "ch07")];
        let plan = Plan { pairs, blocks: 3, rounds: 7, seconds: 5, warm_up: 1, rate: None };
        // ch05 cannot do keep-64: nobody waits for it.
        assert_eq!(plan.steps(), 3 * (7 + 1));
    }
}
