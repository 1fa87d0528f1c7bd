//! Something for each descriptor, found by its number.
//!
//! The kernel always gives the lowest free number, so descriptors are an index
//! as they stand: no hashing, and room is needed only up to the highest in use.

use std::os::fd::RawFd;
use std::sync::OnceLock;

/// Room is made for so many at a time.
const CHUNK: usize = 256;

/// 1,048,576 descriptors.
const CHUNKS: usize = 4096;

/// A `T` for each descriptor. Room, once made, stays where it is, so that looking
/// something up takes no lock.
pub(crate) struct ByFd<T> {
    chunks: Box<[OnceLock<Box<[T]>>]>,
}

impl<T: Default> ByFd<T> {
    pub(crate) fn new() -> ByFd<T> {
        ByFd { chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect() }
    }

    /// What belongs to that descriptor. `None`: it is no descriptor, or beyond
    /// all that there is room for.
    pub(crate) fn get(&self, fd: RawFd) -> Option<&T> {
        let n = usize::try_from(fd).ok()?;
        let chunk = self.chunks.get(n / CHUNK)?;
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| T::default()).collect());
        chunk.get(n % CHUNK)
    }

    /// All for which there is room.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().filter_map(OnceLock::get).flat_map(|chunk| chunk.iter())
    }
}
