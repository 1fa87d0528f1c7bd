//! The last steps of the first server: answers that end early, clients that do.

use std::thread;
use std::time::Instant;

use super::story_of;
use crate::workshop::scarce::{accept_fails, is_said, lines};
use crate::workshop::{Attempt, Finding, Verdict, failed, passed};
use common::http::pattern;
use common::lab::client::request;
use common::lab::record::Kind;
use common::lab::rest::is_asleep;
use common::lab::{Client, PATIENCE, Record, Result, Server, Trouble};

/// What the server did to this client.
pub(super) fn story(server: &Server, client: &Client) -> Result<Vec<Record>> {
    let fd = server.fd_of(client.local())?;
    Ok(story_of(&server.records(), fd).into_iter().cloned().collect())
}

pub(super) fn all_of_it(a: &Attempt) -> Result<Verdict> {
    const BYTES: usize = 8 * 1024 * 1024;
    let server = a.start(&[])?;
    let mut reader = a.play().connect_small("A", &server)?;
    reader.get(&format!("/big?bytes={BYTES}"))?;
    let fd = server.fd_of(reader.local())?;
    server.wait_record("the write to begin", 0, |r| r.fd == Some(fd) && r.call == "write")?;
    let cuts = || server.records().iter().filter(|r| is_short(r, fd)).count();
    let (mut bytes, mut end) = (Vec::new(), None);
    if cfg!(target_os = "linux") {
        cut_short(&server, fd, || cuts() >= 1)?;
        // So that the next one can take a part as well; and that is cut short, too.
        (bytes, end) = reader.until(|bytes| bytes.len() > 256 * 1024)?;
        cut_short(&server, fd, || cuts() >= 2)?;
    }
    let was_cut = cuts() >= 2;
    // A server may send without end.
    while end.is_none() && bytes.len() <= BYTES + 64 * 1024 {
        let (more, now) = reader.until(|more| more.len() > 256 * 1024)?;
        bytes.extend(more);
        end = now;
    }
    let body = bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
    let body = &bytes[body..];
    let whole = body.len() == BYTES && body.iter().enumerate().all(|(i, b)| pattern(i) == *b);
    let sent_twice = body.iter().enumerate().position(|(i, b)| pattern(i) != *b);
    match (whole, was_cut) {
        (false, _) if (sent_twice.is_some() && body.len() == BYTES) || body.len() > BYTES => failed(
            Finding::new(
                "A asks for 8 MiB and reads late; a signal interrupts your write while it sleeps.",
                "All 8 MiB, in order.",
                format!(
                    "{}: from byte {} on they are not those of the answer.",
                    if end.is_some() { "Bytes, and then the end" } else { "Bytes without end" },
                    sent_twice.unwrap_or(BYTES),
                ),
            )
            .usually(
                "What write has taken the kernel will send; what was offered again came twice. The \
                 rest begins where all writes together have come to: add what each returns \
                 (written += …), and offer &answer[written..]",
            )
            .shown_by(story(&server, &reader)?.iter())
            .page("ch01.html#write"),
        ),
        (false, _) => failed(
            Finding::new(
                "A asks for 8 MiB and reads late; a signal interrupts your write while it sleeps.",
                "All 8 MiB, in order.",
                match sent_twice {
                    None => format!("{} of {BYTES} bytes, then the end.", body.len()),
                    Some(at) => format!(
                        "{} of {BYTES} bytes: from byte {at} on some are missing.",
                        body.len()
                    ),
                },
            )
            .usually(
                "write returns how many bytes it took, and that may be fewer than you gave it. \
                 Count them, and offer the rest again: &answer[written..]",
            )
            .shown_by(
                match sent_twice {
                    None => story(&server, &reader)?,
                    Some(_) => {
                        server.records().into_iter().filter(|r| is_short(r, fd)).take(4).collect()
                    }
                }
                .iter(),
            )
            .page("ch01.html#write"),
        ),
        (true, true) => passed("8 MiB arrived whole, although two writes were cut short"),
        (true, false) if cfg!(target_os = "linux") => passed(
            "8 MiB arrived whole (two writes that are cut short could not be seen this time: \
             check once more)",
        ),
        (true, false) => passed(
            "8 MiB arrived whole (this system cuts no blocking write short: that a short one is \
             completed is checked on Linux only)",
        ),
    }
}

/// A write of which less was taken than it was given.
fn is_short(r: &Record, fd: i32) -> bool {
    let given = r.args.rsplit(", ").next().and_then(|given| given.parse::<i64>().ok());
    r.did("write", fd) && r.ret < given
}

/// Stops and continues a server until its write has been cut short (`is_cut`): one that
/// sleeps then returns with what it has done.
///
/// # Errors
/// The server has ended.
fn cut_short(server: &Server, fd: i32, is_cut: impl Fn() -> bool) -> Result<()> {
    let give_up = Instant::now() + PATIENCE / 10;
    // Who is done with it, or ends it otherwise, cuts nothing any more.
    let is_over = || {
        let is_end = |r: &Record| r.fd == Some(fd) && matches!(&*r.call, "close" | "shutdown");
        is_cut() || server.records().iter().any(is_end) || Instant::now() >= give_up
    };
    // A stop that comes before the write sleeps cuts nothing. And who is stopped
    // again at once never comes to it: so each time it must first have fallen asleep.
    for _ in 0..200 {
        while !is_over() && is_asleep(server.pid()) == Some(false) {
            thread::yield_now();
        }
        if is_over() {
            break;
        }
        server.freeze()?;
        server.thaw()?;
    }
    Ok(())
}

pub(super) fn outlive_a_client(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let mut told: Vec<String> = Vec::new();
    for (name, what) in [
        ("A", "connects and resets"),
        ("B", "resets while its handler works"),
        ("C", "ends its side, and resets while its handler works"),
    ] {
        let mut rude = a.connect(name, &server)?;
        let fd = server.fd_of(rude.local())?;
        let mark = server.mark();
        if name != "A" {
            rude.send(request("/slow?ms=50").as_bytes())?;
            server.wait_record("the handler", mark, |r| r.is_step("handler sleeps"))?;
        }
        if name == "C" {
            rude.half_close()?;
        }
        let lines = lines(a).len();
        rude.reset()?;
        let closed = server.wait_record("its close", mark, |r| r.did("close", fd));
        let is_kept = matches!(&closed, Err(Trouble(why)) if !why.contains("has ended"));
        let next = closed.and_then(|_| a.connect("D", &server)?.ask("/"));
        let records = server.records();
        let records: Vec<&Record> = records.iter().filter(|r| r.seq >= mark).collect();
        let finding = |expected: &str, seen: &str| {
            let finding =
                Finding::new(format!("{name} {what}; then D asks for /."), expected, seen);
            finding.shown_by(records.iter().copied().take(8))
        };
        if is_kept {
            return failed(
                finding(&format!("{name} is closed."), "Its descriptor stays open.").usually(
                    "An error is an end as well: sys::close(client) follows, whatever came of the \
                     conversation.",
                ),
            );
        }
        if let Err(Trouble(why)) = next {
            return failed(finding("D is answered.", &why).usually(
                "One client's error was taken for the server's: print it, close the client, and \
                 take the next.",
            ));
        }
        let is_error = |r: &&&Record| r.fd == Some(fd) && r.kind == Kind::Call && r.errno.is_some();
        let error = records.iter().find(is_error).and_then(|r| r.errno.clone());
        let is_said = is_said(a, lines, records.iter().copied());
        // Once for each kind of error is enough: a log::Repeated does it so.
        if is_said {
            told.extend(error.clone());
        }
        if let (Some(error), false) = (error.filter(|error| !told.contains(error)), is_said) {
            return failed(
                finding(&format!("A line on stderr that says so ({error})."), "No line.").usually(
                    "An error that is thrown away: nobody will know why a client got no answer. \
                     log::failed prints it in one line.",
                ),
            );
        }
    }
    match accept_fails(a)? {
        Some(finding) => failed(finding),
        None => passed(
            "three clients that reset were told of, and so was an accept that failed; each time \
             it went on",
        ),
    }
}
