//! The router: gives each connection to the handler of its ALPN.

use std::{
    collections::HashMap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::join_all};
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    accept::Mode,
    connection::Connection,
    dial::DialOptions,
    endpoint::{Endpoint, lock},
    failure::Failure,
    incoming::{Accepting, Incoming},
};

/// How long one handler's `shutdown` may take.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// A future in a box, the form that a trait object can give.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One protocol at the accepting side.
pub trait ProtocolHandler: Send + Sync + 'static {
    /// Whether there is room for one more connection; `false` refuses an attempt before its handshake.
    fn ready(&self) -> bool {
        true
    }

    /// Takes part in the handshake. `None`: the handler keeps the connection and `accept` is not called.
    fn on_accepting(
        &self,
        accepting: Accepting,
    ) -> BoxFuture<'_, Result<Option<Connection>, Failure>> {
        Box::pin(async move { accepting.finish().await.map(Some) })
    }

    /// The connection's life: it closes with code 0 when this is done, or with the failure's application code.
    fn accept(&self, connection: Connection) -> BoxFuture<'_, Result<(), Failure>>;

    /// Called once when the router shuts down, for at most 10 s.
    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Asked for every attempt before its handshake.
pub trait IncomingFilter: Send + Sync + 'static {
    /// Gives the attempt back if it may go on; else it has decided about it.
    fn filter(&self, incoming: Incoming) -> BoxFuture<'_, Option<Incoming>>;
}

/// Collects handlers.
pub struct RouterBuilder {
    endpoint: Endpoint,
    handlers: Vec<(Vec<Bytes>, Arc<dyn ProtocolHandler>)>,
    filter: Option<Arc<dyn IncomingFilter>>,
}

impl RouterBuilder {
    /// A handler for one or more ALPNs; the order of all calls is the preference.
    #[must_use]
    pub fn accept(mut self, alpns: Vec<Bytes>, handler: Arc<dyn ProtocolHandler>) -> Self {
        self.handlers.push((alpns, handler));
        self
    }

    /// Asked before any handler.
    #[must_use]
    pub fn filter(mut self, filter: Arc<dyn IncomingFilter>) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Sets the endpoint's ALPNs and starts; must be called inside a tokio runtime.
    pub fn spawn(self) -> Result<Router, Failure> {
        let Self { endpoint, handlers, filter } = self;
        if endpoint.is_closed() {
            return Err(Failure::endpoint_closed());
        }
        let alpns: Vec<Bytes> = handlers.iter().flat_map(|(alpns, _)| alpns.clone()).collect();
        let by_alpn = handlers
            .iter()
            .flat_map(|(alpns, handler)| {
                alpns.iter().map(move |alpn| (alpn.clone(), handler.clone()))
            })
            .collect();
        let handlers = handlers.into_iter().map(|(_, handler)| handler).collect();
        let routes = Arc::new_cyclic(|this| Routes {
            this: this.clone(),
            by_alpn,
            handlers,
            filter,
            tasks: Mutex::default(),
            next_task: AtomicU64::new(0),
        });
        endpoint.set_alpns(&alpns)?;
        let mut mode = lock(&endpoint.0.mode);
        // Looked at under the lock: `close_now` sets `Closed` under it, and that must stay.
        if endpoint.is_closed() {
            return Err(Failure::endpoint_closed());
        }
        *mode = Mode::Router(routes.clone());
        // Who came before the router was there waits for it; who finds no room is refused by the drop.
        endpoint.0.take_queued().into_iter().for_each(|incoming| drop(routes.route(incoming)));
        drop(mode);
        Ok(Router { endpoint, routes, done: Arc::default() })
    }
}

/// A running router. Dropping it changes nothing: only `shutdown`, or closing the endpoint, ends it.
#[derive(Clone)]
pub struct Router {
    endpoint: Endpoint,
    routes: Arc<Routes>,
    done: Arc<OnceLock<watch::Receiver<bool>>>,
}

impl Router {
    /// Starts with an endpoint.
    pub fn builder(endpoint: Endpoint) -> RouterBuilder {
        RouterBuilder { endpoint, handlers: Vec::new(), filter: None }
    }

    /// Stops accepting, lets all handlers shut down at once, ends their tasks, closes the endpoint. A second call waits
    /// for the first, and it all runs to its end even if nobody waits any more.
    pub async fn shutdown(&self) {
        let begin = || {
            let (sender, receiver) = watch::channel(false);
            *lock(&self.endpoint.0.mode) = Mode::Closed;
            let (endpoint, routes) = (self.endpoint.clone(), self.routes.clone());
            tokio::spawn(async move {
                join_all(routes.handlers.iter().map(|handler| stop(&**handler))).await;
                // What they said last is on its way to the drivers, and a close would overtake it there.
                tokio::task::yield_now().await;
                lock(&routes.tasks).values().for_each(AbortHandle::abort);
                endpoint.close().await;
                let _ = sender.send(true);
            });
            receiver
        };
        let mut done = self.done.get_or_init(begin).clone();
        // An error says that the runtime is gone, and with it everything that could still run.
        let _ = done.wait_for(|done| *done).await;
    }
}

/// One handler's shutdown; whatever it does, the others and the endpoint get theirs.
async fn stop(handler: &dyn ProtocolHandler) {
    let shutdown = AssertUnwindSafe(async { handler.shutdown().await }).catch_unwind();
    match tokio::time::timeout(SHUTDOWN, shutdown).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => tracing::error!("a handler panicked in its shutdown"),
        Err(_) => tracing::warn!("a handler did not shut down in time"),
    }
}

/// Where attempts go.
pub(crate) struct Routes {
    this: std::sync::Weak<Routes>,
    by_alpn: HashMap<Bytes, Arc<dyn ProtocolHandler>>,
    handlers: Vec<Arc<dyn ProtocolHandler>>,
    filter: Option<Arc<dyn IncomingFilter>>,
    /// What still runs, so that a shutdown can end it.
    tasks: Mutex<HashMap<u64, AbortHandle>>,
    next_task: AtomicU64,
}

impl Routes {
    /// Starts a task for one attempt; gives it back if no handler has room.
    pub(crate) fn route(&self, incoming: Incoming) -> Option<Incoming> {
        // A panic here would end the accept loop, and with it the endpoint's ears.
        let ready = AssertUnwindSafe(|| self.handlers.iter().all(|handler| handler.ready()));
        let ready = catch_unwind(ready).unwrap_or(false);
        let (true, Some(this)) = (ready, self.this.upgrade()) else { return Some(incoming) };
        let id = self.next_task.fetch_add(1, Relaxed);
        // The lock is held until the handle is in, so that a quick task can't be removed before it is added.
        let mut tasks = lock(&self.tasks);
        let task = tokio::spawn(async move {
            // Removed on every way out, a panic of the handler included.
            let _entry = TaskEntry { routes: this.clone(), id };
            if let Err(failure) = this.serve(incoming).await {
                tracing::debug!(%failure, "an attempt ended before its handler had it");
            }
        });
        tasks.insert(id, task.abort_handle());
        None
    }

    async fn serve(&self, incoming: Incoming) -> Result<(), Failure> {
        // In a box of its own, which is gone when the handshake is: its state is large, and this task lives as long as
        // the connection.
        let admitted = Box::pin(self.admit(incoming)).await?;
        let Some((handler, connection)) = admitted else { return Ok(()) };
        let ends = CloseOnDrop(connection.clone());
        if let Err(failure) = handler.accept(connection).await {
            ends.0.close(failure.application_code.unwrap_or(0), b"");
        }
        Ok(())
    }

    /// Up to the finished handshake; `None` if there is nothing left to do.
    async fn admit(
        &self,
        incoming: Incoming,
    ) -> Result<Option<(&Arc<dyn ProtocolHandler>, Connection)>, Failure> {
        let incoming = match &self.filter {
            Some(filter) => {
                // Bounded, for an undecided attempt counts against the limits. Its drop refuses.
                let limit = incoming.handshake_timeout();
                match tokio::time::timeout(limit, filter.filter(incoming)).await {
                    Ok(Some(incoming)) => incoming,
                    Ok(None) | Err(_) => return Ok(None),
                }
            }
            None => incoming,
        };
        let mut accepting = incoming.accept(DialOptions::default())?;
        let alpn = accepting.alpn().await?;
        let Some(handler) = self.by_alpn.get(&alpn) else {
            // Offered by `set_alpns` and routed to nobody: TLS is past the point where it could refuse.
            accepting.finish().await?.close(0, b"unknown alpn");
            return Ok(None);
        };
        Ok(handler.on_accepting(accepting).await?.map(|connection| (handler, connection)))
    }
}

/// Ends the connection with its handler, also by a panic or a shutdown and whoever else has a clone.
struct CloseOnDrop(Connection);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close(0, b"");
    }
}

struct TaskEntry {
    routes: Arc<Routes>,
    id: u64,
}

impl Drop for TaskEntry {
    fn drop(&mut self) {
        lock(&self.routes.tasks).remove(&self.id);
    }
}
