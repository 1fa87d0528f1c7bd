//! The last steps of the first server: answers that end early, clients that do.

use std::thread;
use std::time::Instant;

use super::story_of;
use crate::http::pattern;
use crate::lab::client::request;
use crate::lab::record::Kind;
use crate::lab::rest::is_asleep;
use crate::lab::{Client, PATIENCE, Record, Result, Server, Trouble};
use crate::workshop::scarce::accept_fails;
use crate::workshop::{Attempt, Finding, Verdict, failed, passed};

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
    let is_cut = || server.records().iter().any(|r| r.is_call("write") && r.fd == Some(fd));
    if cfg!(target_os = "linux") {
        cut_short(&server, is_cut)?;
    }
    let was_cut = is_cut();
    // A server may send without end.
    let (bytes, end) = reader.until(|bytes| bytes.len() > BYTES + 64 * 1024)?;
    let body = bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
    let body = &bytes[body..];
    let whole = body.len() == BYTES && body.iter().enumerate().all(|(i, b)| pattern(i) == *b);
    let sent_twice = body.iter().enumerate().position(|(i, b)| pattern(i) != *b);
    match (whole, was_cut) {
        (false, _) if sent_twice.is_some() || body.len() > BYTES => failed(
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
                format!("{} of {BYTES} bytes, then the end.", body.len()),
            )
            .usually(
                "write returns how many bytes it took, and that may be fewer than you gave it. \
                 Count them, and offer the rest again: &answer[written..]",
            )
            .shown_by(story(&server, &reader)?.iter())
            .page("ch01.html#write"),
        ),
        (true, true) => passed("8 MiB arrived whole, although a write was cut short"),
        (true, false) if cfg!(target_os = "linux") => passed(
            "8 MiB arrived whole (a write that is cut short could not be seen this time: check \
             once more)",
        ),
        (true, false) => passed(
            "8 MiB arrived whole (this system cuts no blocking write short: that a short one is \
             completed is checked on Linux only)",
        ),
    }
}

/// Stops and continues a server until its write has returned (`is_cut`): one that
/// sleeps then returns with what it has done.
///
/// # Errors
/// The server has ended.
fn cut_short(server: &Server, is_cut: impl Fn() -> bool) -> Result<()> {
    let give_up = Instant::now() + PATIENCE / 3;
    // A stop that comes before the write sleeps cuts nothing. And who is stopped
    // again at once never comes to it: so each time it must first have fallen asleep.
    for _ in 0..2000 {
        while !is_cut() && is_asleep(server.pid()) == Some(false) && Instant::now() < give_up {
            thread::yield_now();
        }
        if is_cut() || Instant::now() >= give_up {
            break;
        }
        server.freeze()?;
        server.thaw()?;
    }
    Ok(())
}

pub(super) fn outlive_a_client(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
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
        rude.reset()?;
        let next = server
            .wait_record("its close", mark, |r| r.did("close", fd))
            .and_then(|_| a.connect("D", &server)?.ask("/"));
        let records = server.records();
        let records: Vec<&Record> = records.iter().filter(|r| r.seq >= mark).collect();
        let finding = |expected: &str, seen: &str| {
            let finding =
                Finding::new(format!("{name} {what}; then D asks for /."), expected, seen);
            finding.shown_by(records.iter().copied().take(8))
        };
        if let Err(Trouble(why)) = next {
            return failed(finding("D is answered.", &why).usually(
                "One client's error was taken for the server's: print it, close the client, and \
                 take the next.",
            ));
        }
        let is_error = |r: &&&Record| r.fd == Some(fd) && r.kind == Kind::Call && r.errno.is_some();
        let error = records.iter().find(is_error).and_then(|r| r.errno.clone());
        let is_said = records.iter().any(|r| r.kind == Kind::Log);
        if let (Some(error), false) = (error, is_said) {
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
