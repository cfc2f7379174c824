//! The command line of both roles.

use std::{net::SocketAddr, str::FromStr, time::Duration};

use crate::workload::Workload;

/// Shown below a message about a wrong command line.
pub const USAGE: &str = "usage: gaiwan-bench-pair server [--bind IP:PORT] [--read-chunks]
       gaiwan-bench-pair client --workload w1|w2|w3|w4|w5 --to IP:PORT --id HEX
           [--bytes N] [--seconds N] [--in-flight N] [--connections N]
       either: [--workers N | --current-thread]";

/// Which of the two processes this is.
#[derive(Clone, Copy)]
pub enum Role {
    /// Accepts, counts and echoes until its stdin ends.
    Server,
    /// Runs one workload.
    Client,
}

/// A parsed command line; what a role does not use keeps its default.
#[derive(Clone)]
pub struct Args {
    pub role: Role,
    /// Threads of the runtime.
    pub workers: usize,
    pub current_thread: bool,
    pub bind: SocketAddr,
    /// W1: the server takes quinn's chunks as they are, in place of filling a buffer of 64 KiB.
    pub read_chunks: bool,
    pub workload: Workload,
    pub to: SocketAddr,
    /// The server's public key, 64 hex digits.
    pub id: String,
    /// W1: bytes of the stream.
    pub bytes: u64,
    /// W2, W3, W5: how long to go on.
    pub seconds: Duration,
    /// W2, W3: lanes, each with one request or dial under way.
    pub in_flight: usize,
    /// W4: connections to hold.
    pub connections: usize,
}

impl Args {
    /// Reads the arguments behind the program's name. An error is a message for people.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let role = match words.next().as_deref() {
            Some("server") => Role::Server,
            Some("client") => Role::Client,
            other => return Err(format!("the role is server or client, not {other:?}")),
        };
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut args = Self {
            role,
            workers: 2,
            current_thread: false,
            bind: loopback,
            read_chunks: false,
            workload: Workload::Stream,
            to: loopback,
            id: String::new(),
            bytes: 1 << 30,
            seconds: Duration::from_secs(4),
            in_flight: 1,
            connections: 1_000,
        };
        while let Some(flag) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{flag} wants a value"));
            match flag.as_str() {
                "--current-thread" => args.current_thread = true,
                "--read-chunks" => args.read_chunks = true,
                "--workers" => args.workers = number(&flag, &value()?)?,
                "--bind" => args.bind = number(&flag, &value()?)?,
                "--workload" => args.workload = number(&flag, &value()?)?,
                "--to" => args.to = number(&flag, &value()?)?,
                "--id" => args.id = value()?,
                "--bytes" => args.bytes = number(&flag, &value()?)?,
                "--in-flight" => args.in_flight = number(&flag, &value()?)?,
                "--connections" => args.connections = number(&flag, &value()?)?,
                "--seconds" => {
                    args.seconds = Duration::try_from_secs_f64(number(&flag, &value()?)?)
                        .map_err(|error| format!("{flag}: {error}"))?;
                }
                _ => return Err(format!("unknown flag {flag}")),
            }
        }
        Ok(args)
    }
}

/// Parses the value of `flag`.
fn number<T: FromStr<Err: std::fmt::Display>>(flag: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{flag} {text}: {error}"))
}
