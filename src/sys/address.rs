//! Socket addresses, from Rust's form to the kernel's and back.
//!
//! The kernel's form is a family number and then, depending on it, other
//! fields (ip(7), ipv6(7)); the BSDs put a length byte in front. `libc` knows
//! each system's layout, so only field *names* stand here.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Room for an address of any family.
pub(super) struct RawAddress {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl RawAddress {
    /// For the kernel to write into.
    pub(super) fn empty() -> RawAddress {
        RawAddress {
            // SAFETY: all-zero bytes are a valid sockaddr_storage (AF_UNSPEC).
            storage: unsafe { mem::zeroed() },
            len: mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t,
        }
    }

    pub(super) fn new(address: SocketAddr) -> RawAddress {
        let mut raw = RawAddress::empty();
        match address {
            SocketAddr::V4(v4) => {
                // SAFETY: sockaddr_storage is as large and as aligned as any address (POSIX).
                let place: &mut libc::sockaddr_in = unsafe { &mut *(&raw mut raw.storage).cast() };
                place.sin_family = libc::AF_INET as libc::sa_family_t;
                place.sin_port = v4.port().to_be();
                place.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
                raw.set_len(mem::size_of::<libc::sockaddr_in>());
            }
            SocketAddr::V6(v6) => {
                // SAFETY: as above.
                let place: &mut libc::sockaddr_in6 = unsafe { &mut *(&raw mut raw.storage).cast() };
                place.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                place.sin6_port = v6.port().to_be();
                place.sin6_addr.s6_addr = v6.ip().octets();
                place.sin6_flowinfo = v6.flowinfo();
                place.sin6_scope_id = v6.scope_id();
                raw.set_len(mem::size_of::<libc::sockaddr_in6>());
            }
        }
        raw
    }

    fn set_len(&mut self, len: usize) {
        self.len = len as libc::socklen_t;
        #[cfg(not(target_os = "linux"))]
        {
            self.storage.ss_len = len as u8;
        }
    }

    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.storage).cast()
    }

    pub(super) fn len(&self) -> libc::socklen_t {
        self.len
    }

    pub(super) fn len_mut(&mut self) -> *mut libc::socklen_t {
        &raw mut self.len
    }

    /// What the kernel wrote, in Rust's form.
    pub(super) fn get(&self) -> io::Result<SocketAddr> {
        match i32::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the family says which layout the kernel wrote.
                let v4: &libc::sockaddr_in = unsafe { &*(&raw const self.storage).cast() };
                let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
                Ok(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let v6: &libc::sockaddr_in6 = unsafe { &*(&raw const self.storage).cast() };
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                Ok(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            // macOS and the BSDs may return an empty address for a peer that
            // was gone before accept returned.
            _ => Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_as_it_went_in() {
        for text in ["127.0.0.1:8080", "[::1]:1", "[fe80::1%3]:65535", "0.0.0.0:0"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(RawAddress::new(address).get().unwrap(), address);
        }
    }

    #[test]
    fn an_address_that_the_kernel_left_empty_is_nobodys() {
        let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        assert_eq!(RawAddress::empty().get().unwrap(), nobody);
    }
}
