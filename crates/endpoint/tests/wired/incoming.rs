//! What an acceptor can do with an attempt before there is a connection.

use std::time::Duration;

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::{DialOptions, EndpointOptions, RetryPolicy, TransportOptions};
use tokio::sync::mpsc;

use crate::peers::{
    ALPN, accept, address, ask, bind, code, dial, dial_once, dial_with, echo, metric, options,
    pair_of, run, serve_echo, until,
};

#[test]
fn a_refusal_and_a_drop_without_a_decision_refuse() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        let (client, ()) = tokio::join!(dial_once(&dialer, &acceptor), async {
            acceptor.accept().await.unwrap().refuse();
        });
        assert_eq!(code(client), ErrorCode::ConnectionRefused);
        let (client, ()) = tokio::join!(dial_once(&dialer, &acceptor), async {
            drop(acceptor.accept().await.unwrap());
        });
        assert_eq!(code(client), ErrorCode::ConnectionRefused);
        assert_eq!(metric(&acceptor, "quic_handshakes_unfinished"), 0);
    });
}

#[test]
fn an_ignored_attempt_hears_nothing_and_comes_again() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        // A short first guess of the round trip makes the dialer repeat itself soon.
        let initial_rtt = Some(Duration::from_millis(10));
        let transport = Some(TransportOptions { initial_rtt, ..TransportOptions::default() });
        let eager = DialOptions { transport, ..DialOptions::default() };
        let (client, server) = tokio::join!(dial_with(&dialer, &acceptor, &[ALPN], eager), async {
            acceptor.accept().await.unwrap().ignore();
            accept(&acceptor).await
        });
        assert!(client.is_ok() && server.is_ok());
        assert_eq!(metric(&acceptor, "quic_ignored_handshakes"), 1);
    });
}

#[test]
fn a_retry_proves_the_address_and_is_not_asked_for_twice() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        let (client, server) = tokio::join!(dial_once(&dialer, &acceptor), async {
            let incoming = acceptor.accept().await.unwrap();
            assert!(!incoming.address_validated());
            assert_eq!(incoming.remote_address(), address(&dialer));
            assert_eq!(incoming.local_ip(), Some(address(&acceptor).ip()));
            assert!(incoming.retry().is_ok());

            let incoming = acceptor.accept().await.unwrap();
            assert!(incoming.address_validated());
            // Handed back, and still good.
            let Err(incoming) = incoming.retry() else { panic!("a second retry is not allowed") };
            incoming.accept(DialOptions::default()).unwrap().finish().await
        });
        assert_eq!(client.unwrap().remote_id(), Some(acceptor.id()));
        assert_eq!(server.unwrap().remote_id(), Some(dialer.id()));
        assert_eq!(metric(&acceptor, "quic_retries"), 1);
        assert_eq!(metric(&acceptor, "quic_handshakes_unfinished"), 0);
    });
}

#[test]
fn an_endpoint_that_always_asks_for_proof_only_hands_out_proven_attempts() {
    run(async {
        let acceptor = bind(EndpointOptions { retry: RetryPolicy::Always, ..options() });
        let dialer = bind(options());
        let (client, server) = tokio::join!(dial_once(&dialer, &acceptor), async {
            let incoming = acceptor.accept().await.unwrap();
            assert!(incoming.address_validated());
            incoming.accept(DialOptions::default()).unwrap().finish().await
        });
        let (client, server) = (client.unwrap(), server.unwrap());
        assert_eq!(metric(&acceptor, "quic_retries"), 1);
        tokio::spawn(echo(server));
        // With the answer came a token, so the next dial is believed without a Retry.
        ask(&client, b"x").await.unwrap();
        let (again, server) = tokio::join!(dial(&dialer, &acceptor), accept(&acceptor));
        assert!(again.is_ok() && server.is_ok());
        assert_eq!(metric(&acceptor, "quic_retries"), 1);
    });
}

#[test]
fn over_the_connection_limit_dialers_are_refused_until_one_leaves() {
    run(async {
        let acceptor = bind(EndpointOptions { max_connections: 1, ..options() });
        let pair = pair_of(bind(options()), acceptor).await;
        let refused = dial_once(&pair.dialer, &pair.acceptor).await;
        assert_eq!(code(refused), ErrorCode::ConnectionRefused);
        assert_eq!(metric(&pair.acceptor, "quic_limit_refusals"), 1);
        assert_eq!(metric(&pair.acceptor, "quic_connections_open"), 1);

        pair.server.close(0, b"");
        let (client, server) =
            tokio::join!(dial(&pair.dialer, &pair.acceptor), accept(&pair.acceptor));
        assert!(client.is_ok() && server.is_ok());
    });
}

#[test]
fn a_full_queue_refuses_and_what_waits_in_it_is_served_later() {
    run(async {
        const QUEUE: u64 = 128;
        const OVER: u64 = 8;
        let acceptor = bind(EndpointOptions { retry: RetryPolicy::Never, ..options() });
        let dialer = bind(options());
        let (sender, mut results) = mpsc::channel(256);
        for _ in 0..QUEUE + OVER {
            let (dialer, acceptor, sender) = (dialer.clone(), acceptor.clone(), sender.clone());
            tokio::spawn(async move {
                let result = dial_once(&dialer, &acceptor).await;
                sender.send(result).await.unwrap();
            });
        }
        for _ in 0..OVER {
            assert_eq!(code(results.recv().await.unwrap()), ErrorCode::ConnectionRefused);
        }
        assert_eq!(metric(&acceptor, "quic_queue_full_refusals"), OVER);
        until(|| metric(&acceptor, "quic_handshakes_unfinished") == QUEUE).await;

        serve_echo(&acceptor);
        for _ in 0..QUEUE {
            results.recv().await.unwrap().expect("what waited is served");
        }
    });
}

#[test]
fn what_waits_in_the_queue_is_refused_by_close() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        let (client, ()) = tokio::join!(dial_once(&dialer, &acceptor), async {
            until(|| metric(&acceptor, "quic_handshakes_unfinished") == 1).await;
            acceptor.close().await;
        });
        assert_eq!(code(client), ErrorCode::ConnectionRefused);
        assert_eq!(metric(&acceptor, "quic_handshakes_unfinished"), 0);
        assert!(acceptor.accept().await.is_none());
    });
}

#[test]
fn one_attempt_can_have_a_transport_of_its_own() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        let transport =
            Some(TransportOptions { datagram_receive_buffer: Some(0), ..Default::default() });
        let (client, server) = tokio::join!(dial(&dialer, &acceptor), async {
            let incoming = acceptor.accept().await.unwrap();
            let options = DialOptions { transport, ..DialOptions::default() };
            incoming.accept(options).unwrap().finish().await
        });
        let (client, _server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.quinn().max_datagram_size(), None);
        let failure = client.quinn().send_datagram(b"x"[..].into()).unwrap_err();
        let failure = gaiwan_endpoint::Failure::datagram(&failure);
        assert_eq!(failure.code, ErrorCode::DatagramUnsupported);
    });
}
