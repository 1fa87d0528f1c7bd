//! Room to read into and to write from, lent by the thread that works.
//!
//! A connection needs it while a worker has it, and that is nearly never: of ten
//! thousand clients, as many are being answered as there are workers. So the room
//! belongs to the thread. A connection borrows it for a turn and gives it back;
//! what is left over for the next turn (half a request, the rest of an answer) it
//! keeps, and then the thread makes itself new room. An idle connection so holds
//! no buffer, and one that is answered allocates none.

// Where the system keeps thread-locals behind a key (OpenBSD), the lint does not see the const.
#![allow(clippy::missing_const_for_thread_local)]

use std::cell::Cell;

use super::buffers::{MOST_OUTPUT, ROOM};

thread_local! {
    static INPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static OUTPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// [`ROOM`] bytes to read into.
pub(super) fn input() -> Vec<u8> {
    let spare = INPUT.take();
    if spare.is_empty() { vec![0; ROOM] } else { spare }
}

/// Takes them back.
pub(super) fn give_input(room: Vec<u8>) {
    if room.len() == ROOM {
        // A connection may be dropped when the thread's store is gone already.
        let _ = INPUT.try_with(|spare| spare.set(room));
    }
}

/// An empty buffer to write from.
pub(super) fn output() -> Vec<u8> {
    OUTPUT.take()
}

/// Takes it back, unless it has become too large to keep.
pub(super) fn give_output(mut bytes: Vec<u8>) {
    if (1..=MOST_OUTPUT).contains(&bytes.capacity()) {
        bytes.clear();
        let _ = OUTPUT.try_with(|spare| spare.set(bytes));
    }
}
