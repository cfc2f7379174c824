//! Repos on either version of samod, each on an endpoint of its own.

use std::path::PathBuf;
use std::sync::Arc;

use iroh::protocol::Router;
use iroh::{Endpoint, EndpointId};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use crate::automerge_document::{Document, Entries};
use crate::automerge_frames::{ALPN, Frames};
use crate::automerge_storage::Shelf;
use crate::fault::Fault;
use crate::gossip_topic::Near;
use crate::table::Table;
use crate::{automerge_05, automerge_16};

/// How to start a repo.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepoStart {
    endpoint: u32,
    samod: Samod,
    /// What it keeps outlives the process.
    directory: Option<PathBuf>,
    /// Else the endpoint id, as the reference has it.
    peer_id: Option<String>,
    /// Else the codec's own 8 MiB, both ways.
    max_frame_bytes: Option<usize>,
}

#[derive(Deserialize)]
enum Samod {
    #[serde(rename = "0.5")]
    V05,
    #[serde(rename = "0.16")]
    V16,
}

/// Whom to dial.
#[derive(Deserialize)]
pub struct Dial {
    pub repo: u32,
    to: Near,
    /// Whenever the session ends: samod 0.16 alone has that.
    #[serde(default)]
    redial: bool,
}

/// Who opened a session.
#[derive(Clone, Copy)]
pub enum Direction {
    Dialed,
    Accepted,
}

/// Sessions that ended, and dials that failed.
#[derive(Clone)]
pub struct Ends(mpsc::UnboundedSender<Value>);

impl Ends {
    pub fn add(&self, direction: Direction, remote: EndpointId, reason: String) {
        let direction = match direction {
            Direction::Dialed => "dialed",
            Direction::Accepted => "accepted",
        };
        let end =
            json!({ "direction": direction, "remoteId": remote.to_string(), "reason": reason });
        // Nobody asks once the repo is stopped.
        let _ = self.0.send(end);
    }
}

/// A repo with its router.
pub struct Repo {
    version: Version,
    endpoint: Endpoint,
    router: Router,
    ends: Mutex<mpsc::UnboundedReceiver<Value>>,
}

enum Version {
    V05(automerge_05::Repo),
    V16(automerge_16::Repo),
}

/// Starts: `{repo}`. The endpoint takes this ALPN alone from now on.
pub async fn start(table: &Table, start: RepoStart) -> Result<Value, Fault> {
    let endpoint = table.endpoint(start.endpoint)?.endpoint();
    let id = endpoint.id();
    let peer_id = start.peer_id.unwrap_or_else(|| id.to_string());
    let shelf = Shelf::new(start.directory);
    let frames = Frames::new(start.max_frame_bytes);
    let (sender, ended) = mpsc::unbounded_channel();
    let ends = Ends(sender);
    let router = Router::builder(endpoint.clone());
    let (version, router) = match start.samod {
        Samod::V05 => {
            let samod = automerge_05::load(peer_id, shelf).await;
            let repo = automerge_05::Repo { samod, frames, ends, sessions: Default::default() };
            (Version::V05(repo.clone()), router.accept(ALPN, repo).spawn())
        }
        Samod::V16 => {
            let samod = automerge_16::load(peer_id, shelf).await;
            let repo = automerge_16::Repo::new(samod, frames, ends, id)?;
            (Version::V16(repo.clone()), router.accept(ALPN, repo).spawn())
        }
    };
    let repo = Repo { version, endpoint, router, ends: Mutex::new(ended) };
    Ok(json!({ "repo": table.add_repo(repo) }))
}

impl Repo {
    pub fn dial(&self, dial: &Dial) -> Result<(), Fault> {
        let (endpoint, to) = (self.endpoint.clone(), dial.to.addr());
        match &self.version {
            Version::V05(_) if dial.redial => Err(Fault::usage("samod 0.5 does not redial")),
            Version::V05(repo) => {
                repo.dial(endpoint, to);
                Ok(())
            }
            Version::V16(repo) => repo.dial(endpoint, to, dial.redial),
        }
    }

    pub async fn connected(&self, peer_id: String) -> Result<(), Fault> {
        match &self.version {
            Version::V05(repo) => automerge_05::connected(&repo.samod, peer_id).await,
            Version::V16(repo) => automerge_16::connected(&repo.samod, peer_id).await,
        }
    }

    pub async fn ended(&self) -> Result<Value, Fault> {
        let next = self.ends.lock().await.recv().await;
        next.ok_or_else(|| Fault::usage("the repo is stopped"))
    }

    pub async fn create(&self, entries: &Entries) -> Result<Arc<dyn Document>, Fault> {
        match &self.version {
            Version::V05(repo) => automerge_05::create(&repo.samod, entries).await,
            Version::V16(repo) => automerge_16::create(&repo.samod, entries).await,
        }
    }

    pub async fn find(&self, id: &str) -> Result<Option<Arc<dyn Document>>, Fault> {
        match &self.version {
            Version::V05(repo) => automerge_05::find(&repo.samod, id).await,
            Version::V16(repo) => automerge_16::find(&repo.samod, id).await,
        }
    }

    /// Stops the repo, then closes the endpoint.
    pub async fn stop(&self) -> Result<(), Fault> {
        self.router.shutdown().await.map_err(|error| Fault::new("automerge", error))
    }
}
