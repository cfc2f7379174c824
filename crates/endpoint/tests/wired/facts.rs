//! What an endpoint and a connection tell about themselves.

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::{EndpointOptions, KnownAddress, Side};

use crate::peers::{
    ALPN, accept, address, ask, bind, code, dial, echo, metric, options, pair, pair_of, run, until,
};

#[test]
fn both_ends_agree_on_who_they_are() {
    run(async {
        let pair = pair().await;
        assert_eq!(pair.client.remote_id(), Some(pair.acceptor.id()));
        assert_eq!(pair.server.remote_id(), Some(pair.dialer.id()));
        assert_eq!((pair.client.side(), pair.server.side()), (Side::Client, Side::Server));
        assert_eq!((&pair.client.alpn()[..], &pair.server.alpn()[..]), (ALPN, ALPN));
        assert_eq!(pair.client.remote_address(), address(&pair.acceptor));
        assert_eq!(pair.server.remote_address(), address(&pair.dialer));
        assert!(!format!("{:?}", pair.client).is_empty());
    });
}

#[test]
fn an_exporter_gives_both_ends_the_same_bytes_and_others_for_another_label() {
    run(async {
        let pair = pair().await;
        let export = |length: usize, label: &[u8], context: &[u8]| {
            let (mut ours, mut theirs) = (vec![0; length], vec![0; length]);
            pair.client.export_keying_material(&mut ours, label, context)?;
            pair.server.export_keying_material(&mut theirs, label, context)?;
            assert_eq!(ours, theirs);
            Ok(ours)
        };
        let first = export(32, b"label", b"").unwrap();
        assert_eq!(export(32, b"label", b"").unwrap(), first);
        assert_ne!(export(32, b"other", b"").unwrap(), first);
        assert_ne!(export(32, b"label", b"context").unwrap(), first);
        for length in [1, 8160] {
            assert_eq!(export(length, b"label", b"").unwrap().len(), length);
        }
        for length in [0, 8161, 100_000] {
            assert_eq!(code(export(length, b"label", b"")), ErrorCode::NotAllowed);
        }
        let other = crate::peers::pair().await;
        let mut theirs = [0; 32];
        other.client.export_keying_material(&mut theirs, b"label", b"").unwrap();
        assert_ne!(theirs[..], first);
    });
}

#[test]
fn metrics_follow_a_connection_through_its_life() {
    run(async {
        let pair = pair().await;
        tokio::spawn(echo(pair.server.clone()));
        ask(&pair.client, &[7; 10_000]).await.unwrap();
        for endpoint in [&pair.dialer, &pair.acceptor] {
            let value = |name| metric(endpoint, name);
            assert_eq!(value("socket_num_conns_opened"), 1);
            assert_eq!(value("socket_num_conns_direct"), 1);
            assert_eq!(value("socket_num_conns_closed"), 0);
            assert_eq!(value("quic_connections_open"), 1);
            assert_eq!(value("quic_handshakes_unfinished"), 0);
            assert!(value("socket_send_ipv4") > 10_000);
            assert!(value("socket_recv_data_ipv4") > 10_000);
            assert!(value("socket_recv_datagrams") >= 10);
            assert_eq!(value("socket_send_ipv6"), 0);
        }
        assert_eq!(metric(&pair.dialer, "quic_outgoing_handshakes"), 1);
        assert_eq!(metric(&pair.acceptor, "quic_accepted_handshakes"), 1);

        pair.client.close(0, b"");
        assert_eq!(metric(&pair.dialer, "quic_connections_open"), 0, "a close counts at once");
        for endpoint in [&pair.dialer, &pair.acceptor] {
            until(|| metric(endpoint, "socket_num_conns_closed") == 1).await;
            assert_eq!(metric(endpoint, "quic_connections_open"), 0);
        }
        let names: std::collections::HashSet<_> =
            pair.dialer.metrics().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), pair.dialer.metrics().len(), "each name once");
    });
}

#[test]
fn the_addresses_of_a_peer_are_active_while_a_connection_uses_them() {
    run(async {
        let pair = pair().await;
        let known = |active| Some(vec![KnownAddress { address: address(&pair.acceptor), active }]);
        assert_eq!(pair.dialer.known_addresses(&pair.acceptor.id()), known(true));
        assert_eq!(pair.dialer.known_addresses(&pair.dialer.id()), None);
        let (second, server) =
            tokio::join!(dial(&pair.dialer, &pair.acceptor), accept(&pair.acceptor));
        pair.client.close(0, b"");
        pair.server.quinn().closed().await;
        assert_eq!(pair.dialer.known_addresses(&pair.acceptor.id()), known(true));
        drop(second.unwrap());
        server.unwrap().quinn().closed().await;
        until(|| pair.dialer.known_addresses(&pair.acceptor.id()) == known(false)).await;
        let seen = pair.acceptor.known_addresses(&pair.dialer.id()).unwrap();
        assert_eq!(seen[0].address, address(&pair.dialer));
    });
}

#[test]
fn qlog_has_a_file_for_each_connection_and_a_missing_folder_is_no_failure() {
    run(async {
        let folder = std::env::temp_dir().join(format!("gaiwan-qlog-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let with = |folder| bind(EndpointOptions { qlog: Some(folder), ..options() });
        let pair = pair_of(with(folder.clone()), with(folder.clone())).await;
        tokio::spawn(echo(pair.server.clone()));
        ask(&pair.client, &[7; 10_000]).await.unwrap();
        let ids = [pair.dialer.id().short(), pair.acceptor.id().short()];
        pair.client.close(0, b"");
        pair.acceptor.close().await;
        pair.dialer.close().await;
        drop(pair);
        let read = |id: &String| {
            let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
            let mine = files.filter(|path| path.to_str().unwrap().contains(id.as_str()));
            mine.map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>()
        };
        for id in &ids {
            // Written out when the connection is gone.
            until(|| read(id).iter().any(|text| text.contains("transport:"))).await;
            assert_eq!(read(id).len(), 1);
            assert!(read(id)[0].starts_with('\x1e') || read(id)[0].starts_with('{'));
        }
        std::fs::remove_dir_all(&folder).unwrap();

        pair_of(with(folder.join("missing")), bind(options())).await;
    });
}

#[test]
fn many_clones_of_an_endpoint_are_one() {
    run(async {
        let pair = pair().await;
        let clone = pair.dialer.clone();
        assert_eq!((clone.id(), address(&clone)), (pair.dialer.id(), address(&pair.dialer)));
        clone.close().await;
        assert!(pair.dialer.is_closed());
        assert_eq!(code(dial(&pair.dialer, &pair.acceptor).await), ErrorCode::EndpointClosed);
    });
}
