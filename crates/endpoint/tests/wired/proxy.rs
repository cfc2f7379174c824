//! A UDP path that can be cut or held up, between one dialer and one acceptor.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use tokio::{net::UdpSocket, sync::Notify, task::AbortHandle};

/// What happens to datagrams of one direction.
#[derive(Clone, Copy, PartialEq)]
pub enum Flow {
    Pass,
    Drop,
    /// They wait until it is `Pass` again.
    Hold,
}

struct Way {
    flow: Mutex<Flow>,
    held: Mutex<Vec<Vec<u8>>>,
    /// Datagrams that came.
    seen: AtomicU64,
}

impl Way {
    fn new() -> Self {
        Self { flow: Mutex::new(Flow::Pass), held: Mutex::default(), seen: AtomicU64::new(0) }
    }

    /// Takes what came; what there is to be sent now.
    fn take(&self, datagram: Option<&[u8]>) -> Vec<Vec<u8>> {
        let (flow, mut held) = (self.flow.lock().unwrap(), self.held.lock().unwrap());
        if let Some(datagram) = datagram {
            if *flow != Flow::Drop {
                held.push(datagram.to_vec());
            }
            self.seen.fetch_add(1, SeqCst);
        }
        if *flow == Flow::Pass { std::mem::take(&mut *held) } else { Vec::new() }
    }
}

/// Forwards datagrams both ways while it lives.
pub struct Proxy {
    /// What to dial.
    pub address: SocketAddr,
    /// Towards the acceptor, and towards the dialer.
    ways: Arc<[Way; 2]>,
    changed: Arc<Notify>,
    task: AbortHandle,
}

impl Proxy {
    pub async fn to(target: SocketAddr) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").await.expect("a front socket");
        let back = UdpSocket::bind("127.0.0.1:0").await.expect("a back socket");
        let address = front.local_addr().expect("its address");
        let ways = Arc::new([Way::new(), Way::new()]);
        let changed = Arc::new(Notify::new());
        let (ways_task, changed_task) = (ways.clone(), changed.clone());
        let task = tokio::spawn(async move {
            let [up, down] = &*ways_task;
            let (mut there, mut here) = (vec![0; 65_536], vec![0; 65_536]);
            let mut dialer = None;
            loop {
                let (mut to_acceptor, mut to_dialer) = (Vec::new(), Vec::new());
                tokio::select! {
                    Ok((n, from)) = front.recv_from(&mut there) => {
                        dialer = Some(from);
                        to_acceptor = up.take(Some(&there[..n]));
                    }
                    Ok((n, _)) = back.recv_from(&mut here) => to_dialer = down.take(Some(&here[..n])),
                    () = changed_task.notified() => {
                        (to_acceptor, to_dialer) = (up.take(None), down.take(None));
                    }
                }
                // A lost datagram is what networks do.
                for datagram in to_acceptor {
                    let _ = back.send_to(&datagram, target).await;
                }
                for datagram in to_dialer {
                    if let Some(dialer) = dialer {
                        let _ = front.send_to(&datagram, dialer).await;
                    }
                }
            }
        });
        Self { address, ways, changed, task: task.abort_handle() }
    }

    /// Lets datagrams through, or not: towards the acceptor, towards the dialer.
    pub fn pass(&self, up: bool, down: bool) {
        let flow = |pass| if pass { Flow::Pass } else { Flow::Drop };
        self.set(flow(up), flow(down));
    }

    /// As `pass`; what is held leaves in its order when that way passes again.
    pub fn set(&self, up: Flow, down: Flow) {
        for (way, flow) in self.ways.iter().zip([up, down]) {
            *way.flow.lock().unwrap() = flow;
        }
        self.changed.notify_one();
    }

    /// How many datagrams of the dialer came and were let through or not.
    pub fn questions(&self) -> u64 {
        self.ways[0].seen.load(SeqCst)
    }

    /// How many datagrams of the acceptor came and were let through or not.
    pub fn answers(&self) -> u64 {
        self.ways[1].seen.load(SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
