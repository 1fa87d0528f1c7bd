//! Mutex, Condvar and thread from one place, so that a model checker can put
//! its own in their stead: `RUSTFLAGS="--cfg shuttle"` explores the hand-offs of
//! [`crate::pool`] and [`crate::handoff`] in very many orders, on the very code that ships.

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
