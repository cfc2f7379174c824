//! What an accepted connection does by itself.

use iroh::endpoint::{ConnectionError, ReadError, RecvStream, SendStream};
use serde::Deserialize;

use crate::connection::Link;
use crate::fault::Code;
use crate::pattern::Tally;

/// Bytes of one read.
const CHUNK: usize = 64 * 1024;

/// The mode of an accept loop.
#[derive(Clone, Deserialize)]
#[serde(tag = "mode", rename_all = "camelCase")]
pub enum Serve {
    /// Nothing: commands drive the connection, and unless they do nobody reads.
    Hold,
    /// Sends everything back: a bi stream on itself, a uni stream on a new one, each datagram.
    Echo,
    /// Answers each bi stream with `<bytes> <sha256>` of what came; drains uni streams.
    Sink,
    /// Closes at once.
    Close { code: Code, reason: String },
}

/// Starts the mode on `link`; returns at once.
pub fn start(mode: Serve, link: Link) {
    match mode {
        Serve::Hold => {}
        Serve::Close { code, reason } => link.close(code.0, reason.as_bytes()),
        Serve::Echo => {
            tokio::spawn(each_bi(link.clone(), echo));
            tokio::spawn(echo_uni(link.clone()));
            tokio::spawn(echo_datagrams(link));
        }
        Serve::Sink => {
            tokio::spawn(each_bi(link.clone(), sink));
            tokio::spawn(drain_uni(link));
        }
    }
}

async fn each_bi<F>(link: Link, serve: impl Fn(SendStream, RecvStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    while let Ok((send, recv)) = link.accept_bi().await {
        tokio::spawn(serve(send, recv));
    }
}

async fn echo_uni(link: Link) {
    while let Ok(recv) = link.accept_uni().await {
        let link = link.clone();
        tokio::spawn(async move {
            if let Ok(send) = link.open_uni().await {
                echo(send, recv).await;
            }
        });
    }
}

async fn echo_datagrams(link: Link) -> Result<(), ConnectionError> {
    loop {
        let bytes = link.read_datagram().await?;
        // A datagram may be lost, so one that no longer fits is lost too.
        let _ = link.send_datagram(bytes.to_vec());
    }
}

async fn drain_uni(link: Link) {
    while let Ok(mut recv) = link.accept_uni().await {
        tokio::spawn(async move { while let Ok(Some(_)) = recv.read_chunk(CHUNK).await {} });
    }
}

/// Copies; passes a reset and a stop on with their codes.
async fn echo(mut send: SendStream, mut recv: RecvStream) {
    loop {
        match recv.read_chunk(CHUNK).await {
            Ok(Some(bytes)) => match send.write_all(&bytes).await {
                Ok(()) => {}
                Err(iroh::endpoint::WriteError::Stopped(code)) => {
                    let _ = recv.stop(code);
                    return;
                }
                Err(_) => return,
            },
            Ok(None) => {
                let _ = send.finish();
                return;
            }
            Err(ReadError::Reset(code)) => {
                let _ = send.reset(code);
                return;
            }
            Err(_) => return,
        }
    }
}

async fn sink(mut send: SendStream, mut recv: RecvStream) {
    let mut tally = Tally::new();
    while let Ok(Some(bytes)) = recv.read_chunk(CHUNK).await {
        tally.add(&bytes);
    }
    let sum = tally.finish();
    let line = format!("{} {}", sum["bytes"], sum["sha256"].as_str().unwrap_or_default());
    if send.write_all(line.as_bytes()).await.is_ok() {
        let _ = send.finish();
    }
}
