//! Recordings that `cargo test` cannot play again carry the hash of the sources
//! they depend on: those of the other kernel interface, and those of the broken
//! variants, each of which has to be built first.

use std::fs;
use std::path::Path;

use super::{folder, root, runs};
use crate::lab::Result;

/// The stamps, below `book/src/generated`.
pub const PATHS: [&str; 2] = ["stamp.epoll", "stamp.kqueue"];

/// Stamps what was recorded with this machine's kernel interface.
///
/// # Errors
/// A source cannot be read.
pub fn write() -> Result<()> {
    Ok(fs::write(folder().join(format!("stamp.{}", runs::queue_here())), hash(root())?)?)
}

/// The stamp of one kernel interface.
pub fn read(queue: &str) -> String {
    fs::read_to_string(folder().join(format!("stamp.{queue}"))).unwrap_or_default()
}

/// The hash of all sources that can change a recording, without comments and
/// blank lines.
///
/// # Errors
/// A source cannot be read.
pub fn hash(root: &Path) -> Result<String> {
    let mut hash = Fnv::default();
    for dir in ["chapters", "src"] {
        for file in super::files_in(&root.join(dir))? {
            let is_source = file.ends_with(".rs") || file.ends_with(".patch");
            let apart = ["tests", "bin/", "book/"].iter().any(|word| file.contains(word))
                || crate::lab::is_of_the_workshop(&file);
            // Both backends count: the trace is what their authors made it.
            if !is_source || apart {
                continue;
            }
            hash.write(file.as_bytes());
            for line in fs::read_to_string(root.join(dir).join(&file))?.lines() {
                let code = line.trim();
                if !code.is_empty() && !code.starts_with("//") {
                    hash.write(code.as_bytes());
                }
            }
        }
    }
    Ok(format!("{:016x}\n", hash.0))
}

/// FNV-1a: small, and good enough to notice a change.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
