//! Whether it pays to look at a client again that was just answered.
//!
//! A look that finds a request saves its way through the kernel's list and main:
//! arming, a place in a wait, a hand-over. One in vain costs a `read`. That depends
//! on the clients, and nobody knows them beforehand: so it is tried.

// ANCHOR: luck
/// The most looks that may be in vain before there are no more.
const MOST: u32 = 64;
/// What a look that finds a request is worth, in looks: so it pays from one in three.
const WORTH: u32 = 3;
/// Without credit, one client of so many is looked at nevertheless.
const PROBE: u32 = 16;

/// A credit: each look costs one, and each that finds requests, and sees them answered
/// in one turn, brings some back.
pub(super) struct Luck {
    credit: u32,
    passed_over: u32,
}

impl Luck {
    pub(super) fn new() -> Luck {
        Luck { credit: MOST, passed_over: 0 }
    }

    /// Whether to look at one more client.
    pub(super) fn is_tried(&mut self) -> bool {
        if self.credit == 0 {
            self.passed_over = (self.passed_over + 1) % PROBE;
            return self.passed_over == 0;
        }
        self.credit -= 1;
        true
    }

    /// A look has found a request.
    pub(super) fn found(&mut self) {
        self.credit = (self.credit + WORTH).min(MOST);
    }
}
// ANCHOR_END: luck
