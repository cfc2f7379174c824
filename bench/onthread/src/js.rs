//! The one function of JavaScript that is called from libuv's callbacks.
#![allow(
    unsafe_code,
    reason = "napi-rs has no safe call of this kind: its threadsafe functions wake the loop"
)]

use std::ptr;

use napi::{Env, Error, JsValue, Result, Status, bindgen_prelude::Function, check_status, sys};

/// A function of one `ArrayBuffer`, held until this is dropped.
pub struct Callback {
    env: sys::napi_env,
    function: sys::napi_ref,
    /// Without it Node runs neither microtasks nor `process.nextTick` behind the call.
    context: sys::napi_async_context,
}

impl Callback {
    /// Holds `function`.
    pub fn new(env: &Env, function: &Function<'_, (), ()>) -> Result<Self> {
        let name = env.create_string("onthread")?;
        let env = env.raw();
        let (mut held, mut context) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: live values of this environment, on its thread.
        check_status!(unsafe { sys::napi_create_reference(env, function.raw(), 1, &mut held) })?;
        // SAFETY: the same; Node makes a resource of its own for the null.
        check_status!(unsafe {
            sys::napi_async_init(env, ptr::null_mut(), name.raw(), &mut context)
        })?;
        Ok(Self { env, function: held, context })
    }

    /// Calls it with a copy of `bytes`, then runs the microtasks. What it throws is an uncaught exception.
    pub fn call(&self, bytes: &[u8]) -> Result<()> {
        let mut scope = ptr::null_mut();
        // SAFETY: the thread of the environment; libuv's callbacks have no scope of their own.
        check_status!(unsafe { sys::napi_open_handle_scope(self.env, &mut scope) })?;
        let outcome = self.call_in_scope(bytes);
        // SAFETY: the scope from above, and no value of it is left.
        check_status!(unsafe { sys::napi_close_handle_scope(self.env, scope) })?;
        outcome
    }

    fn call_in_scope(&self, bytes: &[u8]) -> Result<()> {
        let (mut function, mut this, mut block) =
            (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let mut data = ptr::null_mut();
        // SAFETY: a scope is open, the reference is strong, and the buffer has room for the bytes.
        let status = unsafe {
            check_status!(sys::napi_get_reference_value(self.env, self.function, &mut function))?;
            check_status!(sys::napi_get_global(self.env, &mut this))?;
            check_status!(sys::napi_create_arraybuffer(
                self.env,
                bytes.len(),
                &mut data,
                &mut block
            ))?;
            ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast::<u8>(), bytes.len());
            sys::napi_make_callback(
                self.env,
                self.context,
                this,
                function,
                1,
                &block,
                ptr::null_mut(),
            )
        };
        if status == sys::Status::napi_pending_exception {
            let mut error = ptr::null_mut();
            // SAFETY: an exception is pending.
            return check_status!(unsafe {
                sys::napi_get_and_clear_last_exception(self.env, &mut error);
                sys::napi_fatal_exception(self.env, error)
            });
        }
        if status == sys::Status::napi_ok {
            return Ok(());
        }
        Err(Error::new(Status::from(status), "the call into JavaScript failed"))
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        // SAFETY: both were made in `new`, on this thread.
        unsafe {
            sys::napi_delete_reference(self.env, self.function);
            sys::napi_async_destroy(self.env, self.context);
        }
    }
}
