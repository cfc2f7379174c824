//! Blocks from JavaScript: the requests, answers and small writes of one tick in one crossing.

use std::sync::Arc;

use bytes::Bytes;
use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;
use napi_derive::napi;

use crate::{
    bridge::{NativeBridge, release},
    core::Job,
    framed, gossip,
    queue::Event,
    send::SendHalf,
    table::Object,
};

/// Words `op, handle, id, param, length`.
const HEADER: usize = 20;

const REQUEST: u32 = 1;
const RESPOND: u32 = 2;
const FAIL: u32 = 3;
const WRITE: u32 = 4;
const FINISH: u32 = 5;
const DATAGRAM: u32 = 6;
const RELEASE: u32 = 7;
const READ_TO_END: u32 = 8;
const BROADCAST: u32 = 9;
const CALL: u32 = 10;
const ANSWER: u32 = 11;
const OPEN: u32 = 12;

struct Record {
    op: u32,
    handle: u32,
    id: u32,
    param: u32,
    body: Bytes,
}

#[napi]
impl NativeBridge {
    /// Takes the records in the first `used` bytes of `block`. Copies the block, so it may be reused at once.
    #[napi(catch_unwind)]
    pub fn submit(&self, block: &[u8], used: u32) -> napi::Result<()> {
        let used = block
            .get(..used as usize)
            .ok_or_else(|| napi::Error::from_reason("used is past the block"))?;
        let mut rest = Bytes::copy_from_slice(used);
        let mut jobs = Vec::new();
        let mut released = Vec::new();
        while !rest.is_empty() {
            let record =
                next(&mut rest).ok_or_else(|| napi::Error::from_reason("a record ends early"))?;
            self.take(record, &mut jobs, &mut released)?;
        }
        self.start(jobs, released)
    }

    /// As a block of one record, with one copy of its body.
    #[napi(catch_unwind)]
    pub fn submit_large(
        &self,
        op: u32,
        handle: u32,
        id: u32,
        param: u32,
        body: &[u8],
    ) -> napi::Result<()> {
        let (mut jobs, mut released) = (Vec::new(), Vec::new());
        let body = Bytes::copy_from_slice(body);
        self.take(Record { op, handle, id, param, body }, &mut jobs, &mut released)?;
        self.start(jobs, released)
    }

    /// Starts the work of one crossing.
    fn start(&self, mut jobs: Vec<Job>, released: Vec<Object>) -> napi::Result<()> {
        let core = self.core()?;
        let calm = self.pace.note(jobs.len());
        core.spin.set_calm(calm);
        // In a load the runtime has their locks anyway; else this thread saves it the wake.
        if calm || jobs.is_empty() {
            core.enter(|| released.into_iter().for_each(release));
        } else if !released.is_empty() {
            jobs.push(Job::Release(released));
        }
        match jobs.len() {
            0 => {}
            1 if calm => jobs.into_iter().for_each(|job| core.run_inline(job)),
            1 => jobs.into_iter().for_each(|job| core.send(job)),
            _ => core.send(Job::Batch(jobs)),
        }
        Ok(())
    }

    fn take(
        &self,
        record: Record,
        jobs: &mut Vec<Job>,
        released: &mut Vec<Object>,
    ) -> napi::Result<()> {
        let Record { op, handle, id, param, body } = record;
        match op {
            REQUEST => match self.table().connection(handle) {
                Some(connection) => {
                    jobs.push(Job::Request {
                        id,
                        connection: connection.clone(),
                        max: param as usize,
                        body,
                    });
                }
                None => {
                    let failure =
                        Failure::new(ErrorCode::LocallyClosed, "the connection was released");
                    self.core()?.push(Event::error(id, &failure));
                }
            },
            RESPOND => {
                if let Some(responder) = self.table_mut().take_responder(handle) {
                    jobs.push(Job::Respond(responder, body));
                }
            }
            FAIL => {
                if let Some(responder) = self.table_mut().take_responder(handle) {
                    let code =
                        body.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
                    self.core()?.enter(|| responder.fail(code));
                }
            }
            WRITE => {
                // A failure is kept by the stream and surfaces on its next direct call.
                if let Some(send) = self.table().send(handle)
                    && send.append(body).is_ok()
                {
                    schedule(send, jobs);
                }
            }
            FINISH => {
                if let Some(send) = self.table().send(handle)
                    && send.finish().is_ok()
                {
                    schedule(send, jobs);
                }
            }
            DATAGRAM => {
                if let Some(connection) = self.table().connection(handle) {
                    jobs.push(Job::Datagram(connection.clone(), body));
                }
            }
            READ_TO_END => match self.table().recv(handle) {
                Some(recv) => {
                    jobs.push(Job::ReadToEnd { id, recv: recv.clone(), max: param as usize });
                }
                None => self.core()?.push(Event::error(id, &Failure::stream_closed())),
            },
            BROADCAST => {
                let sent = match self.table().gossip(handle) {
                    Some(gossip::Piece::Sender(sender)) => sender.broadcast(id, param, body),
                    _ => None,
                };
                if sent.is_none() {
                    self.core()?.push(Event::error(id, &gossip::topic_closed()));
                }
            }
            CALL | OPEN => match self.table().connection(handle) {
                Some(connection) => {
                    let connection = connection.clone();
                    jobs.push(if op == CALL {
                        Job::Call { id, call: framed::Call { connection, param, body } }
                    } else {
                        Job::Open { id, open: framed::Open { connection, param, body } }
                    });
                }
                None => {
                    let failure =
                        Failure::new(ErrorCode::LocallyClosed, "the connection was released");
                    self.core()?.push(Event::error(id, &failure));
                }
            },
            ANSWER => {
                if let Some(waiting) = self.table_mut().take_waiting(handle) {
                    jobs.push(Job::Answer { waiting, param, body });
                }
            }
            RELEASE => {
                let object = self.table_mut().remove(handle);
                released.extend(object);
            }
            _ => return Err(napi::Error::from_reason("unknown op")),
        }
        Ok(())
    }
}

fn schedule(send: &Arc<SendHalf>, jobs: &mut Vec<Job>) {
    if send.schedule() {
        jobs.push(Job::Pump(send.clone()));
    }
}

fn next(rest: &mut Bytes) -> Option<Record> {
    let header = rest.first_chunk::<HEADER>()?;
    let word = |n: usize| {
        u32::from_le_bytes([header[4 * n], header[4 * n + 1], header[4 * n + 2], header[4 * n + 3]])
    };
    let (op, handle, id, param, length) = (word(0), word(1), word(2), word(3), word(4) as usize);
    let padded = length.checked_next_multiple_of(4)?;
    if rest.len() - HEADER < padded {
        return None;
    }
    let mut record = rest.split_to(HEADER + padded);
    let body = record.split_off(HEADER).split_to(length);
    Some(Record { op, handle, id, param, body })
}
