//! What a person who runs the server wants to know: a line for each request if
//! asked for, and at the end how the loop itself has fared.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::http::{Method, Refused, Request, Response};
use crate::log;

/// Counts, shared by all threads. None of them decides anything, so they need no
/// order among each other (`Relaxed`).
#[derive(Debug, Default)]
pub struct Report {
    log: bool,
    connections: AtomicU64,
    requests: AtomicU64,
    /// [`u64::MAX`] before it begins.
    before_drain: AtomicU64,
    cut: AtomicU64,
    wake_ups: AtomicU64,
    for_nothing: AtomicU64,
    longest_us: AtomicU64,
}

impl Report {
    /// All zero. With `log`, each request gets a line on stderr.
    pub fn new(log: bool) -> Report {
        Report { log, before_drain: AtomicU64::new(u64::MAX), ..Report::default() }
    }

    /// From now on what is answered counts as drained, too.
    pub fn drain_begins(&self) {
        self.before_drain.store(self.requests.load(Ordering::Relaxed), Ordering::Relaxed);
        self.cut.store(0, Ordering::Relaxed);
    }

    /// A client was left with a part of its answer unsent.
    pub fn cut_off(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that has happened since the drain began.
    pub fn cut_in_the_drain(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    /// A client was accepted.
    pub fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Main's wait has returned; `for_nothing` if nobody was ready and nobody's time
    /// was up.
    pub fn woken(&self, for_nothing: bool) {
        self.wake_ups.fetch_add(1, Ordering::Relaxed);
        self.for_nothing.fetch_add(u64::from(for_nothing), Ordering::Relaxed);
    }

    /// A request has its answer. `since` is when its handler began, and becomes
    /// the time at which the next one begins.
    pub fn answered(
        &self,
        peer: SocketAddr,
        request: &Request<'_>,
        response: &Response,
        since: &mut Instant,
    ) {
        let now = Instant::now();
        let us = (now - *since).as_micros() as u64;
        *since = now;
        self.requests.fetch_add(1, Ordering::Relaxed);
        if us > self.longest_us.load(Ordering::Relaxed) {
            self.longest_us.fetch_max(us, Ordering::Relaxed);
        }
        if self.log {
            let bytes = if request.head.method == Method::Head { 0 } else { response.body.len() };
            log::line(format_args!(
                "{peer} \"{} {}\" {} {bytes} bytes {us} us",
                request.method(),
                request.target().escape_debug(),
                response.status
            ));
        }
    }

    /// What a client sent was no request that is served. `since` is when somebody began
    /// to look at it.
    pub fn refused(&self, peer: SocketAddr, refused: &Refused, since: Instant) {
        let us = since.elapsed().as_micros();
        self.requests.fetch_add(1, Ordering::Relaxed);
        if self.log {
            let Refused { refusal, method, line } = refused;
            let bytes = if *method == Method::Head { 0 } else { refusal.text.len() };
            let why = refusal.text.trim_end();
            log::line(format_args!(
                "{peer} \"{line}\" {} {bytes} bytes {us} us ({why})",
                refusal.status
            ));
        }
    }
}

/// `served 12 requests, 2 of them in the drain, on 3 connections; …`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        write!(
            f,
            "served {} requests, {} of them in the drain, on {} connections; \
             main woke up {} times, {} for nothing; the longest handler took {:?}",
            count(&self.requests),
            count(&self.requests).saturating_sub(count(&self.before_drain)),
            count(&self.connections),
            count(&self.wake_ups),
            count(&self.for_nothing),
            Duration::from_micros(count(&self.longest_us)),
        )
    }
}
