//! Why a step matters, where the step itself does not say: a recording's turning
//! points.

/// A step, by words that describe it (see `words` in `turning.rs`), and why it matters. Those of
/// the server are looked for in this order, and those of the clients in theirs: who
/// of them is first may differ. A run may go without one that begins with `?`.
pub(super) type Note = (&'static str, &'static str);

const LAST: &str = "It is the last: 0, 1, 2, the listener and the event queue have the others (and libkqueue some for itself).";

/// The turning points of a recording.
pub(super) fn of(recording: &str) -> &'static [Note] {
    match recording {
        "ch01-hello" => &[
            ("main accept enter", "The kernel will wake it when somebody connects."),
            ("main accept A", "A is the only one that main looks at until A is closed."),
            ("main read enter A", "The kernel will wake it when A, and nobody else, speaks."),
            ("main close A", "Only now does main look for the next client."),
            ("main accept B", "The same again for B: one client after the other."),
            ("B receive", "Both are served, as each has spoken at once."),
        ],
        "ch01-silent" => &[
            (
                "main accept A",
                "One thread, one client: until A is closed, main asks for nobody else.",
            ),
            ("main read A =29", "For as long as A was silent, main has slept in this one call."),
            (
                "main accept B",
                "B asked while A was silent. Nothing was wrong with it but its place behind A.",
            ),
            ("B receive", "It has waited for all of A's silence."),
        ],
        "ch02-silent" => &[
            (
                "main accept EAGAIN",
                "A blocking accept would sleep here. This one returns, and main can look at its clients.",
            ),
            ("main read B =29", "A is silent still, and B is served all the same."),
            ("main turns", "The price: with nothing to do, main asks everybody, over and over."),
        ],
        "ch03-idle" => &[
            ("main wait enter", "It sleeps for everybody at once: whoever speaks first wakes it."),
            ("main wait =1 B", "A is watched, too, but not told of: only B will be read."),
            (
                "main close B",
                "Since A was added to the event queue, its silence has not cost a call.",
            ),
        ],
        "ch03-burst" => &[
            ("lab freeze", "So four clients will have connected before it looks."),
            ("?main wait EINTR", "It was the lab's SIGCONT. main asks again."),
            ("main accept A", "One event, one accept."),
            ("main wait enter", "main goes back to the kernel for each of the others."),
            (
                "main wait =1",
                "The same event again, since others are in the accept queue still: the second trip with news.",
            ),
            (
                "main accept D",
                "Four connections, four trips with news. Each trip costs a call, and who comes last waits for all of them.",
            ),
            ("A close", "B, C and D have been accepted, too. In this run they never ask."),
        ],
        "ch03-full" => &[
            ("main accept A", LAST),
            ("main accept EMFILE", "Nobody has been accepted, so B is where it was."),
            (
                "main wait =1",
                "The listener is as readable as before: the same event, and then the same failure.",
            ),
            ("main turns", "A client without a descriptor keeps the core busy, and gets nothing."),
            ("main close A", "Now there is one for B."),
            ("main accept B", "It was in the accept queue all the time."),
            ("B receive", "It has waited for A to go, and main has not slept meanwhile."),
        ],
        "ch04-full" => &[
            ("main accept A", LAST),
            ("main accept EMFILE", "A has the last one: the next accept fails, whoever comes."),
            (
                "main delete listener",
                "So main has the kernel be silent about it: else, as soon as somebody is in the accept queue, each wait would return at once.",
            ),
            ("main wait =0", "A tenth of a second has gone, and main tries again."),
            (
                "main delete listener",
                "In vain again, but cheap: a few calls, ten times a second, where chapter 3 made thousands.",
            ),
            ("main close A", "Now there is a descriptor, so main does not wait for the next try."),
            ("main accept B", "It was in the accept queue all the time."),
            ("B connect", "Nobody is told: the event queue does not watch the listener now."),
            ("B receive", "It has waited for A to go, and main has slept meanwhile."),
        ],
        "ch04-burst" => &[
            ("lab freeze", "So four clients will have connected before it looks."),
            ("?main wait EINTR", "It was the lab's SIGCONT. main asks again."),
            (
                "main accept A",
                "The event said that somebody waits, not how many. So main accepts on, without asking again.",
            ),
            (
                "main accept EAGAIN",
                "This ends the loop in accept_all: four connections, one trip with news.",
            ),
            ("A close", "B, C and D have been accepted, too. In this run they never ask."),
        ],
        "ch04-slow" => &[
            ("main handler sleeps enter", "There is only this thread, to accept and to answer."),
            ("B connect", "Nobody will accept it before the handler is done."),
            ("B send", "All of a short request is there, and nobody reads it."),
            ("main accept B", "Only now, after A's handler, is B looked at."),
            ("B receive", "A short answer, as late as A's slow one."),
        ],
        "ch05-slow" => &[
            (
                "main delete A",
                "Out of the event queue, A can be given away: the kernel will report it to nobody else.",
            ),
            (
                "main queued A",
                "main does not wait for the answer. It goes back to the kernel at once.",
            ),
            (
                "main queued C",
                "Both workers are busy. C waits here for the first of them that is free.",
            ),
            (
                "worker took C",
                "It has come out of B's handler. C never waited for A, whose handler still sleeps.",
            ),
            ("C receive", "A's handler still sleeps, and C has been served meanwhile."),
            ("A receive", "A has waited for its own handler, and for nobody else's."),
        ],
        "ch05-pieces" => &[
            ("worker handler sleeps enter", "A only keeps one worker busy: watch B."),
            (
                "worker read B",
                "Only the first piece has come, and this stage reads once: it takes the piece for the whole.",
            ),
            (
                "worker write B",
                "Half a request is a bad request (400), though B has done nothing wrong.",
            ),
            ("worker close B", "The second piece is still to come."),
            ("B send", "It is the first piece of a request."),
            ("B receive", "A refusal, of a request of which half had come."),
            ("B send", "It was the second piece."),
        ],
        "ch06-pieces" => &[
            ("worker handler sleeps enter", "A only keeps one worker busy: watch B."),
            (
                "worker read B",
                "Half a request. It is kept with the connection, and the worker does not wait for the rest.",
            ),
            (
                "worker add B",
                "B goes back to the kernel: until it speaks again, it costs nobody anything.",
            ),
            (
                "worker read B",
                "The rest of the first request, and behind it the whole of a second.",
            ),
            ("worker write B", "Both were in the buffer, so both are answered, in their order."),
            ("worker add B", "Not closed: on the same connection B may ask again."),
            ("B send", "It is the first piece of a request."),
            (
                "B send",
                "The rest of the first request is 21 of them. Behind it is all of a second.",
            ),
            ("B receive", "The answer to the request that came in two pieces."),
            ("B receive", "The answer to the one behind it, on the same connection."),
            (
                "A receive",
                "A's slow handler has kept one worker all the time, and B did not wait for it.",
            ),
        ],
        "ch06-stop" => &[
            ("worker write A", "A's connection stays open, so that it may ask again."),
            ("worker handler sleeps enter", "B's answer will take five seconds."),
            (
                "lab signal",
                "This stage has no signal handler for SIGINT, so the kernel does what it does by default: it ends the process, whatever the threads are doing.",
            ),
            (
                "lab exit",
                "The kernel closes every descriptor. The worker never comes out of B's handler, and the answer is never written.",
            ),
            ("B receive-end", "It was owed one."),
        ],
        "ch07-stop" => &[
            (
                "lab signal",
                "This stage has a signal handler for SIGINT. It sets a flag and writes one byte, X, into the wake-up socket, so that main looks.",
            ),
            (
                "?main wait EINTR",
                "It was main's thread that ran the signal handler. main sees the flag and begins to drain.",
            ),
            (
                "main accept EAGAIN",
                "The drain first accepts who is in the accept queue: to close the listener would reset them. Nobody is.",
            ),
            ("main close listener", "From here on nobody new can connect."),
            (
                "?main read wake X",
                "X is the signal handler's byte. main takes it out, or each wait to come would return for it.",
            ),
            (
                "main shutdown A",
                "A has had its answer and asked for nothing since: it is owed nothing, and is told the end. B is in a worker's hands, and is left there.",
            ),
            ("main wait =0", "For 200 ms A has said nothing."),
            ("main wait =0", "Each turn of the drain begins with a look at who has spoken."),
            ("main wait =0", "And a look before a time is up for good: A may have spoken now."),
            ("main ioctl A", "It has all of its answer: main may close."),
            ("main close A", "Nothing is lost, though A has not closed its side."),
            ("worker handler slept", "The signal has not cut it short."),
            (
                "worker read EAGAIN B",
                "B has not asked for more. So this answer will be its last, and says so: Connection: close.",
            ),
            (
                "worker shutdown B",
                "Only this side is closed: a full close could reset B before it has read its answer.",
            ),
            (
                "worker write wake",
                "main's sleep is longer than the time that B now has to close its side. So the worker wakes main, with w.",
            ),
            ("?main read wake w", "w is the worker's byte: there is an earlier deadline."),
            ("main wait =0", "Has anybody spoken meanwhile? Nobody."),
            ("main wait enter", "So long B may take to close its side."),
            ("main ioctl B", "What B's kernel has acknowledged cannot be lost when main closes."),
            ("main close B", "B has its whole answer, so nothing is lost."),
            ("worker no more work", "No client is left, and nothing is queued."),
            ("B receive", "B asked before Ctrl-C, and is answered after it."),
        ],
        "ch07-slow-reader" => &[
            (
                "worker write A",
                "It is the first part of a bigger answer. A does not read, so A's kernel takes no more, and the send buffer here is full.",
            ),
            (
                "worker write EAGAIN A",
                "A blocking write would sleep here, and the worker would be A's for as long as A pleases.",
            ),
            (
                "worker rearm A write",
                "The rest of the answer is kept with the connection, and the kernel will tell when there is room. The worker is free.",
            ),
            ("worker write B", "A's answer waits, and B does not wait for it."),
            ("A say", "So A's kernel can take more, and the send buffer here gets room."),
            (
                "main wait writable A",
                "There is room for the rest of A's answer, and so there is work.",
            ),
            (
                "worker rearm A read",
                "All of the answer is in the kernel's hands. From here A is watched for its next request.",
            ),
            (
                "A receive",
                "All of it has come, as quickly as A has read, and nobody else has waited.",
            ),
        ],
        "ch07-late" => &[
            (
                "worker rearm A",
                "Its half a request is kept with the connection, and so is the time by which the rest has to be there. No worker waits for it.",
            ),
            (
                "main wait =0",
                "It has slept for as long as the nearest deadline allowed: A's, who had half a second for all of its request.",
            ),
            ("main wait =0", "A might have spoken at the last moment. It has not."),
            ("main write A", "408: the request did not come in time."),
            (
                "main shutdown A",
                "Only this side is closed, so that the answer arrives. A has a second to close its own.",
            ),
            (
                "main delete A",
                "A has not been reported, so it is still watched. It goes out and in again, to be waited for anew: for its FIN.",
            ),
            (
                "worker close A",
                "Half a request has held no worker, and its descriptor for half a second.",
            ),
            ("A receive", "It is told, and not only closed."),
        ],
        _ => &[],
    }
}
