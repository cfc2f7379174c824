//! Documents, whichever version of Automerge holds them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use n0_future::boxed::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use automerge_07::Automerge;

use crate::automerge_05::content;
use crate::fault::Fault;
use crate::table::Table;

/// Keys of the root and what to set them to.
pub type Entries = BTreeMap<String, Entry>;

/// A value to set: text, a number, a boolean or null as themselves, else an object with one of `Content`.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    Content(Content),
    Scalar(Value),
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Content {
    /// A text object, which is what a string is to JavaScript.
    Text(String),
    /// So many random bytes, which nothing compresses.
    Random(usize),
}

/// Many keys at once.
#[derive(Deserialize)]
pub struct Fill {
    document: u32,
    prefix: String,
    count: usize,
    /// A change for each key rather than one for all.
    apart: bool,
}

/// An edit of a text object.
#[derive(Deserialize)]
pub struct Splice {
    pub document: u32,
    pub key: String,
    pub at: usize,
    pub delete: isize,
    pub insert: String,
}

/// What commands do with a document.
pub trait Document: Send + Sync {
    fn put(&self, entries: &Entries) -> Result<(), Fault>;
    fn delete(&self, key: &str) -> Result<(), Fault>;
    fn splice(&self, splice: &Splice) -> Result<(), Fault>;
    fn read(&self) -> Result<Map<String, Value>, Fault>;
    /// Sorted.
    fn heads(&self) -> Vec<String>;
    /// Notified after each change, whoever made it.
    fn news(&self) -> &Notify;

    /// Its id, if it belongs to a repo.
    fn id(&self) -> Option<String> {
        None
    }
    fn broadcast(&self, _message: Vec<u8>) -> Result<(), Fault> {
        Err(alone())
    }
    /// The next ephemeral message.
    fn heard(&self) -> BoxFuture<Result<Vec<u8>, Fault>> {
        Box::pin(async { Err(alone()) })
    }
    fn plain(self: Arc<Self>) -> Result<Arc<Plain>, Fault> {
        Err(Fault::usage("the document belongs to a repo"))
    }
}

fn alone() -> Fault {
    Fault::usage("the document belongs to no repo")
}

/// A document that stands alone.
pub struct Plain {
    inner: Mutex<Automerge>,
    news: Notify,
}

impl Plain {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::new(Automerge::new()), news: Notify::new() })
    }

    pub fn fork(&self) -> Automerge {
        self.lock().fork()
    }

    pub fn merge(&self, other: &mut Automerge) -> Result<(), Fault> {
        self.lock().merge(other).map_err(fault)?;
        self.news.notify_waiters();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Automerge> {
        self.inner.lock().expect("never poisoned")
    }
}

impl Document for Plain {
    fn put(&self, entries: &Entries) -> Result<(), Fault> {
        content::put(&mut self.lock(), entries)?;
        self.news.notify_waiters();
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<(), Fault> {
        content::delete(&mut self.lock(), key)?;
        self.news.notify_waiters();
        Ok(())
    }

    fn splice(&self, splice: &Splice) -> Result<(), Fault> {
        content::splice(&mut self.lock(), splice)?;
        self.news.notify_waiters();
        Ok(())
    }

    fn read(&self) -> Result<Map<String, Value>, Fault> {
        content::read(&self.lock())
    }

    fn heads(&self) -> Vec<String> {
        content::heads(&self.lock())
    }

    fn news(&self) -> &Notify {
        &self.news
    }

    fn plain(self: Arc<Self>) -> Result<Arc<Plain>, Fault> {
        Ok(self)
    }
}

/// Keeps a document of a repo: `{document, documentId}`.
pub fn keep(table: &Table, document: Arc<dyn Document>) -> Value {
    let id = document.id();
    json!({ "document": table.add_document(document), "documentId": id })
}

pub fn fill(table: &Table, fill: &Fill) -> Result<Value, Fault> {
    let document = table.document(fill.document)?;
    let entries: Entries = (0..fill.count)
        .map(|n| (format!("{}{n}", fill.prefix), format!("{}value {n}", fill.prefix)))
        .map(|(key, value)| (key, Entry::Scalar(Value::String(value))))
        .collect();
    if fill.apart {
        for entry in entries {
            document.put(&Entries::from([entry]))?;
        }
    } else {
        document.put(&entries)?;
    }
    Ok(Value::Null)
}

/// Waits until `look` finds something.
async fn until<T>(document: &dyn Document, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        // Before the look, so that nothing is missed between.
        let news = document.news().notified();
        if let Some(found) = look() {
            return found;
        }
        news.await;
    }
}

pub async fn until_value(
    document: &dyn Document,
    key: &str,
    value: Option<Value>,
) -> Result<Value, Fault> {
    until(document, || match document.read() {
        Err(fault) => Some(Err(fault)),
        Ok(mut entries) => {
            let found = entries.remove(key)?;
            value.as_ref().is_none_or(|wanted| *wanted == found).then_some(Ok(found))
        }
    })
    .await
}

pub async fn until_keys(document: &dyn Document, count: usize) -> Result<Value, Fault> {
    until(document, || match document.read() {
        Err(fault) => Some(Err(fault)),
        Ok(entries) => (entries.len() >= count).then(|| Ok(json!(entries.len()))),
    })
    .await
}

/// An error of Automerge.
pub fn fault(error: impl std::fmt::Debug) -> Fault {
    Fault::new("automerge", format!("{error:?}"))
}
