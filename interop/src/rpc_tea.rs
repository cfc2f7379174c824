//! The service of `vectors/rpc.json`: eleven variants, one of every pattern that the wire knows.

use irpc::channel::{mpsc, oneshot};
use irpc::rpc_requests;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::rpc_json::{Big, Hex};

pub const ALPN: &[u8] = b"gaiwan/tea/1";
/// The same variants in span mode.
pub const SPAN_ALPN: &[u8] = b"gaiwan/tea-span/1";

#[derive(Debug, Serialize, Deserialize)]
pub struct Get {
    pub key: String,
}
#[derive(Debug, Serialize, Deserialize)]
pub struct Set {
    pub key: String,
    pub value: Hex,
}
#[derive(Debug, Serialize, Deserialize)]
pub struct List;
#[derive(Debug, Serialize, Deserialize)]
pub struct SetMany;
#[derive(Debug, Serialize, Deserialize)]
pub struct Sum {
    pub start: Big<i64>,
}
#[derive(Debug, Serialize, Deserialize)]
pub struct Log(pub String);
#[derive(Debug, Serialize, Deserialize)]
pub struct Div(pub Big<u64>, pub Big<u64>);
#[derive(Debug, Serialize, Deserialize)]
pub struct Push;
#[derive(Debug, Serialize, Deserialize)]
pub struct Late;
/// How the handler misbehaves: `rpc_tea_serve.rs` lists the numbers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Misbehave(pub u32);
#[derive(Debug, Serialize, Deserialize)]
pub struct First;

/// Bytes, except that `POISON` cannot be serialised.
#[derive(Debug, Deserialize)]
pub struct Piece(pub Hex);

/// The content that no serialiser takes.
pub const POISON: &[u8] = b"poison";

impl Serialize for Piece {
    fn serialize<S: Serializer>(&self, target: S) -> Result<S::Ok, S::Error> {
        if self.0.0 == POISON {
            return Err(S::Error::custom("poison"));
        }
        self.0.serialize(target)
    }
}

/// The protocol enum; the order of the variants is the wire.
macro_rules! tea {
    ($protocol:ident, $message:ident $(, $flag:ident)*) => {
        #[rpc_requests(message = $message, no_spans $(, $flag)*)]
        #[derive(Debug, Serialize, Deserialize)]
        pub enum $protocol {
            #[rpc(tx = oneshot::Sender<Option<String>>)]
            Get(Get),
            #[rpc(tx = oneshot::Sender<()>)]
            Set(Set),
            #[rpc(tx = mpsc::Sender<(String, Big<u64>)>)]
            List(List),
            #[rpc(rx = mpsc::Receiver<(String, String)>, tx = oneshot::Sender<Big<u64>>)]
            SetMany(SetMany),
            #[rpc(rx = mpsc::Receiver<Big<i64>>, tx = mpsc::Sender<Big<i64>>)]
            Sum(Sum),
            #[rpc()]
            Log(Log),
            #[rpc(tx = oneshot::Sender<Result<Big<u64>, String>>)]
            Div(Div),
            #[rpc(rx = mpsc::Receiver<u8>)]
            Push(Push),
            #[rpc(rx = oneshot::Receiver<String>, tx = oneshot::Sender<Big<u64>>)]
            Late(Late),
            #[rpc(tx = mpsc::Sender<Piece>)]
            Misbehave(Misbehave),
            #[rpc(rx = mpsc::Receiver<Big<u64>>, tx = oneshot::Sender<Big<u64>>)]
            First(First),
        }
    };
}

tea!(TeaProtocol, TeaMessage);
tea!(SpanTeaProtocol, SpanTeaMessage, span_propagation);
