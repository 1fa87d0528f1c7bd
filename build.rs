//! Chooses the kernel interface (`cfg(kqueue)` or `cfg(epoll)`) and, for the
//! feature `libkqueue` on Linux, finds the system's libkqueue.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let os = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let over_libkqueue = env::var_os("CARGO_FEATURE_LIBKQUEUE").is_some();
    match os.as_str() {
        "macos" | "freebsd" | "netbsd" | "openbsd" | "dragonfly" => {
            println!("cargo:rustc-cfg=kqueue");
        }
        "linux" if over_libkqueue => {
            println!("cargo:rustc-cfg=kqueue");
            find_libkqueue();
        }
        "linux" => println!("cargo:rustc-cfg=epoll"),
        _ => {} // src/lib.rs says what to do
    }
}

/// Asks pkg-config where libkqueue is. Without it the code still type-checks;
/// only linking fails, and the warning says why.
fn find_libkqueue() {
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    let answer = Command::new("pkg-config").args(["--libs", "libkqueue"]).output();
    match answer {
        Ok(output) if output.status.success() => {
            for flag in String::from_utf8_lossy(&output.stdout).split_whitespace() {
                if let Some(dir) = flag.strip_prefix("-L") {
                    println!("cargo:rustc-link-search=native={dir}");
                    println!("cargo:rustc-link-arg=-Wl,-rpath,{dir}");
                } else if let Some(name) = flag.strip_prefix("-l") {
                    println!("cargo:rustc-link-lib={name}");
                }
            }
        }
        Ok(_) => println!(
            "cargo:warning=feature `libkqueue`: pkg-config does not know libkqueue; \
             checking works, linking will fail. Install libkqueue with its .pc file, \
             or set PKG_CONFIG_PATH."
        ),
        Err(error) => println!(
            "cargo:warning=feature `libkqueue`: cannot run pkg-config ({error}); \
             checking works, linking will fail. Install pkg-config and libkqueue."
        ),
    }
}
