//! What one turn of one connection may take, told by the trace. A client that asks for
//! much must not keep a worker: after so many answers the next client has its turn.

use std::path::PathBuf;

use common::lab::client::request;
use common::lab::{Play, Record, Stage};

/// What ch06 and ch07 state, and the book with them.
const TURN_REQUESTS: usize = 64;

/// Ten turns' worth, and then some.
const REQUESTS: usize = 700;

/// How many answers each turn of this client wrote: what lies between two times that a
/// worker took it. All answers are equally long.
fn answers_per_turn(records: &[Record], fd: i32, length: usize) -> Vec<usize> {
    let mut turns = Vec::new();
    let mut in_order: Vec<&Record> = records.iter().filter(|r| r.fd == Some(fd)).collect();
    in_order.sort_by_key(|r| r.seq);
    for r in in_order {
        if r.is_step("took") {
            turns.push(0);
        } else if r.did("write", fd)
            && let Some(turn) = turns.last_mut()
        {
            *turn += usize::try_from(r.ret.unwrap()).unwrap();
        }
    }
    turns.iter().map(|bytes| bytes.div_ceil(length)).collect()
}

fn play(stage: Stage, program: &str) {
    let play = Play::new(stage, PathBuf::from(program));
    let server = play.start(&["--workers", "1"]).unwrap();
    let mut client = play.connect_quietly("A", &server).unwrap();
    client.send_quietly(request("/").repeat(REQUESTS).as_bytes()).unwrap();
    let mut length = 0;
    for _ in 0..REQUESTS {
        let answer = client.answer_quietly().unwrap();
        assert_eq!(answer.body, b"Hello World\n");
        length = answer.head.len() + answer.body.len();
    }
    let fd = server.fd_of(client.local()).unwrap();
    let records = play.finish(server).unwrap();
    let turns = answers_per_turn(&records, fd, length);
    assert_eq!(turns.iter().sum::<usize>(), REQUESTS, "{stage}: {turns:?}");
    let most = turns.iter().max().copied().unwrap();
    assert!(most <= TURN_REQUESTS, "{stage}: {most} answers in one turn: {turns:?}");
    println!("{stage}: {} turns, at most {most} answers in one", turns.len());
}

#[test]
fn a_turn_of_chapter_6_ends_after_64_requests() {
    play(Stage::Ch06, env!("CARGO_BIN_EXE_ch06_keep_alive"));
}

#[test]
fn a_turn_of_chapter_7_ends_after_64_requests() {
    play(Stage::Ch07, env!("CARGO_BIN_EXE_ch07_full"));
}
