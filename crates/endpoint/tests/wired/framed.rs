//! Frames over the streams of two endpoints: calls, requests, batches.

use std::time::Duration;

use bytes::Bytes;
use gaiwan_endpoint::{
    Connection,
    framed::{
        Acceptor, AcceptorOptions, Batch, CallError, CallOptions, End, FrameReader, Wanted, call,
        finish_soon, finish_with,
    },
};
use quinn::{ReadError, VarInt};

use crate::peers::{pair, run};

const MAX: usize = 16 * 1024 * 1024;

fn acceptor(server: &Connection, change: impl FnOnce(&mut AcceptorOptions)) -> Acceptor {
    let mut options = AcceptorOptions {
        max_bytes: MAX,
        max_pending: 32 * 1024 * 1024,
        head_of_line: Duration::from_secs(1),
        request_timeout: Duration::from_secs(10),
        max_bad: 16,
    };
    change(&mut options);
    Acceptor::new(server.clone(), options)
}

fn wanting(wanted: Wanted) -> CallOptions {
    CallOptions { wanted, priority: 0, grace: Duration::from_millis(200) }
}

async fn write(connection: &Connection, bytes: &[u8]) -> (quinn::SendStream, quinn::RecvStream) {
    let (mut send, recv) = connection.quinn().open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    (send, recv)
}

/// Whole batches and the end of one half.
async fn batches(reader: &mut FrameReader) -> (Vec<Vec<u8>>, Result<End, ReadError>) {
    let mut all = Vec::new();
    loop {
        match std::future::poll_fn(|cx| reader.poll_frames(cx)).await {
            Ok(Batch::Frames(bytes)) => {
                all.push(reader.peek(bytes).to_vec());
                reader.advance(bytes);
            }
            Ok(Batch::End(end)) => return (all, Ok(end)),
            Err(error) => return (all, Err(error)),
        }
    }
}

#[test]
fn a_call_gets_the_bytes_of_its_answer() {
    run(async {
        let both = pair().await;
        let (client, server) = (both.client.clone(), both.server.clone());
        let mut acceptor = acceptor(&server, |_| {});
        let serving = async {
            let request = acceptor.next().await.unwrap();
            assert_eq!(&request.frame[..], b"tea");
            assert!(!request.reader.is_early());
            finish_with(request.send, Bytes::from_static(b"\x02ok"), ());
        };
        let options = wanting(Wanted::Answer(MAX));
        let asking = call(client.clone(), Bytes::from_static(b"\x03tea"), options, None);
        let (answer, ()) = tokio::join!(asking, serving);
        assert_eq!(&answer.unwrap()[..], b"\x02ok");
    });
}

#[test]
fn an_answer_above_its_limit_is_stopped_with_code_1() {
    run(async {
        let both = pair().await;
        let (client, server) = (both.client.clone(), both.server.clone());
        let mut acceptor = acceptor(&server, |_| {});
        let serving = async {
            let mut request = acceptor.next().await.unwrap();
            request.send.write_all(b"\x65").await.unwrap();
            assert_eq!(request.send.stopped().await.unwrap(), Some(VarInt::from_u32(1)));
        };
        let options = wanting(Wanted::Answer(100));
        let asking = call(client.clone(), Bytes::from_static(b"\x00"), options, None);
        let (answer, ()) = tokio::join!(asking, serving);
        assert!(matches!(answer, Err(CallError::TooLong(100))), "{answer:?}");
    });
}

#[test]
fn a_call_that_is_dropped_still_sends_its_request_whole() {
    run(async {
        let both = pair().await;
        let (client, server) = (both.client.clone(), both.server.clone());
        let mut acceptor = acceptor(&server, |_| {});
        // More than the windows hold, so that the drop comes in the middle.
        let mut body = vec![0x80, 0x80, 0x80, 0x02];
        body.resize(4 + 4 * 1024 * 1024, 7);
        let options =
            CallOptions { grace: Duration::from_secs(60), ..wanting(Wanted::Answer(MAX)) };
        let asking = call(client.clone(), body.into(), options, None);
        assert!(tokio::time::timeout(Duration::from_millis(50), asking).await.is_err());
        let request = acceptor.next().await.unwrap();
        assert_eq!(request.frame.len(), 4 * 1024 * 1024);
        assert_eq!(request.send.stopped().await.unwrap(), Some(VarInt::from_u32(0)));
        assert!(!client.is_tainted());
    });
}

#[test]
fn a_request_that_cannot_leave_in_time_taints_its_connection() {
    run(async {
        let both = pair().await;
        let (client, server) = (both.client.clone(), both.server.clone());
        let mut body = vec![0x80, 0x80, 0x80, 0x04];
        body.resize(4 + 8 * 1024 * 1024, 7);
        let asking = call(client.clone(), body.into(), wanting(Wanted::Answer(MAX)), None);
        assert!(tokio::time::timeout(Duration::from_millis(50), asking).await.is_err());
        // Nobody reads at the other side, so the rest has no way out.
        let (_send, mut recv) = server.quinn().accept_bi().await.unwrap();
        while !client.is_tainted() {
            tokio::task::yield_now().await;
        }
        let mut bytes = vec![0; 64 * 1024];
        let end = loop {
            match recv.read(&mut bytes).await {
                Ok(Some(_)) => {}
                end => break end,
            }
        };
        assert_eq!(end, Err(ReadError::Reset(VarInt::from_u32(0))));
    });
}

#[test]
fn a_notify_is_queued_and_then_delivered() {
    run(async {
        let both = pair().await;
        let (client, server) = (both.client.clone(), both.server.clone());
        let mut acceptor = acceptor(&server, |_| {});
        let (tell, queued) = tokio::sync::oneshot::channel();
        let told = Box::new(move || tell.send(()).unwrap());
        let options = wanting(Wanted::Delivered);
        let noting = call(client.clone(), Bytes::from_static(b"\x01n"), options, Some(told));
        let serving = async {
            let request = acceptor.next().await.unwrap();
            assert_eq!(&request.frame[..], b"n");
            request
        };
        let (done, request) = tokio::join!(noting, serving);
        assert_eq!(done.unwrap(), Bytes::new());
        queued.await.unwrap();
        assert_eq!(request.send.stopped().await.unwrap(), Some(VarInt::from_u32(0)));
    });
}

#[test]
fn requests_come_in_the_order_of_their_streams_and_a_slow_one_loses_its_place() {
    run(async {
        let both = pair().await;
        let (client, server) = (both.client.clone(), both.server.clone());
        let mut acceptor =
            acceptor(&server, |options| options.head_of_line = Duration::from_millis(100));
        let (mut slow, _slow_answers) = write(&client, b"\x04sl").await;
        let mut rest = Vec::new();
        for n in 0..20_u8 {
            rest.push(write(&client, &[1, n]).await);
        }
        for n in 0..20_u8 {
            assert_eq!(&acceptor.next().await.unwrap().frame[..], [n]);
        }
        slow.write_all(b"ow").await.unwrap();
        assert_eq!(&acceptor.next().await.unwrap().frame[..], b"slow");
    });
}

#[test]
fn bad_requests_are_refused_alone_until_there_are_too_many() {
    run(async {
        let both = pair().await;
        let (client, server) = (both.client.clone(), both.server.clone());
        let mut acceptor = acceptor(&server, |options| options.max_bad = 3);
        let asking = async {
            let mut marks = Vec::new();
            for bytes in [&b""[..], b"\x05cut"] {
                let (mut send, mut recv) = write(&client, bytes).await;
                send.finish().unwrap();
                marks.push(recv.read_to_end(10).await.unwrap());
            }
            // The good one in between is answered.
            let options = wanting(Wanted::Answer(MAX));
            let answer = call(client.clone(), Bytes::from_static(b"\x01a"), options, None).await;
            assert_eq!(&answer.unwrap()[..], b"\x01b");
            // More than ten bytes of prefix.
            let _last = write(&client, &[0x80; 11]).await;
            client.quinn().closed().await;
            marks
        };
        let serving = async {
            let request = acceptor.next().await.unwrap();
            finish_with(request.send, Bytes::from_static(b"\x01b"), ());
            acceptor.next().await.map(|request| request.frame)
        };
        let (marks, end) = tokio::join!(asking, serving);
        assert_eq!(marks, [[0x91], [0x91]]);
        assert!(end.is_err(), "{end:?}");
        assert_eq!(client.close_info().unwrap().code, Some(2));
    });
}

#[test]
fn bytes_of_unfinished_requests_are_counted_and_given_back() {
    run(async {
        let both = pair().await;
        let (client, server) = (both.client.clone(), both.server.clone());
        let mut acceptor = acceptor(&server, |options| {
            options.max_pending = 100_000;
            options.head_of_line = Duration::ZERO;
        });
        let asking = async {
            let big = [&[0x80, 0xf1, 0x04][..], &[7; 80_000]].concat();
            for _ in 0..3 {
                // Each fits alone, and gives its room back when it is whole.
                let (mut send, mut recv) = write(&client, &big).await;
                send.finish().unwrap();
                assert_eq!(recv.read_to_end(10).await.unwrap(), b"\x00");
            }
            let mut half = Vec::new();
            for _ in 0..2 {
                half.push(write(&client, &big[..60_000]).await);
            }
            let [(_, one), (_, other)] = &mut half[..] else { panic!("there are two") };
            // Whichever brought too much.
            let (mark, spared) = tokio::select! {
                mark = one.read_to_end(10) => (mark, other),
                mark = other.read_to_end(10) => (mark, one),
            };
            assert_eq!(mark.unwrap(), [0x92]);
            let silence =
                tokio::time::timeout(Duration::from_millis(500), spared.read_to_end(10)).await;
            assert!(silence.is_err(), "{silence:?}");
        };
        let serving = async {
            loop {
                let request = acceptor.next().await.unwrap();
                assert_eq!(request.frame.len(), 80_000);
                finish_soon(request.send, Bytes::from_static(b"\x00"), Duration::from_secs(5));
            }
        };
        tokio::select! {
            () = asking => {}
            () = serving => {}
        }
    });
}

#[test]
fn frames_are_handed_over_whole_and_in_batches() {
    run(async {
        let both = pair().await;
        let (client, server) = (both.client.clone(), both.server.clone());
        let small = b"\x01a\x02bc\x00".repeat(30_000);
        let large = [&[0x80, 0x80, 0x0c][..], &vec![9; 196_608]].concat();
        let sent = [&small[..], &large, b"\x01z"].concat();
        let sending = async {
            let (mut send, recv) = write(&client, &sent).await;
            send.finish().unwrap();
            recv
        };
        let reading = async {
            let (_send, recv) = server.quinn().accept_bi().await.unwrap();
            batches(&mut FrameReader::new(recv, MAX)).await
        };
        let (_recv, (batches, end)) = tokio::join!(sending, reading);
        assert_eq!(end, Ok(End::Fin));
        assert_eq!(batches.concat(), sent);
        for batch in &batches {
            assert!(batch.len() <= 64 * 1024 || *batch == large, "{}", batch.len());
        }
    });
}

#[test]
fn every_end_of_a_half_is_told_apart_and_stays() {
    run(async {
        let both = pair().await;
        let (client, server) = (both.client.clone(), both.server.clone());
        for (bytes, reset, frames, end) in [
            (&b"\x01a"[..], None, 1, Some(End::Fin)),
            (b"\x01a\x90", None, 1, Some(End::Mark(16))),
            (b"\x80", None, 0, Some(End::Mark(0))),
            (b"\x01a\x05cut", None, 1, Some(End::Truncated)),
            (b"\x80\x80", None, 0, Some(End::Truncated)),
            (&[0x80; 10], None, 0, Some(End::Malformed)),
            (b"\x81\x80\x80\x08", None, 0, Some(End::TooLong)),
            (b"\x01a", Some(16), 1, None),
        ] {
            let (mut send, _recv) = write(&client, bytes).await;
            if reset.is_none() {
                send.finish().unwrap();
            }
            let (_answers, recv) = server.quinn().accept_bi().await.unwrap();
            let mut reader = FrameReader::new(recv, MAX);
            if let Some(code) = reset {
                let first = std::future::poll_fn(|cx| reader.poll_frames(cx)).await;
                assert_eq!(first, Ok(Batch::Frames(2)));
                reader.advance(2);
                send.reset(VarInt::from_u32(code)).unwrap();
            }
            let (batches, met) = batches(&mut reader).await;
            assert_eq!(batches.len(), if reset.is_some() { 0 } else { frames }, "{bytes:02x?}");
            let expected = end.ok_or(ReadError::Reset(VarInt::from_u32(16)));
            assert_eq!(met, expected, "{bytes:02x?}");
            // A second look sees no good end where there was none.
            let (_, again) = self::batches(&mut reader).await;
            assert_eq!(again, expected, "{bytes:02x?}");
        }
    });
}
