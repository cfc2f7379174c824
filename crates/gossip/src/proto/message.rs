//! Messages: what they may say before the state machine hears it.
//!
//! The state machine of iroh-gossip decodes with postcard and trusts what it finds. So every body passes here first: a
//! small decoder of our own that knows the shapes of `src/proto/hyparview.rs` and `src/proto/plumtree.rs` (0.101),
//! refuses what is not one of them, and cuts what is too much.

use bytes::Bytes;
use gaiwan_base::EndpointId;
use iroh_gossip::proto::topic;

use super::{
    peer_id::PeerId,
    wire::{Malformed, Reader, put_block, put_varint},
};

/// Rounds above this are no honest path; and the state machine adds one without a check.
pub const MAX_ROUND: u16 = 1000;
/// Nodes of one Shuffle or ShuffleReply that are heard.
pub const MAX_NODES: usize = 32;
/// Bytes of one node's peer data.
pub const MAX_PEER_DATA: usize = 1024;
/// Ids of one IHave that are heard.
pub const MAX_IDS: usize = 128;

/// A message of the state machine.
pub type Message = topic::Message<PeerId>;

/// A node as Shuffle and ForwardJoin name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: EndpointId,
    /// Its peer data.
    pub data: Option<Bytes>,
}

/// The scope of a Gossip message: swarm with a round, or neighbors.
pub type Scope = Option<u16>;

/// A message taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the table of section 2.3 in docs/wire/gossip.md")]
pub enum Parsed {
    Join(Option<Bytes>),
    ForwardJoin { node: Node, ttl: u16 },
    Shuffle { origin: EndpointId, nodes: Vec<Node>, ttl: u16 },
    ShuffleReply(Vec<Node>),
    Neighbor { is_low: bool, data: Option<Bytes> },
    Disconnect { is_alive: bool },
    Gossip { id: [u8; 32], content: Bytes, scope: Scope },
    Prune,
    Graft { id: Option<[u8; 32]>, round: u16 },
    IHave(Vec<([u8; 32], u16)>),
}

/// What the checks need to know.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Our own id, of which a ForwardJoin must not tell us.
    pub me: PeerId,
    /// Largest ttl of a ForwardJoin.
    pub join_ttl: u16,
    /// Largest ttl of a Shuffle.
    pub shuffle_ttl: u16,
}

impl Parsed {
    /// Takes a body apart. Bytes after the message are ignored, as the reference does.
    pub fn decode(body: &Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let r = &mut reader;
        Ok(match (r.tag()?, r.tag()?) {
            (0, 0) => Self::Join(data(r, body)?),
            (0, 1) => Self::ForwardJoin { node: node(r, body)?, ttl: r.u16()? },
            (0, 2) => {
                let origin = id(r)?;
                Self::Shuffle { origin, nodes: nodes(r, body)?, ttl: r.u16()? }
            }
            (0, 3) => Self::ShuffleReply(nodes(r, body)?),
            (0, 4) => {
                let is_low = match r.tag()? {
                    0 => false,
                    1 => true,
                    _ => return Err(Malformed),
                };
                Self::Neighbor { is_low, data: data(r, body)? }
            }
            (0, 5) => {
                let is_alive = r.flag()?;
                r.flag()?;
                Self::Disconnect { is_alive }
            }
            (1, 0) => {
                let id = r.array()?;
                let content = body.slice_ref(r.block()?);
                let scope = match r.tag()? {
                    0 => Some(r.u16()?),
                    1 => None,
                    _ => return Err(Malformed),
                };
                Self::Gossip { id, content, scope }
            }
            (1, 1) => Self::Prune,
            (1, 2) => {
                let id = if r.flag()? { Some(r.array()?) } else { None };
                Self::Graft { id, round: r.u16()? }
            }
            (1, 3) => {
                let mut ids = Vec::new();
                for _ in 0..r.length()? {
                    ids.push((r.array()?, r.u16()?));
                }
                Self::IHave(ids)
            }
            _ => return Err(Malformed),
        })
    }

    /// The body.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let o = &mut out;
        match self {
            Self::Join(data) => {
                o.extend([0, 0]);
                put_data(o, data.as_deref());
            }
            Self::ForwardJoin { node, ttl } => {
                o.extend([0, 1]);
                put_node(o, node);
                put_varint(o, (*ttl).into());
            }
            Self::Shuffle { origin, nodes, ttl } => {
                o.extend([0, 2]);
                o.extend(origin.as_bytes());
                put_nodes(o, nodes);
                put_varint(o, (*ttl).into());
            }
            Self::ShuffleReply(nodes) => {
                o.extend([0, 3]);
                put_nodes(o, nodes);
            }
            Self::Neighbor { is_low, data } => {
                o.extend([0, 4, u8::from(*is_low)]);
                put_data(o, data.as_deref());
            }
            Self::Disconnect { is_alive } => o.extend([0, 5, u8::from(*is_alive), 0]),
            Self::Gossip { id, content, scope } => {
                o.reserve(content.len() + 42);
                o.extend([1, 0]);
                o.extend(id);
                put_block(o, content);
                match scope {
                    Some(round) => {
                        o.push(0);
                        put_varint(o, (*round).into());
                    }
                    None => o.push(1),
                }
            }
            Self::Prune => o.extend([1, 1]),
            Self::Graft { id, round } => {
                o.extend([1, 2, u8::from(id.is_some())]);
                o.extend(id.iter().flatten());
                put_varint(o, (*round).into());
            }
            Self::IHave(ids) => {
                o.extend([1, 3]);
                put_varint(o, ids.len());
                for (id, round) in ids {
                    o.extend(id);
                    put_varint(o, (*round).into());
                }
            }
        }
        out
    }

    /// Data, as opposed to control (`Message::kind` of the reference).
    pub fn is_data(&self) -> bool {
        matches!(self, Self::Gossip { .. })
    }

    /// Cuts the message to what may be said; `None` if nothing is left of it.
    #[must_use]
    pub fn keep(mut self, rules: &Rules) -> Option<Self> {
        match &mut self {
            Self::Join(data) | Self::Neighbor { data, .. } => cut(data),
            Self::ForwardJoin { node, ttl } => {
                // The state machine would wait for ever for an answer of ours to ourselves.
                if PeerId::from(node.id) == rules.me {
                    return None;
                }
                cut(&mut node.data);
                *ttl = (*ttl).min(rules.join_ttl);
            }
            Self::Shuffle { nodes, ttl, .. } => {
                cut_nodes(nodes);
                *ttl = (*ttl).min(rules.shuffle_ttl);
            }
            Self::ShuffleReply(nodes) => cut_nodes(nodes),
            Self::Gossip { scope: Some(round), .. } | Self::Graft { round, .. } => {
                if *round > MAX_ROUND {
                    return None;
                }
            }
            Self::IHave(ids) => {
                ids.truncate(MAX_IDS);
                ids.retain(|(_, round)| *round <= MAX_ROUND);
                if ids.is_empty() {
                    return None;
                }
            }
            Self::Gossip { .. } | Self::Disconnect { .. } | Self::Prune => {}
        }
        Some(self)
    }

    /// The state machine's own type, whose fields nobody else can make: by way of the bytes. `body` is where this came
    /// from; content is never changed on the way, so that it is not written anew.
    pub fn message(&self, body: &[u8]) -> Result<Message, Malformed> {
        let message = match self {
            Self::Gossip { .. } => postcard::from_bytes(body),
            _ => postcard::from_bytes(&self.encode()),
        };
        message.map_err(|_| Malformed)
    }
}

fn cut(data: &mut Option<Bytes>) {
    if data.as_ref().is_some_and(|data| data.len() > MAX_PEER_DATA) {
        *data = None;
    }
}

fn cut_nodes(nodes: &mut Vec<Node>) {
    nodes.truncate(MAX_NODES);
    nodes.iter_mut().for_each(|node| cut(&mut node.data));
}

fn id(r: &mut Reader<'_>) -> Result<EndpointId, Malformed> {
    EndpointId::from_bytes(&r.array()?).map_err(|_| Malformed)
}

fn data(r: &mut Reader<'_>, body: &Bytes) -> Result<Option<Bytes>, Malformed> {
    Ok(if r.flag()? { Some(body.slice_ref(r.block()?)) } else { None })
}

fn node(r: &mut Reader<'_>, body: &Bytes) -> Result<Node, Malformed> {
    Ok(Node { id: id(r)?, data: data(r, body)? })
}

/// All nodes are read, for a message is whole or none; the first [`MAX_NODES`] have their ids checked.
fn nodes(r: &mut Reader<'_>, body: &Bytes) -> Result<Vec<Node>, Malformed> {
    let mut nodes = Vec::new();
    for n in 0..r.length()? {
        if n < MAX_NODES {
            nodes.push(node(r, body)?);
        } else {
            r.bytes(32)?;
            data(r, body)?;
        }
    }
    Ok(nodes)
}

fn put_data(out: &mut Vec<u8>, data: Option<&[u8]>) {
    out.push(u8::from(data.is_some()));
    if let Some(data) = data {
        put_block(out, data);
    }
}

fn put_node(out: &mut Vec<u8>, node: &Node) {
    out.extend(node.id.as_bytes());
    put_data(out, node.data.as_deref());
}

fn put_nodes(out: &mut Vec<u8>, nodes: &[Node]) {
    put_varint(out, nodes.len());
    nodes.iter().for_each(|node| put_node(out, node));
}
