//! Mutex, Condvar and thread from one place, so that the model checker can put
//! its own in their stead: `RUSTFLAGS="--cfg shuttle"` explores the hand-off of
//! [`crate::pool`] in every order it can think of, on the very code that ships.

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};
