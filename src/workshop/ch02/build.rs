//! Nobody sleeps, step by step.

use super::leave::let_them_go;
use super::room::serves_on;
use super::{Came, answer, guest, story_of, until};
use crate::workshop::scarce::{accept_fails, lines, no_room};
use crate::workshop::{Attempt, Finding, Step, Verdict, failed, passed};
use common::lab::record::Kind;
use common::lab::{Record, Result, Trouble};

pub(super) const STEPS: &[Step] = &[
    Step { title: "the listener is asked", check: ask_the_listener },
    Step { title: "the clients are asked", check: ask_the_clients },
    Step { title: "who is silent is kept", check: keep_a_list },
    Step { title: "who is finished is let go", check: let_them_go },
    Step { title: "there is one write", check: write_once },
];

fn ask_the_listener(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let asked = until(&server, "an accept that does not sleep", |records| {
        records.iter().find(|r| r.is_call("accept")).cloned()
    })?;
    let finding = |seen: &str| {
        let expected = "accept returns at once with EAGAIN, and that is nothing to talk about.";
        Finding::new("Starts your server; nobody connects.", expected, seen)
    };
    let records = match asked {
        Err(records) => {
            return failed(
                finding("Your server sleeps in accept.")
                    .usually(
                        "The listener has no O_NONBLOCK yet: sys::set_nonblocking, before anybody \
                         asks it.",
                    )
                    .shown_by(&records)
                    .page("ch02.html#fcntl"),
            );
        }
        Ok(first) if first.errno.as_deref() != Some("EAGAIN") => {
            return Err(Trouble(format!("nobody connects, and accept says {:?}", first.errno)));
        }
        // By the second question the server has said about the first what it had to say.
        Ok(first) => server.wait_for("the next turn", |records| {
            let again = |r: &Record| r.seq > first.seq && (r.is_call("accept") || r.times > 0);
            records.iter().any(again).then(|| records.to_vec())
        })?,
    };
    if let Some(said) = records.iter().find(|r| r.kind == Kind::Log) {
        return failed(
            finding("Your server reports it as an error.")
                .usually(
                    "EAGAIN (io::ErrorKind::WouldBlock) says: nobody new. It comes in nearly every \
                     turn, so give it an arm of its own that does nothing.",
                )
                .shown_by(records.iter().filter(|r| r.is_call("accept")).take(1).chain([said]))
                .page("ch02.html#eagain"),
        );
    }
    match accept_fails(a)? {
        Some(finding) => failed(finding),
        None => passed("accept answers at once; EAGAIN is no error, and what is one is told"),
    }
}

fn ask_the_clients(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let (_silent, fd) = guest(a, &server, "A")?;
    let asked = until(&server, "A to be asked", |records| {
        let of_a = |r: &&Record| r.fd == Some(fd) && r.call == "read";
        records.iter().find(of_a).cloned()
    })?;
    let records = server.records();
    let finding = |seen: &str| {
        let expected = "read returns at once with EAGAIN.";
        Finding::new("A connects and says nothing.", expected, seen)
            .shown_by(story_of(&records, fd))
    };
    match asked {
        Ok(read) if read.kind == Kind::Enter => failed(
            finding("Your server sleeps in read, for A.")
                .usually(
                    "The client is a socket of its own: on Linux it does not inherit O_NONBLOCK from \
                     the listener (on macOS and the BSDs it does). Set it on each.",
                )
                .page("ch02.html#fcntl"),
        ),
        Ok(read) if read.errno.as_deref() == Some("EAGAIN") => {
            match records.iter().any(|r| r.did("fcntl", fd) && r.args.contains("O_NONBLOCK")) {
                true => passed("read says EAGAIN for a client that says nothing"),
                false => failed(
                    finding("The flag was inherited, not set.")
                        .usually("This system hands it down, Linux does not: set it on each client."),
                ),
            }
        }
        Ok(read) => match (no_room(&records), read.ret) {
            (Some(finding), _) => failed(finding),
            (None, Some(n)) => Err(Trouble(format!("A says nothing, and read returns {n}"))),
            (None, None) => Err(Trouble("A says nothing, and read returns nothing".into())),
        },
        Err(_) => failed(
            finding("A is not asked.").usually("Every client is asked, once in every turn."),
        ),
    }
}

fn keep_a_list(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let (mut first, fd) = guest(a, &server, "A")?;
    until(&server, "A to be asked", |records| {
        records.iter().any(|r| r.fd == Some(fd) && r.failed("read", "EAGAIN")).then_some(())
    })?
    .map_err(|_| Trouble("A was accepted, and never asked".into()))?;
    let mut second = a.connect("B", &server)?;
    let note = format!("({})", second.local());
    let accepted = until(&server, "B to be accepted", |records| {
        records.iter().any(|r| r.accepted().is_some() && r.note == note).then_some(())
    })?;
    if let Err(last) = accepted {
        return failed(
            Finding::new(
                "A connects and says nothing; then B connects.",
                "B is accepted.",
                "B waits in the accept queue, and accept is not called for it.",
            )
            .usually(
                "The loop asks A again and again until A says something, and nobody else meanwhile. \
                 In one turn the listener is asked once, and each client in the list once; EAGAIN \
                 ends the question, not the turn.",
            )
            .shown_by(&last),
        );
    }
    let finding = |expected: &str, seen: &str, records: &[Record]| {
        let did = "A connects and says nothing; B asks for /; then A asks, too.";
        Finding::new(did, expected, seen).shown_by(records)
    };
    second.get("/")?;
    match answer(&server, &mut second)? {
        Came::Answer(answer) if answer.status == 200 => {}
        Came::Nothing(records) => {
            return failed(
                finding("B is answered while A says nothing.", "B gets nothing.", &records)
                    .usually("Every turn asks every client in the list, not only the newest."),
            );
        }
        Came::End => {
            let fd = server.fd_of(second.local())?;
            return failed(closed_too_soon(&server.records(), fd));
        }
        Came::Answer(answer) => {
            return Err(Trouble(format!("B asked for / and got {}", answer.status)));
        }
    }
    if first.get("/").is_err() {
        return failed(closed_too_soon(&server.records(), fd));
    }
    match answer(&server, &mut first)? {
        Came::Answer(answer) if answer.status == 200 => match serves_on(a)? {
            Some(finding) => failed(finding),
            None => passed(
                "B was answered while A said nothing, and then A was; who is in is served on when \
                 nobody else can be accepted",
            ),
        },
        Came::Answer(answer) => Err(Trouble(format!("A asked for / and got {}", answer.status))),
        Came::End => failed(closed_too_soon(&server.records(), fd)),
        Came::Nothing(records) => failed(
            finding("A is answered as well.", "A gets nothing.", &records)
                .usually("Whoever has nothing to say yet stays in the list, and is asked again."),
        ),
    }
}

fn closed_too_soon(records: &[Record], fd: i32) -> Finding {
    Finding::new(
        "A client connects, says nothing for a while, and then asks for /.",
        "It is kept until it asks, and then it is answered.",
        "It was closed.",
    )
    .usually(
        "EAGAIN is not the end, but not yet: keep the client, and ask it again in the next turn.",
    )
    .shown_by(story_of(records, fd))
    .page("ch02.html#eagain")
}

fn write_once(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let mut slow = a.play().connect_small("A", &server)?;
    let fd = server.fd_of(slow.local())?;
    slow.get("/big?bytes=8388608")?;
    let did = "A asks for 8 MiB and does not read; B asks for /.";
    let closed = until(&server, "A's close", |records| {
        records.iter().any(|r| r.did("close", fd)).then_some(())
    })?;
    let records = server.records();
    let finding = |expected: &str, seen: &str| {
        Finding::new(did, expected, seen)
            .shown_by(story_of(&records, fd))
            .page("ch02.html#write-once-more")
    };
    if closed.is_err() {
        let expected = "One write for A, then its close.";
        let last = records.iter().rfind(|r| r.fd == Some(fd) && r.kind == Kind::Call);
        return failed(match last.is_some_and(|r| r.is_call("read")) {
            true => finding(expected, "After the write A is asked again, and kept.").usually(
                "Whatever write says, A has had what it gets, and is closed: an error (EAGAIN, if \
                 you write a second time) is no reason to keep it in the list. What does not fit is \
                 lost, until chapter 7.",
            ),
            false => finding(expected, "A is written to without end.").usually(
                "A loop round write asks a full buffer again and again, and while it does nobody \
                 else is asked anything. What does not fit is lost, until chapter 7.",
            ),
        });
    }
    let writes = records.iter().filter(|r| r.is_call("write") && r.fd == Some(fd)).count();
    if writes > 1 {
        return failed(
            finding("One write for A.", &format!("{writes} writes.")).usually(
                "After a short write the buffer is full: the next one can only say EAGAIN.",
            ),
        );
    }
    // A line may come after the close.
    let said = server.wait_for("the next turn", |records| {
        let close = records.iter().position(|r| r.did("close", fd))?;
        let turns = |r: &Record| r.is_call("accept") || r.times > 0;
        let notes = records.iter().filter(|r| r.kind == Kind::Log).map(|r| r.note.clone());
        records[close..].iter().any(turns).then(|| notes.collect::<Vec<_>>())
    })?;
    let own = lines(a);
    let said = [said, own.clone()].concat();
    if !said.iter().any(|line| line.contains("cut off at")) {
        let expected = "A line on stderr: client …: cut off at … of … bytes";
        return failed(match said.last() {
            None => finding(expected, "No line.").usually(
                "An answer that is lost in silence: compare what write returned with what it was \
                 given.",
            ),
            Some(line) => finding(expected, &format!("Another line: {line}")).usually(
                "You do say it. The check knows the line by its words: \"cut off at\", the bytes \
                 that were taken, \"of\", and all of them.",
            ),
        });
    }
    let (mut other, other_fd) = guest(a, &server, "B")?;
    let mark = server.mark();
    other.get("/")?;
    match answer(&server, &mut other)? {
        Came::Answer(answer) if answer.status == 200 => {}
        _ => return failed(finding("B is answered.", "B is not.")),
    }
    let said = server.wait_for("the turn after B's close", |records| {
        let since = &records[records.partition_point(|r| r.seq <= mark)..];
        let close = since.iter().position(|r| r.did("close", other_fd))?;
        let turns = |r: &Record| r.is_call("accept") || r.times > 0;
        let notes = since.iter().filter(|r| r.kind == Kind::Log).map(|r| r.note.clone());
        since[close..].iter().any(turns).then(|| notes.collect::<Vec<_>>())
    })?;
    let said = said.into_iter().chain(lines(a).into_iter().skip(own.len()));
    let mut said = said.filter(|line| line.contains("cut off"));
    match said.next() {
        None => passed("one write, one line, and B did not have to wait"),
        Some(line) => failed(
            Finding::new(did, "B's answer is taken whole, and no line speaks of it.", &line)
                .usually(
                    "The write took all that it was given, and nothing was cut off: the line is for \
                     an answer of which less was taken than it has (written < answer.len()).",
                )
                .shown_by(story_of(&server.records(), other_fd))
                .lines([line])
                .page("ch02.html#write-once-more"),
        ),
    }
}
