//! A goodbye in two steps: the end is said first, and what still comes is read.

use super::{bytes_read, story_of, told};
use crate::lab::client::request;
use crate::lab::{End, Record, Result, Trouble};
use crate::workshop::{Attempt, Finding, Outcome, Step, Verdict, failed, passed};

pub(super) const STEPS: &[Step] = &[
    Step { title: "the whole answer, then the end", check: whole_then_end },
    Step { title: "no client keeps it for ever", check: not_for_ever },
];

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
    client.close();
    server.wait_record("A's close", 0, |r| r.did("close", fd))?;
    let records = server.records();
    let read = bytes_read(&records, fd);
    if read < LONG {
        let seen = format!("{} of {LONG} bytes were never read.", LONG - read);
        return failed(
            finding("All of them are read before the close.", &seen, &records).usually(RESET),
        );
    }
    passed("40 KiB were sent, the answer came, then the end; and nothing was left unread")
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
    match a.connect("B", &server)?.ask("/")?.status {
        200 => passed("who sends without end is closed, and the next is answered"),
        status => Err(Trouble(format!("B asked for / and got {status}"))),
    }
}
