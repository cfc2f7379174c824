//! Getters that never read, and more connections than there is room for.

use std::time::{Duration, Instant};

use gaiwan_blobs::{
    proto::{GetRequest, ObserveRequest, Request},
    provider::{EventKind, ProviderOptions},
};
use gaiwan_endpoint::{Connection, TransportOptions};

use crate::{
    honest::Honest,
    peers::{
        Heard, add, ask, bind, dial, memory, open, patient, read, run, run_on, serve_heard,
        serve_with,
    },
};

/// A peer that lets the other side send a byte.
fn narrow() -> TransportOptions {
    TransportOptions { stream_receive_window: Some(1), ..TransportOptions::default() }
}

#[test]
fn p6_a_getter_that_takes_nothing_loses_its_request_with_code_2() {
    run(async {
        let store = memory();
        let hash = add(&store, vec![7; 1 << 20]);
        let (events, mut heard) = Heard::new();
        let options = ProviderOptions {
            stall_timeout: Duration::from_millis(300),
            ..ProviderOptions::default()
        };
        let served = serve_heard(&store, options, None, Some(events)).await;
        let stalled = bind(narrow());
        let connection = dial(&stalled, &served.endpoint).await;
        let start = Instant::now();
        let get = Request::Get(GetRequest::blob(hash)).encode().unwrap();
        let observe = Request::Observe(ObserveRequest::new(hash)).encode().unwrap();
        let mut streams = Vec::new();
        for request in [&get, &get, &observe] {
            streams.push(open(&connection, request).await);
        }
        heard.count(3, |kind| matches!(kind, EventKind::Aborted { .. })).await;
        assert!(start.elapsed() >= Duration::from_millis(300));
        for recv in &mut streams {
            assert_eq!(read(recv).await.1, Some(2));
        }
        assert_eq!(served.count("requests_aborted"), 3);
    });
}

#[test]
fn p6_a_getter_that_is_slow_keeps_its_request() {
    run(async {
        let store = memory();
        let blob = Honest::of_size(60_000);
        add(&store, blob.data.clone());
        let stall_timeout = Duration::from_secs(5);
        let options = ProviderOptions { stall_timeout, ..ProviderOptions::default() };
        let served = serve_with(&store, options, None).await;
        let window =
            TransportOptions { stream_receive_window: Some(2000), ..TransportOptions::default() };
        let slow = bind(window);
        let connection = dial(&slow, &served.endpoint).await;
        let request = Request::Get(GetRequest::blob(blob.hash)).encode().unwrap();
        let mut recv = open(&connection, &request).await;
        let start = Instant::now();
        // A clock, not a wait for something: so much at a time, for longer than a stall may take.
        let mut clock = tokio::time::interval(Duration::from_millis(350));
        for piece in blob.whole().chunks(2000) {
            clock.tick().await;
            let mut got = vec![0; piece.len()];
            recv.read_exact(&mut got).await.unwrap();
            assert_eq!(got, piece);
        }
        assert!(start.elapsed() > 2 * stall_timeout, "{:?}", start.elapsed());
        assert_eq!(read(&mut recv).await, (Vec::new(), None));
    });
}

#[test]
fn p6_getters_that_never_read_hold_no_thread() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    run_on(builder.worker_threads(2).max_blocking_threads(1), async {
        let store = memory();
        let hash = add(&store, vec![7; 8 << 20]);
        let blob = Honest::of_size(100_000);
        add(&store, blob.data.clone());
        let (events, mut heard) = Heard::new();
        let served = serve_heard(&store, patient(), None, Some(events)).await;
        let stalled = bind(narrow());
        let connection = dial(&stalled, &served.endpoint).await;
        let request = Request::Get(GetRequest::blob(hash)).encode().unwrap();
        let mut streams = Vec::new();
        for _ in 0..100 {
            streams.push(open(&connection, &request).await);
        }
        heard.count(100, |kind| matches!(kind, EventKind::Request { .. })).await;
        let request = Request::Get(GetRequest::blob(blob.hash)).encode().unwrap();
        assert_eq!(ask(&served.connection, &request).await, (blob.whole(), None));
    });
}

async fn assert_refused(connection: &Connection) {
    match connection.quinn().closed().await {
        quinn::ConnectionError::ApplicationClosed(close) => {
            assert_eq!((close.error_code, &close.reason[..]), (2u32.into(), &b"limit"[..]));
        }
        error => panic!("{error}"),
    }
}

#[test]
fn p6_connections_are_limited_in_all_and_of_one_peer() {
    run(async {
        let store = memory();
        let blob = Honest::of_size(10);
        add(&store, blob.data.clone());
        let (events, mut heard) = Heard::new();
        let options = ProviderOptions {
            max_connections: 3,
            max_connections_per_peer: 2,
            ..ProviderOptions::default()
        };
        let served = serve_heard(&store, options, None, Some(events)).await;
        let request = Request::Get(GetRequest::blob(blob.hash)).encode().unwrap();
        // Each asks, so that the next is known to come after it.
        ask(&served.connection, &request).await;
        let second = served.dial().await;
        ask(&second, &request).await;
        assert_refused(&served.dial().await).await;
        let (_first_stranger, other) = served.stranger().await;
        assert_eq!(ask(&other, &request).await, (blob.whole(), None));
        let (_second_stranger, fourth) = served.stranger().await;
        assert_refused(&fourth).await;
        assert_eq!((served.count("connections"), served.count("connections_refused")), (3, 2));
        second.close(0, b"");
        heard.until(|kind| matches!(kind, EventKind::Disconnected)).await;
        assert_eq!(ask(&served.dial().await, &request).await, (blob.whole(), None));
    });
}

#[test]
#[cfg(target_os = "linux")]
fn p6_800_streams_that_are_never_read_cost_a_provider_little_memory() {
    const CHILD: &str = "GAIWAN_P6_PROVIDER";
    const NAME: &str =
        "hostile_getter::stalls::p6_800_streams_that_are_never_read_cost_a_provider_little_memory";
    if std::env::var_os(CHILD).is_some() {
        return run(flood::provide());
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(CHILD, "1")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    run(flood::flood(child));
}

/// A provider in a process of its own, and those who flood it.
#[cfg(target_os = "linux")]
mod flood {
    use std::{
        io::{BufRead, BufReader},
        process::Child,
    };

    use bytes::Bytes;
    use gaiwan_base::{EndpointId, Hash};
    use gaiwan_blobs::proto::ALPN;
    use gaiwan_endpoint::DialOptions;

    use super::*;

    const CONNECTIONS: usize = 8;
    const STREAMS: usize = 100;

    /// Says where it is, and when every request has begun; lives until its input ends.
    pub async fn provide() {
        let store = memory();
        let hash = add(&store, vec![7; 16 << 20]);
        let (events, mut heard) = Heard::new();
        let served = serve_heard(&store, patient(), None, Some(events)).await;
        println!(
            "\nat {} {} {hash}",
            served.endpoint.id().to_hex(),
            served.endpoint.sockets()[0].address
        );
        heard.count(CONNECTIONS * STREAMS, |kind| matches!(kind, EventKind::Request { .. })).await;
        println!("\nbegun");
        let _ =
            tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
    }

    pub async fn flood(mut child: Child) {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = |start: &str| loop {
            let line = lines.next().expect("the child lives").unwrap();
            if let Some(rest) = line.strip_prefix(start) {
                break rest.trim().to_owned();
            }
        };
        let at = line("at");
        let parts: Vec<_> = at.split(' ').collect();
        let id: EndpointId = parts[0].parse().unwrap();
        let (address, hash) = (parts[1].parse().unwrap(), Hash::parse(parts[2]).unwrap());
        let before = resident_bytes(child.id());
        let alpns = [Bytes::from_static(ALPN)];
        let request = Request::Get(GetRequest::blob(hash)).encode().unwrap();
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            let dialer = bind(narrow());
            let options = DialOptions::default();
            let connection = dialer.connect(id, &[address], &alpns, options).await.unwrap();
            for _ in 0..STREAMS {
                let recv = open(&connection, &request).await;
                held.push((dialer.clone(), connection.clone(), recv));
            }
        }
        tokio::task::block_in_place(|| line("begun"));
        // A small request of another is answered behind all that.
        let other = bind(TransportOptions::default());
        let connection =
            other.connect(id, &[address], &alpns, DialOptions::default()).await.unwrap();
        let small = GetRequest::blob_ranges(hash, crate::honest::chunks(0..16));
        let small = Request::Get(small).encode().unwrap();
        assert_eq!(ask(&connection, &small).await.0.len(), 8 + 10 * 64 + 16 * 1024);
        let grown = resident_bytes(child.id()).saturating_sub(before);
        drop(child.stdin.take());
        assert!(tokio::task::block_in_place(|| child.wait()).unwrap().success());
        assert!(grown < 150 << 20, "800 stalled requests cost {} MiB", grown >> 20);
    }

    fn resident_bytes(process: u32) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kilobytes = line.split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() * 1024
    }
}
