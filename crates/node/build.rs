//! Sets the linker flags of a Node addon and tells it the versions of what it stands on.

fn main() {
    napi_build::setup();
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=GAIWAN_TARGET={target}");
    println!("cargo:rerun-if-changed=../../Cargo.lock");
    let lock = std::fs::read_to_string("../../Cargo.lock").unwrap_or_default();
    for (variable, package) in [("GAIWAN_QUINN", "quinn"), ("GAIWAN_RUSTLS", "rustls")] {
        println!("cargo:rustc-env={variable}={}", version(&lock, package).unwrap_or("unknown"));
    }
}

/// The version of a package in the text of a lock file.
fn version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split_once('"').map(|(version, _)| version)
}
