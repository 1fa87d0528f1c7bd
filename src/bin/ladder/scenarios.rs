//! What is asked of every side, and who cannot do it.

use super::sides::{Kind, Side};

/// The size of the big answer.
pub const BIG: usize = 1 << 20;

/// How a scenario is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// wrk asks again as soon as it has its answer.
    Load(Load),
    /// A fixed number of requests a second, whatever the answers do.
    Rate,
    /// What idle connections and idle seconds cost.
    Idle,
    /// Which calls the server makes for a request.
    Calls,
}

/// What wrk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    pub connections: usize,
    pub path: &'static str,
    /// A new connection for each request.
    pub close: bool,
    /// So many requests in one write.
    pub pipeline: usize,
    /// So many more connections that say nothing.
    pub idle: usize,
    /// So many more connections that ask `/slow?ms=20` again and again.
    pub slow: usize,
}

const KEEP: Load = Load { connections: 64, path: "/", close: false, pipeline: 1, idle: 0, slow: 0 };

/// One line of the list.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub title: &'static str,
    pub how: How,
}

pub const HOME: &str = "keep-64";
pub const RATE: &str = "rate";
pub const IDLE: &str = "idle";
pub const CALLS: &str = "calls";

/// All scenarios, in the order in which a round goes through them.
pub const ALL: &[Scenario] = &[
    load(HOME, "keep-alive, 64 connections", KEEP),
    load("among-idle", "64 active among 10,000 idle connections", Load { idle: 10_000, ..KEEP }),
    load("keep-1", "keep-alive, one connection", Load { connections: 1, ..KEEP }),
    load("keep-512", "keep-alive, 512 connections", Load { connections: 512, ..KEEP }),
    load(
        "connections",
        "a connection for each request, 64 at a time",
        Load { close: true, ..KEEP },
    ),
    load("pipelined", "keep-alive, 64 connections, 16 requests in one write", {
        Load { pipeline: 16, ..KEEP }
    }),
    load("mixed", "60 connections ask /, 4 ask /slow?ms=20; the figures are of /", {
        Load { connections: 60, slow: 4, ..KEEP }
    }),
    load("big", "keep-alive, 64 connections, 1 MiB each time", {
        Load { path: "/big?bytes=1048576", ..KEEP }
    }),
    other(RATE, "64 connections, half of nginx's maximum offered, whatever comes back", How::Rate),
    other(IDLE, "no load: memory of 10,000 idle connections, CPU of an idle second", How::Idle),
    other(CALLS, "64 connections: system calls for each request", How::Calls),
];

const fn load(name: &'static str, title: &'static str, load: Load) -> Scenario {
    Scenario { name, title, how: How::Load(load) }
}

const fn other(name: &'static str, title: &'static str, how: How) -> Scenario {
    Scenario { name, title, how }
}

impl Scenario {
    pub fn find(name: &str) -> Option<&'static Scenario> {
        ALL.iter().find(|s| s.name == name)
    }

    /// Why this side cannot do it.
    pub fn refusal(&self, side: &Side) -> Option<&'static str> {
        let once = "one request per connection (until ch06)";
        match self.how {
            How::Load(Load { close: true, .. }) if side.name == "floor" => {
                Some("never closes a connection")
            }
            How::Load(Load { close: true, .. }) => None,
            How::Load(_) | How::Rate if !side.keeps_alive() => Some(once),
            How::Load(load) if load.path != "/" || load.slow > 0 => self.refusal_of_route(side),
            How::Load(Load { idle: 1.., .. }) if side.name == "tiny_http" => {
                Some("a thread for each connection")
            }
            How::Idle if side.name == "tiny_http" => Some("a thread for each connection"),
            How::Idle if side.name == "ch01_blocking" => {
                Some("one silent client stops everybody (until ch02)")
            }
            _ => None,
        }
    }

    fn refusal_of_route(&self, side: &Side) -> Option<&'static str> {
        let slow = matches!(self.how, How::Load(Load { slow: 1.., .. }));
        match side.name {
            "floor" => Some("has no routes"),
            "ch06_keep_alive" if !slow => Some("cuts a big answer (until ch07)"),
            _ if side.kind == Kind::Nginx && slow => Some("has no handler that blocks"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_its_reason() {
        let refusal = |scenario, side| {
            let side = Side::find(side).expect("a side");
            Scenario::find(scenario).expect("a scenario").refusal(side)
        };
        assert_eq!(refusal("keep-64", "ch05"), Some("one request per connection (until ch06)"));
        assert_eq!(refusal("connections", "ch05"), None);
        assert_eq!(refusal("connections", "floor"), Some("never closes a connection"));
        assert_eq!(refusal("mixed", "nginx"), Some("has no handler that blocks"));
        assert_eq!(refusal("big", "nginx"), None);
        assert_eq!(refusal("big", "ch06"), Some("cuts a big answer (until ch07)"));
        assert_eq!(refusal("mixed", "ch06"), None);
        assert_eq!(refusal("rate", "ch07"), None);
    }
}
