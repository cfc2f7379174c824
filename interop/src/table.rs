//! The handles that the commands name.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use iroh::endpoint::{RecvStream, SendStream};
use iroh_blobs::api::Store;
use tokio::sync::Notify;

use crate::automerge_document::Document;
use crate::automerge_repo::Repo;
use crate::automerge_sync;
use crate::blobs_get::Observation;
use crate::blobs_serve::Provider;
use crate::connection::Link;
use crate::endpoint::Host;
use crate::fault::Fault;
use crate::gossip_node::Node;
use crate::gossip_topic::Topic;
use crate::rpc_call::Call;
use crate::rpc_client::AnyClient;
use crate::rpc_node::Server;

/// A stream half. `cut` ends a call that waits while it holds the stream.
pub struct Half<S> {
    pub stream: tokio::sync::Mutex<S>,
    pub cut: Notify,
}

impl<S> Half<S> {
    fn new(stream: S) -> Arc<Self> {
        Arc::new(Self { stream: tokio::sync::Mutex::new(stream), cut: Notify::new() })
    }
}

/// Everything that is open. A dropped handle would end its stream or connection, so all stay
/// here until the process ends or a command drops them.
#[derive(Default)]
pub struct Table {
    next: AtomicU32,
    endpoints: Mutex<HashMap<u32, Arc<Host>>>,
    connections: Mutex<HashMap<u32, Arc<Link>>>,
    sends: Mutex<HashMap<u32, Arc<Half<SendStream>>>>,
    recvs: Mutex<HashMap<u32, Arc<Half<RecvStream>>>>,
    stores: Mutex<HashMap<u32, Arc<Store>>>,
    providers: Mutex<HashMap<u32, Arc<Provider>>>,
    observations: Mutex<HashMap<u32, Arc<Observation>>>,
    gossips: Mutex<HashMap<u32, Arc<Node>>>,
    topics: Mutex<HashMap<u32, Arc<Topic>>>,
    rpcs: Mutex<HashMap<u32, Arc<Server>>>,
    clients: Mutex<HashMap<u32, Arc<AnyClient>>>,
    calls: Mutex<HashMap<u32, Arc<Call>>>,
    documents: Mutex<HashMap<u32, Arc<dyn Document>>>,
    syncs: Mutex<HashMap<u32, Arc<automerge_sync::Server>>>,
    repos: Mutex<HashMap<u32, Arc<Repo>>>,
}

impl Table {
    pub fn add_endpoint(&self, host: Host) -> u32 {
        self.add(&self.endpoints, Arc::new(host))
    }

    pub fn add_connection(&self, link: Link) -> u32 {
        self.add(&self.connections, Arc::new(link))
    }

    pub fn add_send(&self, stream: SendStream) -> u32 {
        self.add(&self.sends, Half::new(stream))
    }

    pub fn add_recv(&self, stream: RecvStream) -> u32 {
        self.add(&self.recvs, Half::new(stream))
    }

    pub fn add_store(&self, store: Store) -> u32 {
        self.add(&self.stores, Arc::new(store))
    }

    pub fn add_provider(&self, provider: Provider) -> u32 {
        self.add(&self.providers, Arc::new(provider))
    }

    pub fn add_observation(&self, observation: Observation) -> u32 {
        self.add(&self.observations, Arc::new(observation))
    }

    pub fn add_gossip(&self, node: Node) -> u32 {
        self.add(&self.gossips, Arc::new(node))
    }

    pub fn add_topic(&self, topic: Topic) -> u32 {
        self.add(&self.topics, Arc::new(topic))
    }

    pub fn add_rpc(&self, server: Server) -> u32 {
        self.add(&self.rpcs, Arc::new(server))
    }

    pub fn add_client(&self, client: AnyClient) -> u32 {
        self.add(&self.clients, Arc::new(client))
    }

    pub fn add_call(&self, call: Call) -> u32 {
        self.add(&self.calls, Arc::new(call))
    }

    pub fn add_document(&self, document: Arc<dyn Document>) -> u32 {
        self.add(&self.documents, document)
    }

    pub fn add_sync(&self, sync: automerge_sync::Server) -> u32 {
        self.add(&self.syncs, Arc::new(sync))
    }

    pub fn add_repo(&self, repo: Repo) -> u32 {
        self.add(&self.repos, Arc::new(repo))
    }

    pub fn endpoint(&self, handle: u32) -> Result<Arc<Host>, Fault> {
        get(&self.endpoints, handle, "endpoint")
    }

    pub fn connection(&self, handle: u32) -> Result<Arc<Link>, Fault> {
        get(&self.connections, handle, "connection")
    }

    pub fn send(&self, handle: u32) -> Result<Arc<Half<SendStream>>, Fault> {
        get(&self.sends, handle, "send")
    }

    pub fn recv(&self, handle: u32) -> Result<Arc<Half<RecvStream>>, Fault> {
        get(&self.recvs, handle, "recv")
    }

    pub fn store(&self, handle: u32) -> Result<Arc<Store>, Fault> {
        get(&self.stores, handle, "store")
    }

    pub fn provider(&self, handle: u32) -> Result<Arc<Provider>, Fault> {
        get(&self.providers, handle, "provider")
    }

    pub fn observation(&self, handle: u32) -> Result<Arc<Observation>, Fault> {
        get(&self.observations, handle, "observation")
    }

    pub fn gossip(&self, handle: u32) -> Result<Arc<Node>, Fault> {
        get(&self.gossips, handle, "gossip")
    }

    pub fn topic(&self, handle: u32) -> Result<Arc<Topic>, Fault> {
        get(&self.topics, handle, "topic")
    }

    pub fn rpc(&self, handle: u32) -> Result<Arc<Server>, Fault> {
        get(&self.rpcs, handle, "rpc")
    }

    pub fn client(&self, handle: u32) -> Result<Arc<AnyClient>, Fault> {
        get(&self.clients, handle, "client")
    }

    pub fn call(&self, handle: u32) -> Result<Arc<Call>, Fault> {
        get(&self.calls, handle, "call")
    }

    pub fn document(&self, handle: u32) -> Result<Arc<dyn Document>, Fault> {
        get(&self.documents, handle, "document")
    }

    pub fn sync(&self, handle: u32) -> Result<Arc<automerge_sync::Server>, Fault> {
        get(&self.syncs, handle, "sync")
    }

    pub fn repo(&self, handle: u32) -> Result<Arc<Repo>, Fault> {
        get(&self.repos, handle, "repo")
    }

    pub fn take_repo(&self, handle: u32) -> Result<Arc<Repo>, Fault> {
        lock(&self.repos).remove(&handle).ok_or_else(|| unknown("repo", handle))
    }

    pub fn take_rpc(&self, handle: u32) -> Result<Arc<Server>, Fault> {
        lock(&self.rpcs).remove(&handle).ok_or_else(|| unknown("rpc", handle))
    }

    pub fn take_client(&self, handle: u32) -> Result<Arc<AnyClient>, Fault> {
        lock(&self.clients).remove(&handle).ok_or_else(|| unknown("client", handle))
    }

    pub fn take_call(&self, handle: u32) -> Result<Arc<Call>, Fault> {
        lock(&self.calls).remove(&handle).ok_or_else(|| unknown("call", handle))
    }

    pub fn take_gossip(&self, handle: u32) -> Result<Arc<Node>, Fault> {
        lock(&self.gossips).remove(&handle).ok_or_else(|| unknown("gossip", handle))
    }

    pub fn take_topic(&self, handle: u32) -> Result<Arc<Topic>, Fault> {
        lock(&self.topics).remove(&handle).ok_or_else(|| unknown("topic", handle))
    }

    /// Replaces an early connection by its full one.
    pub fn set_connection(&self, handle: u32, link: Link) {
        lock(&self.connections).insert(handle, Arc::new(link));
    }

    pub fn take_endpoint(&self, handle: u32) -> Result<Arc<Host>, Fault> {
        lock(&self.endpoints).remove(&handle).ok_or_else(|| unknown("endpoint", handle))
    }

    pub fn take_store(&self, handle: u32) -> Result<Arc<Store>, Fault> {
        lock(&self.stores).remove(&handle).ok_or_else(|| unknown("store", handle))
    }

    pub fn take_provider(&self, handle: u32) -> Result<Arc<Provider>, Fault> {
        lock(&self.providers).remove(&handle).ok_or_else(|| unknown("provider", handle))
    }

    pub fn drop_send(&self, handle: u32) -> Result<(), Fault> {
        lock(&self.sends).remove(&handle).map(drop).ok_or_else(|| unknown("send", handle))
    }

    /// Stops all repos, so that what they know is stored.
    pub async fn stop_repos(&self) {
        let repos: Vec<_> = lock(&self.repos).drain().map(|(_, repo)| repo).collect();
        for repo in repos {
            // The process ends whatever became of its accept loop.
            let _ = repo.stop().await;
        }
    }

    /// Closes all that is open, so that the other sides are told.
    pub async fn close_endpoints(&self) {
        let hosts: Vec<_> = lock(&self.endpoints).drain().map(|(_, host)| host).collect();
        for host in hosts {
            host.close().await;
        }
    }

    /// Shuts all stores down, so that nothing they hold is lost.
    pub async fn close_stores(&self) {
        let stores: Vec<_> = lock(&self.stores).drain().map(|(_, store)| store).collect();
        for store in stores {
            // One that has ended by itself has nothing left to lose.
            let _ = store.shutdown().await;
        }
    }

    fn add<T>(&self, shelf: &Mutex<HashMap<u32, T>>, item: T) -> u32 {
        let handle = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        lock(shelf).insert(handle, item);
        handle
    }
}

fn get<T: ?Sized>(
    shelf: &Mutex<HashMap<u32, Arc<T>>>,
    handle: u32,
    what: &str,
) -> Result<Arc<T>, Fault> {
    lock(shelf).get(&handle).cloned().ok_or_else(|| unknown(what, handle))
}

fn lock<T>(shelf: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shelf.lock().expect("no code panics while it holds a shelf")
}

fn unknown(what: &str, handle: u32) -> Fault {
    Fault::usage(format!("no {what} has the handle {handle}"))
}
