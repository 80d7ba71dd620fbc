//! Free ports for the parts that people do not call.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context as _, Result};

/// How far the search goes.
const SPAN: u16 = 400;

/// A free port on loopback, kept until the program that listens on it starts.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    listener: Option<TcpListener>,
}

/// The first so many free ports after one.
///
/// They are tried in order, so that a run has mostly the ports of the run before.
pub(crate) fn after<const N: usize>(first: u16) -> Result<[Port; N]> {
    let last = first.saturating_add(SPAN);
    let mut free = (first.saturating_add(1)..=last).filter_map(|number| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Port { number, listener: Some(listener) })
    });
    let ports: Vec<Port> = free.by_ref().take(N).collect();
    ports.try_into().ok().with_context(|| format!("there are no {N} free ports between {first} and {last}"))
}

impl Port {
    /// Its number.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }

    /// Lets the program have it.
    pub(crate) fn release(&mut self) {
        self.listener = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_ports_are_passed_over() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let number = taken.local_addr().unwrap().port();
        let [first, second] = after(number - 1).unwrap();
        assert!(number < first.number() && first.number() < second.number());
        assert!(TcpListener::bind(first.address()).is_err(), "kept");
    }
}
