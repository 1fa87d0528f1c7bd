//! Why something could not be measured, in words.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What went wrong. [`Trouble::Interrupted`] ends the run, the other only a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// In words.
    Words(String),
    /// Ctrl-C.
    Interrupted,
}

pub type Result<T> = std::result::Result<T, Trouble>;

impl Trouble {
    pub fn of(words: impl Into<String>) -> Trouble {
        Trouble::Words(words.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Words(words) => f.write_str(words),
            Trouble::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::of(error.to_string())
    }
}

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on SIGINT and SIGTERM only set a flag; whoever waits looks at it.
///
/// # Errors
/// What sigaction(2) says.
pub fn hear_signals() -> io::Result<()> {
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    Ok(())
}

/// # Errors
/// Ctrl-C was pressed.
pub fn check_interrupt() -> Result<()> {
    match INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::SeqCst)) {
        true => Err(Trouble::Interrupted),
        false => Ok(()),
    }
}
