//! Hunt the bug: clients that end before their answer, and what they take with them.

use super::super::{Attempt, Finding, Reached, Verdict, failed, passed};
use common::lab::record::Kind;
use common::lab::{Record, Result, Server, trouble};

/// How a client is rude.
#[derive(Clone, Copy, PartialEq)]
enum Rude {
    /// It connects and resets, so that the worker's read fails. (Not over libkqueue, which
    /// takes the error out of the socket when it reports it.)
    SaysNothing,
    /// It asks and resets while its handler sleeps, so that the worker's write fails.
    Asks,
    /// The same, and it has ended its side before: on Linux the error is EPIPE then, and not
    /// ECONNRESET.
    AsksAndEnds,
}

/// Two workers, two rude clients: a third one is still answered, and the two are gone
/// for good.
pub(super) fn slower(attempt: &Attempt) -> Result<Verdict> {
    for rude in [Rude::SaysNothing, Rude::Asks, Rude::AsksAndEnds] {
        if let Some(finding) = after_rude_clients(attempt, rude)? {
            return failed(finding);
        }
    }
    passed("both workers are still there, and the clients that reset are gone")
}

fn after_rude_clients(attempt: &Attempt, rude: Rude) -> Result<Option<Finding>> {
    let server = attempt.start(&["--workers", "2"])?;
    let did = match rude {
        Rude::SaysNothing => {
            "there are two workers; two clients connect and reset, one after the other"
        }
        Rude::Asks => {
            "there are two workers; two clients, one after the other, ask for /slow and reset \
             before their answer comes"
        }
        Rude::AsksAndEnds => {
            "there are two workers; two clients, one after the other, ask for /slow, end their \
             side, and reset before their answer comes"
        }
    };
    let (mut closes, mut failed_writes) = (Vec::new(), Vec::new());
    for (name, polite) in [("A", "B"), ("C", "D")] {
        let close = match rude {
            Rude::SaysNothing => resets(attempt, &server, name)?,
            Rude::Asks | Rude::AsksAndEnds => {
                let (close, answer) = resets_before_the_answer(attempt, &server, name, rude)?;
                failed_writes.push(answer);
                close
            }
        };
        let mut client = attempt.connect(polite, &server)?;
        if let Err(finding) = super::build::ask(attempt, &server, &mut client, polite)? {
            let records = server.records();
            let last = |worker: &str| {
                let mut of_worker = records.iter().rev().filter(|r| r.thread == worker);
                of_worker.find(|r| r.kind == Kind::Call && r.errno.is_some()).cloned()
            };
            let shown: Vec<Record> =
                ["worker-1", "worker-2"].into_iter().filter_map(last).collect();
            let finding = Finding { did: format!("{did}; {polite} asks for /"), ..*finding };
            return Ok(Some(finding.usually("").shown_by(&shown)));
        }
        closes.push(close);
    }
    if closes.iter().all(|close| !close.note.contains("dropped")) {
        return match failed_writes.last() {
            Some(write) => untold(attempt, &server, did, write),
            None => Ok(None),
        };
    }
    let seen = "the descriptor was closed because its value was dropped";
    let finding = Finding::new(did, "a client that fails is closed as any other one", seen)
        .usually(
            "Nobody told the table that this client is gone: it counts it for ever, as being in \
             somebody's hands. Every way out of a worker's turn ends in `park` or in `close`.",
        )
        .shown_by(&closes)
        .page("ch05.html#the-table");
    Ok(Some(finding))
}

/// A client that resets without a word: the record of its close.
fn resets(attempt: &Attempt, server: &Server, name: &str) -> Result<Record> {
    let client = attempt.connect(name, server)?;
    let fd = server.fd_of(client.local())?;
    let accepted = server.accept_of(client.local())?.seq;
    client.reset()?;
    let of_it = |r: &Record| r.is_call("close") && r.fd == Some(fd);
    server.wait_record("its descriptor to be closed", accepted, of_it)
}

/// How long its handler sleeps, in ms. Tried again, longer, should this program be held
/// up so that the answer was there first.
const HANDLERS: [u32; 3] = [200, 1_000, 5_000];

/// An error that nobody is told of: the write that failed has no line in the log.
fn untold(
    attempt: &Attempt,
    server: &Server,
    did: &str,
    write: &Record,
) -> Result<Option<Finding>> {
    let told = attempt.until(server, "a line about it", |records| {
        records.iter().any(|r| r.kind == Kind::Log && r.seq > write.seq).then_some(())
    })?;
    Ok(match told {
        Reached::Yes(()) => None,
        Reached::Asleep(_) | Reached::Spins(_) => Some(
            Finding::new(did, "a line in the log for each client that fails", "none")
                .usually(
                    "The error is thrown away. These lines were not the mistake: they are all that \
                     anybody will know of the next one. `log::failed` says one.",
                )
                .shown_by([write]),
        ),
    })
}

/// A client that resets while its handler sleeps: the records of its close, and of the
/// write that failed.
fn resets_before_the_answer(
    attempt: &Attempt,
    server: &Server,
    name: &str,
    rude: Rude,
) -> Result<(Record, Record)> {
    for ms in HANDLERS {
        let mut client = attempt.connect(name, server)?;
        let fd = server.fd_of(client.local())?;
        let accepted = server.accept_of(client.local())?.seq;
        client.get(&format!("/slow?ms={ms}"))?;
        if rude == Rude::AsksAndEnds {
            client.half_close()?;
        }
        server.wait_record("its handler to sleep", accepted, |r| r.is_step("handler sleeps"))?;
        client.reset()?;
        let of_it = |r: &Record, call| r.is_call(call) && r.fd == Some(fd);
        let write = server.wait_record("its answer", accepted, |r| of_it(r, "write"))?;
        let close =
            server.wait_record("its descriptor to be closed", accepted, |r| of_it(r, "close"))?;
        if write.errno.is_some() {
            return Ok((close, write));
        }
    }
    trouble("no reset came before the answer")
}
