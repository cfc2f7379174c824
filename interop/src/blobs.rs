//! The commands on blobs: their JSON shape, and which function runs each.
//!
//! Hashes are 64 lower-case hex digits, bytes lower-case hex. Chunk numbers reach 2^64 - 1, so
//! answers give them and the sizes of bitfields as decimal strings.

use std::path::PathBuf;

use iroh_blobs::Hash;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::blobs_add::{self, Add, AddCollection, Import};
use crate::blobs_directory::{self, Directory};
use crate::blobs_download::{self, Download};
use crate::blobs_get::{self, Probe};
use crate::blobs_look::{self, Get};
use crate::blobs_raw::{self, Transcript};
use crate::blobs_request::{Format, Ranges};
use crate::blobs_serve::{self, ServeBlobs};
use crate::blobs_store::{self, Open, TagSet};
use crate::blobs_ticket::{self, TicketParts};
use crate::fault::Fault;
use crate::table::Table;

/// A command whose name is `blobs` and the name of a variant, as `blobsOpen`.
#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all_fields = "camelCase")]
pub enum Command {
    /// Opens a store in memory or in a directory: `{store}`.
    Open(Open),
    /// Shuts a store down, after which its directory can be opened again: `null`.
    Close { store: u32 },
    /// Makes a directory with something of every kind in it: what that is, see `blobs_directory.rs`.
    Directory(Directory),
    /// Waits until nothing is under way and all is committed: `null`.
    Sync { store: u32 },
    /// Adds content: `{hash, format, tag}`.
    Add(Add),
    /// Adds content by name and a collection of it: `{hash, format, tag, hashes}`.
    AddCollection(AddCollection),
    /// Adds a sequence of any hashes, present or not: `{hash, format, tag}`.
    AddHashSeq { store: u32, hashes: Vec<Hash>, tag: Option<String> },
    /// Imports the chosen chunks of some content: `{hash, size, bitfield}`.
    Import(Import),
    /// `{state: 'notFound' | 'partial' | 'complete', size?, has}`.
    Status { store: u32, hash: Hash },
    /// What is present now, or once it is complete: `{size, boundaries, validated, complete}`.
    Bitfield {
        store: u32,
        hash: Hash,
        #[serde(default)]
        complete: bool,
    },
    /// Reads bytes with verification: `{bytes, hash, hex?}`, the hash being that of what was read.
    Get(Get),
    /// Encodes like an answer to a request: `{bytes, hash, hex?}`.
    Encode(Get),
    /// Writes a blob to an absolute path: its size.
    Export { store: u32, hash: Hash, path: PathBuf },
    /// The hashes of all entries, partial ones too, in order.
    List { store: u32 },
    /// What a collection that is present names: `[{name, hash}]`.
    Collection { store: u32, hash: Hash },
    /// Sets a tag: `null`.
    TagSet(TagSet),
    /// The tags in order: `[{name, hash, format}]`.
    Tags { store: u32 },
    /// Removes a tag: how many it were.
    TagDelete { store: u32, name: String },
    /// What a store lacks of a request: `{complete, localBytes, children}`.
    Local { store: u32, hash: Hash, ranges: Ranges },
    /// Serves a store on an endpoint, whose accept loop it takes over: `{provider}`.
    Serve(ServeBlobs),
    /// Waits for the next event of a provider, see `blobs_events.rs`.
    Event { provider: u32 },
    /// Waits for the next connection that a provider serves: `{connection, remoteId, alpn, side}`.
    Served { provider: u32 },
    /// Ends a provider and closes its endpoint; the store stays open: `null`.
    Stop { provider: u32 },
    /// Gets what a request names into a store, present or not: the stats of the transfer.
    ExecuteGet { connection: u32, store: u32, hash: Hash, ranges: Ranges },
    /// Gets what a store lacks: the stats of the transfer.
    Fetch { connection: u32, store: u32, hash: Hash, format: Format },
    /// Gets many blobs by one request, in any order and with repeats: the stats of the transfer.
    GetMany { connection: u32, store: u32, hashes: Vec<Hash>, ranges: Option<Ranges> },
    /// Pushes from a store; done once all is written, whatever the other side does: `null`.
    Push { connection: u32, store: u32, hash: Hash, ranges: Ranges },
    /// Observes a blob of the other side: `{observation}`.
    Observe { connection: u32, hash: Hash },
    /// Waits for the next frame of an observation: a bitfield, the first one whole, then changes.
    Observed { observation: u32 },
    /// Asks for sizes or one chunk without a store.
    Probe(Probe),
    /// Downloads by way of the reference's downloader: `{error?, progress, events}`.
    Download(Download),
    /// `{ticket}`.
    Ticket(TicketParts),
    /// `{remoteId, addresses, relays, hash, format}`.
    ParseTicket { ticket: String },
    /// Writes bytes on a new bi stream and reads what comes: `{sent, bytes, hash, hex, end}`.
    Transcript(Transcript),
    /// The hash of pattern bytes: `{hash}`.
    Pattern { bytes: u64 },
}

/// Runs one command to its answer.
pub async fn run(table: &Table, command: Command) -> Result<Value, Fault> {
    match command {
        Command::Open(open) => blobs_store::open(table, open).await,
        Command::Close { store } => {
            table.take_store(store)?.shutdown().await?;
            Ok(Value::Null)
        }
        Command::Directory(directory) => blobs_directory::make(directory).await,
        Command::Sync { store } => {
            let store = table.store(store)?;
            store.wait_idle().await?;
            store.sync_db().await?;
            Ok(Value::Null)
        }
        Command::Add(add) => blobs_add::add(table, add).await,
        Command::AddCollection(add) => blobs_add::add_collection(table, add).await,
        Command::AddHashSeq { store, hashes, tag } => {
            blobs_add::add_hash_seq(&*table.store(store)?, hashes, tag).await
        }
        Command::Import(import) => blobs_add::import(table, import).await,
        Command::Status { store, hash } => blobs_look::status(&*table.store(store)?, hash).await,
        Command::Bitfield { store, hash, complete } => {
            blobs_look::bitfield(&*table.store(store)?, hash, complete).await
        }
        Command::Get(get) => blobs_look::get(table, get).await,
        Command::Encode(get) => blobs_look::encode(table, get).await,
        Command::Export { store, hash, path } => {
            Ok(json!(table.store(store)?.export(hash, path).await?))
        }
        Command::List { store } => blobs_look::list(&*table.store(store)?).await,
        Command::Collection { store, hash } => {
            blobs_look::collection(&*table.store(store)?, hash).await
        }
        Command::TagSet(set) => blobs_store::tag_set(table, set).await,
        Command::Tags { store } => blobs_store::tags(&*table.store(store)?).await,
        Command::TagDelete { store, name } => {
            Ok(json!(table.store(store)?.tags().delete(name).await?))
        }
        Command::Local { store, hash, ranges } => {
            blobs_get::local(&*table.store(store)?, hash, ranges).await
        }
        Command::Serve(serve) => blobs_serve::serve(table, serve),
        Command::Event { provider } => table.provider(provider)?.next_event().await,
        Command::Served { provider } => table.provider(provider)?.next_connection(table).await,
        Command::Stop { provider } => {
            table.take_provider(provider)?.stop().await?;
            Ok(Value::Null)
        }
        Command::ExecuteGet { connection, store, hash, ranges } => {
            blobs_get::execute_get(table, connection, store, hash, ranges).await
        }
        Command::Fetch { connection, store, hash, format } => {
            blobs_get::fetch(table, connection, store, hash, format.into()).await
        }
        Command::GetMany { connection, store, hashes, ranges } => {
            blobs_get::get_many(table, connection, store, hashes, ranges).await
        }
        Command::Push { connection, store, hash, ranges } => {
            blobs_get::push(table, connection, store, hash, ranges).await
        }
        Command::Observe { connection, hash } => blobs_get::observe(table, connection, hash),
        Command::Observed { observation } => {
            blobs_get::observed(&*table.observation(observation)?).await
        }
        Command::Probe(probe) => blobs_get::probe(table, probe).await,
        Command::Download(download) => blobs_download::download(table, download).await,
        Command::Ticket(parts) => blobs_ticket::encode(parts),
        Command::ParseTicket { ticket } => blobs_ticket::decode(&ticket),
        Command::Transcript(transcript) => blobs_raw::transcript(table, transcript).await,
        Command::Pattern { bytes } => Ok(json!({ "hash": Hash::new(blobs_add::pattern(bytes)?) })),
    }
}
