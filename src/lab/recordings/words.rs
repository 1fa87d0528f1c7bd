//! The words that not every reader knows.

use serde_json::{Map, Value};

/// The field's words that the player explains where they stand.
pub(super) fn glossary() -> Value {
    let words = [
        (
            "accept queue",
            "Connections that the kernel has made and the server has not accepted yet.",
        ),
        ("receive buffer", "Bytes that have come from the client and that no read has taken yet."),
        (
            "send buffer",
            "Bytes that write has given to the kernel and the client has not read. Some may be with the client's kernel already: a trace cannot tell.",
        ),
        (
            "event queue",
            "The kernel's list of descriptors to watch (epoll or kqueue). One wait asks about all of them.",
        ),
        ("pool's queue", "Connections that are ready and wait for a free worker."),
        (
            "wake-up socket",
            "A pair of sockets within the process. A byte written into one end makes the other readable: so a thread or a signal handler ends main's sleep.",
        ),
        (
            "descriptor",
            "The number by which a process names something that the kernel keeps for it, such as a socket.",
        ),
        ("non-blocking", "A call that would have to sleep returns EAGAIN instead."),
        (
            "lab",
            "The program that made this recording: it starts the server and plays the clients.",
        ),
        (
            "slow handler",
            "The server's own code for a request that takes long. It only sleeps; the worker can do nothing else meanwhile.",
        ),
        ("level", "Level-triggered: each wait reports it, as long as it is ready."),
        (
            "edge",
            "Edge-triggered: reported when something new comes, and not again until more comes.",
        ),
        (
            "oneshot",
            "Reported once, then switched off until it is armed again. So only one thread gets it.",
        ),
        ("armed", "Switched on again: the kernel may report it once more."),
        ("segment", "One packet of TCP: what was sent at one go often travels in one."),
        (
            "drain",
            "To accept who is waiting already, then nobody new; to answer what has been asked; and to end.",
        ),
        ("SIGINT", "The signal that Ctrl-C sends: interrupt."),
        (
            "EMFILE",
            "The error of a call that needs a descriptor when the process may have no more.",
        ),
        ("EAGAIN", "The error of a non-blocking call: nothing to be had now, try again later."),
        ("EINTR", "The error of a call whose sleep was ended by a signal."),
        ("FIN", "The end of one direction of a connection: no more bytes will come."),
        (
            "reset",
            "The end by force (RST): the connection is gone at once, with what was under way.",
        ),
        ("RST", "A reset: the connection is torn down at once, and what was under way is lost."),
    ];
    Value::Object(
        words.into_iter().map(|(word, says)| (word.into(), says.into())).collect::<Map<_, _>>(),
    )
}
