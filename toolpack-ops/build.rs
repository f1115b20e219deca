//! Tells the tests whether the catalog of bext is at hand, so that those that need it show as ignored, with the reason.
#![allow(clippy::print_stdout, reason = "how a build script talks to cargo")]

#[path = "tests/support/catalog_dir.rs"]
mod catalog_dir;

fn main() {
    // Nobody but the tests of this workspace needs to know; the published package has neither them nor this.
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=tests/support/catalog_dir.rs");
    println!("cargo::rerun-if-env-changed={}", catalog_dir::VARIABLE);
    println!("cargo::rustc-check-cfg=cfg(bext_catalog)");
    match catalog_dir::find(env!("CARGO_MANIFEST_DIR").as_ref()) {
        Ok(file) => {
            println!("cargo::rerun-if-changed={}", file.display());
            println!("cargo::rustc-cfg=bext_catalog");
        }
        // A variable that is set but wrong must fail the tests, not skip them.
        Err(_) if std::env::var_os(catalog_dir::VARIABLE).is_some() => {
            println!("cargo::rustc-cfg=bext_catalog");
        }
        Err(_) => {}
    }
}
