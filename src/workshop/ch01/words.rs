//! Whose words are these? Bytes of one client that answer another.

use super::{is_incomplete, told};
use crate::workshop::{Attempt, Finding, Outcome, Step, Verdict, failed, passed};
use common::lab::{Client, Record, Result, Server, Trouble, trouble};

pub(super) const STEPS: &[Step] = &[
    Step { title: "one letter is no request", check: one_letter },
    Step { title: "nor is it after a talk that broke off", check: after_a_break },
];

/// B says one letter: what comes of it, and everything A's bytes were read into.
fn letter(a: &Attempt, server: &Server) -> Result<(Client, Outcome)> {
    let mut client = a.connect("B", server)?;
    client.send(b"G")?;
    let outcome = a.answer_or_rest(server, &mut client)?;
    let is_read = |r: &Record| r.is_call("read") && r.ret == Some(1);
    server.wait_record("the letter to be read", 0, is_read)?;
    Ok((client, outcome))
}

fn reads(server: &Server) -> Vec<Record> {
    server.records().into_iter().filter(|r| r.is_call("read")).collect()
}

fn one_letter(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let answer = a.connect("A", &server)?.ask("/big?bytes=7")?;
    if (answer.status, answer.body.len()) != (200, 7) {
        return Err(Trouble(format!("A asked for 7 bytes and got: {}", answer.head)));
    }
    let (_b, outcome) = letter(a, &server)?;
    let expected = "400: the request is not complete.";
    let finding = |seen: String| {
        Finding::new(
            "A asks for /big?bytes=7 and is answered; then B sends one letter, G.",
            expected,
            seen,
        )
        .shown_by(&reads(&server))
        .page("ch01.html#read")
    };
    match outcome {
        Outcome::Answered(answer) if answer.status == 400 => {
            fills_the_buffer(a, &server)?;
            passed("B's one letter is refused, whatever A had asked")
        }
        // A hunt: why it is A's page is for the learner to find.
        Outcome::Answered(answer) => failed(finding(format!(
            "{} with {} bytes: A's page.",
            answer.status,
            answer.body.len()
        ))),
        Outcome::Ended(bytes, _) => failed(
            finding(format!("The end, after {} bytes.", bytes.len()))
                .usually("What is no request gets an answer, too: http::answer_once makes it."),
        ),
        Outcome::Asleep(_) | Outcome::Spins(_) => failed(
            finding("Nothing.".to_string())
                .usually("This server reads once, and answers what it has read."),
        ),
    }
}

/// A client whose bytes fill the buffer to its end: whatever comes of them, the next is
/// answered.
fn fills_the_buffer(a: &Attempt, server: &Server) -> Result<()> {
    let mut long = b"GET / HTTP/1.1\r\nHost: lab\r\nX: ".to_vec();
    long.resize(16 * 1024, b'x');
    let mut client = a.connect("C", server)?;
    server.freeze()?; // all of it is there before the first read
    client.send(&long)?;
    server.thaw()?;
    a.answer_or_rest(server, &mut client)?;
    a.connect("D", server)?.ask("/").map(drop)
}

/// A server that could not answer A: it reset its connection before.
fn broken_off(a: &Attempt) -> Result<Server> {
    // On a busy machine the answer may be out before the reset.
    for ms in [50, 500, 5000] {
        let server = a.start(&[])?;
        let mut rude = a.connect("A", &server)?;
        rude.get(&format!("/slow?ms={ms}"))?;
        let fd = server.fd_of(rude.local())?;
        server.wait_record("the handler", 0, |r| r.is_step("handler sleeps"))?;
        rude.reset()?;
        server.wait_record("A's close", 0, |r| r.did("close", fd))?;
        if !server.records().iter().any(|r| r.did("write", fd)) {
            return Ok(server);
        }
        a.finish(server)?;
    }
    trouble("A was answered before it could reset its connection, three times")
}

fn after_a_break(a: &Attempt) -> Result<Verdict> {
    let server = broken_off(a)?;
    let (_b, outcome) = letter(a, &server)?;
    match outcome {
        Outcome::Answered(answer) if answer.status == 400 && !is_incomplete(&answer) => failed(
            Finding::new(
                "B sends one letter, G.",
                "400: the request is not complete.",
                "400, but for bytes that B has not sent.",
            )
            .usually("Behind B's letter stand others: look at no more than was read.")
            .shown_by(&reads(&server))
            .lines(String::from_utf8_lossy(&answer.body).lines().map(String::from)),
        ),
        Outcome::Answered(answer) if answer.status == 400 => {
            passed("nor is it a request when A's talk broke off")
        }
        other => failed(
            Finding::new(
                "A asks for something slow and resets while the handler works; then B sends G.",
                "400: the request is not complete.",
                told(&other),
            )
            .usually(
                "A's talk did not come to its end, and so not to the line that cleans up. Do \
                     not clean up: look at no more than was read.",
            )
            .shown_by(&reads(&server)),
        ),
    }
}
