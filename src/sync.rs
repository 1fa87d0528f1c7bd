//! Mutex, Condvar and thread from one place, so that a model checker can put
//! its own in their stead: `RUSTFLAGS="--cfg shuttle"` explores the hand-off of
//! [`crate::pool`] in very many orders, on the very code that ships.

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};
#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};
