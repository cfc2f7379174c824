//! A service whose types are hard: every kind of serde type in one struct, through every pattern.

use std::collections::BTreeMap;
use std::time::Duration;

use iroh::EndpointId;
use iroh_blobs::Hash;
use irpc::channel::{mpsc, oneshot};
use irpc::rpc_requests;
use irpc_iroh::IrohProtocol;
use serde::{Deserialize, Serialize};

use crate::rpc_json::{Big, Hex, counted, nested, raw};
use crate::rpc_node::Notes;

pub const ALPN: &[u8] = b"gaiwan/hard/1";

/// One variant of each kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Shape {
    Point,
    Circle(u32),
    Pair(u8, bool),
    Rect { width: i32, height: i32 },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Leaf {
    pub name: String,
    pub grams: f64,
    pub glyph: char,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Refusal {
    SoldOut,
    TooMuch { left: u32 },
    Because(String),
}

/// Recursive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tree {
    pub name: String,
    pub kids: Vec<Tree>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hard {
    pub small: (u8, i8, u16, i16, bool),
    pub count: Big<u64>,
    pub debt: Big<i64>,
    pub huge: Big<u128>,
    pub abyss: Big<i128>,
    pub ratio: f32,
    pub text: String,
    pub bytes: Hex,
    #[serde(with = "counted")]
    pub counted: [u8; 4],
    #[serde(with = "raw")]
    pub raw: [u8; 4],
    pub shapes: Vec<Shape>,
    pub leaf: Option<Leaf>,
    #[serde(with = "nested")]
    pub nested: Option<Option<u8>>,
    pub outcome: Result<Leaf, Refusal>,
    pub nothing: Result<(), String>,
    pub prices: BTreeMap<String, Big<u64>>,
    pub tree: Tree,
    pub wait: Duration,
    pub who: EndpointId,
    pub what: Hash,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Echo(pub Hard);
#[derive(Debug, Serialize, Deserialize)]
pub struct Judge(pub Shape);
#[derive(Debug, Serialize, Deserialize)]
pub struct Each(pub Vec<Hard>);
#[derive(Debug, Serialize, Deserialize)]
pub struct Gather;
#[derive(Debug, Serialize, Deserialize)]
pub struct Mirror(pub Option<Shape>);
#[derive(Debug, Serialize, Deserialize)]
pub struct Tell(pub Hard);
#[derive(Debug, Serialize, Deserialize)]
pub struct Pour(pub Refusal);
#[derive(Debug, Serialize, Deserialize)]
pub struct Wait;

#[rpc_requests(message = HardMessage, no_spans)]
#[derive(Debug, Serialize, Deserialize)]
pub enum HardProtocol {
    #[rpc(tx = oneshot::Sender<Hard>)]
    Echo(Echo),
    #[rpc(tx = oneshot::Sender<Result<Leaf, Refusal>>)]
    Judge(Judge),
    #[rpc(tx = mpsc::Sender<Hard>)]
    Each(Each),
    #[rpc(rx = mpsc::Receiver<Hard>, tx = oneshot::Sender<Vec<Hard>>)]
    Gather(Gather),
    #[rpc(rx = mpsc::Receiver<Hard>, tx = mpsc::Sender<Option<Hard>>)]
    Mirror(Mirror),
    #[rpc()]
    Tell(Tell),
    #[rpc(rx = mpsc::Receiver<Hard>)]
    Pour(Pour),
    #[rpc(rx = oneshot::Receiver<Hard>, tx = oneshot::Sender<Option<Hard>>)]
    Wait(Wait),
}

/// Serves it. What a handler took is noted as `<method> <JSON>`, so that a test sees what Rust understood.
pub fn serve(notes: Notes) -> IrohProtocol<HardProtocol> {
    let (sender, mut inbox) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        while let Some(message) = inbox.recv().await {
            tokio::spawn(handle(notes.clone(), message));
        }
    });
    IrohProtocol::with_sender(sender)
}

/// Ends early, without a word, once the client is gone or errs.
async fn handle(notes: Notes, message: HardMessage) -> Option<()> {
    match message {
        HardMessage::Echo(call) => {
            notes.add_json("Echo", &call.inner.0);
            call.tx.send(call.inner.0).await.ok()
        }
        HardMessage::Judge(call) => {
            notes.add_json("Judge", &call.inner.0);
            call.tx.send(judge(call.inner.0)).await.ok()
        }
        HardMessage::Each(call) => {
            for hard in call.inner.0 {
                call.tx.send(hard).await.ok()?;
            }
            Some(())
        }
        HardMessage::Gather(mut call) => {
            let mut all = Vec::new();
            while let Some(hard) = call.rx.recv().await.ok()? {
                notes.add_json("Gather", &hard);
                all.push(hard);
            }
            call.tx.send(all).await.ok()
        }
        HardMessage::Mirror(mut call) => {
            notes.add_json("Mirror", &call.inner.0);
            while let Some(hard) = call.rx.recv().await.ok()? {
                call.tx.send(Some(hard)).await.ok()?;
                call.tx.send(None).await.ok()?;
            }
            Some(())
        }
        HardMessage::Tell(call) => {
            notes.add_json("Tell", &call.inner.0);
            Some(())
        }
        HardMessage::Pour(mut call) => {
            notes.add_json("Pour", &call.inner.0);
            while let Some(hard) = call.rx.recv().await.ok()? {
                notes.add_json("Pour", &hard);
            }
            Some(())
        }
        HardMessage::Wait(call) => {
            let update = call.rx.await.ok();
            notes.add_json("Wait", &update);
            call.tx.send(update).await.ok()
        }
    }
}

/// A different answer for each variant.
fn judge(shape: Shape) -> Result<Leaf, Refusal> {
    match shape {
        Shape::Point => Err(Refusal::SoldOut),
        Shape::Circle(left) => Err(Refusal::TooMuch { left }),
        Shape::Pair(number, truth) => Err(Refusal::Because(format!("{number} {truth}"))),
        Shape::Rect { width, height } => {
            let name = format!("{width}x{height}");
            Ok(Leaf { name, grams: f64::from(width) / f64::from(height), glyph: '🍵' })
        }
    }
}
