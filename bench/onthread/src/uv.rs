//! The three watchers of libuv that the reactor needs. Node exports libuv's functions, so there is nothing to link.
#![allow(unsafe_code, reason = "libuv is C")]

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ffi::{c_int, c_void},
    io,
    os::fd::RawFd,
    time::Duration,
};

/// `UV_READABLE` of uv.h.
pub const READABLE: c_int = 1;
/// `UV_WRITABLE` of uv.h.
pub const WRITABLE: c_int = 2;

/// A `uv_loop_t`.
pub type Loop = *mut c_void;
/// What a watcher calls, with the events of a poll or 0.
type Task = Box<dyn Fn(c_int)>;
type Raw = *mut c_void;

/// `uv_handle_type` of uv.h.
#[derive(Clone, Copy)]
#[repr(i32)]
enum Type {
    Idle = 6,
    Poll = 8,
    Timer = 13,
}

unsafe extern "C" {
    fn uv_handle_size(kind: c_int) -> usize;
    fn uv_handle_get_type(handle: Raw) -> c_int;
    fn uv_handle_set_data(handle: Raw, data: *mut c_void);
    fn uv_handle_get_data(handle: Raw) -> *mut c_void;
    fn uv_close(handle: Raw, done: extern "C" fn(Raw));
    fn uv_poll_init(event_loop: Loop, handle: Raw, fd: c_int) -> c_int;
    fn uv_poll_start(handle: Raw, events: c_int, call: extern "C" fn(Raw, c_int, c_int)) -> c_int;
    fn uv_timer_init(event_loop: Loop, handle: Raw) -> c_int;
    fn uv_timer_start(handle: Raw, call: extern "C" fn(Raw), ms: u64, repeat: u64) -> c_int;
    fn uv_idle_init(event_loop: Loop, handle: Raw) -> c_int;
    fn uv_idle_start(handle: Raw, call: extern "C" fn(Raw)) -> c_int;
    fn uv_idle_stop(handle: Raw) -> c_int;
}

/// An initialized handle; libuv gives its memory back some time after the drop.
struct Handle(Raw);

impl Handle {
    /// `init` is one of libuv's functions for the type.
    fn new(kind: Type, task: Task, init: impl FnOnce(Raw) -> c_int) -> io::Result<Self> {
        // SAFETY: the layout is not empty, and nobody sees the memory before `init` has filled it.
        let raw = unsafe { alloc_zeroed(layout(kind as c_int)) }.cast::<c_void>();
        if let Err(error) = check(init(raw)) {
            // SAFETY: the layout is that of the allocation; libuv keeps no handle that it refused.
            unsafe { dealloc(raw.cast(), layout(kind as c_int)) };
            return Err(error);
        }
        // SAFETY: `raw` is a handle now; `free` takes the box back.
        unsafe { uv_handle_set_data(raw, Box::into_raw(Box::new(task)).cast()) };
        Ok(Self(raw))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: a handle that was not closed yet, for this is its only owner.
        unsafe { uv_close(self.0, free) };
    }
}

fn layout(kind: c_int) -> Layout {
    // SAFETY: a plain look-up.
    let size = unsafe { uv_handle_size(kind) };
    Layout::from_size_align(size, align_of::<u128>()).expect("libuv's handles are small")
}

fn check(status: c_int) -> io::Result<()> {
    if status < 0 { Err(io::Error::from_raw_os_error(-status)) } else { Ok(()) }
}

extern "C" fn free(raw: Raw) {
    // SAFETY: libuv is done with the handle; both allocations are those of `Handle::new`.
    unsafe {
        drop(Box::from_raw(uv_handle_get_data(raw).cast::<Task>()));
        dealloc(raw.cast(), layout(uv_handle_get_type(raw)));
    }
}

extern "C" fn polled(raw: Raw, status: c_int, events: c_int) {
    // An error of the poll is an error of the next receive, so it counts as readable.
    run(raw, if status < 0 { READABLE } else { events });
}

extern "C" fn called(raw: Raw) {
    run(raw, 0);
}

fn run(raw: Raw, events: c_int) {
    // SAFETY: the task lives until `free`, which libuv calls from its loop and never within a callback.
    let task = unsafe { &*uv_handle_get_data(raw).cast::<Task>() };
    task(events);
}

/// Tells when a socket can be read or written.
pub struct Poll(Handle);

impl Poll {
    /// Of `fd`, which must outlive this; watches nothing yet.
    pub fn new(event_loop: Loop, fd: RawFd, task: Task) -> io::Result<Self> {
        // SAFETY: the loop is Node's and lives as long as the thread.
        Handle::new(Type::Poll, task, |raw| unsafe { uv_poll_init(event_loop, raw, fd) }).map(Self)
    }

    /// Watches for `events` from now on, and no others.
    pub fn watch(&self, events: c_int) -> io::Result<()> {
        // SAFETY: an initialized poll handle.
        check(unsafe { uv_poll_start(self.0.0, events, polled) })
    }
}

/// Calls once, later.
pub struct Timer(Handle);

impl Timer {
    /// Not running.
    pub fn new(event_loop: Loop, task: Task) -> io::Result<Self> {
        // SAFETY: as in `Poll::new`.
        Handle::new(Type::Timer, task, |raw| unsafe { uv_timer_init(event_loop, raw) }).map(Self)
    }

    /// Runs out after `time`, rounded up to a millisecond; a run under way is forgotten.
    pub fn start(&self, time: Duration) -> io::Result<()> {
        let ms = u64::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        // SAFETY: an initialized timer handle.
        check(unsafe { uv_timer_start(self.0.0, called, ms, 0) })
    }
}

/// Calls with every turn of the loop, which does not sleep meanwhile.
pub struct Idle(Handle);

impl Idle {
    /// Not running.
    pub fn new(event_loop: Loop, task: Task) -> io::Result<Self> {
        // SAFETY: as in `Poll::new`.
        Handle::new(Type::Idle, task, |raw| unsafe { uv_idle_init(event_loop, raw) }).map(Self)
    }

    /// Starts, or goes on.
    pub fn start(&self) -> io::Result<()> {
        // SAFETY: an initialized idle handle.
        check(unsafe { uv_idle_start(self.0.0, called) })
    }

    /// The loop may sleep again.
    pub fn stop(&self) -> io::Result<()> {
        // SAFETY: an initialized idle handle.
        check(unsafe { uv_idle_stop(self.0.0) })
    }
}
