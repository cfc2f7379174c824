//! A repo and its documents on samod. Compiled once for each version: `super` says which.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use n0_future::StreamExt;
use n0_future::boxed::BoxFuture;
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};

use super::automerge::Automerge;
use super::samod::storage::{Storage, StorageKey};
use super::samod::{DocHandle, DocumentId, PeerId, Repo, Stopped};
use super::{Runtime, content};
use crate::automerge_document::{Document, Entries, Splice};
use crate::automerge_storage::Shelf;
use crate::fault::Fault;

impl Storage for Shelf {
    async fn load(&self, key: StorageKey) -> Option<Vec<u8>> {
        Self::load(self, &parts(key))
    }

    async fn load_range(&self, prefix: StorageKey) -> HashMap<StorageKey, Vec<u8>> {
        let found = Self::load_range(self, &parts(prefix)).into_iter();
        found.filter_map(|(key, value)| Some((StorageKey::from_parts(key).ok()?, value))).collect()
    }

    async fn put(&self, key: StorageKey, data: Vec<u8>) {
        Self::put(self, parts(key), data).expect("the folder of a test takes files");
    }

    async fn delete(&self, key: StorageKey) {
        Self::delete(self, &parts(key));
    }
}

fn parts(key: StorageKey) -> Vec<String> {
    key.into_iter().collect()
}

/// A repo with what the shelf holds.
pub async fn load(peer_id: String, shelf: Shelf) -> Repo {
    let builder =
        Repo::builder(Runtime(Handle::current())).with_peer_id(PeerId::from_string(peer_id));
    builder.with_storage(shelf).load().await
}

pub async fn create(repo: &Repo, entries: &Entries) -> Result<Arc<dyn Document>, Fault> {
    let mut document = Automerge::new();
    content::put(&mut document, entries)?;
    Ok(Shared::open(repo.create(document).await.map_err(stopped)?).await)
}

pub async fn find(repo: &Repo, id: &str) -> Result<Option<Arc<dyn Document>>, Fault> {
    let id = id.parse::<DocumentId>().map_err(Fault::usage)?;
    match repo.find(id).await.map_err(stopped)? {
        Some(handle) => Ok(Some(Shared::open(handle).await)),
        None => Ok(None),
    }
}

pub async fn connected(repo: &Repo, peer_id: String) -> Result<(), Fault> {
    repo.when_connected(PeerId::from_string(peer_id)).await.map(drop).map_err(stopped)
}

fn stopped(_: Stopped) -> Fault {
    Fault::new("automerge-stopped", "the repo is stopped")
}

/// A document of a repo.
struct Shared {
    handle: DocHandle,
    news: Arc<Notify>,
    heard: Arc<Mutex<mpsc::UnboundedReceiver<Vec<u8>>>>,
}

impl Shared {
    /// Listens before it returns, so that nothing is missed after.
    async fn open(handle: DocHandle) -> Arc<dyn Document> {
        let news = Arc::<Notify>::default();
        let (sender, heard) = mpsc::unbounded_channel();
        let (ready, listening) = oneshot::channel();
        tokio::spawn(listen(handle.clone(), news.clone(), sender, ready));
        // It is sent unless the runtime is going away.
        let _ = listening.await;
        Arc::new(Self { handle, news, heard: Arc::new(Mutex::new(heard)) })
    }
}

async fn listen(
    handle: DocHandle,
    news: Arc<Notify>,
    heard: mpsc::UnboundedSender<Vec<u8>>,
    ready: oneshot::Sender<()>,
) {
    let mut changes = pin!(handle.changes());
    let mut messages = pin!(handle.ephemera());
    let _ = ready.send(());
    loop {
        tokio::select! {
            Some(_) = changes.next() => news.notify_waiters(),
            Some(message) = messages.next() => {
                // Nobody hears it if the document was dropped.
                let _ = heard.send(message);
            }
            else => return,
        }
    }
}

impl Document for Shared {
    fn put(&self, entries: &Entries) -> Result<(), Fault> {
        self.handle.with_document(|document| content::put(document, entries))
    }

    fn delete(&self, key: &str) -> Result<(), Fault> {
        self.handle.with_document(|document| content::delete(document, key))
    }

    fn splice(&self, splice: &Splice) -> Result<(), Fault> {
        self.handle.with_document(|document| content::splice(document, splice))
    }

    fn read(&self) -> Result<Map<String, Value>, Fault> {
        self.handle.with_document(|document| content::read(document))
    }

    fn heads(&self) -> Vec<String> {
        self.handle.with_document(|document| content::heads(document))
    }

    fn news(&self) -> &Notify {
        &self.news
    }

    fn id(&self) -> Option<String> {
        Some(self.handle.document_id().to_string())
    }

    fn broadcast(&self, message: Vec<u8>) -> Result<(), Fault> {
        self.handle.broadcast(message);
        Ok(())
    }

    fn heard(&self) -> BoxFuture<Result<Vec<u8>, Fault>> {
        let heard = self.heard.clone();
        Box::pin(async move {
            let next = heard.lock().await.recv().await;
            next.ok_or_else(|| Fault::new("automerge-stopped", "the repo is stopped"))
        })
    }
}
