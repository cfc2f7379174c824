//! A call of a Rust client, driven step by step: updates and answers as JSON, whatever their types.

use std::pin::Pin;

use iroh::endpoint::RecvStream;
use irpc::RpcMessage;
use irpc::channel::{mpsc, oneshot};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::fault::Fault;
use crate::rpc_fault;

type Pinned<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// Where updates go. Dropped, it ends them well, as in all irpc clients.
pub trait Updates: Send {
    fn send(&mut self, update: Value) -> Pinned<'_, ()>;
}

/// Where answers come from. Dropped before its end, it stops them.
pub trait Answers: Send {
    /// `None` at the end.
    fn next(&mut self) -> Pinned<'_, Option<Value>>;
}

/// A call under way. Each half is dropped by itself.
pub struct Call {
    updates: Mutex<Option<Box<dyn Updates>>>,
    answers: Mutex<Option<Box<dyn Answers>>>,
}

impl Call {
    pub fn new(updates: Option<Box<dyn Updates>>, answers: Option<Box<dyn Answers>>) -> Self {
        Self { updates: Mutex::new(updates), answers: Mutex::new(answers) }
    }

    pub async fn send(&self, update: Value) -> Result<(), Fault> {
        match self.updates.lock().await.as_mut() {
            Some(updates) => updates.send(update).await,
            None => Err(Fault::usage("the call takes no updates, or no more")),
        }
    }

    /// The next answer, `None` at their end.
    pub async fn next(&self) -> Result<Option<Value>, Fault> {
        match self.answers.lock().await.as_mut() {
            Some(answers) => answers.next().await,
            None => Ok(None),
        }
    }

    /// No more updates.
    pub async fn finish(&self) {
        self.updates.lock().await.take();
    }

    /// Drops the receiver of answers.
    pub async fn leave(&self) {
        self.answers.lock().await.take();
    }
}

/// From JSON to the type of a request or an update.
pub fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_json::from_value(value).map_err(Fault::usage)
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<Value, Fault> {
    serde_json::to_value(value).map_err(Fault::usage)
}

impl<T: RpcMessage> Updates for mpsc::Sender<T> {
    fn send(&mut self, update: Value) -> Pinned<'_, ()> {
        let sender = &*self;
        Box::pin(async move {
            let update = from_json(update)?;
            mpsc::Sender::send(sender, update).await.map_err(rpc_fault::send)
        })
    }
}

/// A single update.
pub struct OneUpdate<T>(pub Option<oneshot::Sender<T>>);

impl<T: RpcMessage> Updates for OneUpdate<T> {
    fn send(&mut self, update: Value) -> Pinned<'_, ()> {
        Box::pin(async move {
            let update = from_json(update)?;
            let sender = self.0.take().ok_or_else(|| Fault::usage("one update, and it is sent"))?;
            sender.send(update).await.map_err(rpc_fault::send)
        })
    }
}

impl<T: RpcMessage> Answers for mpsc::Receiver<T> {
    fn next(&mut self) -> Pinned<'_, Option<Value>> {
        Box::pin(async move {
            let item = self.recv().await.map_err(rpc_fault::many)?;
            item.as_ref().map(to_json).transpose()
        })
    }
}

/// A single answer.
pub struct OneAnswer<T>(pub Option<oneshot::Receiver<T>>);

impl<T: RpcMessage> Answers for OneAnswer<T> {
    fn next(&mut self) -> Pinned<'_, Option<Value>> {
        Box::pin(async move {
            match self.0.take() {
                Some(receiver) => to_json(&receiver.await.map_err(rpc_fault::one)?).map(Some),
                None => Ok(None),
            }
        })
    }
}

/// `Client::rpc`, which runs at once; dropped, it is cancelled.
pub struct Unary<T>(pub Option<JoinHandle<irpc::Result<T>>>);

impl<T: RpcMessage> Answers for Unary<T> {
    fn next(&mut self) -> Pinned<'_, Option<Value>> {
        Box::pin(async move {
            match self.0.take() {
                Some(task) => {
                    let answer = task.await.map_err(|error| Fault::new("rpc", error))?;
                    to_json(&answer.map_err(rpc_fault::any)?).map(Some)
                }
                None => Ok(None),
            }
        })
    }
}

impl<T> Drop for Unary<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// No answers: the stream's end alone.
pub struct NoAnswer(pub Option<RecvStream>);

impl Answers for NoAnswer {
    fn next(&mut self) -> Pinned<'_, Option<Value>> {
        Box::pin(async move {
            if let Some(mut recv) = self.0.take() {
                recv.read_to_end(0).await.map_err(|error| Fault::new("rpc-io", error))?;
            }
            Ok(None)
        })
    }
}
