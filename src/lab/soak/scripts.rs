//! The kinds of clients, and what each of them does.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use super::guest::{Act, Expected};
use crate::http::pattern;
use crate::lab::{Result, Trouble};

/// How the server is started, in seconds.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(3);
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Asks for this and that, with short pauses.
    Good,
    /// The same, and is idle most of the time.
    Idle,
    /// Eight requests at once.
    Pipelining,
    /// Sends its request byte by byte, in time.
    ByteByByte,
    /// Sends its request byte by byte, and never comes to the end.
    Slowloris,
    /// Says nothing.
    Silent,
    /// Asks, and resets before it can have got all of the answer.
    Resetting,
    /// Asks, and ends its side.
    HalfClosing,
    /// Takes a large answer in sips, through a small window.
    SlowReading,
    /// Asks for a large answer and does not take it.
    NotReading,
    /// Sends what is no HTTP.
    Garbage,
}

impl Kind {
    /// Each, and how many of 100 clients are so.
    pub const ALL: [(Kind, usize); 11] = [
        (Kind::Good, 6),
        (Kind::Idle, 30),
        (Kind::Pipelining, 2),
        (Kind::ByteByByte, 8),
        (Kind::Slowloris, 18),
        (Kind::Silent, 20),
        (Kind::Resetting, 3),
        (Kind::HalfClosing, 3),
        (Kind::SlowReading, 4),
        (Kind::NotReading, 3),
        (Kind::Garbage, 3),
    ];

    /// It keeps to the rules and takes its answers: it may expect the same.
    pub fn is_good(self) -> bool {
        matches!(self, Kind::Good | Kind::Idle | Kind::Pipelining | Kind::ByteByByte)
    }

    pub fn has_small_window(self) -> bool {
        matches!(self, Kind::SlowReading | Kind::NotReading)
    }
}

/// SplitMix64: the same choices in every run.
pub(super) struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn up_to(&mut self, most: u64) -> u64 {
        self.next() % (most + 1)
    }

    pub fn ms_up_to(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.up_to(most))
    }
}

/// What there is to ask for, and the right answers.
pub(super) struct Scripts {
    files: Vec<(String, Vec<u8>)>,
    big: Vec<u8>,
    written: u64,
}

/// Files of the site that every test uses.
const FILES: &[&str] = &["index.html", "css/style.css", "js/page.js", "chapter/index.html"];

/// What a slow reader asks for, and one who does not read.
const BIG: usize = 256 * 1024;
const HUGE: usize = 8 * 1024 * 1024;

/// A server that refuses says so with one of these.
const REFUSALS: &[u16] = &[400, 405, 408, 413, 414, 417, 431, 501, 505];

impl Scripts {
    pub fn new(root: &Path) -> Result<Scripts> {
        let read = |name: &&str| {
            let body = std::fs::read(root.join(name));
            let path = format!("/{}", name.trim_end_matches("index.html"));
            body.map(|body| (path, body)).map_err(|e| Trouble(format!("{name}: {e}")))
        };
        let files = FILES.iter().map(read).collect::<Result<_>>()?;
        Ok(Scripts { files, big: (0..BIG).map(pattern).collect(), written: 0 })
    }

    /// What a client of this kind is going to do.
    pub fn script(&mut self, kind: Kind, dice: &mut Dice) -> VecDeque<Act> {
        let mut acts = VecDeque::new();
        match kind {
            Kind::Good | Kind::Idle => {
                for _ in 0..if kind == Kind::Good { 50 } else { 10 } {
                    let (request, answer) = self.exchange(dice);
                    acts.extend([Act::Send(request), Act::Answer(answer)]);
                    // Well below the time after which an idle client is closed.
                    let most = if kind == Kind::Good { 100 } else { 1500 };
                    acts.push_back(Act::Pause(dice.ms_up_to(most)));
                }
            }
            Kind::Pipelining => {
                for _ in 0..5 {
                    let (requests, answers): (Vec<_>, Vec<_>) =
                        (0..8).map(|_| self.exchange(dice)).unzip();
                    acts.push_back(Act::Send(requests.concat()));
                    acts.extend(answers.into_iter().map(Act::Answer));
                    acts.push_back(Act::Pause(dice.ms_up_to(500)));
                }
            }
            Kind::ByteByByte => {
                let (request, answer) = self.exchange(dice);
                let (head, rest) = request.split_at(20);
                acts.push_back(Act::Trickle(head.to_vec(), dice.ms_up_to(15)));
                acts.extend([Act::Send(rest.to_vec()), Act::Answer(answer)]);
            }
            Kind::Slowloris => {
                let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-A: {}", "a".repeat(2000));
                acts.push_back(Act::Send(head[..20].into()));
                acts.push_back(Act::Trickle(head[20..50].into(), Duration::from_millis(60)));
                acts.push_back(Act::End(&[408]));
            }
            Kind::Silent => acts.push_back(Act::End(&[])),
            Kind::Resetting => {
                let (request, _) = self.exchange(dice);
                let much = dice.up_to(request.len() as u64) as usize;
                acts.push_back(Act::Send(request[..much].to_vec()));
                acts.extend([Act::Pause(dice.ms_up_to(400)), Act::Reset]);
            }
            Kind::HalfClosing => {
                let (request, answer) = self.exchange(dice);
                acts.extend([Act::Pause(dice.ms_up_to(400)), Act::Send(request)]);
                acts.extend([Act::HalfClose, Act::Answer(answer), Act::End(&[])]);
            }
            Kind::SlowReading => {
                let answer = Expected { status: 200, body: self.big.clone() };
                acts.push_back(Act::Send(get(&format!("/_demo/big?bytes={BIG}"))));
                acts.push_back(Act::Sip(answer, 8 * 1024, dice.ms_up_to(60)));
            }
            Kind::NotReading => {
                acts.push_back(Act::Send(get(&format!("/_demo/big?bytes={HUGE}"))));
                // It is given up when a second look finds that it has taken no more.
                acts.push_back(Act::Pause(3 * IDLE_TIMEOUT));
                acts.push_back(Act::CutOff);
            }
            Kind::Garbage => {
                let junk = (0..1 + dice.up_to(300)).map(|_| dice.next() as u8).collect();
                acts.extend([Act::Pause(dice.ms_up_to(400)), Act::Send(junk)]);
                acts.push_back(Act::Send(b"\r\n\r\n".to_vec()));
                acts.push_back(Act::End(REFUSALS));
            }
        }
        acts
    }

    /// One request and its answer, which no other request has.
    fn exchange(&mut self, dice: &mut Dice) -> (Vec<u8>, Expected) {
        if dice.up_to(3) == 0 {
            let (path, body) = &self.files[dice.up_to(self.files.len() as u64 - 1) as usize];
            return (get(path), Expected { status: 200, body: body.clone() });
        }
        self.written += 1;
        let mut body = format!("the {}th body ", self.written).into_bytes();
        body.extend((0..dice.up_to(3000) as usize).map(pattern));
        let head = format!(
            "POST /_demo/echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        ([head.as_bytes(), &body].concat(), Expected { status: 200, body })
    }
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()
}
