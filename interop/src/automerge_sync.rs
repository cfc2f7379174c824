//! One-shot sync of one document, ALPN `iroh/automerge/2`.
//!
//! As `iroh-automerge/src/protocol.rs` of n0-computer/iroh-examples (at 5d51007, for iroh 1.0.0-rc.1), which is not published: the same
//! loops, the same reads and writes. Unlike there, a session that fails is told, and its rounds are counted.

use std::sync::Arc;

use automerge_07::Automerge;
use automerge_07::sync::{Message, State, SyncDoc};
use iroh::endpoint::{Connection, ReadExactError, RecvStream, SendStream};
use iroh::protocol::{AcceptError, ProtocolHandler, Router};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use crate::automerge_document::{Plain, fault};
use crate::connection::Link;
use crate::fault::Fault;
use crate::table::Table;

pub const ALPN: &[u8] = b"iroh/automerge/2";

/// A document that is served on an endpoint.
pub struct Server {
    /// Dropped with this, which ends it.
    _router: Router,
    served: Mutex<mpsc::UnboundedReceiver<Result<Value, Fault>>>,
}

impl Server {
    pub async fn served(&self) -> Result<Value, Fault> {
        let next = self.served.lock().await.recv().await;
        next.ok_or_else(|| Fault::usage("the endpoint is closed"))?
    }
}

/// Serves: `{sync}`. The endpoint takes this ALPN alone from now on.
pub fn serve(table: &Table, endpoint: u32, document: u32) -> Result<Value, Fault> {
    let document = table.document(document)?.plain()?;
    let endpoint = table.endpoint(endpoint)?.endpoint();
    let (report, served) = mpsc::unbounded_channel();
    let router = Router::builder(endpoint).accept(ALPN, Responder { document, report }).spawn();
    Ok(json!({ "sync": table.add_sync(Server { _router: router, served: Mutex::new(served) }) }))
}

/// Syncs as the dialer: `{rounds}`.
pub async fn dial(table: &Table, connection: u32, document: u32) -> Result<Value, Fault> {
    let document = table.document(document)?.plain()?;
    let link = table.connection(connection)?;
    let Link::Full(connection) = &*link else {
        return Err(Fault::usage("a sync needs a full connection"));
    };
    let rounds = initiate(connection, &document).await?;
    Ok(json!({ "rounds": rounds }))
}

struct Responder {
    document: Arc<Plain>,
    report: mpsc::UnboundedSender<Result<Value, Fault>>,
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Responder")
    }
}

impl ProtocolHandler for Responder {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let rounds = respond(&connection, &self.document).await;
        let failed = rounds.as_ref().err().map(ToString::to_string);
        let remote = connection.remote_id().to_string();
        // Nobody asks once the server is gone.
        let _ =
            self.report.send(rounds.map(|rounds| json!({ "remoteId": remote, "rounds": rounds })));
        // An error here is what the reference gives its router, which then lets go of the connection.
        failed.map_or(Ok(()), |text| Err(AcceptError::from_err(std::io::Error::other(text))))
    }
}

/// `initiate_sync`: speaks first, and closes since it receives last. The number of rounds.
async fn initiate(connection: &Connection, shared: &Plain) -> Result<u32, Fault> {
    let (mut send, mut recv) = connection.open_bi().await?;
    let mut document = shared.fork();
    let mut state = State::new();
    let mut rounds = 0;
    loop {
        rounds += 1;
        let ours = document.generate_sync_message(&mut state);
        let local_done = ours.is_none();
        write(&mut send, ours).await?;
        let theirs = read(&mut recv).await?;
        let remote_done = theirs.is_none();
        apply(&mut document, &mut state, theirs, shared)?;
        if local_done && remote_done {
            break;
        }
    }
    connection.close(0u32.into(), b"thanks, bye!");
    Ok(rounds)
}

/// `respond_sync`: listens first, and waits for the close since it speaks last. The number of rounds.
async fn respond(connection: &Connection, shared: &Plain) -> Result<u32, Fault> {
    let (mut send, mut recv) = connection.accept_bi().await?;
    let mut document = shared.fork();
    let mut state = State::new();
    let mut rounds = 0;
    loop {
        rounds += 1;
        let theirs = read(&mut recv).await?;
        let remote_done = theirs.is_none();
        apply(&mut document, &mut state, theirs, shared)?;
        let ours = document.generate_sync_message(&mut state);
        let local_done = ours.is_none();
        write(&mut send, ours).await?;
        if local_done && remote_done {
            break;
        }
    }
    connection.closed().await;
    Ok(rounds)
}

fn apply(
    document: &mut Automerge,
    state: &mut State,
    message: Option<Message>,
    shared: &Plain,
) -> Result<(), Fault> {
    if let Some(message) = message {
        document.receive_sync_message(state, message).map_err(fault)?;
        shared.merge(document)?;
    }
    Ok(())
}

/// A u64 in little endian and the message; 0 is none.
async fn write(send: &mut SendStream, message: Option<Message>) -> Result<(), Fault> {
    let message = message.map(Message::encode).unwrap_or_default();
    send.write_all(&(message.len() as u64).to_le_bytes()).await?;
    send.write_all(&message).await?;
    Ok(())
}

async fn read(recv: &mut RecvStream) -> Result<Option<Message>, Fault> {
    let mut length = [0; 8];
    recv.read_exact(&mut length).await.map_err(cut)?;
    let length = u64::from_le_bytes(length);
    if length == 0 {
        return Ok(None);
    }
    // As the reference, which allocates whatever the other side says.
    let mut message = vec![0; usize::try_from(length).map_err(fault)?];
    recv.read_exact(&mut message).await.map_err(cut)?;
    Message::decode(&message).map(Some).map_err(fault)
}

fn cut(error: ReadExactError) -> Fault {
    match error {
        ReadExactError::FinishedEarly(_) => Fault::new("stream-end", error),
        ReadExactError::ReadError(error) => error.into(),
    }
}
