//! The commands on Automerge: their JSON shape, and which function runs each.
//!
//! Documents stand alone, for the one-shot sync (`automerge_sync.rs`), or belong to a repo on samod (`automerge_repo.rs`); the commands on
//! a document are the same for both. Change hashes are hex.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::automerge_document::{self, Entries, Fill, Plain, Splice};
use crate::automerge_repo::{self, Dial, RepoStart};
use crate::automerge_sync;
use crate::command::{from_hex, to_hex};
use crate::fault::Fault;
use crate::table::Table;

/// A command whose name is `automerge` and the name of a variant, as `automergeRead`.
#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all_fields = "camelCase")]
pub enum Command {
    /// Makes a document that stands alone: `{document}`.
    Document {},
    /// Sets keys in one change: `null`.
    Put { document: u32, entries: Entries },
    /// Sets `count` keys, `<prefix><n>` to `<prefix>value <n>`: `null`.
    Fill(Fill),
    /// Removes a key in one change: `null`.
    Delete { document: u32, key: String },
    /// Edits a text: `null`.
    Splice(Splice),
    /// What it holds: `{key: value}`; bytes are `{bytes, sha256}`.
    Read { document: u32 },
    /// The sorted hashes of the last changes.
    Heads { document: u32 },
    /// Waits until a key has a value: that value. With `value`: until it has that.
    Until { document: u32, key: String, value: Option<Value> },
    /// Waits until there are so many keys: their number.
    UntilKeys { document: u32, count: usize },

    /// Answers one-shot syncs of a document on an endpoint, whose accept loop it takes over: `{sync}`.
    Serve { endpoint: u32, document: u32 },
    /// Waits for the end of a session that it answered: `{remoteId, rounds}` or a fault.
    Served { sync: u32 },
    /// Syncs a document as the dialer, over a connection that it closes: `{rounds}`.
    Sync { connection: u32, document: u32 },

    /// Starts a samod repo on an endpoint, whose accept loop it takes over: `{repo}`.
    RepoStart(RepoStart),
    /// Dials in the background: `null`; see `RepoConnected` and `RepoEnded`.
    RepoDial(Dial),
    /// Waits for a finished handshake with a peer id: `null`.
    RepoConnected { repo: u32, peer_id: String },
    /// Waits for the end of a session or a dial that nobody took yet: `{direction, remoteId, reason}`.
    RepoEnded { repo: u32 },
    /// Makes a document with keys: `{document, documentId}`.
    RepoCreate { repo: u32, entries: Entries },
    /// Looks for a document here and at the peers: `{document, documentId}`, or `null` if nobody has it.
    RepoFind { repo: u32, document_id: String },
    /// Sends an ephemeral message, as it is, to all who have the document: `null`.
    RepoBroadcast { document: u32, hex: String },
    /// Waits for an ephemeral message: hex.
    RepoHeard { document: u32 },
    /// Stops the repo, with its storage written, and closes the endpoint: `null`.
    RepoStop { repo: u32 },
}

/// Runs one command to its answer.
pub async fn run(table: &Table, command: Command) -> Result<Value, Fault> {
    match command {
        Command::Document {} => Ok(json!({ "document": table.add_document(Plain::new()) })),
        Command::Put { document, entries } => {
            table.document(document)?.put(&entries)?;
            Ok(Value::Null)
        }
        Command::Fill(fill) => automerge_document::fill(table, &fill),
        Command::Delete { document, key } => {
            table.document(document)?.delete(&key)?;
            Ok(Value::Null)
        }
        Command::Splice(splice) => {
            table.document(splice.document)?.splice(&splice)?;
            Ok(Value::Null)
        }
        Command::Read { document } => Ok(Value::Object(table.document(document)?.read()?)),
        Command::Heads { document } => Ok(json!(table.document(document)?.heads())),
        Command::Until { document, key, value } => {
            automerge_document::until_value(&*table.document(document)?, &key, value).await
        }
        Command::UntilKeys { document, count } => {
            automerge_document::until_keys(&*table.document(document)?, count).await
        }
        Command::Serve { endpoint, document } => automerge_sync::serve(table, endpoint, document),
        Command::Served { sync } => table.sync(sync)?.served().await,
        Command::Sync { connection, document } => {
            automerge_sync::dial(table, connection, document).await
        }
        Command::RepoStart(start) => automerge_repo::start(table, start).await,
        Command::RepoDial(dial) => {
            table.repo(dial.repo)?.dial(&dial)?;
            Ok(Value::Null)
        }
        Command::RepoConnected { repo, peer_id } => {
            table.repo(repo)?.connected(peer_id).await?;
            Ok(Value::Null)
        }
        Command::RepoEnded { repo } => table.repo(repo)?.ended().await,
        Command::RepoCreate { repo, entries } => {
            let document = table.repo(repo)?.create(&entries).await?;
            Ok(automerge_document::keep(table, document))
        }
        Command::RepoFind { repo, document_id } => {
            let document = table.repo(repo)?.find(&document_id).await?;
            Ok(document.map_or(Value::Null, |found| automerge_document::keep(table, found)))
        }
        Command::RepoBroadcast { document, hex } => {
            table.document(document)?.broadcast(from_hex(&hex)?)?;
            Ok(Value::Null)
        }
        Command::RepoHeard { document } => {
            Ok(json!(to_hex(&table.document(document)?.heard().await?)))
        }
        Command::RepoStop { repo } => {
            table.take_repo(repo)?.stop().await?;
            Ok(Value::Null)
        }
    }
}
