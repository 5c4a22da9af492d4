//! `make install` and `make uninstall`, as a person calls them.
//!
//! Needs root and Debian's packages, which `tests/prepare root` installs. Every test has a machine of its own: this one in
//! private namespaces, where what is written stays in a folder that the test can look at. `VIRT_HOOKS_BIN` names another
//! binary to install, such as the static one.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

mod files;
mod machine;

mod build;
mod destdir;
mod foreign;
mod host;
mod rehearsal;
mod uninstall;
