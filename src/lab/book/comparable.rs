//! What of a run's text must be the same in every run: nearly all of it.

use std::collections::HashMap;

use crate::lab::Stage;

/// Figures that differ from run to run, by the words before and behind them.
/// Every other number is compared: a page says "1 accepted, 99 wait".
const VARY: [(&str, &str); 5] = [
    ("CPU ", " ms user"),
    (" ms user, ", " ms system"),
    // How much fits into a send buffer differs between machines, and so does how
    // often it has to be filled.
    ("", " of 8388608 bytes"),
    ("in ", " writes"),
    // How fast a loop turns that should not.
    ("queued ", " times"),
];

/// A text without what two runs may differ in: idle turns of a loop that never
/// sleeps, the time left in a wait, and the few figures above.
pub fn comparable(text: &str, stage: Stage) -> String {
    let mut out = String::new();
    for line in without_room(text).lines() {
        // Which worker takes a job, and whether it had to wait for it, is chance;
        // so is how often a loop that never sleeps asks in vain.
        if line.contains(" more turns of: ")
            || line.ends_with("-- waiting for work")
            || (stage == Stage::Ch02 && line.ends_with("= -1 EAGAIN"))
        {
            continue;
        }
        let line = without_worker_number(line);
        let line = without_time_left(&line);
        let line = VARY.iter().fold(line, |line, (before, after)| blank(&line, before, after));
        let line = without_cut(&line);
        out.push_str(&without_flags(&without_chance(&line, stage)));
        out.push('\n');
    }
    out
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// The first number that stands between these words becomes N.
fn blank(line: &str, before: &str, after: &str) -> String {
    for (at, _) in line.match_indices(after) {
        let start = line[..at].trim_end_matches(|c| is_digit(c) || c == ',').len();
        if start < at && line[..start].ends_with(before) {
            return format!("{}N{}", &line[..start], &line[at..]);
        }
    }
    line.to_string()
}

/// Threads meet in another order in each run, and a spinning loop turns as often
/// as it can: how many lines its trace has, and how often it waited, is chance.
fn without_chance(line: &str, stage: Stage) -> String {
    match stage == Stage::Ch02 || stage.has_queue() {
        true => blank(&blank(line, ": ", " records"), ", ", " waits"),
        false => line.to_string(),
    }
}

/// Which flags a new socket has differs between kernels.
fn without_flags(line: &str) -> String {
    match line.split_once("F_GETFL") {
        Some((call, result)) => format!("{call}F_GETFL{}", result.replace(is_digit, "")),
        None => line.to_string(),
    }
}

/// How much of an answer of 8 MiB has gone when it is cut off. (Under 10,000 bytes it is
/// another answer, which no send buffer cuts.)
fn without_cut(line: &str) -> String {
    let (gets, end) = (" gets ", " bytes, then the end");
    let bytes = line.split_once(gets).and_then(|(_, rest)| rest.split_once(end));
    match bytes.and_then(|(bytes, _)| bytes.parse::<u64>().ok()) {
        Some(10_000..8_388_608) => blank(line, gets, end),
        _ => line.to_string(),
    }
}

/// The time that a wait may last is what is left until a deadline. It is the last
/// argument; for ever is said in words or as -1.
fn without_time_left(line: &str) -> String {
    // kevent registers, too: a wait is one that brings no changes.
    let is_kevent = line.contains("kevent(") && line.contains(", [], ");
    let is_wait = is_kevent || line.contains("epoll_wait(") || line.contains(" poll(");
    let end = line.find(") = ").filter(|_| is_wait);
    let Some((from, to)) = end.and_then(|to| Some((line[..to].rfind(", ")? + 2, to))) else {
        return line.to_string();
    };
    match line[from..to].starts_with(is_digit) {
        true => format!("{}T{}", &line[..from], &line[to..]),
        false => line.to_string(),
    }
}

/// What chapters 6 and 7 write of a long answer at a time.
const PIECE: u64 = 65536;

/// How much fits into a send buffer differs between machines, and so does how many writes
/// fill it: of those, only the descriptor is kept, and whether the last one found it full.
fn without_room(text: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    // What is left of a piece, by descriptor: the next write offers that.
    let mut rests: HashMap<&str, u64> = HashMap::new();
    for line in text.lines() {
        let Some((thread, fd, offered, result)) = write(line) else {
            kept.push(line.to_string());
            continue;
        };
        let rest = rests.insert(fd, offered);
        if result == "-1 EAGAIN" {
            kept.push(format!("{thread}] write({fd}) = EAGAIN"));
            continue;
        }
        let went = result.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        rests.insert(fd, offered.saturating_sub(went));
        if went == 0 || (offered != PIECE && rest != Some(offered)) {
            kept.push(line.to_string());
            continue;
        }
        let some = format!("{thread}] write({fd}) = some");
        if kept.last() != Some(&some) {
            kept.push(some);
        }
    }
    kept.join("\n")
}

/// `…[main] write(9, 65536) = 47768 "X…"`: thread, descriptor, bytes offered, result.
fn write(line: &str) -> Option<(&str, &str, u64, &str)> {
    let (thread, call) = line.split_once("] write(")?;
    let (arguments, result) = call.split_once(") = ")?;
    let (fd, offered) = arguments.split_once(", ")?;
    Some((thread, fd, offered.parse().ok()?, result))
}

/// `[worker-2] took 5` → `[worker] took 5`.
fn without_worker_number(line: &str) -> String {
    match line
        .split_once("[worker-")
        .and_then(|(margin, rest)| Some((margin, rest.split_once(']')?)))
    {
        Some((margin, (_, rest))) => format!("{margin}[worker]{rest}"),
        None => line.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        comparable(a, Stage::Ch02) == comparable(b, Stage::Ch02)
    }

    #[test]
    fn what_differs_from_run_to_run_may_differ() {
        let ended = |n, ms| {
            format!(
                "  lab  the server has ended: {n} records, 0 waits, CPU {ms} ms user, 9 ms system"
            )
        };
        assert!(same(&ended(27, 4), &ended(1027, 14)));
        let kept = |text: &str| comparable(text, Stage::Ch01);
        assert_eq!(kept(&ended(27, 4)), kept(&ended(27, 14)));
        assert_ne!(kept(&ended(27, 4)), kept(&ended(28, 4)));
        assert!(same("       [main] -- 9 more turns of: x\n", ""));
        let wait = |ms| format!("[main] epoll_wait(4, 256, {ms}) = 1 [client 5 readable]");
        assert!(same(&wait("9996"), &wait("10000")));
        assert!(!same(&wait("9996"), &wait("-1")));
        let wait = |time| format!("[main] kevent(4, [], 256, {time}) = 1 [client 5 readable]");
        assert!(same(&wait("10s"), &wait("9.998s")));
        assert!(!same(&wait("10s"), &wait("NULL")));
        let cut =
            |n| format!("Seen: fails (the answer is cut off): {n} of 8388608 bytes, then the end");
        assert!(same(&cut("47627"), &cut("0")));
        assert!(same(
            "Seen: works: 8 MiB, whole, in 131 writes",
            "Seen: works: 8 MiB, whole, in 9 writes"
        ));
        assert!(same(
            "  lab  its descriptor was queued 2444 times",
            "  lab  its descriptor was queued 3 times"
        ));
        let flags = |n| format!("[main] fcntl(3, F_GETFL) = {n} (O_RDWR)");
        assert!(same(&flags(2), &flags(32770)));
        let write = |n| format!("[main] write(4, 65536) = {n}");
        assert!(same(&write("47768"), &write("9000")));
        assert!(same("[main] write(4, 9) = -1 EAGAIN", "[main] write(4, 8) = -1 EAGAIN"));
        let in_two = "[w] write(9, 65536) = 47768\n[w] write(9, 17768) = -1 EAGAIN";
        let in_three = "[w] write(9, 65536) = 65536\n[w] write(9, 65536) = 4240\n[w] write(9, 61296) = -1 EAGAIN";
        let in_four = "[w] write(9, 65536) = 47768\n[w] write(9, 17768) = 17768\n[w] write(9, 65536) = 24676\n[w] write(9, 40860) = -1 EAGAIN";
        assert!(same(in_two, in_three) && same(in_two, in_four));
        let goes_on = |text, rest| {
            same(
                &format!("{in_two}\n[main] -- queued 9\n[x] write(9, 17768) = 17768"),
                &format!("{text}\n[main] -- queued 9\n[x] write(9, {rest}) = {rest} \"X\""),
            )
        };
        assert!(goes_on(in_three, 61296) && goes_on(in_four, 40860) && !goes_on(in_four, 154));
        let cut = |n| format!("  B    gets {n} bytes, then the end");
        assert!(same(&cut("90212"), &cut("69776")));
        assert!(same("       [worker-2] -- took 5", "       [worker-1] -- took 5"));
    }

    #[test]
    fn everything_else_is_compared() {
        for (a, b) in [
            ("Seen: works: 20 turns", "Seen: fails: 20 turns"),
            ("Seen: works: 1,000 turns", "Seen: works: 20 turns"),
            (
                "Seen: fails: 1 trip: 1 accepted, 99 wait",
                "Seen: fails: 1 trip: 2 accepted, 98 wait",
            ),
            ("Seen: fails: 29 answers to one request", "Seen: fails: 1 answers to one request"),
            ("Seen: 47627 of 8388608 bytes", "Seen: 47627 of 8388609 bytes"),
            ("  lab  each turn makes 201 calls", "  lab  each turn makes 1 calls"),
            (
                "[main] poll([5 3], 2, 9) = 1 [wake readable]",
                "[main] poll([5 4], 2, 9) = 1 [wake readable]",
            ),
            ("[main] epoll_wait(4, 256, 9) = 1", "[main] epoll_wait(4, 256, 9) = 2"),
            ("[main] write(4, 65536) = 47768", "[main] write(4, 65536) = -1 EAGAIN"),
            (
                "[w] write(9, 65536) = 47768\n[w] write(9, 17768) = -1 EAGAIN",
                "[w] write(9, 65536) = 65536\n[w] write(9, 65536) = 4240",
            ),
            ("[w] write(9, 65536) = 65536", "[w] write(9, 65536) = -1 EPIPE"),
            (
                "[w] write(9, 65536) = 47768",
                "[w] write(9, 65536) = 47768\n[w] write(9, 17768) = -1 EPIPE",
            ),
            (
                "[w] write(9, 65536) = 65536",
                "[w] write(9, 65536) = 65536\n[w] write(9, 154) = 154 \"HTTP\"",
            ),
            ("  B    gets 90212 bytes, then the end", "  B    gets 0 bytes, then the end"),
            ("  B    gets 90212 bytes, then the end", "  B    gets 8388735 bytes, then the end"),
            ("  B    gets 154 bytes, then the end", "  B    gets 153 bytes, then the end"),
            ("[main] write(4, 9) = 9", "[main] write(4, 8) = 8"),
            ("[main] read(4, 16384) = 29", "[main] read(4, 16384) = 30"),
            ("[main] close(4) = 0", "[main] close(5) = 0"),
            ("       [worker-2] -- took 5", "       [main] -- took 5"),
        ] {
            assert!(!same(a, b), "{a}\n{b}");
        }
    }
}
