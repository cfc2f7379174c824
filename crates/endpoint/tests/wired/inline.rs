//! Threads that send for a connection themselves, at the same time as the runtime.

use futures_util::FutureExt;
use tokio::{runtime::Handle, task::spawn_blocking};

use crate::peers::{echo, pair, run};

/// A wake that is lost between the threads and the runtime leaves an answer unsent, and this hangs.
#[test]
fn no_wake_is_lost_when_threads_and_the_runtime_drive_one_connection() {
    run(async {
        const ROUNDS: u32 = 1500;
        let pair = pair().await;
        tokio::spawn(echo(pair.server.clone()));
        let threads = (0..3u32).map(|thread| {
            let (connection, runtime) = (pair.client.clone(), Handle::current());
            spawn_blocking(move || {
                let opened = runtime.block_on(connection.quinn().open_bi());
                let (mut send, mut recv) = opened.unwrap();
                let mut inlined = 0;
                for round in 0..ROUNDS {
                    let question = (thread * ROUNDS + round).to_le_bytes();
                    {
                        let _entered = runtime.enter();
                        let inline = connection.inline();
                        inlined += u32::from(inline.is_some());
                        let written = send.write_all(&question).now_or_never();
                        written.expect("there is room").unwrap();
                    }
                    let mut answer = [0; 4];
                    runtime.block_on(recv.read_exact(&mut answer)).unwrap();
                    assert_eq!(answer, question);
                }
                inlined
            })
        });
        let threads: Vec<_> = threads.collect();
        for thread in threads {
            assert!(thread.await.unwrap() > 0, "a thread is let in at times");
        }
    });
}

#[test]
fn a_close_inside_reaches_the_peer() {
    run(async {
        let pair = pair().await;
        let inside = pair.client.inline();
        pair.client.close(3, b"inside");
        drop(inside);
        pair.server.quinn().closed().await;
        assert_eq!(pair.server.close_info().unwrap().code, Some(3));
    });
}

#[test]
fn inside_is_one_thread_at_a_time_and_an_ended_connection_is_no_trouble() {
    run(async {
        let pair = pair().await;
        let first = loop {
            // The runtime may be at it right now.
            if let Some(first) = pair.client.inline() {
                break first;
            }
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| pair.client.inline().is_none());
            assert!(other.join().unwrap());
        });
        drop(first);
        pair.client.close(0, b"");
        pair.dialer.close().await;
        drop(pair.client.inline());
        assert!(pair.client.close_info().is_some());
    });
}
