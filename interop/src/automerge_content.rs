//! What a document holds, as JSON. Compiled once for each version of Automerge: `super` says which.

use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value as Json};

use super::automerge::transaction::{Transactable, Transaction};
use super::automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value};
use crate::automerge_document::{Content, Entries, Entry, Splice, fault};
use crate::fault::Fault;
use crate::pattern::Tally;

/// Sets keys of the root in one change.
pub fn put(document: &mut Automerge, entries: &Entries) -> Result<(), Fault> {
    change(document, |change| {
        for (key, entry) in entries {
            set(change, key, entry)?;
        }
        Ok(())
    })
}

pub fn delete(document: &mut Automerge, key: &str) -> Result<(), Fault> {
    change(document, |change| change.delete(ROOT, key).map_err(fault))
}

pub fn splice(document: &mut Automerge, splice: &Splice) -> Result<(), Fault> {
    let text = match document.get(ROOT, splice.key.as_str()).map_err(fault)? {
        Some((Value::Object(ObjType::Text), text)) => text,
        _ => return Err(Fault::usage(format!("{} is no text", splice.key))),
    };
    change(document, |change| {
        change.splice_text(&text, splice.at, splice.delete, &splice.insert).map_err(fault)
    })
}

/// Runs `edit` as one change; none if it fails.
fn change(
    document: &mut Automerge,
    edit: impl FnOnce(&mut Transaction<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut change = document.transaction();
    edit(&mut change)?;
    change.commit();
    Ok(())
}

fn set(change: &mut Transaction<'_>, key: &str, entry: &Entry) -> Result<(), Fault> {
    match entry {
        Entry::Content(Content::Text(text)) => {
            let object = change.put_object(ROOT, key, ObjType::Text).map_err(fault)?;
            change.splice_text(&object, 0, 0, text).map_err(fault)
        }
        Entry::Content(Content::Random(bytes)) => {
            let mut value = vec![0; *bytes];
            SystemRandom::new().fill(&mut value).map_err(fault)?;
            change.put(ROOT, key, ScalarValue::Bytes(value)).map_err(fault)
        }
        Entry::Scalar(value) => change.put(ROOT, key, scalar(value)?).map_err(fault),
    }
}

fn scalar(value: &Json) -> Result<ScalarValue, Fault> {
    Ok(match value {
        Json::Null => ScalarValue::Null,
        Json::Bool(flag) => ScalarValue::Boolean(*flag),
        Json::String(text) => ScalarValue::Str(text.as_str().into()),
        Json::Number(number) => match number.as_i64() {
            Some(number) => ScalarValue::Int(number),
            None => ScalarValue::F64(number.as_f64().unwrap_or_default()),
        },
        Json::Array(_) | Json::Object(_) => return Err(Fault::usage("an unknown kind of value")),
    })
}

/// The root as JSON.
pub fn read(document: &Automerge) -> Result<Map<String, Json>, Fault> {
    map(document, &ROOT)
}

fn map(document: &Automerge, object: &ObjId) -> Result<Map<String, Json>, Fault> {
    let mut entries = Map::new();
    for key in document.keys(object) {
        if let Some((value, child)) = document.get(object, key.as_str()).map_err(fault)? {
            entries.insert(key, json(document, &value, &child)?);
        }
    }
    Ok(entries)
}

fn json(document: &Automerge, value: &Value<'_>, object: &ObjId) -> Result<Json, Fault> {
    let scalar = match value {
        Value::Object(ObjType::Map | ObjType::Table) => {
            return map(document, object).map(Json::Object);
        }
        Value::Object(ObjType::Text) => {
            return Ok(Json::String(document.text(object).map_err(fault)?));
        }
        Value::Object(ObjType::List) => {
            let mut items = Vec::new();
            for at in 0..document.length(object) {
                if let Some((value, child)) = document.get(object, at).map_err(fault)? {
                    items.push(json(document, &value, &child)?);
                }
            }
            return Ok(Json::Array(items));
        }
        Value::Scalar(scalar) => scalar,
    };
    Ok(match &**scalar {
        ScalarValue::Str(text) => Json::String(text.to_string()),
        ScalarValue::Int(number) | ScalarValue::Timestamp(number) => (*number).into(),
        ScalarValue::Uint(number) => (*number).into(),
        ScalarValue::F64(number) => (*number).into(),
        ScalarValue::Boolean(flag) => (*flag).into(),
        ScalarValue::Bytes(bytes) => {
            let mut tally = Tally::new();
            tally.add(bytes);
            tally.finish()
        }
        ScalarValue::Counter(counter) => i64::from(counter).into(),
        ScalarValue::Null => Json::Null,
        ScalarValue::Unknown { .. } => return Err(Fault::usage("a value of an unknown kind")),
    })
}

pub fn heads(document: &Automerge) -> Vec<String> {
    let mut heads: Vec<_> = document.get_heads().iter().map(ToString::to_string).collect();
    heads.sort();
    heads
}
