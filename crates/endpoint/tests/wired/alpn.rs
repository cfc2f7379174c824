//! Which ALPN a connection has (RFC 7301): the acceptor's order decides.

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::{DialOptions, EndpointOptions};

use crate::peers::{
    accept, alpns, ask, bind, code, dial, dial_once, dial_with, metric, options, pair, run,
    serve_echo,
};

#[test]
fn the_first_of_the_acceptors_list_that_the_dialer_offers_is_chosen() {
    run(async {
        type Case = (&'static [&'static [u8]], &'static [&'static [u8]], &'static [u8]);
        let cases: [Case; 6] = [
            (&[b"v1", b"v2"], &[b"v2", b"v1"], b"v2"),
            (&[b"v2", b"v1"], &[b"v2", b"v1"], b"v2"),
            (&[b"v3", b"v1"], &[b"v2", b"v1"], b"v1"),
            (&[b"v1"], &[b"v2", b"v1"], b"v1"),
            (&[b"Echo", b"echo"], &[b"echo"], b"echo"),
            (&[b"\xff\x00"], &[b"\xff", b"\xff\x00"], b"\xff\x00"),
        ];
        let dialer = bind(options());
        for (offered, listed, chosen) in cases {
            let acceptor = bind(EndpointOptions { alpns: alpns(listed), ..options() });
            let accepting = async {
                let incoming = acceptor.accept().await.unwrap();
                let mut accepting = incoming.accept(DialOptions::default()).unwrap();
                let early = accepting.alpn().await.unwrap();
                (early, accepting.finish().await.unwrap())
            };
            let (client, (early, server)) = tokio::join!(
                dial_with(&dialer, &acceptor, offered, DialOptions::default()),
                accepting
            );
            assert_eq!(client.unwrap().alpn(), chosen);
            assert_eq!(server.alpn(), chosen);
            assert_eq!(early, chosen);
        }
    });
}

#[test]
fn without_a_common_one_both_ends_say_so() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        let close: [&[u8]; 4] = [b"other", b"GAIWAN-TEST/0", b"gaiwan-test/", b"gaiwan-test/00"];
        for offered in close {
            let offered = [offered];
            let (client, server) = tokio::join!(
                dial_with(&dialer, &acceptor, &offered, DialOptions::default()),
                accept(&acceptor)
            );
            assert_eq!(code(client), ErrorCode::AlpnMismatch);
            assert_eq!(code(server), ErrorCode::AlpnMismatch);
        }
    });
}

#[test]
fn names_of_1_and_255_bytes_are_names() {
    run(async {
        static LONG: [u8; 255] = [b'x'; 255];
        let acceptor = bind(EndpointOptions { alpns: alpns(&[&LONG, b"x"]), ..options() });
        serve_echo(&acceptor);
        let dialer = bind(options());
        for name in [&LONG[..], b"x"] {
            let client =
                dial_with(&dialer, &acceptor, &[name], DialOptions::default()).await.unwrap();
            assert_eq!(client.alpn(), name);
        }
    });
}

#[test]
fn set_alpns_is_for_later_attempts_and_running_connections_keep_theirs() {
    run(async {
        let pair = pair().await;
        let echo = tokio::spawn(crate::peers::echo(pair.server.clone()));
        pair.acceptor.set_alpns(&alpns(&[b"new"])).unwrap();
        serve_echo(&pair.acceptor);

        assert_eq!(code(dial(&pair.dialer, &pair.acceptor).await), ErrorCode::AlpnMismatch);
        let new = dial_with(&pair.dialer, &pair.acceptor, &[b"new"], DialOptions::default()).await;
        assert_eq!(new.unwrap().alpn(), &b"new"[..]);
        assert_eq!(ask(&pair.client, b"still here").await.unwrap(), b"still here");
        assert_eq!(pair.client.alpn(), crate::peers::ALPN);

        pair.client.close(0, b"");
        echo.await.unwrap();
    });
}

#[test]
fn an_endpoint_without_alpns_refuses_everyone_and_can_begin_later() {
    run(async {
        let acceptor = bind(EndpointOptions { alpns: Vec::new(), ..options() });
        serve_echo(&acceptor);
        let dialer = bind(options());
        assert_eq!(code(dial_once(&dialer, &acceptor).await), ErrorCode::ConnectionRefused);
        acceptor.set_alpns(&options().alpns).unwrap();
        dial(&dialer, &acceptor).await.unwrap();
        acceptor.set_alpns(&[]).unwrap();
        assert_eq!(code(dial_once(&dialer, &acceptor).await), ErrorCode::ConnectionRefused);
        assert_eq!(metric(&acceptor, "quic_refused_handshakes"), 2);
    });
}
