//! Ports that nobody else takes, also while the process they belong to is down.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

const LOWEST: u16 = 10_000;

/// The lower end of what Linux gives to outgoing connections unless told otherwise.
const EPHEMERAL: u16 = 32_768;

/// A TCP port on loopback.
///
/// It lies below the range that outgoing connections and port 0 are served from. Other tests, in this process or another,
/// are kept off by the UDP port of the same number, which the kernel frees whatever happens; everybody else by a
/// listener, until [`Port::release`].
#[derive(Debug)]
pub struct Port {
    number: u16,
    listener: Option<TcpListener>,
    _claim: UdpSocket,
}

impl Port {
    /// A port that is free.
    pub fn reserve() -> Self {
        let range = LOWEST..ephemeral();
        let size = u128::from(range.end - range.start);
        // Everybody starts somewhere else, so that few meet.
        let start = u16::try_from(uuid::Uuid::new_v4().as_u128() % size).unwrap_or_default();
        let candidates = (range.start + start..range.end).chain(range.start..range.start + start);
        candidates.into_iter().find_map(Self::claim).expect("one of twenty thousand ports is free")
    }

    fn claim(number: u16) -> Option<Self> {
        let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        // Not only loopback, since some programs listen on every address.
        drop(TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).ok()?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, listener: Some(listener), _claim: claim })
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Its address on loopback.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }

    /// Lets the program listen for which it was reserved.
    pub fn release(&mut self) {
        self.listener = None;
    }
}

fn ephemeral() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let lowest = range.split_whitespace().next().and_then(|number| number.parse().ok());
    lowest.unwrap_or(EPHEMERAL).clamp(LOWEST + 1_000, EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_are_distinct_and_below_those_of_the_kernel() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..50).map(|_| Port::reserve()).collect::<Vec<_>>()))
            .collect();
        let ports: Vec<Port> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let numbers: BTreeSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
        assert!(numbers.iter().all(|number| *number < ephemeral()));
    }

    #[test]
    fn port_is_kept_from_strangers_until_released_and_from_tests_after() {
        let mut port = Port::reserve();
        assert!(TcpListener::bind(port.address()).is_err());
        port.release();
        let program = TcpListener::bind(port.address());
        assert!(program.is_ok());
        drop(program);
        assert!(Port::claim(port.number()).is_none(), "still the process's own");
        let number = port.number();
        drop(port);
        assert!(Port::claim(number).is_some());
    }
}
