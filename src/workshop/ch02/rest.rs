//! Keep the rest: a big answer goes out in parts, turn by turn.

use super::{Came, answer, story_of, until};
use crate::http::pattern;
use crate::lab::{Client, Record, Result, Server};
use crate::workshop::{Attempt, Finding, Step, Verdict, failed, passed};

pub(super) const STEPS: &[Step] = &[
    Step { title: "all of it arrives", check: all_of_it },
    Step { title: "nobody waits meanwhile", check: nobody_waits },
    Step { title: "first the answer, then the question", check: after_its_end },
];

const BYTES: usize = 8 * 1024 * 1024;

/// A client that has asked for 8 MiB and does not read until the server's send
/// buffer is full.
fn slow_reader(a: &Attempt, server: &Server) -> Result<(Client, i32)> {
    let mut client = a.play().connect_small("A", server)?;
    let fd = server.fd_of(client.local())?;
    client.get(&format!("/big?bytes={BYTES}"))?;
    server.wait_record("a full send buffer", 0, |r| {
        let offered = r.args.rsplit(' ').next().and_then(|n| n.parse::<i64>().ok());
        let is_short = r.did("write", fd) && r.ret < offered;
        is_short || (r.fd == Some(fd) && r.failed("write", "EAGAIN"))
    })?;
    Ok((client, fd))
}

/// What came of the answer.
struct Received {
    /// How many bytes: of an answer that has no end, a few more than were promised.
    length: usize,
    /// The first byte that is wrong.
    wrong: Option<usize>,
    /// The answer began anew there.
    from_the_start: bool,
}

fn received(client: &mut Client) -> Result<Received> {
    let (bytes, _) = client.until(|bytes| bytes.len() > BYTES + 64 * 1024)?;
    let body = bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
    let body = &bytes[body..];
    let wrong = body.iter().enumerate().position(|(i, b)| pattern(i) != *b);
    let from_the_start = wrong.is_some_and(|at| {
        // The first letters of a head may be right where they stand.
        let place = &body[at.saturating_sub(8)..body.len().min(at + 8)];
        place.windows(8).any(|w| w == b"HTTP/1.1")
    });
    Ok(Received { length: body.len(), wrong, from_the_start })
}

fn all_of_it(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let (mut client, fd) = slow_reader(a, &server)?;
    let Received { length, wrong, from_the_start } = received(&mut client)?;
    let records = server.records();
    let finding = |seen: String| {
        let did = "A asks for 8 MiB, and reads only when your send buffer is full.";
        let finding = Finding::new(did, "All 8 MiB in order, then the end.", seen);
        finding.shown_by(story_of(&records, fd)).page("ch02.html#write-once-more")
    };
    match (length, wrong) {
        (_, Some(at)) if !from_the_start => {
            failed(finding(format!("From byte {at} on, what had come before comes again.")).usually(
                "What was offered had been taken already. The rest begins where all writes together \
                 have come to: what each returns is added (written += …).",
            ))
        }
        (_, Some(at)) => failed(finding(format!("A wrong byte at {at}.")).usually(
            "The answer was offered from the beginning again: what the kernel has taken once it \
             will send. Offer only what is left: &answer[written..]",
        )),
        (BYTES, None) => passed("8 MiB, whole and in order, and then the end"),
        (length, None) if length > BYTES => {
            failed(finding(format!("{length} bytes: too many.")).usually("A part was sent twice."))
        }
        (length, None) => failed(finding(format!("{length} of {BYTES} bytes, then the end.")).usually(
            "The client was closed while the rest was still owed: keep it, with what is left of its \
             answer, until all has been taken.",
        )),
    }
}

fn nobody_waits(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let (_slow, fd) = slow_reader(a, &server)?;
    let mut other = a.connect("B", &server)?;
    other.get("/")?;
    let came = answer(&server, &mut other)?;
    let records = server.records();
    match came {
        Came::Answer(answer) if answer.status == 200 => {
            passed("B was answered while A's answer waited for room")
        }
        Came::Nothing(last) => failed(
            Finding::new(
                "A asks for 8 MiB and does not read; B asks for /.",
                "B is answered while A's answer waits for room.",
                "B gets nothing, and write is asked a thousand times for A.",
            )
            .usually(
                "To try until all is written is to wait for A: there is no turn of the loop meanwhile, \
                 and nobody else is asked. One write per turn.",
            )
            .shown_by(&last),
        ),
        Came::Answer(_) | Came::End => failed(
            Finding::new("A does not read; B asks for /.", "B is answered.", "B is not.")
                .shown_by(story_of(&records, fd)),
        ),
    }
}

fn after_its_end(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let (mut client, fd) = slow_reader(a, &server)?;
    client.half_close()?;
    // A thousand turns find it so, or it is closed: only then does A begin to read.
    let _ = until(&server, "A's close", |records| {
        records.iter().any(|r| r.did("close", fd)).then_some(())
    })?;
    let length = received(&mut client)?.length;
    let records = server.records();
    let read_again =
        records.iter().rev().find(|r| r.fd == Some(fd) && r.is_call("read") && r.ret == Some(0));
    match length {
        BYTES => passed("A ended its side while it was owed 8 MiB, and got them all"),
        length => {
            let shown: Vec<&Record> = match read_again {
                Some(read) => vec![read],
                None => story_of(&records, fd),
            };
            failed(
                Finding::new(
                    "A asks for 8 MiB and ends its side; then it reads.",
                    "All 8 MiB: it can still receive.",
                    format!("{length} of {BYTES} bytes, then the end."),
                )
                .usually(
                    "read said 0 and A was closed, but A had only ended its side. While an answer is \
                     owed, do not read: first the answer, then the question.",
                )
                .shown_by(shown),
            )
        }
    }
}
