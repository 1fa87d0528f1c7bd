//! kqueue's declarations for Linux, where `libc` has none: what libkqueue's
//! header `sys/event.h` declares there. Everywhere else they come from `libc`.

use std::ffi::{c_int, c_short, c_uint, c_ushort, c_void};

#[repr(C)]
#[allow(non_camel_case_types, missing_docs)]
pub struct kevent {
    pub ident: usize,
    pub filter: c_short,
    pub flags: c_ushort,
    pub fflags: c_uint,
    pub data: isize,
    pub udata: *mut c_void,
}

pub const EVFILT_READ: c_short = -1;
pub const EVFILT_WRITE: c_short = -2;
pub const EV_ADD: c_ushort = 0x0001;
pub const EV_DELETE: c_ushort = 0x0002;
pub const EV_ONESHOT: c_ushort = 0x0010;
pub const EV_CLEAR: c_ushort = 0x0020;

unsafe extern "C" {
    pub fn kqueue() -> c_int;
    pub fn kevent(
        kq: c_int,
        changelist: *const kevent,
        nchanges: c_int,
        eventlist: *mut kevent,
        nevents: c_int,
        timeout: *const libc::timespec,
    ) -> c_int;
}
