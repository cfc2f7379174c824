//! 0-RTT: tickets, what is accepted, and what dies when it is not.

use gaiwan_base::{ErrorCode, SecretKey};
use gaiwan_endpoint::{Connection, DialOptions, Endpoint, EndpointOptions, Failure};
use tokio::sync::mpsc;

use crate::{
    peers::{
        ALPN, address, alpns, ask, bind, code, dial_with, echo, metric, options, run, serve_echo,
        until,
    },
    proxy::Proxy,
};

fn early() -> DialOptions {
    DialOptions { early: true, ..DialOptions::default() }
}

async fn dial_early(from: &Endpoint, to: &Endpoint, list: &[&'static [u8]]) -> Connection {
    dial_with(from, to, list, early()).await.expect("the dial succeeds")
}

/// An answer from the acceptor comes after its tickets.
async fn get_tickets(from: &Endpoint, to: &Endpoint, list: &[&'static [u8]]) -> Connection {
    let connection = dial_early(from, to, list).await;
    if let Some(state) = connection.early_state() {
        state.handshake().await.unwrap();
    }
    ask(&connection, b"tickets, please").await.unwrap();
    connection
}

#[test]
fn the_second_and_third_connect_use_0_rtt_and_it_is_accepted() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        serve_echo(&acceptor);
        let first = dial_early(&dialer, &acceptor, &[ALPN]).await;
        assert!(first.early_state().is_none(), "there is no ticket yet");
        assert_eq!(ask(&first, b"first").await.unwrap(), b"first");

        for n in 1..=2 {
            let next = dial_early(&dialer, &acceptor, &[ALPN]).await;
            let state = next.early_state().expect("there is a ticket").clone();
            assert_eq!((next.remote_id(), &next.alpn()[..]), (Some(acceptor.id()), ALPN));
            assert_eq!(ask(&next, b"early").await.unwrap(), b"early");
            assert!(state.handshake().await.unwrap());
            assert!(state.handshake().await.unwrap(), "many may ask");
            assert_eq!(metric(&dialer, "quic_early_accepted"), n);
            assert_eq!(ask(&next, b"late").await.unwrap(), b"late");
        }
        assert_eq!(metric(&dialer, "quic_early_rejected"), 0);
        assert_eq!(metric(&dialer, "quic_handshakes_unfinished"), 0);
        assert_eq!(metric(&dialer, "socket_num_conns_opened"), 3);
    });
}

#[test]
fn an_ordinary_accept_gets_early_bytes_after_the_handshake() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        let (sender, mut servers) = mpsc::channel(4);
        let accepting = acceptor.clone();
        tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                let accepting = incoming.accept(DialOptions::default()).unwrap();
                let server = accepting.finish().await.unwrap();
                tokio::spawn(echo(server.clone()));
                sender.send(server).await.unwrap();
            }
        });
        get_tickets(&dialer, &acceptor, &[ALPN]).await;
        servers.recv().await.unwrap();
        let client = dial_early(&dialer, &acceptor, &[ALPN]).await;
        let mut send = client.quinn().open_uni().await.unwrap();
        send.write_all(b"before the handshake").await.unwrap();
        send.finish().unwrap();
        let server = servers.recv().await.unwrap();
        let mut recv = server.quinn().accept_uni().await.unwrap();
        assert_eq!(recv.read_to_end(100).await.unwrap(), b"before the handshake");
        // It has waited for the whole handshake, so the peer is known.
        assert_eq!(server.remote_id(), Some(dialer.id()));
        assert!(server.early_state().is_none());
        assert!(client.early_state().unwrap().handshake().await.unwrap());
    });
}

#[test]
fn a_restarted_acceptor_rejects_and_only_new_streams_work() {
    run(async {
        let (dialer, key) = (bind(options()), SecretKey::generate());
        let old = Endpoint::bind(&key, options()).unwrap();
        serve_echo(&old);
        get_tickets(&dialer, &old, &[ALPN]).await;
        old.close().await;
        drop(old);
        // The ticket belongs to the id, so any free port will do.
        let new = Endpoint::bind(&key, options()).unwrap();
        serve_echo(&new);

        // The answer is held back until the stream is open, or it could be a new one.
        let proxy = Proxy::to(address(&new)).await;
        proxy.pass(true, false);
        let (to, list) = ([proxy.address], alpns(&[ALPN]));
        let client = dialer.connect(new.id(), &to, &list, early()).await.unwrap();
        let state = client.early_state().expect("the ticket is still there").clone();
        let (mut send, mut recv) = client.quinn().open_bi().await.unwrap();
        send.write_all(b"lost").await.unwrap();
        proxy.pass(true, true);
        assert!(!state.handshake().await.unwrap());
        let failure = Failure::write(&send.write_all(b"x").await.unwrap_err());
        assert_eq!(failure.code, ErrorCode::EarlyDataRejected);
        let failure = Failure::read(&recv.read_chunk(10, true).await.unwrap_err());
        assert_eq!(failure.code, ErrorCode::EarlyDataRejected);
        let failure = Failure::stopped_error(&send.stopped().await.unwrap_err());
        assert_eq!(failure.code, ErrorCode::EarlyDataRejected);
        assert_eq!(metric(&dialer, "quic_early_rejected"), 1);

        assert_eq!(ask(&client, b"again").await.unwrap(), b"again");
        assert!(client.close_info().is_none());
    });
}

#[test]
fn a_ticket_belongs_to_its_list_of_alpns() {
    run(async {
        let acceptor = bind(EndpointOptions { alpns: alpns(&[b"b", b"a"]), ..options() });
        serve_echo(&acceptor);
        let dialer = bind(options());
        get_tickets(&dialer, &acceptor, &[b"a"]).await;
        for list in [&[b"b" as &[u8]] as &[&[u8]], &[b"a", b"b"], &[b"b", b"a"]] {
            let client = dial_early(&dialer, &acceptor, list).await;
            assert!(client.early_state().is_none(), "{list:?} has no ticket of its own");
            assert_eq!(&client.alpn()[..], b"b");
        }
        let client = dial_early(&dialer, &acceptor, &[b"a"]).await;
        assert!(client.early_state().expect("a ticket").handshake().await.unwrap());
        assert_eq!(&client.alpn()[..], b"a");
    });
}

#[test]
fn of_several_alpns_the_handshake_tells_which_even_if_it_is_not_the_first() {
    run(async {
        let acceptor = bind(EndpointOptions { alpns: alpns(&[b"b", b"a"]), ..options() });
        serve_echo(&acceptor);
        let dialer = bind(options());
        let list: [&[u8]; 2] = [b"a", b"b"];
        get_tickets(&dialer, &acceptor, &list).await;
        let client = dial_early(&dialer, &acceptor, &list).await;
        let state = client.early_state().expect("a ticket").clone();
        assert_eq!(ask(&client, b"x").await.unwrap(), b"x");
        assert!(state.handshake().await.unwrap());
        assert_eq!(&client.alpn()[..], b"b");
    });
}

#[test]
fn an_acceptor_can_have_the_connection_before_it_knows_the_peer() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        let (sender, mut servers) = mpsc::channel(4);
        let accepting = acceptor.clone();
        tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                let accepting = incoming.accept(DialOptions::default()).unwrap();
                let server = accepting.early().await.unwrap();
                tokio::spawn(echo(server.clone()));
                sender.send(server).await.unwrap();
            }
        });
        // The first one has no early data and is a 0.5-RTT connection all the same.
        let dialed = get_tickets(&dialer, &acceptor, &[ALPN]).await;
        let first = servers.recv().await.unwrap();
        // Not dropped before: a connection that is over by then has no handshake to tell of.
        assert!(first.early_state().unwrap().handshake().await.unwrap());
        drop(dialed);
        assert_eq!(first.remote_id(), Some(dialer.id()));

        // On this path the dialer hears nothing, so the handshake stays open.
        let proxy = Proxy::to(address(&acceptor)).await;
        proxy.pass(true, false);
        let (to, list) = ([proxy.address], alpns(&[ALPN]));
        let client = dialer.connect(acceptor.id(), &to, &list, early()).await.unwrap();
        let mut send = client.quinn().open_uni().await.unwrap();
        send.write_all(b"early").await.unwrap();
        send.finish().unwrap();
        let server = servers.recv().await.unwrap();
        let mut recv = server.quinn().accept_uni().await.unwrap();
        assert!(recv.is_0rtt());
        assert_eq!(recv.read_to_end(100).await.unwrap(), b"early");
        assert_eq!((server.remote_id(), &server.alpn()[..]), (None, &b""[..]));
        let failure = server.export_keying_material(&mut [0; 32], b"label", b"").unwrap_err();
        assert_eq!(failure.code, ErrorCode::NotAllowed);
        assert_eq!(metric(&acceptor, "quic_handshakes_unfinished"), 1, "used, and not finished");

        proxy.pass(true, true);
        assert!(server.early_state().unwrap().handshake().await.unwrap());
        assert_eq!((server.remote_id(), &server.alpn()[..]), (Some(dialer.id()), ALPN));
        assert_eq!(metric(&acceptor, "quic_handshakes_unfinished"), 0);
        assert!(client.early_state().unwrap().handshake().await.unwrap());
    });
}

#[test]
fn an_early_dial_to_nobody_times_out_and_counts_as_unfinished_until_then() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        serve_echo(&acceptor);
        get_tickets(&dialer, &acceptor, &[ALPN]).await;
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = [silent.local_addr().unwrap()];
        // Time enough to see it unfinished.
        let limit = Some(std::time::Duration::from_secs(5));
        let options = DialOptions { timeout: limit, ..early() };
        let client = dialer.connect(acceptor.id(), &to, &alpns(&[ALPN]), options).await.unwrap();
        assert_eq!(metric(&dialer, "quic_handshakes_unfinished"), 1);
        let state = client.early_state().expect("a ticket").clone();
        assert_eq!(code(state.handshake().await), ErrorCode::HandshakeTimeout);
        assert_eq!(metric(&dialer, "quic_handshakes_unfinished"), 0);
        assert!(client.close_info().is_some());
    });
}

#[test]
fn a_hook_is_asked_at_the_end_of_an_early_handshake() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        serve_echo(&acceptor);
        get_tickets(&dialer, &acceptor, &[ALPN]).await;
        until(|| metric(&dialer, "quic_connections_open") == 0).await;
        struct No;
        impl gaiwan_endpoint::AfterHandshake for No {
            fn after_handshake(
                &self,
                _info: gaiwan_endpoint::HandshakeInfo,
            ) -> gaiwan_endpoint::BoxFuture<'_, gaiwan_endpoint::Verdict> {
                let reason = String::new();
                Box::pin(async { gaiwan_endpoint::Verdict::Close { code: 4, reason } })
            }
        }
        dialer.set_hook(std::sync::Arc::new(No));
        let client = dial_early(&dialer, &acceptor, &[ALPN]).await;
        let state = client.early_state().expect("a ticket").clone();
        assert_eq!(code(state.handshake().await), ErrorCode::NotAllowed);
        assert_eq!(client.close_info().unwrap().code, Some(4));
    });
}
