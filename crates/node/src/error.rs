//! The only place that makes an error for JavaScript.

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;
use serde_json::{Map, Value};

/// The error JSON of the boundary.
pub fn to_json(failure: &Failure) -> String {
    let mut map = Map::new();
    map.insert("code".into(), failure.code.as_str().into());
    map.insert("message".into(), failure.message.clone().into());
    if let Some(code) = failure.application_code {
        // Decimal text: an application code can pass 2^53.
        map.insert("applicationCode".into(), code.to_string().into());
    }
    if let Some(reason) = &failure.reason {
        map.insert("reason".into(), reason.clone().into());
    }
    if let Some(by) = failure.by {
        map.insert("by".into(), by.as_str().into());
    }
    if let Some(alert) = failure.alert {
        map.insert("alert".into(), alert.into());
    }
    if let Some(bytes) = failure.bytes_read {
        map.insert("bytesRead".into(), bytes.into());
    }
    Value::Object(map).to_string()
}

/// A failure as an exception.
pub fn to_js(failure: Failure) -> napi::Error {
    napi::Error::new(napi::Status::GenericFailure, to_json(&failure))
}

/// A handle that is gone: the object was closed, or the integer never was one.
pub fn stale(what: &str) -> napi::Error {
    to_js(Failure::new(ErrorCode::Internal, format!("there is no such {what}")))
}
