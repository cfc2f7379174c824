//! What `endpoint.mjs` holds.

use std::{rc::Rc, time::Duration};

use napi::{Env, Error, Result, bindgen_prelude::Function};
use napi_derive::napi;

use crate::{
    Failure,
    driver::Driver,
    js::Callback,
    reactor::{Look, Reactor},
};

/// An endpoint on the thread that made it. Nothing leaves before `flush`, or the end of the callback that is under way.
#[napi]
pub struct OnThread {
    reactor: Rc<Reactor>,
}

#[napi]
impl OnThread {
    /// Calls `deliver` with records in an `ArrayBuffer`. After each delivery the thread looks for packets for `look_us`
    /// microseconds, `direct`ly at the socket or by turning the loop.
    #[napi(constructor)]
    pub fn new(
        env: &Env,
        alpns: Vec<String>,
        deliver: Function<'_, (), ()>,
        look_us: u32,
        direct: bool,
    ) -> Result<Self> {
        let driver = Driver::bind(alpns.into_iter().map(String::into_bytes).collect());
        let look = Look { time: Duration::from_micros(look_us.into()), direct };
        let callback = Callback::new(env, &deliver)?;
        let event_loop = env.get_uv_event_loop()?.cast();
        let reactor = driver.and_then(|driver| Reactor::start(driver, callback, event_loop, look));
        Ok(Self { reactor: reactor.map_err(to_js)? })
    }

    /// The public key as 64 hex digits.
    #[napi(getter)]
    pub fn id(&self) -> String {
        self.reactor.with(|driver| driver.id().into())
    }

    /// `IP:PORT`.
    #[napi(getter)]
    pub fn address(&self) -> Result<String> {
        let address = self.reactor.with(|driver| driver.socket().address());
        address.map(|address| address.to_string()).map_err(|error| to_js(error.into()))
    }

    /// Dials; the number of the connection.
    #[napi]
    pub fn connect(&self, to: String, id: String, alpn: String) -> Result<u32> {
        let to = to.parse().map_err(|error| to_js(Box::new(error)))?;
        let index = self.reactor.with(|driver| driver.connect(to, &id, alpn.into()));
        index.map(|index| index as u32).map_err(to_js)
    }

    /// Sends a request; the record of its answer has this `id`.
    #[napi]
    pub fn request(&self, connection: u32, id: u32, body: &[u8]) {
        self.reactor.with(|driver| driver.request(connection as usize, id, body));
    }

    /// Answers the request on the peer's `stream`.
    #[napi]
    pub fn respond(&self, connection: u32, stream: u32, body: &[u8]) {
        self.reactor.with(|driver| driver.respond(connection as usize, stream, body));
    }

    /// Opens a one-way stream; `null` when the peer allows no more.
    #[napi]
    pub fn open(&self, connection: u32) -> Option<u32> {
        self.reactor.with(|driver| driver.open(connection as usize)).map(|stream| stream as u32)
    }

    /// Appends to it; false: wait for its record before the next one.
    #[napi]
    pub fn write(&self, connection: u32, stream: u32, bytes: &[u8], finish: bool) -> bool {
        self.reactor.with(|driver| driver.write(connection as usize, stream, bytes, finish))
    }

    /// Sends what is due.
    #[napi]
    pub fn flush(&self) -> Result<()> {
        self.reactor.flush().map_err(to_js)
    }

    /// Packets sent, packets taken for lost, round trip in microseconds.
    #[napi]
    pub fn stats(&self, connection: u32) -> Option<Vec<f64>> {
        let stats = self.reactor.with(|driver| driver.stats(connection as usize))?;
        Some(stats.map(|figure| figure as f64).into())
    }

    /// Closes all connections and lets the loop end.
    #[napi]
    pub fn close(&self) -> Result<()> {
        self.reactor.close().map_err(to_js)
    }
}

fn to_js(failure: Failure) -> Error {
    Error::from_reason(failure.to_string())
}
