//! QUIC and its socket, without a loop: it does what the moment allows and says when it wants to be called again.

use std::{io, net::SocketAddr, sync::Arc, time::Duration, time::Instant};

use quinn::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig,
    Event, ServerConfig, StreamId, Transmit, TransportConfig, VarInt,
};

use crate::{
    Failure,
    exchange::Exchange,
    identity::Identity,
    records::{Kind, Records},
    socket::{Received, Socket},
};

/// Datagrams of one send, as quinn has it.
const SEGMENTS: usize = 10;
/// Sends of one flush; the loop comes round before the next ones.
const SENDS: usize = 16;

/// An endpoint with all its connections.
pub struct Driver {
    socket: Socket,
    quic: Endpoint,
    identity: Identity,
    /// By handle. A bench has one or two; each call walks over all of them.
    links: Vec<Option<Link>>,
    /// Sealed, and the system had no room for it.
    held: Option<(Transmit, Vec<u8>)>,
    buffer: Vec<u8>,
}

struct Link {
    handle: ConnectionHandle,
    quic: Connection,
    exchange: Exchange,
}

impl Driver {
    /// Takes connections with any of `alpns`.
    pub fn bind(alpns: Vec<Vec<u8>>) -> Result<Self, Failure> {
        let socket = Socket::bind()?;
        let identity = Identity::generate()?;
        let mut server = ServerConfig::with_crypto(identity.server(alpns)?);
        server.transport_config(transport());
        let config = Arc::new(EndpointConfig::default());
        let quic = Endpoint::new(config, Some(Arc::new(server)), !socket.may_fragment(), None);
        Ok(Self { socket, quic, identity, links: Vec::new(), held: None, buffer: Vec::new() })
    }

    /// The socket, for its address and descriptor.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The public key as 64 hex digits.
    pub fn id(&self) -> &str {
        &self.identity.id
    }

    /// Dials `id`; the index of the connection, whose record says when it is there.
    pub fn connect(&mut self, to: SocketAddr, id: &str, alpn: Vec<u8>) -> Result<usize, Failure> {
        let mut config = ClientConfig::new(self.identity.client(id, alpn)?);
        config.transport_config(transport());
        // Any valid name does: the verifier looks at the key alone, and SNI is off.
        let (handle, quic) = self.quic.connect(Instant::now(), config, to, "bench.invalid")?;
        self.put(Link::new(handle, quic));
        Ok(handle.0)
    }

    /// Sends a request of ours.
    pub fn request(&mut self, index: usize, id: u32, body: &[u8]) {
        if let Some(Link { quic, exchange, .. }) = self.link(index) {
            exchange.request(quic, id, body);
        }
    }

    /// Answers the peer's request on its stream `stream`.
    pub fn respond(&mut self, index: usize, stream: u32, body: &[u8]) {
        if let Some(Link { quic, exchange, .. }) = self.link(index) {
            let stream = StreamId::new(!quic.side(), Dir::Bi, stream.into());
            exchange.send(quic, stream, body, true);
        }
    }

    /// Opens a one-way stream; its number.
    pub fn open(&mut self, index: usize) -> Option<u64> {
        let Link { quic, exchange, .. } = self.link(index)?;
        exchange.open(quic, Dir::Uni).map(StreamId::index)
    }

    /// Appends to it; whether QUIC took it all. Else a record says when it has.
    pub fn write(&mut self, index: usize, stream: u32, bytes: &[u8], finish: bool) -> bool {
        let Some(Link { quic, exchange, .. }) = self.link(index) else { return true };
        let stream = StreamId::new(quic.side(), Dir::Uni, stream.into());
        exchange.send(quic, stream, bytes, finish)
    }

    /// Takes one batch of packets; whether there was one.
    pub fn receive(&mut self, out: &mut Records) -> io::Result<bool> {
        let Self { socket, quic, links, .. } = self;
        let (mut answers, mut new) = (Vec::new(), Vec::new());
        let any = socket.receive(|Received { now, from, to, ecn, data }| {
            let mut buffer = Vec::new();
            match quic.handle(now, from, to, ecn, data, &mut buffer) {
                Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                    let link = links.iter_mut().chain(&mut new).flatten();
                    // None: a packet behind the end of its connection.
                    if let Some(link) = link.into_iter().find(|link| link.handle == handle) {
                        link.quic.handle_event(event);
                    }
                }
                Some(DatagramEvent::NewConnection(incoming)) => {
                    match quic.accept(incoming, now, &mut buffer, None) {
                        Ok((handle, quic)) => new.push(Some(Link::new(handle, quic))),
                        Err(refused) => {
                            answers.extend(refused.response.map(|answer| (answer, buffer)));
                        }
                    }
                }
                Some(DatagramEvent::Response(answer)) => answers.push((answer, buffer)),
                None => {}
            }
        })?;
        for link in new.into_iter().flatten() {
            self.put(link);
        }
        for (answer, contents) in answers {
            // Nobody waits for it: the peer asks again.
            self.socket.send(&answer, &contents);
        }
        if any {
            self.work(out);
        }
        Ok(any)
    }

    /// Does what is due by the clock.
    pub fn expire(&mut self, out: &mut Records) {
        let now = Instant::now();
        for link in self.links.iter_mut().flatten() {
            if link.quic.poll_timeout().is_some_and(|due| due <= now) {
                link.quic.handle_timeout(now);
            }
        }
        self.work(out);
    }

    /// Sends what is due; whether there is more, for which the socket must have room first.
    pub fn flush(&mut self) -> bool {
        if let Some((transmit, contents)) = &self.held
            && !self.socket.send(transmit, contents)
        {
            return true;
        }
        self.held = None;
        let now = Instant::now();
        let segments = self.socket.max_segments().min(SEGMENTS);
        for link in self.links.iter_mut().flatten() {
            for sends in 0.. {
                if sends == SENDS {
                    return true;
                }
                self.buffer.clear();
                let due = link.quic.poll_transmit(now, segments, &mut self.buffer);
                let Some(transmit) = due else { break };
                if !self.socket.send(&transmit, &self.buffer) {
                    self.held = Some((transmit, std::mem::take(&mut self.buffer)));
                    return true;
                }
            }
        }
        false
    }

    /// When `expire` is due.
    pub fn deadline(&mut self) -> Option<Instant> {
        self.links.iter_mut().flatten().filter_map(|link| link.quic.poll_timeout()).min()
    }

    /// Ends all connections; a flush tells the peers.
    pub fn close(&mut self) {
        for link in self.links.iter_mut().flatten() {
            link.quic.close(Instant::now(), VarInt::from_u32(0), bytes::Bytes::new());
        }
    }

    /// Packets sent, packets lost, and the round trip in microseconds, of one connection.
    pub fn stats(&self, index: usize) -> Option<[u64; 3]> {
        let path = self.links.get(index)?.as_ref()?.quic.stats().path;
        let rtt = u64::try_from(path.rtt.as_micros()).unwrap_or(u64::MAX);
        Some([path.sent_packets, path.lost_packets, rtt])
    }

    /// Turns what packets or the clock did into records.
    fn work(&mut self, out: &mut Records) {
        for slot in &mut self.links {
            if slot.as_mut().is_some_and(|link| link.work(&mut self.quic, out)) {
                *slot = None;
            }
        }
    }

    fn put(&mut self, link: Link) {
        let index = link.handle.0;
        if self.links.len() <= index {
            self.links.resize_with(index + 1, || None);
        }
        self.links[index] = Some(link);
    }

    fn link(&mut self, index: usize) -> Option<&mut Link> {
        self.links.get_mut(index)?.as_mut()
    }
}

impl Link {
    fn new(handle: ConnectionHandle, quic: Connection) -> Self {
        Self { handle, quic, exchange: Exchange::new(handle.0) }
    }

    /// Whether the connection has gone for good.
    fn work(&mut self, endpoint: &mut Endpoint, out: &mut Records) -> bool {
        let Self { handle, quic, exchange } = self;
        while let Some(event) = quic.poll() {
            match event {
                Event::Connected => exchange.connected(quic, out),
                Event::Stream(event) => exchange.handle(quic, event, out),
                Event::ConnectionLost { reason } => {
                    out.push(Kind::Lost, handle.0, 0, reason.to_string().as_bytes());
                }
                _ => {}
            }
        }
        let mut drained = false;
        while let Some(event) = quic.poll_endpoint_events() {
            drained |= event.is_drained();
            if let Some(event) = endpoint.handle_event(*handle, event) {
                quic.handle_event(event);
            }
        }
        drained
    }
}

/// quinn's defaults, and gaiwan's keep-alive of 5 s, as the base has them.
fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(Duration::from_secs(5)));
    Arc::new(transport)
}
