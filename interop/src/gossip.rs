//! The commands on gossip: their JSON shape, and which function runs each.
//!
//! Topics are 64 lower-case hex digits, contents lower-case hex.

use iroh_gossip::TopicId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::command::from_hex;
use crate::fault::Fault;
use crate::gossip_node::{self, Start};
use crate::gossip_topic::{self, Near, Subscribe};
use crate::table::Table;

/// A command whose name is `gossip` and the name of a variant, as `gossipStart`.
#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all_fields = "camelCase")]
pub enum Command {
    /// Starts gossip on an endpoint, whose accept loop it takes over: `{gossip}`.
    Start(Start),
    /// Teaches the endpoint where peers are: `null`.
    Learn { gossip: u32, peers: Vec<Near> },
    /// Subscribes: `{topic}`.
    Subscribe(Subscribe),
    /// Waits for events that nobody took yet, at most `max`: see `gossip_topic.rs`.
    Next { topic: u32, max: usize },
    /// Waits until so many different contents came since the subscription: their number.
    Unique { topic: u32, count: usize },
    /// To the swarm: `null`.
    Broadcast { topic: u32, hex: String },
    /// To the eager neighbors: `null`.
    BroadcastNeighbors { topic: u32, hex: String },
    /// So many messages to the swarm, each `<prefix><number>`: `null`.
    BroadcastMany { topic: u32, prefix: String, count: u32 },
    /// More bootstrap peers: `null`.
    Join { topic: u32, peers: Vec<Near> },
    /// The ids of the present neighbors, sorted.
    Neighbors { topic: u32 },
    /// Leaves: `null`.
    Quit { topic: u32 },
    /// Leaves all topics and closes the endpoint: `null`.
    Shutdown { gossip: u32 },
}

/// Runs one command to its answer.
pub async fn run(table: &Table, command: Command) -> Result<Value, Fault> {
    match command {
        Command::Start(start) => gossip_node::start(table, start),
        Command::Learn { gossip, peers } => {
            table.gossip(gossip)?.learn(&peers);
            Ok(Value::Null)
        }
        Command::Subscribe(subscribe) => gossip_topic::subscribe(table, subscribe).await,
        Command::Next { topic, max } => Ok(json!(table.topic(topic)?.next(max).await)),
        Command::Unique { topic, count } => Ok(json!(table.topic(topic)?.unique(count).await)),
        Command::Broadcast { topic, hex } => {
            table.topic(topic)?.broadcast(from_hex(&hex)?).await?;
            Ok(Value::Null)
        }
        Command::BroadcastNeighbors { topic, hex } => {
            table.topic(topic)?.broadcast_neighbors(from_hex(&hex)?).await?;
            Ok(Value::Null)
        }
        Command::BroadcastMany { topic, prefix, count } => {
            let topic = table.topic(topic)?;
            for number in 0..count {
                topic.broadcast(format!("{prefix}{number}").into_bytes()).await?;
            }
            Ok(Value::Null)
        }
        Command::Join { topic, peers } => {
            table.topic(topic)?.join(&peers).await?;
            Ok(Value::Null)
        }
        Command::Neighbors { topic } => Ok(json!(table.topic(topic)?.neighbors())),
        Command::Quit { topic } => {
            // Dropped, which is how the reference leaves.
            table.take_topic(topic)?.quit();
            Ok(Value::Null)
        }
        Command::Shutdown { gossip } => {
            table.take_gossip(gossip)?.shutdown().await?;
            Ok(Value::Null)
        }
    }
}

/// A topic from its 64 hex digits.
pub fn topic_id(hex: &str) -> Result<TopicId, Fault> {
    let bytes: [u8; 32] =
        from_hex(hex)?.try_into().map_err(|_| Fault::usage("a topic has 32 bytes"))?;
    Ok(TopicId::from_bytes(bytes))
}
