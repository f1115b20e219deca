//! Tells the tests what this machine has, so that those that need more show as ignored, with the reason.
#![allow(clippy::print_stdout, reason = "how a build script talks to cargo")]

#[path = "tests/support/spec_dir.rs"]
mod spec_dir;

fn main() {
    // Nobody but the tests of this workspace needs to know; the published package has no tests.
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=tests/support/spec_dir.rs");
    for (cfg, variable) in [
        ("node_client", "TOOLPACK_NODE"),
        ("python_client", "TOOLPACK_PYTHON"),
        ("python_1x_client", "TOOLPACK_PYTHON_1X"),
        ("rmcp_client", "TOOLPACK_RMCP_CLIENT"),
    ] {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        println!("cargo::rerun-if-env-changed={variable}");
        if std::env::var_os(variable).is_some() {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
    println!("cargo::rustc-check-cfg=cfg(mcp_spec)");
    println!("cargo::rerun-if-env-changed={}", spec_dir::VARIABLE);
    match spec_dir::find(env!("CARGO_MANIFEST_DIR").as_ref()) {
        Ok(folder) => {
            println!("cargo::rerun-if-changed={}", folder.display());
            println!("cargo::rustc-cfg=mcp_spec");
        }
        // A variable that is set but wrong must fail the tests, not skip them.
        Err(_) if std::env::var_os(spec_dir::VARIABLE).is_some() => println!("cargo::rustc-cfg=mcp_spec"),
        Err(_) => {}
    }
}
