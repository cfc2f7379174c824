//! A UDP path that can be cut, between one dialer and one acceptor.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use tokio::{net::UdpSocket, task::AbortHandle};

/// Forwards datagrams both ways while it lives.
pub struct Proxy {
    /// What to dial.
    pub address: SocketAddr,
    up: Arc<AtomicBool>,
    down: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Proxy {
    pub async fn to(target: SocketAddr) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").await.expect("a front socket");
        let back = UdpSocket::bind("127.0.0.1:0").await.expect("a back socket");
        let address = front.local_addr().expect("its address");
        let (up, down) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
        let (up_task, down_task) = (up.clone(), down.clone());
        let task = tokio::spawn(async move {
            let (mut there, mut here) = (vec![0; 65_536], vec![0; 65_536]);
            let mut dialer = None;
            loop {
                tokio::select! {
                    Ok((n, from)) = front.recv_from(&mut there) => {
                        dialer = Some(from);
                        if up_task.load(SeqCst) {
                            // A lost datagram is what networks do.
                            let _ = back.send_to(&there[..n], target).await;
                        }
                    }
                    Ok((n, _)) = back.recv_from(&mut here) => {
                        if let Some(dialer) = dialer && down_task.load(SeqCst) {
                            let _ = front.send_to(&here[..n], dialer).await;
                        }
                    }
                }
            }
        });
        Self { address, up, down, task: task.abort_handle() }
    }

    /// Lets datagrams through, or not: towards the acceptor, towards the dialer.
    pub fn pass(&self, up: bool, down: bool) {
        self.up.store(up, SeqCst);
        self.down.store(down, SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
