//! How a connection ends, at both ends: the table of ends that `CloseInfo` tells.

use std::time::{Duration, Instant};

use gaiwan_base::{ErrorCode, SecretKey};
use gaiwan_endpoint::{ClosedBy, Connection, DialOptions, Endpoint, TransportOptions};

use crate::{
    peers::{ALPN, accept, alpns, ask, bind, code, echo, options, pair, run, until},
    proxy::{Flow, Proxy},
    raw,
};

async fn ended(connection: &Connection) -> (ClosedBy, Option<u64>, Vec<u8>) {
    connection.quinn().closed().await;
    let info = connection.close_info().expect("it is closed");
    (info.by, info.code, info.reason.to_vec())
}

#[test]
fn a_close_tells_its_code_and_reason_at_both_ends() {
    run(async {
        for (code, reason) in [
            (0, &b""[..]),
            (7, b"enough"),
            ((1 << 62) - 1, b"\xff\x00\x1b[31m"),
            (5, b"\xe8\x8c\xb6"),
        ] {
            let pair = pair().await;
            assert!(pair.client.close_info().is_none() && pair.client.failure().is_none());
            pair.client.close(code, reason);
            // The first close counts, whoever comes second.
            pair.client.close(99, b"late");
            assert_eq!(ended(&pair.client).await, (ClosedBy::Local, Some(code), reason.to_vec()));
            assert_eq!(ended(&pair.server).await, (ClosedBy::Remote, Some(code), reason.to_vec()));
            pair.server.close(98, b"too late");
            assert_eq!(ended(&pair.server).await, (ClosedBy::Remote, Some(code), reason.to_vec()));

            let failure = pair.server.failure().unwrap();
            assert_eq!(failure.code, ErrorCode::ConnectionClosed);
            assert_eq!(failure.application_code, Some(code));
            assert!(!failure.reason.unwrap_or_default().contains('\x1b'));
            assert_eq!(pair.client.failure().unwrap().code, ErrorCode::LocallyClosed);
        }
    });
}

#[test]
fn a_long_reason_is_cut_to_1_kib() {
    run(async {
        let pair = pair().await;
        pair.server.close(1, &[b'x'; 5000]);
        let cut = vec![b'x'; 1024];
        assert_eq!(ended(&pair.server).await, (ClosedBy::Local, Some(1), cut.clone()));
        assert_eq!(ended(&pair.client).await, (ClosedBy::Remote, Some(1), cut));
    });
}

#[test]
fn the_last_handle_that_is_dropped_closes_with_0() {
    run(async {
        let pair = pair().await;
        let (quinn, clone) = (pair.client.quinn().clone(), pair.client.clone());
        drop(pair.client);
        assert!(quinn.close_reason().is_none(), "one handle is left");
        drop(clone);
        assert_eq!(quinn.closed().await, quinn::ConnectionError::LocallyClosed);
        assert_eq!(ended(&pair.server).await, (ClosedBy::Remote, Some(0), vec![]));
    });
}

#[test]
fn closing_the_endpoint_closes_its_connections_with_0() {
    run(async {
        let pair = pair().await;
        pair.acceptor.close().await;
        assert_eq!(ended(&pair.server).await, (ClosedBy::Local, Some(0), vec![]));
        assert_eq!(ended(&pair.client).await, (ClosedBy::Remote, Some(0), vec![]));
        pair.server.close(3, b"late");
        assert_eq!(ended(&pair.server).await, (ClosedBy::Local, Some(0), vec![]));
    });
}

#[test]
fn silence_ends_both_ends_without_a_code() {
    run(async {
        // No shorter than a stall of the machine: one end alone that gave up would answer late packets with a reset.
        let quick = TransportOptions {
            idle_timeout: Some(Duration::from_secs(3)),
            keep_alive: Some(Duration::ZERO),
            ..TransportOptions::default()
        };
        let (dialer, acceptor) = (bind(options()), bind(options()));
        let proxy = Proxy::to(crate::peers::address(&acceptor)).await;
        let dial = DialOptions { transport: Some(quick), ..DialOptions::default() };
        let list = alpns(&[ALPN]);
        let to = [proxy.address];
        let (client, server) =
            tokio::join!(dialer.connect(acceptor.id(), &to, &list, dial), accept(&acceptor));
        let (client, server) = (client.unwrap(), server.unwrap());
        proxy.pass(false, false);
        for end in [&client, &server] {
            assert_eq!(ended(end).await, (ClosedBy::Timeout, None, vec![]));
            let failure = end.failure().unwrap();
            assert_eq!(failure.code, ErrorCode::ConnectionLost);
            assert_eq!(failure.by, Some(ClosedBy::Timeout));
        }
    });
}

#[test]
fn keep_alive_outlives_the_idle_timeout() {
    run(async {
        // A stall of the machine must not be taken for silence.
        let quick = TransportOptions {
            idle_timeout: Some(Duration::from_secs(8)),
            keep_alive: Some(Duration::from_millis(300)),
            ..TransportOptions::default()
        };
        let pair = crate::peers::pair_with(quick, TransportOptions::default()).await;
        // 40 pings are more than the idle timeout, also without those that look for a larger packet size.
        let ended = || pair.client.close_info().is_some() || pair.server.close_info().is_some();
        let pings = || pair.client.quinn().stats().frame_tx.ping;
        until(|| pings() >= 40 || ended()).await;
        assert!(pair.client.close_info().is_none() && pair.server.close_info().is_none());
    });
}

#[test]
fn a_stateless_reset_is_told_as_such() {
    run(async {
        let key = SecretKey::generate();
        let config = raw::server_config(raw::Identity::of(&key), ALPN, true);
        let (server, address) = raw::server(config);
        let proxy = Proxy::to(address).await;
        let dialer = bind(options());
        let list = alpns(&[ALPN]);
        let to = [proxy.address];
        let (client, raw) =
            tokio::join!(dialer.connect(key.id(), &to, &list, DialOptions::default()), async {
                server.accept().await.unwrap().await.unwrap()
            });
        let client = client.unwrap();

        // The peer forgets the connection and its farewell is lost.
        proxy.pass(true, false);
        raw.close(1u32.into(), b"never arrives");
        server.wait_idle().await;
        // It is lost by now, and not still in the socket of the proxy.
        until(|| proxy.answers() >= raw.stats().udp_tx.datagrams).await;
        // Sent again until somebody answers.
        let mut send = client.quinn().open_uni().await.unwrap();
        send.write_all(&[7; 1000]).await.unwrap();
        proxy.pass(true, true);
        assert_eq!(ended(&client).await, (ClosedBy::Reset, None, vec![]));
        let failure = client.failure().unwrap();
        assert_eq!((failure.code, failure.by), (ErrorCode::ConnectionLost, Some(ClosedBy::Reset)));
    });
}

/// A pair over a proxy.
async fn far_pair() -> (Proxy, [Endpoint; 2], [Connection; 2]) {
    let (dialer, acceptor) = (bind(options()), bind(options()));
    let proxy = Proxy::to(crate::peers::address(&acceptor)).await;
    let (list, to) = (alpns(&[ALPN]), [proxy.address]);
    let dial = dialer.connect(acceptor.id(), &to, &list, DialOptions::default());
    let (client, server) = tokio::join!(dial, accept(&acceptor));
    (proxy, [dialer, acceptor], [client.unwrap(), server.unwrap()])
}

fn received(endpoint: &Endpoint) -> u64 {
    let metrics = endpoint.metrics();
    metrics.into_iter().find(|(name, _)| *name == "socket_recv_datagrams").unwrap().1
}

/// Nothing tells that quinn has forgotten a connection; its timer rings after three probe timeouts, long before this.
async fn forgotten() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[test]
fn a_close_that_is_read_late_is_told_with_its_code() {
    run(async {
        let (proxy, [_dialer, acceptor], [client, server]) = far_pair().await;
        // The dialer still sends when it is forgotten, and hears nothing.
        proxy.set(Flow::Hold, Flow::Hold);
        let asked = proxy.questions();
        let mut send = client.quinn().open_uni().await.unwrap();
        send.write_all(&[7; 1000]).await.unwrap();
        until(|| proxy.questions() > asked).await;
        server.close(7, b"late");
        forgotten().await;
        let before = received(&acceptor);
        proxy.set(Flow::Pass, Flow::Hold);
        until(|| received(&acceptor) > before).await;
        // A reset that left would be behind the close now.
        proxy.set(Flow::Pass, Flow::Pass);
        assert_eq!(ended(&client).await, (ClosedBy::Remote, Some(7), b"late".to_vec()));
    });
}

#[test]
fn whoever_still_sends_seconds_after_a_close_that_was_lost_is_reset() {
    run(async {
        let (proxy, _endpoints, [client, server]) = far_pair().await;
        proxy.pass(true, false);
        server.close(7, b"never arrives");
        forgotten().await;
        let start = Instant::now();
        proxy.pass(true, true);
        let mut send = client.quinn().open_uni().await.unwrap();
        send.write_all(&[7; 1000]).await.unwrap();
        assert_eq!(ended(&client).await, (ClosedBy::Reset, None, vec![]));
        assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
    });
}

#[test]
fn an_acceptor_that_fails_after_the_dialers_part_is_a_transport_close() {
    run(async {
        let key = SecretKey::generate();
        let config = raw::server_config(raw::Identity::of(&key), ALPN, false);
        let (server, address) = raw::server(config);
        tokio::spawn(async move {
            while let Some(incoming) = server.accept().await {
                assert!(incoming.await.is_err());
            }
        });
        let dialer = bind(options());
        let client = dialer
            .connect(key.id(), &[address], &alpns(&[ALPN]), DialOptions::default())
            .await
            .unwrap();
        let (by, code, _) = ended(&client).await;
        assert_eq!(by, ClosedBy::Transport);
        assert!((0x100..0x200).contains(&code.unwrap()), "a TLS alert: {code:?}");
        let failure = client.failure().unwrap();
        assert_eq!(failure.by, Some(ClosedBy::Transport));
    });
}

#[test]
fn our_own_protocol_error_is_a_transport_close_at_both_ends() {
    run(async {
        // A server that lowers its limits while it accepts an old ticket breaks RFC 9000, section 7.4.1.
        let key = SecretKey::generate();
        let mut config = raw::server_config(raw::Identity::of(&key), ALPN, true);
        let (server, address) = raw::server(config.clone());
        let (sender, mut accepted) = tokio::sync::mpsc::channel(2);
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                let (connection, _) = incoming.accept().unwrap().into_0rtt().ok().unwrap();
                sender.send(connection).await.unwrap();
            }
        });
        let dialer = bind(options());
        let early = DialOptions { early: true, ..DialOptions::default() };
        let list = alpns(&[ALPN]);
        let first = dialer.connect(key.id(), &[address], &list, early.clone()).await.unwrap();
        let raw = accepted.recv().await.unwrap();
        // The answer to what came after the handshake comes after the tickets.
        first.quinn().open_uni().await.unwrap().write_all(b"x").await.unwrap();
        raw.accept_uni().await.unwrap();
        raw.open_uni().await.unwrap().write_all(b"x").await.unwrap();
        first.quinn().accept_uni().await.unwrap();

        let mut transport = quinn::TransportConfig::default();
        transport.max_concurrent_bidi_streams(1u32.into());
        config.transport_config(std::sync::Arc::new(transport));
        server.set_server_config(Some(config));
        let second = dialer.connect(key.id(), &[address], &list, early).await.unwrap();
        assert!(second.early_state().is_some(), "there is a ticket");
        let raw = accepted.recv().await.unwrap();
        let (by, code, _) = ended(&second).await;
        assert_eq!((by, code), (ClosedBy::Transport, Some(0xa)));
        let quinn::ConnectionError::ConnectionClosed(close) = raw.closed().await else {
            panic!("the peer hears of the violation");
        };
        assert_eq!(u64::from(close.error_code), 0xa);
        let failure = second.early_state().unwrap().handshake().await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::HandshakeFailed);
    });
}

#[test]
fn streams_of_a_closed_connection_fail_with_the_same_end() {
    run(async {
        let pair = pair().await;
        let server = pair.server.clone();
        let echo = tokio::spawn(echo(server));
        let (_send, mut recv) = pair.client.quinn().open_bi().await.unwrap();
        let reading = tokio::spawn(async move { recv.read_chunk(10, true).await.err().unwrap() });
        pair.server.close(9, b"bye");
        let failure = gaiwan_endpoint::Failure::read(&reading.await.unwrap());
        assert_eq!(failure.code, ErrorCode::ConnectionClosed);
        assert_eq!((failure.application_code, failure.reason.as_deref()), (Some(9), Some("bye")));
        assert_eq!(code(ask(&pair.client, b"x").await), ErrorCode::ConnectionClosed);
        assert_eq!(code(ask(&pair.server, b"x").await), ErrorCode::LocallyClosed);
        echo.await.unwrap();
    });
}
