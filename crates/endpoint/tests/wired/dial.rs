//! How a dial ends: every code of `connect`.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use futures_util::FutureExt;
use gaiwan_base::{ErrorCode, SecretKey};
use gaiwan_endpoint::{DialOptions, EndpointOptions, TransportOptions};

use crate::{
    peers::{
        ALPN, accept, address, alpns, ask, bind, code, dial, metric, options, pair, run,
        serve_echo, until,
    },
    raw,
};

/// A UDP socket that never answers.
fn silent() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn within(timeout: Duration) -> DialOptions {
    DialOptions { timeout: Some(timeout), ..DialOptions::default() }
}

#[test]
fn another_key_than_the_dialed_one_is_a_mismatch_and_nobody_gets_a_connection() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        let id = SecretKey::generate().id();
        let to = [address(&acceptor)];
        let list = alpns(&[ALPN]);
        let (client, server) =
            tokio::join!(dialer.connect(id, &to, &list, DialOptions::default()), accept(&acceptor));
        assert_eq!(code(client), ErrorCode::PeerKeyMismatch);
        let failure = server.expect_err("a failure");
        assert_eq!((failure.code, failure.alert), (ErrorCode::HandshakeFailed, Some(48)));
        for endpoint in [&dialer, &acceptor] {
            assert_eq!(metric(endpoint, "socket_num_conns_opened"), 0);
        }
    });
}

#[test]
fn an_endpoint_does_not_dial_itself() {
    run(async {
        let endpoint = bind(options());
        assert_eq!(code(dial(&endpoint, &endpoint).await), ErrorCode::SelfDial);
        assert_eq!(metric(&endpoint, "quic_outgoing_handshakes"), 0);
    });
}

#[test]
fn without_an_address_that_can_be_dialed_nothing_is_sent() {
    run(async {
        // Its only socket speaks IPv4.
        let (dialer, acceptor) = (bind(options()), bind(options()));
        let useless: [&[SocketAddr]; 4] = [
            &[],
            &["[::1]:4433".parse().unwrap()],
            &["127.0.0.1:0".parse().unwrap()],
            &["0.0.0.0:4433".parse().unwrap()],
        ];
        for addresses in useless {
            let result =
                dialer.connect(acceptor.id(), addresses, &alpns(&[ALPN]), within_s()).await;
            assert_eq!(code(result), ErrorCode::NoAddress, "{addresses:?}");
        }
        assert_eq!(metric(&dialer, "socket_send_ipv4"), 0);
    });
}

fn within_s() -> DialOptions {
    within(Duration::from_secs(60))
}

#[test]
fn a_closed_endpoint_dials_accepts_and_changes_no_more() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        dialer.close().await;
        assert!(dialer.is_closed());
        assert_eq!(code(dial(&dialer, &acceptor).await), ErrorCode::EndpointClosed);
        assert!(dialer.accept().await.is_none());
        assert_eq!(code(dialer.rebind()), ErrorCode::EndpointClosed);
        assert_eq!(code(dialer.set_alpns(&[])), ErrorCode::EndpointClosed);
        dialer.close().await;
    });
}

#[test]
fn close_ends_dials_and_accepts_that_wait() {
    run(async {
        // The peer never answers the farewell either.
        let close_timeout = Duration::from_millis(100);
        let dialer = bind(EndpointOptions { close_timeout, ..options() });
        let (_socket, address) = silent();
        let id = SecretKey::generate().id();
        let dialing = dialer.clone();
        let dial = tokio::spawn(async move {
            dialing.connect(id, &[address], &alpns(&[ALPN]), DialOptions::default()).await
        });
        let accepting = dialer.clone();
        let accept = tokio::spawn(async move { accepting.accept().await.is_none() });
        until(|| metric(&dialer, "quic_outgoing_handshakes") == 1).await;
        tokio::join!(dialer.close(), dialer.close());
        assert_eq!(code(dial.await.unwrap()), ErrorCode::EndpointClosed);
        assert!(accept.await.unwrap());
    });
}

#[test]
fn a_peer_that_never_answers_is_a_timeout_by_our_limit_or_quics() {
    run(async {
        let (dialer, (_socket, address)) = (bind(options()), silent());
        let id = SecretKey::generate().id();
        let ours = within(Duration::from_millis(100));
        let idle = Some(Duration::from_millis(100));
        // The idle timeout is never less than three times what a probe takes.
        let initial_rtt = Some(Duration::from_millis(10));
        let transport =
            TransportOptions { idle_timeout: idle, initial_rtt, ..TransportOptions::default() };
        let quics = DialOptions { transport: Some(transport), ..within(Duration::from_secs(30)) };
        for options in [ours, quics] {
            let result = dialer.connect(id, &[address], &alpns(&[ALPN]), options).await;
            assert_eq!(code(result), ErrorCode::HandshakeTimeout);
        }
        assert_eq!(metric(&dialer, "quic_handshakes_unfinished"), 0);
        assert_eq!(metric(&dialer, "quic_handshake_timeouts"), 1);
    });
}

#[test]
fn a_dial_that_is_dropped_leaves_nothing_behind() {
    run(async {
        let (dialer, (_socket, address)) = (bind(options()), silent());
        let (id, list) = (SecretKey::generate().id(), alpns(&[ALPN]));
        let to = [address];
        let mut dial = Box::pin(dialer.connect(id, &to, &list, DialOptions::default()));
        assert!((&mut dial).now_or_never().is_none());
        assert_eq!(metric(&dialer, "quic_handshakes_unfinished"), 1);
        drop(dial);
        assert_eq!(metric(&dialer, "quic_handshakes_unfinished"), 0);
    });
}

#[test]
fn the_first_address_that_answers_wins_over_dead_and_wrong_ones() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        serve_echo(&acceptor);
        let stranger = bind(options());
        serve_echo(&stranger);
        let (_socket, dead) = silent();
        let addresses =
            ["[::1]:9".parse().unwrap(), dead, dead, address(&stranger), address(&acceptor)];
        let client = dialer
            .connect(acceptor.id(), &addresses, &alpns(&[ALPN]), DialOptions::default())
            .await
            .unwrap();
        assert_eq!(client.remote_id(), Some(acceptor.id()));
        assert_eq!(client.remote_address(), address(&acceptor));
        assert_eq!(ask(&client, b"hello").await.unwrap(), b"hello");
        assert_eq!(metric(&dialer, "quic_handshakes_unfinished"), 0);
        assert_eq!(metric(&dialer, "socket_num_conns_opened"), 1);
    });
}

#[test]
fn what_a_peer_answered_says_more_than_silence() {
    run(async {
        let (dialer, stranger) = (bind(options()), bind(options()));
        serve_echo(&stranger);
        let (_socket, dead) = silent();
        let id = SecretKey::generate().id();
        for addresses in [[address(&stranger), dead], [dead, address(&stranger)]] {
            // All of it passes, for one of them never answers; no shorter than a stall of the machine.
            let limit = within(Duration::from_secs(6));
            let result = dialer.connect(id, &addresses, &alpns(&[ALPN]), limit).await;
            assert_eq!(code(result), ErrorCode::PeerKeyMismatch);
        }
    });
}

#[test]
fn the_connection_limit_counts_what_is_open_and_frees_with_a_close() {
    run(async {
        let dialer = bind(EndpointOptions { max_connections: 2, ..options() });
        let acceptor = bind(options());
        serve_echo(&acceptor);
        let first = dial(&dialer, &acceptor).await.unwrap();
        let second = dial(&dialer, &acceptor).await.unwrap();
        assert_eq!(code(dial(&dialer, &acceptor).await), ErrorCode::LimitReached);
        first.close(0, b"");
        // At once: nothing else has to run in between.
        let third = dial(&dialer, &acceptor).await.unwrap();
        assert_eq!(code(dial(&dialer, &acceptor).await), ErrorCode::LimitReached);
        drop((second, third));
        dial(&dialer, &acceptor).await.unwrap();
    });
}

#[test]
fn a_peer_that_speaks_another_quic_version_is_a_failed_handshake() {
    run(async {
        let key = SecretKey::generate();
        let mut config = raw::server_config(raw::Identity::of(&key), ALPN, true);
        config.transport_config(Default::default());
        let mut versions = quinn::EndpointConfig::default();
        versions.supported_versions(vec![0xff00_001d]);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let runtime = std::sync::Arc::new(quinn::TokioRuntime);
        let _server = quinn::Endpoint::new(versions, Some(config), socket, runtime).unwrap();
        let dialer = bind(options());
        let result = dialer.connect(key.id(), &[address], &alpns(&[ALPN]), within_s()).await;
        assert_eq!(code(result), ErrorCode::HandshakeFailed);
    });
}

#[test]
fn two_dials_to_one_peer_are_two_connections() {
    run(async {
        let pair = pair().await;
        let (client, server) =
            tokio::join!(dial(&pair.dialer, &pair.acceptor), accept(&pair.acceptor));
        let (client, server) = (client.unwrap(), server.unwrap());
        assert_ne!(client.stable_id(), pair.client.stable_id());
        assert_ne!(server.stable_id(), pair.server.stable_id());
        client.close(1, b"");
        server.quinn().closed().await;
        assert!(pair.client.close_info().is_none() && pair.server.close_info().is_none());
    });
}
