//! Free ports of the loopback address, a new one at each start.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below where the system takes the ports of outgoing connections from (32768 on Linux, 49152 elsewhere): under load, one
/// of those would sooner or later be taken between here and the app.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_768;

/// Ports are of the whole machine, so this is of the whole process: two apps that start at once are never given the same.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let random = RandomState::new().hash_one(0).to_le_bytes();
    AtomicU16::new(u16::from_le_bytes([random[0], random[1]]))
});

/// A port on which nothing listens, and which this process gave to nobody for thousands of starts.
pub(super) fn free() -> io::Result<u16> {
    for _ in 0..COUNT {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("no port is free from {FIRST} to {}", FIRST + COUNT - 1),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ports_are_free_and_new() {
        let ports: HashSet<u16> = (0..200).map(|_| free().unwrap()).collect();
        assert_eq!(ports.len(), 200);
        assert!(ports.iter().all(|port| (20_000..32_768).contains(port)));
    }

    #[test]
    fn a_port_in_use_is_passed_over() {
        let port = free().unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        // Not by chance: the whole range is gone through once.
        for _ in 0..COUNT {
            assert_ne!(free().unwrap(), port);
        }
    }
}
