//! wrk: asks again as soon as it has its answer (a closed loop). A script of a
//! few lines makes it send several requests in one write and print its figures
//! exactly, for a program to read. wrk2 understands the same script.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::process::Process;
use super::scenarios::Load;
use super::trouble::{Result, Trouble};

/// Called once at the start and once at the end: no request is slower for it.
const SCRIPT: &str = r#"
function init(args)
   local times = tonumber(args[1]) or 1
   if times > 1 then
      local batch = wrk.format():rep(times)
      wrk.format = function() return batch end
   end
end
function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format("LADDER %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.3f\n",
      summary.requests, summary.duration, summary.bytes,
      latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
      e.connect + e.read + e.write + e.timeout, e.status, os.clock()))
end
"#;

/// What a load generator has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub requests: f64,
    pub seconds: f64,
    pub bytes: f64,
    /// Latencies in microseconds: 50 %, 99 % and 99.9 % of the answers came sooner.
    pub percentiles: [f64; 3],
    /// Connections that failed, answers that did not come in time.
    pub errors: f64,
    /// CPU time of the generator itself, seconds, if it tells. Of its one thread, near
    /// [`Seen::seconds`] means that the generator was measured and not the server.
    pub own_cpu: Option<f64>,
}

impl Seen {
    /// As metrics of a sample.
    pub fn values(&self) -> BTreeMap<String, f64> {
        let [p50, p99, p999] = self.percentiles;
        let values = [
            ("requests_per_s", self.requests / self.seconds),
            ("bytes_per_s", self.bytes / self.seconds),
            ("errors", self.errors),
        ];
        // wrk says 0 when its own correction has lost count, as it may of pipelined requests.
        let known = [("p50_us", p50), ("p99_us", p99), ("p999_us", p999)];
        let known = known.into_iter().filter(|(_, us)| *us > 0.0);
        let own = self.own_cpu.map(|cpu| ("generator_cpu", cpu / self.seconds));
        values
            .into_iter()
            .chain(known)
            .chain(own)
            .map(|(name, value)| (name.to_string(), value))
            .collect()
    }
}

/// The script as a file, removed when this value goes.
#[derive(Debug)]
pub struct Wrk {
    program: PathBuf,
    script: PathBuf,
}

impl Wrk {
    /// # Errors
    /// The script cannot be written.
    pub fn new(program: PathBuf) -> Result<Wrk> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let script = std::env::temp_dir().join(format!("ladder-{name}-{}.lua", std::process::id()));
        fs::write(&script, SCRIPT)?;
        Ok(Wrk { program, script })
    }

    /// Loads a server for so many seconds. `rate` in requests a second is for wrk2 alone.
    ///
    /// # Errors
    /// wrk fails, nothing was answered, or answers were not 2xx.
    pub fn run(
        &self,
        to: SocketAddr,
        load: &Load,
        seconds: u64,
        rate: Option<u64>,
    ) -> Result<Seen> {
        self.start(to, load, seconds, rate)?.finish(seconds)
    }

    /// Starts it, to be waited for later.
    ///
    /// # Errors
    /// wrk cannot be started.
    pub fn start(
        &self,
        to: SocketAddr,
        load: &Load,
        seconds: u64,
        rate: Option<u64>,
    ) -> Result<Running> {
        let mut command = Command::new(&self.program);
        command.args(["-t1", "--timeout", "10s", "-c", &load.connections.to_string()]);
        command.args(["-d", &format!("{seconds}s"), "-s"]).arg(&self.script);
        if load.close {
            command.args(["-H", "Connection: close"]);
        }
        if let Some(rate) = rate {
            command.args(["-R", &rate.to_string()]);
        }
        command.arg(format!("http://{to}{}", load.path));
        command.args(["--", &load.pipeline.to_string()]).stdout(Stdio::piped());
        Ok(Running(Process::start(&tool_name(&self.program), &mut command)?))
    }
}

fn tool_name(program: &Path) -> String {
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Drop for Wrk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.script);
    }
}

/// wrk at work.
#[derive(Debug)]
pub struct Running(Process);

impl Running {
    /// Waits for its end.
    ///
    /// # Errors
    /// As [`Wrk::run`].
    pub fn finish(self, seconds: u64) -> Result<Seen> {
        read(&self.0.output(Duration::from_secs(seconds + 30))?)
    }
}

fn read(text: &str) -> Result<Seen> {
    let line = text.lines().find_map(|l| l.strip_prefix("LADDER "));
    let line = line.ok_or_else(|| Trouble::of(format!("wrk printed no figures: {text:?}")))?;
    let n: Vec<f64> = line.split(' ').filter_map(|n| n.trim().parse().ok()).collect();
    let [requests, duration, bytes, p50, p99, p999, errors, bad, cpu] = n[..] else {
        return Err(Trouble::of(format!("wrk printed other figures: {line:?}")));
    };
    if requests == 0.0 {
        return Err(Trouble::of(format!("0 requests were answered ({errors} errors)")));
    }
    if bad > 0.0 {
        return Err(Trouble::of(format!("{bad} of {requests} answers were not 2xx")));
    }
    let (seconds, percentiles) = (duration / 1e6, [p50, p99, p999]);
    Ok(Seen { requests, seconds, bytes, percentiles, errors, own_cpu: Some(cpu) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_read_from_among_what_wrk_prints() {
        let text =
            "Running 2s test\nRequests/sec: 50\nLADDER 100 2000000 16000 640 900 1200 1 0 1.900\n";
        let seen = read(text).expect("figures");
        assert_eq!(seen.values()["requests_per_s"], 50.0);
        assert_eq!(seen.values()["bytes_per_s"], 8000.0);
        assert_eq!(seen.percentiles, [640.0, 900.0, 1200.0]);
        assert_eq!(seen.errors, 1.0);
        assert_eq!(seen.values()["generator_cpu"], 0.95);
        assert_eq!(seen.values()["p99_us"], 900.0);
        let lost = Seen { percentiles: [640.0, 0.0, 0.0], ..seen }.values();
        assert!(lost.contains_key("p50_us") && !lost.contains_key("p99_us"), "{lost:?}");
    }

    #[test]
    fn no_answer_and_wrong_answers_are_troubles_in_words() {
        let said = |text| read(text).expect_err("a trouble").to_string();
        assert!(
            said("LADDER 0 2000000 0 0 0 0 64 0 0.1\n").starts_with("0 requests were answered")
        );
        assert_eq!(said("LADDER 9 1 9 1 1 1 0 3 0.1\n"), "3 of 9 answers were not 2xx");
        assert!(said("").contains("no figures"));
        assert!(said("LADDER 1 2\n").contains("other figures"));
    }
}
