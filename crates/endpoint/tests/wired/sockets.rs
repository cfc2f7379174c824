//! The UDP side: several sockets, both families, new sockets for old.

use std::net::{SocketAddr, UdpSocket};

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::{BindAddr, DialOptions, EndpointOptions};

use crate::peers::{
    ALPN, address, alpns, ask, bind, code, echo, metric, options, pair, patient, run, serve_echo,
};

fn sockets(addresses: &[&str]) -> Vec<BindAddr> {
    let parse = |text: &&str| BindAddr { address: text.parse().unwrap(), required: true };
    addresses.iter().map(parse).collect()
}

#[test]
fn every_socket_of_an_endpoint_can_be_dialed_and_answers_from_its_own_address() {
    run(async {
        let three = sockets(&["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"]);
        let acceptor = bind(EndpointOptions { bind: three.clone(), ..options() });
        serve_echo(&acceptor);
        let dialer = bind(EndpointOptions { bind: three, ..options() });
        assert_eq!(acceptor.sockets().len(), 3);
        for socket in acceptor.sockets() {
            assert_ne!(socket.address.port(), 0);
            assert!(socket.receive_buffer > 0 && socket.send_buffer > 0);
            let to = [socket.address];
            let client = dialer
                .connect(acceptor.id(), &to, &alpns(&[ALPN]), DialOptions::default())
                .await
                .unwrap();
            assert_eq!(client.remote_address(), socket.address);
            assert_eq!(ask(&client, &[7; 100_000]).await.unwrap().len(), 100_000);
        }
        for name in ["socket_send_ipv4", "socket_send_ipv6", "socket_recv_data_ipv6"] {
            assert!(metric(&acceptor, name) > 100_000, "{name}");
        }
    });
}

#[test]
fn an_attempt_tells_which_local_address_it_came_to() {
    run(async {
        let four = sockets(&["127.0.0.1:0", "127.0.0.1:0", "[::1]:0", "0.0.0.0:0"]);
        let acceptor = bind(EndpointOptions { bind: four, ..options() });
        let dialer =
            bind(EndpointOptions { bind: sockets(&["127.0.0.1:0", "[::1]:0"]), ..options() });
        for socket in acceptor.sockets() {
            let port = socket.address.port();
            let ip = if socket.address.is_ipv6() { "::1" } else { "127.0.0.1" }.parse().unwrap();
            let (to, list) = ([SocketAddr::new(ip, port)], alpns(&[ALPN]));
            let dial = dialer.connect(acceptor.id(), &to, &list, patient());
            let (client, server) = tokio::join!(dial, async {
                let incoming = acceptor.accept().await.unwrap();
                assert_eq!(incoming.local_ip(), Some(ip));
                // A Retry finds its way back from the same socket, too.
                assert!(incoming.retry().is_ok());
                let incoming = acceptor.accept().await.unwrap();
                assert_eq!(incoming.local_ip(), Some(ip));
                incoming.accept(DialOptions::default()).unwrap().finish().await
            });
            assert!(server.is_ok());
            assert_eq!(client.unwrap().remote_address(), to[0]);
        }
    });
}

#[test]
fn a_dual_stack_socket_is_reached_by_both_families() {
    run(async {
        let acceptor = bind(EndpointOptions { bind: Vec::new(), ..options() });
        serve_echo(&acceptor);
        let dialer = bind(EndpointOptions { bind: Vec::new(), ..options() });
        let port = address(&acceptor).port();
        for ip in ["127.0.0.1", "::1"] {
            let to = [SocketAddr::new(ip.parse().unwrap(), port)];
            let client = dialer
                .connect(acceptor.id(), &to, &alpns(&[ALPN]), DialOptions::default())
                .await
                .unwrap();
            assert_eq!(client.remote_address(), to[0]);
            assert_eq!(ask(&client, b"x").await.unwrap(), b"x");
        }
    });
}

#[test]
fn the_wildcards_of_both_families_can_share_a_port() {
    run(async {
        let key = gaiwan_base::SecretKey::generate();
        let (acceptor, port) = loop {
            // A port that is free now; if somebody takes it meanwhile, another one.
            let port = UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
            let both = [format!("0.0.0.0:{port}"), format!("[::]:{port}")];
            let options = EndpointOptions { bind: sockets(&[&both[0], &both[1]]), ..options() };
            match gaiwan_endpoint::Endpoint::bind(&key, options) {
                Ok(endpoint) => break (endpoint, port),
                Err(failure) => assert_eq!(failure.code, ErrorCode::BindFailed),
            }
            tokio::task::yield_now().await;
        };
        serve_echo(&acceptor);
        let dialer = bind(EndpointOptions { bind: Vec::new(), ..options() });
        for ip in ["127.0.0.1", "::1"] {
            let to = [SocketAddr::new(ip.parse().unwrap(), port)];
            let list = alpns(&[ALPN]);
            let client = dialer.connect(acceptor.id(), &to, &list, DialOptions::default()).await;
            assert_eq!(ask(&client.unwrap(), b"x").await.unwrap(), b"x");
        }
    });
}

#[test]
fn a_taken_address_fails_the_bind_only_if_it_is_required() {
    run(async {
        let holder = bind(options());
        let taken = address(&holder);
        let key = gaiwan_base::SecretKey::generate();
        let with = |required| {
            let mut bind = sockets(&["127.0.0.1:0"]);
            bind.push(BindAddr { address: taken, required });
            gaiwan_endpoint::Endpoint::bind(&key, EndpointOptions { bind, ..options() })
        };
        let failure = with(true).err().expect("the address is taken");
        assert_eq!(failure.code, ErrorCode::BindFailed);
        assert!(failure.message.contains(&taken.to_string()), "{}", failure.message);
        assert_eq!(with(false).unwrap().sockets().len(), 1);
        let nothing = EndpointOptions {
            bind: vec![BindAddr { address: taken, required: false }],
            ..options()
        };
        assert_eq!(code(gaiwan_endpoint::Endpoint::bind(&key, nothing)), ErrorCode::BindFailed);
    });
}

#[test]
fn connections_move_to_the_new_sockets_of_a_rebind() {
    run(async {
        let pair = pair().await;
        tokio::spawn(echo(pair.server.clone()));
        assert_eq!(ask(&pair.client, b"before").await.unwrap(), b"before");
        let old = address(&pair.dialer);
        assert_eq!(pair.server.remote_address(), old);
        pair.dialer.rebind().unwrap();
        let new = address(&pair.dialer);
        assert_ne!(new, old);
        for _ in 0..3 {
            assert_eq!(ask(&pair.client, &[7; 50_000]).await.unwrap().len(), 50_000);
        }
        assert_eq!(pair.server.remote_address(), new);
        assert!(pair.client.close_info().is_none() && pair.server.close_info().is_none());
        // And new ones start there.
        let (client, server) = tokio::join!(
            crate::peers::dial(&pair.dialer, &pair.acceptor),
            crate::peers::accept(&pair.acceptor)
        );
        assert!(client.is_ok());
        assert_eq!(server.unwrap().remote_address(), new);
    });
}
