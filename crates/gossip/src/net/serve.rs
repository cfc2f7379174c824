//! One connection until it ends: takes its streams, each read by a task of its own.

use std::{sync::Arc, time::Duration};

use gaiwan_base::EndpointId;
use gaiwan_endpoint::{Connection, Side};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use super::{Net, link::Link, reader};

/// Streams of a peer at once.
const STREAMS: u32 = 1024;
/// Bytes that a connection may be ahead of us.
const WINDOW: u32 = 8 * 1024 * 1024;
/// Streams that have not said their topic yet; more wait.
const HEADERS: usize = 64;
/// How long the readers have for what came before the end.
const LAST: Duration = Duration::from_secs(1);
/// How long the `accept` hook may think.
const HOOK: Duration = Duration::from_secs(5);

impl Net {
    /// Whether the user wants this peer; silence is a no. Only asked for connections that come in.
    pub(super) async fn is_welcome(&self, remote: EndpointId, connection: &Connection) -> bool {
        match &self.options.accept {
            Some(hook) if connection.side() == Side::Server => {
                timeout(HOOK, hook.accept(remote)).await.unwrap_or(false)
            }
            _ => true,
        }
    }
}

/// Closes before the readers go: a stream that is dropped while its connection lives is stopped, and that silences a
/// peer of the reference.
struct CloseOnDrop<'a>(&'a Link);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.fail();
    }
}

/// Takes the connection out of the table, however this task ends.
struct EndOnDrop<'a>(&'a Arc<Net>, &'a Link);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.ended(self.1);
    }
}

/// Serves a registered connection.
pub(super) async fn run(net: &Arc<Net>, link: Arc<Link>) {
    let quinn = link.connection.quinn();
    quinn.set_max_concurrent_uni_streams(STREAMS.into());
    quinn.set_receive_window(WINDOW.into());
    let headers = Arc::new(Semaphore::new(HEADERS));
    let _end = EndOnDrop(net, &link);
    let mut readers = JoinSet::new();
    let _close = CloseOnDrop(&link);
    loop {
        let permit = loop {
            tokio::select! {
                permit = headers.clone().acquire_owned() => break permit.ok(),
                Some(done) = readers.join_next() => reap(&link, done),
                _ = quinn.closed() => break None,
            }
        };
        let Some(permit) = permit else { break };
        let stream = loop {
            tokio::select! {
                stream = quinn.accept_uni() => break stream,
                Some(done) = readers.join_next() => reap(&link, done),
            }
        };
        let Ok(stream) = stream else { break };
        readers.spawn(reader::run(net.clone(), link.clone(), stream, permit));
    }
    // What came before the end is heard before the end is told.
    let rest = async { while readers.join_next().await.is_some() {} };
    if timeout(LAST, rest).await.is_err() {
        tracing::debug!(peer = ?link.peer, "a connection ended with streams that nobody had time for");
    }
}

fn reap(link: &Link, done: Result<(), tokio::task::JoinError>) {
    if done.is_err() {
        // A reader panicked and so stopped its stream.
        link.fail();
    }
}
