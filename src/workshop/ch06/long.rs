//! Build it: answers that are longer than one write, or than one turn.

use super::super::{Attempt, Finding, Outcome, Reached};
use common::lab::client::request;
use common::lab::record::Kind;
use common::lab::{Client, Record, Result, Server};

/// More than any one write of a turn; and less than a send buffer takes on most systems.
const LONG: usize = 100_000;

/// More than a turn of 256 KiB writes.
const LONGER: usize = 600_000;

/// More than all buffers on the way take: 8 MiB.
const TOO_LONG: usize = 8 << 20;

const PAGE: &str = "ch06.html#one-turn";

/// Long answers: those that are read come whole; one is not read, and keeps no worker busy.
pub(super) fn answers(attempt: &Attempt) -> Result<Option<Finding>> {
    for (lengths, is_last) in
        [(&[LONG][..], false), (&[LONG, LONG + 1, 5], false), (&[LONGER], false), (&[LONGER], true)]
    {
        if let Some(finding) = read(attempt, lengths, is_last)? {
            return Ok(Some(finding));
        }
    }
    unread(attempt)
}

fn read(attempt: &Attempt, lengths: &[usize], is_last: bool) -> Result<Option<Finding>> {
    let server = attempt.start(&["--workers", "1"])?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let mut all: String = lengths.iter().map(|n| request(&format!("/big?bytes={n}"))).collect();
    if is_last {
        all = all.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
    }
    a.send(all.as_bytes())?;
    for (n, length) in lengths.iter().enumerate() {
        let seen = match attempt.answer_or_rest(&server, &mut a)? {
            Outcome::Answered(answer) if answer.body.len() == *length => continue,
            Outcome::Answered(answer) => {
                format!("the answer {}, with {} bytes", answer.status, answer.body.len())
            }
            Outcome::Ended(bytes, _) => format!("{} bytes, then the end", bytes.len()),
            Outcome::Asleep(_) => format!("{} bytes, and all threads sleep", a.untaken()),
            Outcome::Spins(_) => format!("{} bytes, and the server spins", a.untaken()),
        };
        let records = server.records();
        let writes: Vec<&Record> =
            records.iter().filter(|r| r.is_call("write") && r.fd == Some(fd)).collect();
        // Who is told that there is no room may cut the answer off, until chapter 7.
        if writes.iter().any(|r| r.errno.is_some() || r.ret < offered(r)) {
            return Ok(None);
        }
        return Ok(Some(cut(lengths, n, is_last, seen).shown_by(writes).page(PAGE)));
    }
    Ok(None)
}

/// The answer `n` has not come whole.
fn cut(lengths: &[usize], n: usize, is_last: bool, seen: String) -> Finding {
    if lengths.len() > 1 {
        let did = "A asks for 100000, 100001 and 5 bytes, in one segment, and reads what comes";
        return Finding::new(did, "three answers, whole", format!("{n} of 3 answers, then {seen}"))
            .usually(
                "Much is to be sent after a long answer, and then `next_request` says `None`: \
                 sending comes first. So a turn may end with requests left though it has not \
                 answered 64. Ask `has_request`.",
            );
    }
    let length = lengths[n];
    let says = if is_last { ", says Connection: close" } else { "" };
    let did = format!("A asks for {length} bytes{says}, and reads what comes");
    Finding::new(did, "the answer, whole", seen).usually(match is_last {
        false => {
            "`send` writes so many bytes at most, and says how far it came. `Sent::More`: there is \
             more to write, and the kernel has room for it; so the connection wants another turn. \
             (Nothing more may come from the client: who is parked for reading is not reported.)"
        }
        true => {
            "`is_finished` says that no more will be read. That is the end only if everything is \
             sent: look at what `send` says first."
        }
    })
}

/// How many bytes were offered: `write(7, 65536)`.
fn offered(write: &Record) -> Option<i64> {
    write.args.rsplit(", ").next()?.parse().ok()
}

/// The worker is told that there is no room: it does not ask again and again, and does
/// not forget that there was more.
fn unread(attempt: &Attempt) -> Result<Option<Finding>> {
    for count in [1, 2] {
        let server = attempt.start(&["--workers", "1"])?;
        let mut a = attempt.connect("A", &server)?;
        let fd = server.fd_of(a.local())?;
        a.send(request(&format!("/big?bytes={TOO_LONG}")).repeat(count).as_bytes())?;
        let reached = attempt.until(&server, "its end", |records| {
            records.iter().any(|r| r.did("close", fd)).then_some(())
        })?;
        let finding = match reached {
            Reached::Yes(()) => None,
            Reached::Spins(_) => Some(asks_again(&server, fd, count)),
            // Who sleeps waits for room? That is more than was asked; but then it goes on.
            Reached::Asleep(_) => forgets(attempt, &server, &mut a, fd, count)?,
        };
        if finding.is_some() {
            return Ok(finding);
        }
    }
    Ok(None)
}

fn asked(count: usize, reads: &str) -> String {
    let twice = if count > 1 { ", twice" } else { "" };
    format!("A asks for {TOO_LONG} bytes{twice}, and reads nothing{reads}")
}

fn asks_again(server: &Server, fd: i32, count: usize) -> Finding {
    let records = server.records();
    let full = |r: &&Record| r.is_call("write") && r.fd == Some(fd) && r.errno.is_some();
    let times = records.iter().filter(full).count();
    let of_it = |r: &&Record| r.kind != Kind::Log && r.fd == Some(fd);
    let last: Vec<&Record> = records.iter().filter(of_it).collect();
    Finding::new(
        asked(count, ""),
        "the worker learns that the send buffer is full, once, and gives up this client \
         (`Next::Write`: chapter 7 knows more)",
        format!("the worker asks a full send buffer {times} times"),
    )
    .usually(
        "`Sent::Full` is not `Sent::More`: there is no room, and there will be none before the \
         client reads. `Next::Again` sends the next worker to the same wall, and so it does when \
         requests are left.",
    )
    .shown_by(last[last.len().saturating_sub(6)..].iter().copied())
    .page(PAGE)
}

fn forgets(
    attempt: &Attempt,
    server: &Server,
    a: &mut Client,
    fd: i32,
    count: usize,
) -> Result<Option<Finding>> {
    a.begins_to_read();
    let last = match attempt.answer_or_rest(server, a)? {
        Outcome::Answered(_) | Outcome::Ended(..) => return Ok(None),
        Outcome::Asleep(last) | Outcome::Spins(last) => last,
    };
    let records = server.records();
    let writes = records.iter().rev().filter(|r| r.is_call("write") && r.fd == Some(fd)).take(2);
    let shown: Vec<&Record> = writes.collect::<Vec<_>>().into_iter().rev().chain(&last).collect();
    Ok(Some(
        Finding::new(
            asked(count, "; when the server rests, it reads"),
            "the answer, or, as long as nobody waits for room (chapter 7), the end",
            format!("{} bytes, and then neither: all threads sleep", a.untaken()),
        )
        .usually(
            "`send` has said `Sent::Full`: the rest is in our own buffer, and nobody waits for \
             room. Who is parked for reading is not told of room. `Next::Write`: give up this \
             client, and close it.",
        )
        .shown_by(shown)
        .page(PAGE),
    ))
}
