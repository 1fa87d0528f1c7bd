//! Keep the rest: a big answer goes out in parts, turn by turn.

use std::thread;
use std::time::{Duration, Instant};

use super::owed::takes_it_along;
use super::{Came, MOST, Stuck, answer, story_of, until};
use crate::workshop::{Attempt, Finding, Step, Verdict, failed, passed};
use common::http::pattern;
use common::lab::{Client, Record, Result, Server};

pub(super) const STEPS: &[Step] = &[
    Step { title: "all of it arrives", check: all_of_it },
    Step { title: "nobody waits meanwhile", check: nobody_waits },
    Step { title: "first the answer, then the question", check: after_its_end },
    Step { title: "who leaves takes the rest along", check: takes_it_along },
];

const BYTES: usize = 8 * 1024 * 1024;

/// A client that has asked for 8 MiB and does not read until the server's send
/// buffer is full.
pub(super) fn slow_reader(a: &Attempt, server: &Server) -> Result<(Client, i32)> {
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
    /// Nothing more comes, and no end.
    stays: bool,
}

/// How long an answer that is not complete must have come no further: a window that was
/// closed may take a while to open.
const NO_FURTHER: Duration = Duration::from_secs(3);

/// How often to look again.
const LOOK: Duration = Duration::from_millis(2);

/// How much is read at once: of more, without a head, the lab's client says that it is
/// too much.
const PIECE: usize = 256 * 1024;

/// Where the content begins.
fn content(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4)
}

fn received(server: &Server, client: &mut Client, fd: i32) -> Result<Received> {
    let mut bytes: Vec<u8> = Vec::new();
    let (mut stuck, mut since) = (Stuck::since_now(), Instant::now());
    let stays = loop {
        let records = server.records();
        let writes = records.iter().filter(|r| r.did("write", fd)).filter_map(|r| r.ret);
        let written = writes.map(|n| n as usize).sum::<usize>().min(BYTES + 128 * 1024);
        let is_whole = bytes.len() - content(&bytes) >= BYTES;
        // Whatever the kernel has taken will come. (Of one that floods its trace, all of it,
        // for its writes are told no more.)
        let floods = records.len() >= MOST && !is_whole;
        let is_closed = records.iter().any(|r| r.did("close", fd)) || floods;
        if bytes.len() < written || is_closed {
            let wanted = if is_closed { PIECE } else { PIECE.min(written - bytes.len()) };
            let (more, end) = client.until(|more| more.len() >= wanted)?;
            bytes.extend(more);
            (stuck, since) = (Stuck::since_now(), Instant::now());
            if end.is_some() || bytes.len() > BYTES + 64 * 1024 {
                break false;
            }
            continue;
        }
        if stuck.look_again(server).is_some() && (is_whole || since.elapsed() > NO_FURTHER) {
            break true;
        }
        thread::sleep(LOOK); // between two looks
    };
    let body = &bytes[content(&bytes)..];
    let wrong = body.iter().enumerate().position(|(i, b)| pattern(i) != *b);
    let from_the_start = wrong.is_some_and(|at| {
        // The first letters of a head may be right where they stand.
        let place = &body[at.saturating_sub(8)..body.len().min(at + 8)];
        place.windows(8).any(|w| w == b"HTTP/1.1")
    });
    Ok(Received { length: body.len(), wrong, from_the_start, stays })
}

fn all_of_it(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let (mut client, fd) = slow_reader(a, &server)?;
    let Received { length, wrong, from_the_start, stays } = received(&server, &mut client, fd)?;
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
        (BYTES, None) if stays => failed(
            finding("A has all 8 MiB, and is still connected.".to_string())
                .usually("When the kernel has taken all of it, the client is finished: close it."),
        ),
        (BYTES, None) => passed("8 MiB, whole and in order, and then the end"),
        (length, None) if length > BYTES => {
            failed(finding(format!("{length} bytes: too many.")).usually("A part was sent twice."))
        }
        (length, None) if stays => failed(
            finding(format!("{length} of {BYTES} bytes, and no more comes, and no end.")).usually(
                "Who is owed something is asked in every turn whether there is room: one write, \
                 until all has been taken.",
            ),
        ),
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
        Came::Nothing(last) => {
            let note = format!("({})", other.local());
            let is_in = records.iter().any(|r| r.accepted().is_some() && r.note == note);
            let seen = match is_in {
                true => "B is accepted, and never asked.",
                false => "B is not accepted, and write is asked a thousand times for A.",
            };
            let finding = Finding::new(
                "A asks for 8 MiB and does not read; B asks for /.",
                "B is answered while A's answer waits for room.",
                seen,
            );
            failed(finding.shown_by(&last).usually(match is_in {
                true => {
                    "In one turn everybody in the list is asked once: who is owed something, by a \
                     write, and all others, by a read."
                }
                false => {
                    "While A is owed something nobody else is asked. To try until all is written \
                     is to wait for A (there is no turn of the loop meanwhile), and so is a turn \
                     without accept. One write per turn, and everybody's turn."
                }
            }))
        }
        Came::Answer(_) | Came::End => failed(
            Finding::new("A does not read; B asks for /.", "B is answered.", "B is not.")
                .shown_by(story_of(&records, fd)),
        ),
    }
}

/// A read that came between the first write and the last.
fn read_while_owed(records: &[Record], fd: i32) -> Option<&Record> {
    let is_of = |call: &'static str| move |r: &Record| r.is_call(call) && r.fd == Some(fd);
    let first = records.iter().position(is_of("write"))?;
    let last = records.iter().rposition(is_of("write"))?;
    records[first..last].iter().find(|r| is_of("read")(r))
}

fn after_its_end(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let (mut client, fd) = slow_reader(a, &server)?;
    client.half_close()?;
    // A thousand turns find it so, or it is closed: only then does A begin to read.
    let _ = until(&server, "A's close", |records| {
        records.iter().any(|r| r.did("close", fd)).then_some(())
    })?;
    let length = received(&server, &mut client, fd)?.length;
    let records = server.records();
    let read_again =
        records.iter().rev().find(|r| r.fd == Some(fd) && r.is_call("read") && r.ret == Some(0));
    match length {
        BYTES if read_while_owed(&records, fd).is_some() => failed(
            Finding::new(
                "A asks for 8 MiB and does not read, and then it does.",
                "While something is owed to A, nothing is read from it.",
                "read is called for A, and write has not taken all yet.",
            )
            .usually(
                "What it says then is no news: 0 says that A has ended its side, in every turn \
                 again. First the answer, then the question.",
            )
            .shown_by(read_while_owed(&records, fd)),
        ),
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
