//! Linker arguments of a Node addon.

fn main() {
    napi_build::setup();
    // Node unloads an addon that only worker threads loaded, with its statics and code still in use elsewhere (host/pin.rs).
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
