//! `virt-hooks`: the hook of libvirt's drivers, and under its own name the operator's command.

use std::process::ExitCode;

use virt_hooks::{Role, command, hook};

/// musl's own maps memory anew for each size that is asked for, which is dear for a program that ends at once.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    match Role::of(program.as_ref()) {
        Role::Hook(driver) => hook::main(driver, arguments.collect()),
        Role::Command => command::main(),
        Role::Detached => hook::detached::main(arguments.collect()),
        Role::Background => hook::background::main(arguments.collect()),
    }
}
