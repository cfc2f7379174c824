//! The handlers of the tea service, each of which notes what it saw.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex};

use irpc::channel::{mpsc, oneshot};
use irpc_iroh::IrohProtocol;

use crate::rpc_json::{Big, Hex};
use crate::rpc_node::Notes;
use crate::rpc_tea::{
    Div, Get, Misbehave, POISON, Piece, Set, SpanTeaMessage, SpanTeaProtocol, Sum, TeaMessage,
    TeaProtocol,
};

/// Requests that wait for the loop below; beyond it, they wait in the connection.
const CAPACITY: usize = 64;
/// Of an endless stream's items.
const BIG_ITEM: usize = 64 * 1024;

/// A shelf of teas, and what the handlers note.
pub struct Tea {
    shelf: Mutex<BTreeMap<String, String>>,
    notes: Notes,
}

/// A loop that starts each handler, in the order of the calls; a `Log` is done before the next starts.
macro_rules! serve {
    ($name:ident, $protocol:ident, $message:ident) => {
        pub fn $name(notes: Notes) -> IrohProtocol<$protocol> {
            let tea = Tea::new(notes);
            let (sender, mut inbox) = tokio::sync::mpsc::channel::<$message>(CAPACITY);
            tokio::spawn(async move {
                while let Some(message) = inbox.recv().await {
                    let tea = tea.clone();
                    match message {
                        $message::Get(call) => drop(tokio::spawn(tea.get(call.inner, call.tx))),
                        $message::Set(call) => drop(tokio::spawn(tea.set(call.inner, call.tx))),
                        $message::List(call) => drop(tokio::spawn(list(call.tx))),
                        $message::SetMany(call) => {
                            drop(tokio::spawn(tea.set_many(call.rx, call.tx)));
                        }
                        $message::Sum(call) => {
                            drop(tokio::spawn(tea.sum(call.inner, call.rx, call.tx)));
                        }
                        $message::Log(call) => tea.note(format!("Log {}", call.inner.0)),
                        $message::Div(call) => drop(tokio::spawn(div(call.inner, call.tx))),
                        $message::Push(call) => drop(tokio::spawn(tea.push(call.rx))),
                        $message::Late(call) => drop(tokio::spawn(tea.late(call.rx, call.tx))),
                        $message::Misbehave(call) => {
                            drop(tokio::spawn(tea.misbehave(call.inner, call.tx)));
                        }
                        $message::First(call) => drop(tokio::spawn(first(call.rx, call.tx))),
                    }
                }
            });
            IrohProtocol::with_sender(sender)
        }
    };
}

serve!(serve, TeaProtocol, TeaMessage);
serve!(serve_span, SpanTeaProtocol, SpanTeaMessage);

impl Tea {
    fn new(notes: Notes) -> Arc<Self> {
        let shelf = BTreeMap::from([("hello".to_owned(), "world".to_owned())]);
        Arc::new(Self { shelf: Mutex::new(shelf), notes })
    }

    fn note(&self, line: impl Display) {
        self.notes.add(line.to_string());
    }

    fn put(&self, key: String, value: String) {
        self.shelf.lock().expect("never poisoned").insert(key, value);
    }

    async fn get(self: Arc<Self>, Get { key }: Get, tx: oneshot::Sender<Option<String>>) {
        let value = self.shelf.lock().expect("never poisoned").get(&key).cloned();
        self.note(format!("Get {key}"));
        // Whoever asked may have gone.
        let _ = tx.send(value).await;
    }

    async fn set(self: Arc<Self>, Set { key, value }: Set, tx: oneshot::Sender<()>) {
        self.note(format!("Set {key} {}", value.0.len()));
        self.put(key, String::from_utf8_lossy(&value.0).into_owned());
        let _ = tx.send(()).await;
    }

    async fn set_many(
        self: Arc<Self>,
        mut rx: mpsc::Receiver<(String, String)>,
        tx: oneshot::Sender<Big<u64>>,
    ) {
        let mut count = 0;
        let end = loop {
            match rx.recv().await {
                Ok(Some((key, value))) => self.put(key, value),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
            count += 1;
        };
        self.note(format!("SetMany {count} {end:?}"));
        let _ = tx.send(Big(count)).await;
    }

    async fn sum(
        self: Arc<Self>,
        Sum { start }: Sum,
        mut rx: mpsc::Receiver<Big<i64>>,
        tx: mpsc::Sender<Big<i64>>,
    ) {
        let mut total = start.0;
        loop {
            match rx.recv().await {
                Ok(Some(Big(term))) => total = total.wrapping_add(term),
                Ok(None) => return self.note("Sum end"),
                Err(error) => return self.note(format!("Sum recv failed: {error:#}")),
            }
            if let Err(error) = tx.send(Big(total)).await {
                return self.note(format!("Sum send failed: {error:#}"));
            }
        }
    }

    async fn push(self: Arc<Self>, mut rx: mpsc::Receiver<u8>) {
        let mut bytes = Vec::new();
        let end = loop {
            match rx.recv().await {
                Ok(Some(byte)) => bytes.push(byte),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        self.note(format!("Push {bytes:?} {end:?}"));
    }

    async fn late(self: Arc<Self>, rx: oneshot::Receiver<String>, tx: oneshot::Sender<Big<u64>>) {
        let update = rx.await;
        let bytes = update.as_ref().map_or(0, String::len);
        self.note(format!("Late {:?}", update.map_err(|error| format!("{error:#}"))));
        let _ = tx.send(Big(bytes as u64)).await;
    }

    /// 0 drops its sender, 1 does so after an item, 2 sends an item over 16 MiB, 3 one that cannot be
    /// serialised, 4 sends 64 KiB items for ever, 5 waits for the client to go, 6 panics.
    async fn misbehave(self: Arc<Self>, Misbehave(how): Misbehave, tx: mpsc::Sender<Piece>) {
        match how {
            1 => drop(tx.send(Piece(Hex(vec![1]))).await),
            2 => {
                let sent = tx.send(Piece(Hex(vec![0; 16 * 1024 * 1024]))).await;
                self.note(format!("Misbehave 2 {:?}", sent.map_err(|error| error.to_string())));
            }
            3 => {
                let sent = tx.send(Piece(Hex(POISON.to_vec()))).await;
                self.note(format!("Misbehave 3 {:?}", sent.map_err(|error| error.to_string())));
            }
            4 => {
                let mut sent = 0;
                while tx.send(Piece(Hex(vec![0; BIG_ITEM]))).await.is_ok() {
                    sent += 1;
                }
                self.note(format!("Misbehave 4 stopped after {sent}"));
            }
            5 => {
                self.note("Misbehave 5 waits");
                tx.closed().await;
                self.note("Misbehave 5 closed");
            }
            // Without the hook, which would print it.
            6 => std::panic::resume_unwind(Box::new("a handler panics, as it was told to")),
            _ => {}
        }
    }
}

async fn list(tx: mpsc::Sender<(String, Big<u64>)>) {
    for (key, value) in [("a", 1), ("b", 300), ("c", u64::MAX)] {
        if tx.send((key.to_owned(), Big(value))).await.is_err() {
            return;
        }
    }
}

async fn div(Div(Big(a), Big(b)): Div, tx: oneshot::Sender<Result<Big<u64>, String>>) {
    let _ = tx.send(a.checked_div(b).map(Big).ok_or_else(|| "division by zero".to_owned())).await;
}

/// Answers with the first update and reads no more.
async fn first(mut rx: mpsc::Receiver<Big<u64>>, tx: oneshot::Sender<Big<u64>>) {
    if let Ok(Some(first)) = rx.recv().await {
        drop(rx);
        let _ = tx.send(first).await;
    }
}
