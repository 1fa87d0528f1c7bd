//! The first steps of the first server: that it can be found, and found again.

use crate::workshop::{Attempt, Finding, Reached, Verdict, failed, passed};
use common::lab::record::Kind;
use common::lab::{Record, Result, Server, Trouble};

pub(super) fn be_found(a: &Attempt) -> Result<Verdict> {
    const DID: &str = "Starts your server on a port that the kernel picks, and connects.";
    let server = match a.start(&[]) {
        Ok(server) => server,
        Err(Trouble(why)) => {
            let why = why.split("did not start: ").last().unwrap_or_default();
            let why = why.split(['{', '\n']).next().unwrap_or_default();
            let seen = format!("It did not start: {}.", why.trim());
            let words = a.play().last_words().unwrap_or_default();
            return failed(
                Finding::new(DID, "One line on stdout: listening on http://127.0.0.1:….", seen)
                    .usually(
                        "Nobody can reach it: a socket takes clients in when it has an address \
                         (bind) and listens (listen); cli::announce prints the line.",
                    )
                    .shown_by(&words.records[words.records.len().saturating_sub(6)..])
                    .page("ch01.html#listen"),
            );
        }
    };
    if server.address().port() == 0 {
        return failed(
            Finding::new(DID, "The port that the kernel has picked.", "Your line says port 0.")
                .usually(
                    "port 0 means: pick one. What was asked for (options.address) is not what came \
                     of it; getsockname tells (sys::local_address), after bind.",
                )
                .page("ch01.html#getsockname"),
        );
    }
    if !server.address().ip().is_loopback() {
        let seen = format!("It listens on {}.", server.address());
        return failed(
            Finding::new(DID, "It listens on 127.0.0.1, the address that it was given.", seen)
                .usually(
                    "A socket that listens without an address gets one: any free port, on all \
                     addresses of this machine, so that others can reach it. bind gives it \
                     options.address, before listen.",
                )
                .page("ch01.html#bind"),
        );
    }
    if let Err(Trouble(why)) = a.connect("A", &server) {
        return failed(not_listening(&server, why));
    }
    passed("it listens, and says where")
}

/// It says where it listens, and nobody can connect.
fn not_listening(server: &Server, why: String) -> Finding {
    const DID: &str = "Starts your server, and connects to where it says that it listens.";
    // What it has ended with, if it has, is in the trace by then.
    let ended = server.wait_record("its accept", 0, |r| r.call == "accept");
    let records = server.records();
    let usually = match records.iter().any(|r| r.is_call("listen")) {
        true => {
            "The line came before listen: from listen on the kernel takes clients in, and not \
             before. cli::announce comes last."
        }
        false => {
            "Nobody can reach it: a socket takes clients in when it has an address (bind) and \
             listens (listen). It never does, and so accept fails as well."
        }
    };
    let seen = if ended.is_err() { format!("{why}; and it has ended.") } else { why };
    Finding::new(DID, "The connection.", seen)
        .usually(usually)
        .shown_by(&records[records.len().saturating_sub(6)..])
        .page("ch01.html#listen")
}

pub(super) fn have_the_port_back(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let _a = a.connect("A", &server)?;
    let is_setup = |r: &&Record| {
        r.kind == Kind::Call
            && matches!(&*r.call, "socket" | "setsockopt" | "bind" | "listen" | "getsockname")
    };
    // The last call of the setup, or the first of the loop, is there: so are those before.
    let setup = a.until(&server, "the setup", |records| {
        let begun = records.iter().any(|r| r.call == "accept" || r.is_call("getsockname"));
        begun.then(|| records.iter().filter(is_setup).cloned().collect::<Vec<_>>())
    })?;
    let Reached::Yes(setup) = setup else {
        return Err(Trouble("it listens, and its trace does not show how".into()));
    };
    let reuse = setup.iter().position(|r| r.args.contains("SO_REUSEADDR") && r.errno.is_none());
    let bind = setup.iter().position(|r| r.is_call("bind"));
    let finding = |seen: &str, usually: &str| {
        Finding::new(
            "Looks at the calls before the first accept.",
            "SO_REUSEADDR set before bind.",
            seen,
        )
        .usually(usually)
        .shown_by(&setup)
        .page("ch01.html#setsockopt")
    };
    match (reuse, bind) {
        (None, _) => failed(finding(
            "It is not set.",
            "Without it a server that is started again must wait until the last connections of \
             the old one are forgotten: a minute or more.",
        )),
        (_, None) => Err(Trouble("it listens, and its trace has no bind".into())),
        (Some(reuse), Some(bind)) if reuse > bind => failed(finding(
            "It is set after bind.",
            "bind is the call that looks at it: set it before bind.",
        )),
        _ => passed("SO_REUSEADDR is set before bind"),
    }
}
