//! Tells the linker that the symbols of Node-API come with the process.

fn main() {
    napi_build::setup();
}
