//! The hunt for a request that lies behind a long answer when the stop comes.

use super::Case;
use super::hunts::{BYTES, DRAIN, start};
use super::look::{Came, Outcome, about, came, ends_or_rests, in_handler, last_lines, lines};
use crate::workshop::{Attempt, Verdict, passed};
use common::lab::client::request;
use common::lab::{Client, Record, Result};

/// `behind`.
pub(super) fn all_that_arrived(attempt: &Attempt) -> Result<Verdict> {
    let case = Case {
        did: "A asked, and asked again while its handler was at work; B asked for 3 MB, \
              and for 7 bytes behind that; C asked for 3 MB, and for nothing more. Then \
              SIGTERM was sent, and all of them read",
        expected: "all five requests had arrived, and are answered; then the server ends with \
                   status 0, since nobody asks for more",
        page: DRAIN,
    };
    let mut server = start(attempt, "2")?;
    let mut slow = Vec::new();
    for name in ["B", "C"] {
        let mut client = attempt.play().connect_small(name, &server)?;
        let fd = server.fd_of(client.local())?;
        client.ask("/")?;
        client.get(&format!("/big?bytes={BYTES}"))?;
        server.wait_record("it to wait for room", 0, |r| {
            r.fd == Some(fd) && r.want.as_deref() == Some("write")
        })?;
        slow.push(client);
    }
    let (mut c, mut b) = (slow.remove(1), slow.remove(0));
    b.send(request("/big?bytes=7").as_bytes())?;
    let mut a = in_handler(attempt.play(), &server, "A", 1000)?;
    a.send(request("/").as_bytes())?;
    let mark = server.mark();
    server.signal(libc::SIGTERM)?;
    server.wait_record("the listener to be closed", mark, |r| {
        r.is_call("close") && r.role.as_deref() == Some("listener")
    })?;
    let owed: [(&str, &mut Client, &[usize]); 3] =
        [("B", &mut b, &[BYTES, 7]), ("A", &mut a, &[14, 12]), ("C", &mut c, &[BYTES])];
    for (name, client, bodies) in owed {
        let fd = server.fd_of(client.local())?;
        for (n, bytes) in bodies.iter().enumerate() {
            let seen = match came(&server, client)? {
                Came::Answer(answer) if answer.body.len() == *bytes => continue,
                Came::Answer(answer) => format!(
                    "{name}'s answer number {} has {} bytes, not {bytes}",
                    n + 1,
                    answer.body.len()
                ),
                _ => match missing(&server.records(), fd, name, (n, bodies.len()), mark, case)? {
                    Ok(verdict) => return Ok(verdict),
                    Err(seen) => seen,
                },
            };
            return case.failed(seen, "", lines(&server.records(), about(fd)));
        }
    }
    let after = server.mark();
    let (outcome, records) = ends_or_rests(&mut server, after)?;
    let seen = match outcome {
        Outcome::Ended(usage) if usage.exit == Some(0) => {
            return passed("five requests, five answers, and then the end");
        }
        Outcome::Ended(usage) => format!("all five are answered, and it ended with {usage:?}"),
        Outcome::Rests => "all five are answered, all threads sleep, and the server does not \
                           end"
        .to_string(),
        Outcome::Spins => "all five are answered, and the server does not end: C has asked for \
                           nothing more, and has a turn again and again"
            .to_string(),
    };
    let mistake = "`Next::Again` says that something is left to be done in our own buffers. \
                   When nothing is, the client is owed nothing, and can be closed.";
    case.failed(seen, mistake, last_lines(&records))
}

/// An answer has not come, after `got` of so many: what is to be seen of that. A verdict,
/// if the one look was made before the stop.
fn missing(
    records: &[Record],
    fd: i32,
    name: &str,
    (got, of): (usize, usize),
    mark: u64,
    case: Case,
) -> Result<std::result::Result<Verdict, String>> {
    let in_vain = |r: &Record| r.seq < mark && r.fd == Some(fd) && r.failed("read", "EAGAIN");
    if records.iter().any(in_vain) {
        let seen = format!(
            "{name} got {got} of its {of} answers. The server looked for one more request of \
             {name} before the stop, when there was none, and not again after it"
        );
        let mistake = "`has_arrived` looks into the kernel once for each connection. A look \
                       that is made while nobody has asked for a stop is lost: ask for the \
                       stop first, then look.";
        let trace = lines(records, |r| in_vain(r) || r.seq > mark && about(fd)(r));
        return case.failed(seen, mistake, trace).map(Ok);
    }
    Ok(Err(format!(
        "{name} got {got} of its {of} answers. Its next request lay in the receive buffer when \
         the stop came, and nobody has looked for it"
    )))
}
