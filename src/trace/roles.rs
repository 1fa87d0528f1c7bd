//! What each descriptor is for.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::Mutex;

use super::is_on;

/// What a descriptor is for; lets a trace say `client 7` instead of `7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Listener,
    Client,
    Wake,
    Queue,
}

static ROLES: Mutex<Option<HashMap<RawFd, Role>>> = Mutex::new(None);

/// Remembers what a new descriptor is for.
pub(crate) fn name_fd(fd: RawFd, role: Role) {
    if is_on() {
        let mut roles = ROLES.lock().unwrap_or_else(|e| e.into_inner());
        roles.get_or_insert_default().insert(fd, role);
    }
}

pub(super) fn role(fd: RawFd) -> Option<Role> {
    let roles = ROLES.lock().unwrap_or_else(|e| e.into_inner());
    roles.as_ref()?.get(&fd).copied()
}

/// A descriptor by its role: `listener`, `client 7`, `wake`.
pub(crate) fn who(fd: RawFd) -> String {
    match role(fd) {
        Some(Role::Listener) => "listener".to_string(),
        Some(Role::Client) => format!("client {fd}"),
        Some(Role::Wake) => "wake".to_string(),
        Some(Role::Queue) => format!("queue {fd}"),
        None => format!("fd {fd}"),
    }
}
