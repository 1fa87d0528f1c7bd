//! What Linux tells of a process in `/proc`: CPU time, context switches, memory.
//! Elsewhere these columns say that they need it.

use std::fs;

use super::trouble::{Result, Trouble};

/// What a server has used so far, with all its threads and child processes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Time on a core, nanoseconds.
    pub cpu_ns: u64,
    /// How often a thread gave its core away to wait for something.
    pub sleeps: u64,
    /// How often a thread lost its core to another.
    pub preemptions: u64,
    /// Resident memory, bytes.
    pub resident: u64,
}

impl Usage {
    /// What was used since.
    pub fn since(self, before: Usage) -> Usage {
        Usage {
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            sleeps: self.sleeps.saturating_sub(before.sleeps),
            preemptions: self.preemptions.saturating_sub(before.preemptions),
            resident: self.resident.saturating_sub(before.resident),
        }
    }
}

/// A process and its children, as far as `/proc` tells.
pub fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let Ok(entries) = fs::read_dir("/proc") else { return family };
    for entry in entries.flatten() {
        let Ok(other) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        if parent(other) == Some(pid) {
            family.push(other);
        }
    }
    family
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may contain anything, blanks and brackets included.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// What the processes have used so far.
///
/// # Errors
/// There is no `/proc`, or a process has ended.
pub fn usage(family: &[u32]) -> Result<Usage> {
    let mut all = Usage::default();
    for pid in family {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .map_err(|_| Trouble::of("needs /proc (Linux)"))?;
        for task in tasks.flatten() {
            let path = task.path();
            // A thread may end between the listing and the look.
            let Ok(status) = fs::read_to_string(path.join("status")) else { continue };
            all.cpu_ns += run_time(&path).unwrap_or(0);
            all.sleeps += field(&status, "voluntary_ctxt_switches:");
            all.preemptions += field(&status, "nonvoluntary_ctxt_switches:");
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        all.resident += field(&status, "VmRSS:") * 1024;
    }
    Ok(all)
}

/// The time a thread has had a core: schedstat says it in nanoseconds, stat, on
/// kernels without it, in ticks of a hundredth of a second.
fn run_time(task: &std::path::Path) -> Option<u64> {
    if let Ok(text) = fs::read_to_string(task.join("schedstat")) {
        return text.split(' ').next()?.parse().ok();
    }
    let stat = fs::read_to_string(task.join("stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) * 10_000_000)
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|l| l.strip_prefix(name));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_its_line_and_not_one_that_ends_alike() {
        let status =
            "VmRSS:\t  12 kB\nnonvoluntary_ctxt_switches:\t7\nvoluntary_ctxt_switches:\t3\n";
        assert_eq!(field(status, "VmRSS:"), 12);
        assert_eq!(field(status, "voluntary_ctxt_switches:"), 3);
        assert_eq!(field(status, "nonvoluntary_ctxt_switches:"), 7);
        assert_eq!(field(status, "VmSwap:"), 0);
    }

    #[test]
    fn work_shows_as_cpu_time() {
        let me = [std::process::id()];
        let before = usage(&me).expect("a look at /proc");
        assert!(before.resident > 0);
        // Counted in ticks on some kernels: work until it shows.
        let give_up = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let mut sum = 0u64;
        while usage(&me).expect("a look at /proc").since(before).cpu_ns == 0 {
            assert!(std::time::Instant::now() < give_up, "no CPU time after 30 s of work");
            sum = (0..10_000).fold(sum, |a, b| std::hint::black_box(a ^ b));
        }
    }

    #[test]
    fn a_process_is_of_its_parents_family() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let family = family(std::process::id());
        let _ = child.kill();
        let _ = child.wait();
        assert!(family.contains(&child.id()), "{family:?}");
    }
}
