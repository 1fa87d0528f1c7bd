//! A goodbye in two steps: the end is said first, and what still comes is read.

use super::ends::all_of_it;
use super::{bytes_read, story_of, told};
use crate::workshop::{Attempt, Finding, Outcome, Reached, Step, Verdict, failed, passed};
use common::lab::client::request;
use common::lab::{End, Record, Result, Server, Trouble};

pub(super) const STEPS: &[Step] = &[
    Step { title: "the whole answer, then the end", check: whole_then_end },
    Step { title: "no client keeps it for ever", check: not_for_ever },
];

/// So much rubbish is thrown away at least. (Who counts reads counts less in some.)
const LEAST: usize = 256 * 1024;

/// Longer than what is read of it, and short enough for a receive buffer.
const LONG: usize = 40 * 1024;

fn whole_then_end(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let mut client = a.connect("A", &server)?;
    let mut long = b"GET / HTTP/1.1\r\nHost: lab\r\nX: ".to_vec();
    long.resize(LONG, b'x');
    server.freeze()?; // all of it is there before the first read
    client.send(&long)?;
    server.thaw()?;
    let fd = server.fd_of(client.local())?;
    let did = "A sends a request of 40 KiB, reads the answer, and closes when it has the end.";
    let finding = |expected: &str, seen: &str, records: &[Record]| {
        Finding::new(did, expected, seen).shown_by(story_of(records, fd)).page("ch01.html#close")
    };
    const RESET: &str = "close finds bytes that were received and never read, and then the kernel \
                         sends a reset in place of the end, which may take the answer with it. Read \
                         until the client has finished, and throw it away.";
    match a.answer_or_rest(&server, &mut client)? {
        Outcome::Answered(answer) if answer.status == 400 => {}
        Outcome::Ended(bytes, End::Reset) => {
            let seen = format!("a reset, after {} bytes", bytes.len());
            return failed(finding("The answer 400.", &seen, &server.records()).usually(RESET));
        }
        other => {
            return Err(Trouble(format!("A sent a long request, and got this: {}", told(&other))));
        }
    }
    match a.answer_or_rest(&server, &mut client)? {
        Outcome::Ended(bytes, End::Eof) if bytes.is_empty() => {}
        Outcome::Ended(_, End::Reset) => {
            let finding = finding(
                "The answer, then the end.",
                "The answer, then a reset.",
                &server.records(),
            );
            return failed(finding.usually(RESET));
        }
        Outcome::Ended(..) | Outcome::Answered(_) => {
            return Err(Trouble("A got more than one answer".into()));
        }
        Outcome::Asleep(_) | Outcome::Spins(_) => {
            let finding =
                finding("The answer, then the end.", "The answer, and no end.", &server.records());
            return failed(finding.usually(
                "Your server waits for A to finish before it says that it has; A waits for the end \
                 before it finishes: both wait. First shutdown_write, then read.",
            ));
        }
    }
    for more in ["more", "and more"] {
        let mark = server.mark();
        let sent = client.send(more.as_bytes());
        let heard = |r: &Record| r.did("read", fd) && r.ret > Some(0);
        let taken = a.until(&server, "what A sends to be read", |records| {
            let since = &records[records.partition_point(|r| r.seq <= mark)..];
            let closed = records.iter().any(|r| r.did("close", fd));
            (closed || since.iter().any(heard)).then_some(!closed)
        })?;
        let records = server.records();
        if let (Reached::Yes(false), Some(left @ 1..)) =
            (&taken, LONG.checked_sub(bytes_read(&records, fd)))
        {
            let seen = format!("{left} of {LONG} bytes were never read.");
            let expected = "All of them are read before the close.";
            return failed(finding(expected, &seen, &records).usually(RESET));
        }
        if sent.is_err() || !matches!(taken, Reached::Yes(true)) {
            let did = format!(
                "A sends a request of 40 KiB, and has answer and end; then it sends {more:?}."
            );
            let seen = match taken {
                Reached::Yes(_) => "It was closed before A had finished.",
                _ => "It is not read.",
            };
            return failed(
                Finding::new(did, "It is read, and A is kept until it has finished.", seen)
                    .shown_by(story_of(&server.records(), fd))
                    .usually(
                        "Only a read of 0 says that A has finished. One that gives less than there \
                         is room for says that no more has come yet; and shutdown_both ends A's \
                         side as well, so that read says 0 at once.",
                    )
                    .page("ch01.html#close"),
            );
        }
    }
    client.close();
    server.wait_record("A's close", 0, |r| r.did("close", fd))?;
    // shutdown_write ends what is written, too: it must not come between two writes.
    let whole = all_of_it(a)?;
    match whole {
        Verdict::Failed(finding) if finding.trace.iter().any(|line| line.contains("SHUT_")) => {
            return failed(finding.usually(
                "The end was said before the last write: after it nothing more can be written \
                 (EPIPE). shutdown_write comes when all of the answer has been taken.",
            ));
        }
        Verdict::Failed(finding) => return failed(finding),
        Verdict::Passed(_) => {}
    }
    passed("40 KiB were sent, the answer came, then the end; and nothing was left unread")
}

/// One that has its answer and its end, and resets: that is an error of the goodbye, and
/// of no more.
fn resets_meanwhile(a: &Attempt, server: &Server) -> Result<()> {
    let mut rude = a.connect("R", server)?;
    let fd = server.fd_of(rude.local())?;
    let mark = server.mark();
    rude.ask("/")?;
    rude.rest()?;
    server.wait_record("the goodbye", mark, |r| r.fd == Some(fd) && r.call == "shutdown")?;
    rude.reset()?;
    server.wait_record("R's close", mark, |r| r.did("close", fd))?;
    server.wait_until_asleep() // or it ends, and has time to say why
}

fn not_for_ever(a: &Attempt) -> Result<Verdict> {
    const MOST: usize = 16 * 1024 * 1024;
    let server = a.start(&[])?;
    let mut client = a.connect("A", &server)?;
    client.send(request("/").as_bytes())?;
    let rubbish = [b'x'; 16 * 1024];
    let mut sent = 0;
    while sent < MOST && client.send_quietly(&rubbish).is_ok() {
        sent += rubbish.len();
    }
    if sent >= MOST {
        let fd = server.fd_of(client.local())?;
        let records = server.records();
        return failed(
            Finding::new(
                "A asks for /, and then sends rubbish without end.",
                "After 1 MiB or so the server closes all the same.",
                "It has read 16 MiB, and reads on.",
            )
            .usually("The loop that throws away has no bound: count the bytes, or the reads.")
            .shown_by(story_of(&records, fd)),
        );
    }
    let fd = server.fd_of(client.local())?;
    server.wait_record("A's close", 0, |r| r.did("close", fd))?;
    let records = server.records();
    let read = bytes_read(&records, fd);
    if read < LEAST {
        return failed(
            Finding::new(
                "A asks for /, and then sends rubbish without end.",
                "After 1 MiB or so it is closed.",
                format!("It was closed after {} KiB.", read / 1024),
            )
            .usually(
                "Who sends a little more than was asked for, and is cut off so early, may lose the \
                 answer all the same. The bound is 1 MiB.",
            )
            .shown_by(story_of(&records, fd)),
        );
    }
    resets_meanwhile(a, &server)?;
    match a.connect("B", &server)?.ask("/")?.status {
        200 => passed("who sends without end is closed, and the next is answered"),
        status => Err(Trouble(format!("B asked for / and got {status}"))),
    }
}
