//! A peer that is nothing but QUIC and says what a test wants.

use bytes::Bytes;
use gaiwan_base::SecretKey;
use gaiwan_endpoint::{Connection, DialOptions, Endpoint};
use gaiwan_gossip::{
    ALPN, TopicId,
    proto::{
        frame::{self, FrameReader, Next},
        message::Parsed,
    },
};
use quinn::{ConnectionError, SendStream};

use crate::peers::{Node, address, bind};

/// A peer without a protocol.
pub struct Raw {
    pub endpoint: Endpoint,
}

impl Raw {
    pub fn new() -> Self {
        Self { endpoint: bind(&SecretKey::generate(), 0) }
    }

    pub async fn dial(&self, node: &Node) -> Link {
        let (to, alpns) = ([address(&node.endpoint)], [Bytes::from_static(ALPN)]);
        let dialed = self.endpoint.connect(node.id(), &to, &alpns, DialOptions::default()).await;
        Link(dialed.expect("the dial"))
    }

    pub async fn accept(&self) -> Link {
        let incoming = self.endpoint.accept().await.expect("an attempt");
        let accepting = incoming.accept(DialOptions::default()).expect("it goes on");
        Link(accepting.finish().await.expect("the handshake"))
    }

    /// Dials, joins and hears the answer: a neighbor from then on.
    pub async fn join(&self, node: &Node, topic: TopicId) -> (Link, SendStream, Heard) {
        let link = self.dial(node).await;
        let send = link.say(&topic, &[Parsed::Join(None)]).await;
        let mut heard = link.heard().await;
        assert_eq!(heard.topic, topic);
        assert!(matches!(heard.next().await, Parsed::Neighbor { is_low: false, .. }));
        (link, send, heard)
    }
}

/// A connection of such a peer.
pub struct Link(pub Connection);

impl Link {
    pub async fn open(&self) -> SendStream {
        self.0.quinn().open_uni().await.expect("a stream")
    }

    /// Opens a topic's stream and sends messages on it.
    pub async fn say(&self, topic: &TopicId, messages: &[Parsed]) -> SendStream {
        let mut send = self.open().await;
        send.write_all(&frame::header(topic)).await.expect("the header");
        say(&mut send, messages).await;
        send
    }

    /// The next stream that the node opens.
    pub async fn heard(&self) -> Heard {
        let recv = self.0.quinn().accept_uni().await.expect("a stream");
        let mut frames = FrameReader::new(recv, 1 << 20);
        let header = frames.next().await.expect("the header");
        let Next::Body(body) = header else { panic!("no header: {header:?}") };
        Heard { topic: TopicId(body[..].try_into().expect("32 bytes and no more")), frames }
    }

    /// Waits for the end; the code of the node.
    pub async fn closed(&self) -> u64 {
        match self.0.quinn().closed().await {
            ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
            other => panic!("another end: {other}"),
        }
    }

    pub fn is_open(&self) -> bool {
        self.0.quinn().close_reason().is_none()
    }
}

/// Sends messages on an open stream.
pub async fn say(send: &mut SendStream, messages: &[Parsed]) {
    for message in messages {
        send.write_all(&frame::frame(&message.encode())).await.expect("a frame");
    }
}

/// A stream of the node.
pub struct Heard {
    pub topic: TopicId,
    pub frames: FrameReader,
}

impl Heard {
    pub async fn next(&mut self) -> Parsed {
        let next = self.frames.next().await.expect("a frame");
        let Next::Body(body) = next else { panic!("no frame: {next:?}") };
        Parsed::decode(&body).expect("a message")
    }

    /// The first message that answers; those before it are dropped.
    pub async fn until<T>(&mut self, mut wanted: impl FnMut(Parsed) -> Option<T>) -> T {
        loop {
            if let Some(answer) = wanted(self.next().await) {
                return answer;
            }
        }
    }

    /// The next content, with its scope.
    pub async fn content(&mut self) -> (Bytes, Option<u16>) {
        self.until(|message| match message {
            Parsed::Gossip { content, scope, .. } => Some((content, scope)),
            _ => None,
        })
        .await
    }
}

/// A Gossip message with the right id.
pub fn gossip(content: &str, scope: Option<u16>) -> Parsed {
    let content = Bytes::copy_from_slice(content.as_bytes());
    Parsed::Gossip { id: *blake3::hash(&content).as_bytes(), content, scope }
}
