//! The five workloads; each file has both sides of one.

mod connect;
mod datagram;
mod idle;
mod request;
mod stream;

use std::str::FromStr;

use quinn::Connection;

use crate::{Failure, args::Args, dialer::Dialer, gate::Gate};

/// What a pair of processes does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    /// W1: one stream, one way.
    Stream,
    /// W2: a new bi stream for each request.
    Request,
    /// W3: new connections.
    Connect,
    /// W4: idle connections.
    Idle,
    /// W5: datagrams.
    Datagram,
}

const ALL: [(Workload, &str); 5] = [
    (Workload::Stream, "w1"),
    (Workload::Request, "w2"),
    (Workload::Connect, "w3"),
    (Workload::Idle, "w4"),
    (Workload::Datagram, "w5"),
];

impl FromStr for Workload {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ALL.iter().find(|(_, name)| *name == text).map(|(it, _)| *it).ok_or("not one of w1 to w5")
    }
}

impl Workload {
    /// `gaiwan-bench/w1` and so on; the same bytes as in `bench/harness.mjs`.
    pub fn alpn(self) -> Vec<u8> {
        let name = ALL.iter().find(|(it, _)| *it == self).map_or("", |(_, name)| name);
        format!("gaiwan-bench/{name}").into_bytes()
    }

    /// What a server takes.
    pub fn alpns() -> Vec<Vec<u8>> {
        ALL.iter().map(|(it, _)| it.alpn()).collect()
    }

    /// The workload of an ALPN.
    pub fn of_alpn(alpn: &[u8]) -> Option<Self> {
        ALL.iter().map(|(it, _)| *it).find(|it| it.alpn() == alpn)
    }

    /// The accepting side of one connection.
    pub async fn serve(self, connection: Connection, args: &Args) -> Result<(), Failure> {
        match self {
            Self::Stream => stream::serve(connection, args.read_chunks).await,
            Self::Request => request::serve(connection).await,
            Self::Connect => connect::serve(connection).await,
            Self::Idle => idle::serve(connection).await,
            Self::Datagram => datagram::serve(connection).await,
        }
    }

    /// The dialing side, from the first dial to the printed result.
    pub async fn run(self, dialer: Dialer, gate: &mut Gate, args: &Args) -> Result<(), Failure> {
        match self {
            Self::Stream => stream::run(dialer, gate, args).await,
            Self::Request => request::run(dialer, gate, args).await,
            Self::Connect => connect::run(dialer, gate, args).await,
            Self::Idle => idle::run(dialer, gate, args).await,
            Self::Datagram => datagram::run(dialer, gate, args).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_is_found_by_its_name_and_by_its_alpn() {
        for (workload, name) in ALL {
            assert_eq!(name.parse(), Ok(workload));
            assert_eq!(Workload::of_alpn(&workload.alpn()), Some(workload));
        }
        assert_eq!("w6".parse::<Workload>(), Err("not one of w1 to w5"));
        assert_eq!(Workload::of_alpn(b"gaiwan-bench/"), None);
    }
}
