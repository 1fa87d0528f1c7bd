//! What it usually is when a check could not be played to its end.

use common::lab::Stage;
use common::lab::rest::NAPS;

pub(super) const NAPPING: &str = "A sleep of its own (thread::sleep), which no client and no event ends: who comes \
                       meanwhile is not heard. The trace shows nothing of it but the time that goes \
                       by between two calls. Do not sleep to wait for something: have the kernel \
                       wake you when it has come.";

/// How a main is called that does not sleep until something happens, but asks.
pub(super) const POLLS: &str = "wakes up again and again, and finds nothing";

pub(super) const POLLING: &str = "Main wakes up again and again for nothing: its wait has a short time limit. \
                       A flag or a listener that is looked at every few milliseconds costs those \
                       wake-ups for ever, and is late all the same. Sleep until there is something to \
                       do, and have whoever changes something wake main.";

/// What it usually is that something has not come.
pub(super) fn of(stage: Stage, state: &str) -> &'static str {
    match state {
        _ if state.ends_with(NAPS) => NAPPING,
        "every thread of the server sleeps" => {
            "Something was to happen, and nobody is left to do it. See in the trace in which call \
             each thread sleeps, and ask what would have to happen for it to return."
        }
        // Here nothing is reported: the loop asks.
        "the server's loop turns in vain" if stage <= Stage::Ch02 => {
            "The loop asks again and again, and never those who have something to say. The trace \
             says whom it asks in a turn."
        }
        "the server's loop turns in vain" => {
            "Something is reported to the loop, again and again, that it never deals with. The \
             trace says what a turn does."
        }
        "the server has ended" => {
            "Whatever ended it, ended it for every client. The last calls in the trace say how far \
             it came."
        }
        "nothing for 30 s" => {
            "It made no call in that time. The trace says in which call main sleeps, and until when: \
             what should have ended that sleep?"
        }
        _ => {
            "It was busy with something else. Read the trace from its last call upwards: where did \
             it go another way?"
        }
    }
}
